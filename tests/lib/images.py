# SPDX-License-Identifier: GPL-2.0
"""Fixture images: names, unpacking, a cache for one test session, hashes that know about holes.

An unpacked image is given the modification time STAMP. Whoever writes to it changes that time, so
the runner (run.py) can tell after every command whether the device was touched; check_unchanged()
compares the contents as well.
"""
import hashlib
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(os.path.dirname(HERE), 'fixtures')
STAMP = 1_000_000_000 * 10**9
PASSPHRASE = 'oracle-pass'


def _scan():
    devs = {}
    for f in sorted(os.listdir(FIXTURES)):
        if f.endswith('.img.zst'):
            stem = f[:-len('.img.zst')]
            name = stem
            if not os.path.exists(os.path.join(FIXTURES, name + '.json.zst')):
                name = re.sub(r'-\d+$', '', stem)
            devs.setdefault(name, []).append(f)
    return devs


DEVICES = _scan()
NAMES = sorted(DEVICES)


def needs_passphrase(name):
    return name.startswith(('encrypted-1', 'encrypted-6', 'enc-'))


def is_unclean(name):
    return name.startswith(('unclean-', 'blacklist-', 'discard-'))


def data_map(fd):
    """[(start, end), ...]: the parts of a file that are not holes."""
    size, pos, out = os.fstat(fd).st_size, 0, []
    while pos < size:
        try:
            start = os.lseek(fd, pos, os.SEEK_DATA)
        except OSError:
            break
        pos = os.lseek(fd, start, os.SEEK_HOLE)
        out.append((start, pos))
    return out


def content_hash(path):
    """A hash of a file's bytes that skips holes: equal hashes mean equal files, and the time it
    takes depends on what is allocated, not on the size."""
    h = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY)
    try:
        h.update(b'%d' % os.fstat(fd).st_size)
        for start, end in data_map(fd):
            pos = start
            while pos < end:
                chunk = os.pread(fd, min(1 << 20, end - pos), pos)
                if not chunk:
                    break
                # all-zero blocks count as holes, so that only bytes matter
                for i in range(0, len(chunk), 4096):
                    b = chunk[i:i + 4096]
                    if b.strip(b'\0'):
                        h.update(b'@%d:' % (pos + i))
                        h.update(b)
                pos += len(chunk)
    finally:
        os.close(fd)
    return h.hexdigest()


def stamp(path):
    os.utime(path, ns=(STAMP, STAMP))


def touched(path):
    return os.stat(path).st_mtime_ns != STAMP


class Cache:
    """Unpacked images of one session below one directory."""

    def __init__(self, root):
        self.root = root
        os.makedirs(root, exist_ok=True)

    def get(self, name):
        """-> list of paths, one per device. The files are shared: do not write to them."""
        out = []
        for f in DEVICES[name]:
            path = os.path.join(self.root, f[:-len('.zst')])
            if not os.path.exists(path):
                tmp = path + '.tmp'
                subprocess.run(['zstd', '-q', '-d', '-f', '--long=27', '--sparse', '-o', tmp,
                                os.path.join(FIXTURES, f)], check=True)
                stamp(tmp)
                os.rename(tmp, path)
            out.append(path)
        return out

    def copy(self, name, where):
        """-> paths of a private copy below `where`, for tests that damage it."""
        out = []
        for path in self.get(name):
            dst = os.path.join(where, os.path.basename(path))
            subprocess.run(['cp', '--sparse=always', path, dst], check=True)
            stamp(dst)
            out.append(dst)
        return out

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)
