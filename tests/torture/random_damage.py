#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Damage filesystems at random, and repair them.

    random_damage.py [--seed N] [--rounds N] [--work DIR]

Every round takes an image, does some edits to what is known about allocation - keys deleted, moved,
made up, bits of their values changed, whole btrees dropped - and runs "fsck -y", which has to end with
everything repaired; after it "fsck -y" and "fsck -n" find nothing, and all files are what the
fixture's manifest says. The seed is printed first; a round that fails leaves its images and the script
of its edits, and "--seed N --first ROUND --rounds 1" does it again.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), 'lib'),
                os.path.join(os.path.dirname(HERE), 'reference')]
sys.dont_write_bytecode = True

import fscktest     # noqa: E402
import images       # noqa: E402
import run          # noqa: E402

BASES = ['small-138', 'snaps-138', 'multi2-138', 'multi3-ec-138', 'cached-138', 'discard-138',
         'nocow-falloc-138', 'btree64k-138']
#: btrees whose keys can all be made anew from others; of the values of which this many bytes are used
BTREES = {'alloc': 56, 'freespace': 0, 'need_discard': 0, 'lru': 0, 'backpointers': 32,
          'bucket_gens': 256, 'accounting': 8}
NR_EDITS = [1, 1, 2, 3, 5, 10, 40]


class Failed(Exception):
    pass


def keys_of(devs):
    """-> {btree: [(inode, offset, type), ...]}"""
    out = {}
    for b in BTREES:
        r = run.bcachefs('list', '--json', '-b', b, *devs, rc=0)
        keys = [json.loads(x) for x in r.out.splitlines() if x.startswith('{')]
        out[b] = [(int(k['pos']['inode']), int(k['pos']['offset']), k['type']) for k in keys]
    return out


class Edits:
    """A script for debug-edit. Positions that were used are not used again."""

    def __init__(self, keys, rng):
        self.keys, self.rng, self.used = keys, rng, set()
        self.lines = [self._line() for _ in range(rng.choice(NR_EDITS))]
        if rng.random() < 0.15:
            self.lines += ['drop-btree ' + b for b in rng.sample(sorted(BTREES), rng.randint(1, 3))]

    def text(self):
        return '\n'.join(x for x in self.lines if x) + '\n'

    def _near(self, n):
        """A number that has something to do with n, of 64 bits."""
        r = self.rng
        return r.choice([n + r.randint(-3, 3), n + r.randint(-300, 300), n ^ (1 << r.randrange(64)),
                         r.randrange(4096), 0, (1 << 64) - 1]) % (1 << 64)

    def _line(self):
        r = self.rng
        btree = r.choice(sorted(BTREES))
        if not self.keys[btree]:
            return None
        inode, offset, kind = r.choice(self.keys[btree])
        pos = '%d:%d' % (inode, offset)
        if (btree, pos) in self.used:
            return None
        self.used.add((btree, pos))
        what = r.choice(['delete', 'change', 'change', 'insert', 'move'])
        if what == 'change' and BTREES[btree]:
            at = r.randrange(BTREES[btree])
            return '%sset %s %s u8@%d^=%d' % (r.choice(['', 'unchecked ']), btree, pos, at,
                                            r.choice([1 << r.randrange(8), r.randint(1, 255)]))
        to = (self._near(inode) if r.random() < 0.3 else inode, self._near(offset))
        if what == 'insert' and not BTREES[btree]:
            size = ' size=%d' % r.randint(1, 50) if btree == 'freespace' else ''
            return 'overwrite %s %d:%d set%s' % (btree, *to, size)
        if what == 'move' and kind != 'accounting' and btree != 'freespace':
            return 'move %s %s %d:%d' % (btree, pos, *to)
        return 'delete %s %s' % (btree, pos)


class Base:
    """A fixture, and what is in it."""

    def __init__(self, name, cache, work):
        self.name, self.work = name, os.path.join(work, name)
        os.makedirs(self.work)
        self.devs = cache.copy(name, self.work)
        self.keys = keys_of(self.devs)

    def fresh(self):
        out = [d + '.now' for d in self.devs]
        for a, b in zip(self.devs, out):
            subprocess.run(['cp', '--sparse=always', a, b], check=True)
        return out


def fsck(mode, devs, ok, what):
    r, report = fscktest.fsck(mode, devs=devs, timeout=120)
    if report is None or r.rc not in ok:
        raise Failed('%s\n%r' % (what, r))
    if ok == (0,) and report['errors']:
        raise Failed('%s: reports errors\n%r' % (what, r))
    return report


def hurt(lines, devs):
    """All edits but those that are refused, because keys would not be valid or are there already;
    none behind those after which the filesystem does not start without a repair."""
    while lines:
        r = run.bcachefs('debug-edit', *devs, '-', stdin='\n'.join(lines) + '\n')
        if not r.rc:
            return
        at = re.search(r'line (\d+)', r.err)
        if r.rc != 1:
            raise Failed('debug-edit\n%r' % r)
        if not at:
            return
        lines = lines[int(at.group(1)):]


def one_round(base, seed):
    """-> (edits that were made, errors found)"""
    edits = Edits(base.keys, random.Random(seed))
    devs = base.fresh()
    with open(os.path.join(base.work, 'script'), 'w', encoding='ascii') as f:
        f.write(edits.text())
    hurt(edits.text().splitlines(), devs)
    found = fsck('-y', devs, (0, 1), 'the repair')
    fsck('-y', devs, (0,), 'the second run')
    fsck('-n', devs, (0,), 'the run that only looks')
    diff = fscktest.compare_files(base.name, devs, base.work)
    if diff:
        raise Failed('files differ: %s' % '; '.join(diff[:5]))
    return collections.Counter(e['id'] for e in found['errors'])


def main():
    p = argparse.ArgumentParser(description='Damage filesystems at random, and repair them.')
    p.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument('--first', type=int, default=0, help='number of the first round')
    p.add_argument('--rounds', type=int, default=100)
    p.add_argument('--keep-going', action='store_true', help='after rounds that fail')
    p.add_argument('--work', help='directory for images; those of a failure are left in it')
    a = p.parse_args()
    work = tempfile.mkdtemp(prefix='random-damage-', dir=a.work)
    print('seed %d' % a.seed, flush=True)
    cache = images.Cache(os.path.join(work, 'images'))
    bases = [Base(name, cache, work) for name in BASES]

    failed, found = 0, collections.Counter()
    for n in range(a.first, a.first + a.rounds):
        base = bases[n % len(bases)]
        try:
            found += one_round(base, '%d-%d' % (a.seed, n))
        except (Failed, AssertionError) as e:
            failed += 1
            print('FAILED with seed %d, round %d, %s, in %s\n%s' %
                  (a.seed, n, base.name, base.work, e), flush=True)
            if not a.keep_going:
                return 1
        if (n + 1 - a.first) % 20 == 0:
            print('%d rounds' % (n + 1 - a.first), flush=True)
    print('%d rounds, %d errors of %d kinds found and repaired' %
          (a.rounds, sum(found.values()), len(found)))
    if not failed:
        shutil.rmtree(work)
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
