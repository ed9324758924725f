#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""content.py ROOT SEED: fill a mounted filesystem with a bit of everything, decided by SEED."""
import os
import random
import stat
import sys

root, rnd = sys.argv[1], random.Random(int(sys.argv[2]))
os.umask(0)
os.chdir(root)


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)


def some_bytes(n):
    unit = rnd.randbytes(64)
    return (unit * (n // 64 + 1))[:n] if rnd.random() < .5 else rnd.randbytes(n)


for d in range(8):
    os.mkdir('dir%d' % d)
    for i in range(20):
        write('dir%d/file%02d' % (d, i),
              some_bytes(rnd.choice([0, 1, 50, 511, 512, 4095, 4097, 30000, 200000])))
os.symlink('dir0/file00', 'symlink')
os.link('dir1/file01', 'dir2/hardlink')
os.mknod('null', 0o666 | stat.S_IFCHR, os.makedev(1, 3))
os.mkfifo('fifo')
os.setxattr('dir3', 'user.colour', b'blue')
os.setxattr('dir3/file03', 'trusted.note', rnd.randbytes(300))
os.chown('dir4/file04', 1234, 5678)
os.chmod('dir4/file05', 0o4711)
os.utime('dir4/file06', ns=(10**18 + 7, 10**18 + 7))
with open('sparse', 'wb') as f:
    f.truncate(5 << 20)
    for at in (0, 1 << 20, (5 << 20) - 10):
        f.seek(at)
        f.write(b'island')
with open('overwritten', 'wb') as f:
    f.write(some_bytes(1 << 20))
with open('overwritten', 'r+b') as f:
    for _ in range(60):
        f.seek(rnd.randrange(1 << 20))
        f.write(some_bytes(rnd.randrange(1, 9000)))
        if rnd.random() < .3:
            os.fsync(f.fileno())
for name in ('new\nline', '\u00fcml\u00e4ut', 'x' * 255):
    write(name, name.encode())
for i in range(0, 20, 3):
    os.unlink('dir5/file%02d' % i)
os.rename('dir6', 'renamed')
