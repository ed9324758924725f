# SPDX-License-Identifier: GPL-2.0
"""Running the directories of tests/fsck/: see tests/fsck/README.md for what is in one."""
import collections
import functools
import json
import os
import re
import shlex

import images
import manifest
import run
import tarcmp

ROOT = os.path.join(os.path.dirname(images.HERE), 'fsck')
NAMES = sorted(d for d in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, d)))
FORMAT_SIZE = 256 << 20


class Case:
    """One directory, parsed."""

    def __init__(self, name):
        self.name = name
        self.ids, self.may, self.needs, self.args = {}, set(), [], []
        self.rc1, self.rc2, self.files_same = 1, 0, False
        self.base = self._read('base').strip()
        self.damage = self._read('damage')
        for line in self._read('expect').split('\n'):
            words = shlex.split(line, comments=True)
            if words:
                self._expect(words)
        if not self.ids and self.rc1:
            raise ValueError('%s expects nothing' % name)

    def _read(self, f):
        with open(os.path.join(ROOT, self.name, f), encoding='utf-8') as h:
            return h.read()

    def _expect(self, w):
        if w[0] == 'id' and len(w) in (2, 3):
            self.ids[w[1]] = int(w[2]) if len(w) == 3 else None
        elif w[0] == 'may' and len(w) == 2:
            self.may.add(w[1])
        elif w[0] in ('rc1', 'rc2') and len(w) == 2:
            setattr(self, w[0], int(w[1]))
        elif w == ['files-same']:
            self.files_same = True
        elif w[0] == 'needs':
            self.needs += w[1:]
        elif w[0] == 'args':
            self.args += w[1:]
        else:
            raise ValueError('%s: expect: %s' % (self.name, ' '.join(w)))

    # --- the image ---

    def make(self, cache, scratch):
        """-> the image files, before the damage."""
        if not self.base.startswith('format:'):
            return cache.copy(self.base, scratch)
        args = shlex.split(self.base[len('format:'):])
        path = os.path.join(scratch, 'dev-0.img')
        with open(path, 'wb') as f:
            f.truncate(FORMAT_SIZE)
        run.bcachefs('format', '--force', '--quiet', *args, path, rc=0)
        return [path]

    def hurt(self, devs):
        """Line by line: a script for debug-edit, or, behind "!", a command of the tool."""
        script = []

        def flush():
            if any(x.split('#')[0].strip() for x in script):
                run.bcachefs('debug-edit', *devs, '-', stdin='\n'.join(script) + '\n', rc=0)
            script.clear()
        for line in self.damage.split('\n'):
            if line.startswith('!'):
                flush()
                rc, cmd = re.match(r'!(\d*)(.*)', line).groups()
                run.bcachefs(*shlex.split(cmd), *devs, rc=int(rc or 0))
            else:
                script.append(line)
        flush()

    # --- judging ---

    def wrong_ids(self, report):
        """Texts: how the ids of a report differ from those that are expected."""
        have = collections.Counter(e['id'] for e in report['errors'])
        out = ['%s is missing' % i for i in self.ids if not have[i]]
        out += ['%s %d times, expected %d' % (i, have[i], n) for i, n in self.ids.items()
                if n is not None and have[i] and have[i] != n]
        out += ['%s is not expected (%d times)' % (i, n) for i, n in have.items()
                if i not in self.ids and i not in self.may]
        return out

    def compare_files(self, devs, scratch):
        return compare_files(self.base, devs, scratch)


def compare_files(name, devs, scratch):
    """-> texts: where the files of an image differ from the manifest of fixture `name`."""
    path = os.path.join(scratch, 'restored.tar')
    with open(path, 'wb') as f:
        run.bcachefs('restore', ':'.join(devs), '-', stdout=f, rc=0, timeout=300)
    return tarcmp.compare_tar(manifest.load(name), path)


def fsck(*args, devs, **kw):
    """-> (Result, JSON report or None)"""
    r = run.bcachefs('fsck', '--json', *args, *devs, **kw)
    try:
        return r, json.loads(r.out)
    except ValueError:
        return r, None


@functools.lru_cache(maxsize=1)
def can_repair():
    """Does the built fsck repair?"""
    r = run.bcachefs('fsck', '--help')
    return not re.search('without changing anything and needs -n', r.out)
