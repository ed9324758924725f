# SPDX-License-Identifier: GPL-2.0
"""Manifests of the fixtures, and the comparison of a restored directory or tar stream with one.

Every comparison returns a list of texts, one per difference; an empty list means equal.
"""
import base64
import functools
import hashlib
import json
import os
import stat
import subprocess
import tempfile

from images import FIXTURES, data_map

TYPES = {stat.S_IFREG: 'file', stat.S_IFDIR: 'dir', stat.S_IFLNK: 'symlink', stat.S_IFCHR: 'chr',
         stat.S_IFBLK: 'blk', stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'sock'}

# Attributes that exist only on bcachefs itself: no other filesystem can store them.
FOREIGN_XATTR = 'bcachefs.'

# Holes are compared where the target filesystem can keep them.
HOLE_GRAIN = 4096


def _load(f):
    return json.loads(subprocess.run(['zstd', '-q', '-d', '-c', '--long=27', f], check=True,
                                     stdout=subprocess.PIPE).stdout)


def unb(x):
    """A path, target or name of a manifest as bytes."""
    return base64.b64decode(x['b64']) if isinstance(x, dict) else x.encode()


@functools.lru_cache(maxsize=4)
def load(name):
    """The manifest NAME; `entries` is always a list."""
    m = _load(os.path.join(FIXTURES, name + '.json.zst'))
    if isinstance(m.get('entries'), str):
        big = _load(os.path.join(FIXTURES, name + '.list.json.zst'))
        m['entries'] = big['entries'] if isinstance(big, dict) else big
    m.setdefault('entries', [])
    return m


def wanted_xattrs(e):
    return {n: base64.b64decode(v) for n, v in e.get('xattrs_b64', {}).items()
            if not n.startswith(FOREIGN_XATTR)}


def region_hash(read, regions):
    h = hashlib.sha256()
    for start, end in regions:
        while start < end:
            b = read(start, min(1 << 20, end - start))
            if not b:
                break
            h.update(b)
            start += len(b)
    return h.hexdigest()


def holes_of(e):
    """The holes that a manifest entry has, shrunk to whole HOLE_GRAIN blocks."""
    if 'data' not in e:
        return []
    out, pos = [], 0
    for start, end in e['data'] + [[e['size'], e['size']]]:
        lo, hi = -(-pos // HOLE_GRAIN) * HOLE_GRAIN, start // HOLE_GRAIN * HOLE_GRAIN
        if start == e['size']:
            hi = -(-start // HOLE_GRAIN) * HOLE_GRAIN
        if lo < hi:
            out.append((lo, hi))
        pos = end
    return out


def overlap(a, b):
    """Bytes that two lists of (start, end) have in common."""
    return sum(max(0, min(e, y) - max(s, x)) for s, e in a for x, y in b)


def check_links(d, m, links):
    """Hard links. The kernel shows one device number for all subvolumes, so a manifest joins a file
    and its copies in snapshots into one group; a group of n files with link count c then stands
    for n / c inodes."""
    groups = {}
    for e in m['entries']:
        if e['type'] == 'file' and e['nlink'] > 1:
            groups.setdefault(unb(e.get('hardlink_of') or e['path']), []).append(e)
    got = {p: s for s in links.values() for p in s}
    for first, es in groups.items():
        every = {unb(e['path']) for e in es}
        for e in es:
            mine = got.get(unb(e['path']), set())
            if not mine <= every or len(mine) != min(e['nlink'], len(every)):
                d.eq(unb(e['path']), 'linked with', sorted(every), sorted(mine))


class Diff(list):
    def eq(self, path, what, want, got):
        if want != got:
            self.append('%s: %s: expected %.200r, got %.200r' % (os.fsdecode(path), what, want, got))


def _check_file(d, path, rel, e, links):
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    try:
        st = os.fstat(fd)
        d.eq(rel, 'size', e['size'], st.st_size)
        d.eq(rel, 'nlink', e['nlink'], st.st_nlink)
        links.setdefault((st.st_dev, st.st_ino), set()).add(rel)
        if 'hardlink_of' in e:
            return
        if 'sha256_data_regions' in e:
            d.eq(rel, 'hash of data', e['sha256_data_regions'],
                 region_hash(lambda o, n: os.pread(fd, n, o), e['data']))
        elif 'sha256' in e:
            d.eq(rel, 'sha256', e['sha256'],
                 region_hash(lambda o, n: os.pread(fd, n, o), [(0, st.st_size)]))
        lost = overlap(holes_of(e), data_map(fd))
        d.eq(rel, 'bytes allocated in holes', 0, lost)
    finally:
        os.close(fd)


def _check_xattrs(d, path, rel, e):
    got = {}
    for n in os.listxattr(path, follow_symlinks=False):
        got[n] = os.getxattr(path, n, follow_symlinks=False)
    want = wanted_xattrs(e)
    d.eq(rel, 'xattr names', sorted(want), sorted(got))
    for n in want:
        if n in got:
            d.eq(rel, 'xattr ' + n, want[n], got[n])


def storable(where, ns):
    """What the filesystem of directory `where` makes of a time (ext4 cuts at its first second)."""
    fd, probe = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(where)))
    try:
        os.utime(fd, ns=(ns, ns))
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)
        os.unlink(probe)


def compare_dir(m, root, root_entry=True):
    """Compare the tree below `root` with manifest `m`. Needs root for owners and trusted.*"""
    d, links = Diff(), {}
    root = os.fsencode(root)
    want = {unb(e['path']): e for e in m['entries']}
    seen = set()
    for rel, e in want.items():
        path = root if rel == b'.' else root + b'/' + rel
        try:
            st = os.lstat(path)
        except OSError as ex:
            d.append('%s: %s' % (os.fsdecode(rel), ex.strerror))
            continue
        seen.add(rel)
        if rel == b'.' and not root_entry:
            continue
        d.eq(rel, 'type', e['type'], TYPES[stat.S_IFMT(st.st_mode)])
        if e['type'] != TYPES[stat.S_IFMT(st.st_mode)]:
            continue
        d.eq(rel, 'mode', e['mode'], oct(st.st_mode))
        d.eq(rel, 'owner', (e['uid'], e['gid']), (st.st_uid, st.st_gid))
        if e['mtime_ns'] != st.st_mtime_ns:
            d.eq(rel, 'mtime', storable(root, e['mtime_ns']), st.st_mtime_ns)
        if e['type'] == 'file':
            _check_file(d, path, rel, e, links)
        elif e['type'] == 'symlink':
            d.eq(rel, 'target', unb(e['target']), os.readlink(path))
        elif e['type'] in ('chr', 'blk'):
            d.eq(rel, 'device', e['rdev'], [os.major(st.st_rdev), os.minor(st.st_rdev)])
        if e['type'] not in ('dir', 'file'):
            d.eq(rel, 'nlink', e['nlink'], st.st_nlink)
        _check_xattrs(d, path, rel, e)
    check_links(d, m, links)
    d.extend('%s: not in the manifest' % os.fsdecode(p) for p in sorted(walk(root) - set(want))
             if p != b'lost+found')
    return d


def walk(root):
    """Relative paths of everything below `root` (bytes), the root as b'.'"""
    out, todo = {b'.'}, [b'']
    while todo:
        base = todo.pop()
        with os.scandir(os.path.join(root, base) if base else root) as it:
            for x in it:
                rel = os.path.join(base, x.name)
                out.add(rel)
                if x.is_dir(follow_symlinks=False):
                    todo.append(rel)
    return out
