# SPDX-License-Identifier: GPL-2.0
"""A slow restore with the independent decoder, into a directory or a pax archive.

It exists so that the comparisons in manifest.py and tarcmp.py can be tested without the tool, and
as a second opinion when the tool and a manifest disagree.
"""
import io
import os
import stat
import tarfile

import bcr

FOREIGN = b'bcachefs.'


def entries(devs, passphrase=None):
    fs = bcr.FS(list(devs), passphrase)
    for path, inode, subvol, _ in fs.walk():
        yield fs, path, inode, subvol


def _regions(fs, inode, subvol):
    """Where a copy has to write: everything that is data for SEEK_DATA, also below reflinks."""
    return bcr.data_regions(fs, inode, subvol)


def to_directory(devs, root, passphrase=None):
    root, links, late = os.fsencode(root), {}, []
    os.makedirs(root, exist_ok=True)
    for fs, path, i, sv in entries(devs, passphrase):
        dst = root if path == b'.' else root + b'/' + path
        kind = stat.S_IFMT(i['mode'])
        key = (sv, i['inum'])
        if kind != stat.S_IFDIR and key in links:
            os.link(links[key], dst, follow_symlinks=False)
            continue
        links[key] = dst
        if kind == stat.S_IFDIR:
            if path != b'.':
                os.mkdir(dst)
        elif kind == stat.S_IFLNK:
            os.symlink(b''.join(fs.read_file(i, sv)), dst)
        elif kind == stat.S_IFREG:
            with open(dst, 'wb') as f:
                for start, end in _regions(fs, i, sv):
                    f.seek(start)
                    for b in fs.read_file(i, sv, start, end):
                        f.write(b)
                f.truncate(i['size'])
        else:
            os.mknod(dst, i['mode'], os.makedev(i['dev'] >> 20, i['dev'] & 0xfffff))
        os.lchown(dst, i['uid'], i['gid'])
        if kind != stat.S_IFLNK:
            os.chmod(dst, i['mode'] & 0o7777)
        for n, v in fs.xattrs(i, sv).items():
            if not n.startswith(FOREIGN):
                os.setxattr(dst, n, v, follow_symlinks=False)
        late.append((dst, fs.time_ns(i['mtime'])))
    for dst, ns in reversed(late):
        os.utime(dst, ns=(ns, ns), follow_symlinks=False)


def to_tar(devs, path, passphrase=None):
    links = {}
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT, errors='surrogateescape') as tar:
        for fs, p, i, sv in entries(devs, passphrase):
            kind = stat.S_IFMT(i['mode'])
            if kind == stat.S_IFSOCK:
                continue
            t = tarfile.TarInfo(p.decode('utf-8', 'surrogateescape'))
            t.mode, t.uid, t.gid = i['mode'] & 0o7777, i['uid'], i['gid']
            ns = fs.time_ns(i['mtime'])
            t.pax_headers['mtime'] = '%s%d.%09d' % ('-' if ns < 0 else '', abs(ns) // 10**9,
                                                    abs(ns) % 10**9)
            t.mtime = ns // 10**9
            for n, v in fs.xattrs(i, sv).items():
                t.pax_headers['SCHILY.xattr.' + n.decode('utf-8', 'surrogateescape')] = \
                    v.decode('utf-8', 'surrogateescape')
            data, key = b'', (sv, i['inum'])
            if kind != stat.S_IFDIR and key in links:
                t.type, t.linkname = tarfile.LNKTYPE, links[key]
            elif kind == stat.S_IFDIR:
                t.type = tarfile.DIRTYPE
            elif kind == stat.S_IFLNK:
                t.type = tarfile.SYMTYPE
                t.linkname = b''.join(fs.read_file(i, sv)).decode('utf-8', 'surrogateescape')
            elif kind == stat.S_IFREG:
                data = b''.join(fs.read_file(i, sv))
                t.size = len(data)
            else:
                t.type = {stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE,
                          stat.S_IFIFO: tarfile.FIFOTYPE}[kind]
                t.devmajor, t.devminor = i['dev'] >> 20, i['dev'] & 0xfffff
            links.setdefault(key, t.name)
            tar.addfile(t, io.BytesIO(data))
