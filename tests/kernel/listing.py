#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""listing.py ROOT OUT.json: what a mounted filesystem shows, in the form of a fixture's manifest."""
import base64
import hashlib
import json
import os
import stat
import sys

TYPES = {stat.S_IFREG: 'file', stat.S_IFDIR: 'dir', stat.S_IFLNK: 'symlink', stat.S_IFCHR: 'chr',
         stat.S_IFBLK: 'blk', stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'sock'}
entries, links = [], {}


def text(b):
    try:
        s = b.decode()
        return s if s.isprintable() else {'b64': base64.b64encode(b).decode()}
    except UnicodeDecodeError:
        return {'b64': base64.b64encode(b).decode()}


def regions(fd, size):
    out, pos = [], 0
    while pos < size:
        try:
            start = os.lseek(fd, pos, os.SEEK_DATA)
        except OSError:
            break
        pos = os.lseek(fd, start, os.SEEK_HOLE)
        out.append([start, pos])
    return out


def file_part(path, st, e):
    e['size'] = st.st_size
    key = (st.st_dev, st.st_ino)
    if key in links:
        e['hardlink_of'] = links[key]
        return
    if st.st_nlink > 1:
        links[key] = e['path']
    with open(path, 'rb') as f:
        e['sha256'] = hashlib.sha256(f.read()).hexdigest()
        data = regions(f.fileno(), st.st_size)
    if st.st_size and data != [[0, st.st_size]]:
        e['data'] = data


def visit(path, rel):
    st = os.lstat(path)
    e = {'path': text(rel), 'type': TYPES[stat.S_IFMT(st.st_mode)], 'mode': oct(st.st_mode),
         'uid': st.st_uid, 'gid': st.st_gid, 'nlink': st.st_nlink, 'mtime_ns': st.st_mtime_ns}
    x = {n: base64.b64encode(os.getxattr(path, n, follow_symlinks=False)).decode()
         for n in sorted(os.listxattr(path, follow_symlinks=False))
         if not n.startswith('bcachefs_effective.')}
    if x:
        e['xattrs_b64'] = x
    if e['type'] == 'file':
        file_part(path, st, e)
    elif e['type'] == 'symlink':
        e['target'] = text(os.readlink(path))
    elif e['type'] in ('chr', 'blk'):
        e['rdev'] = [os.major(st.st_rdev), os.minor(st.st_rdev)]
    entries.append(e)
    if e['type'] == 'dir':
        for n in sorted(os.listdir(path)):
            sub = os.path.join(path, n)
            if rel == b'.' and n == b'lost+found' and not os.listdir(sub):
                continue
            visit(sub, n if rel == b'.' else rel + b'/' + n)


visit(os.fsencode(sys.argv[1]), b'.')
with open(sys.argv[2], 'w') as f:
    json.dump({'entries': entries}, f)
