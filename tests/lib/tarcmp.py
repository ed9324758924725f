# SPDX-License-Identifier: GPL-2.0
"""Comparison of a pax tar stream with a manifest. GNU sparse 1.0 files are unfolded by tarfile."""
import hashlib
import struct
import tarfile

from manifest import Diff, overlap, holes_of, unb, wanted_xattrs

ACL = 'system.posix_acl_'

TYPES = {tarfile.REGTYPE: 'file', tarfile.AREGTYPE: 'file', tarfile.GNUTYPE_SPARSE: 'file',
         tarfile.DIRTYPE: 'dir', tarfile.SYMTYPE: 'symlink', tarfile.CHRTYPE: 'chr',
         tarfile.BLKTYPE: 'blk', tarfile.FIFOTYPE: 'fifo', tarfile.LNKTYPE: 'link'}


def norm(name):
    b = name.encode('utf-8', 'surrogateescape').rstrip(b'/')
    while b.startswith(b'./'):
        b = b[2:]
    return b or b'.'


def mtime_ns(info, want):
    """The time in the header as POSIX means it: a decimal number. The fraction of a second before
    1970 has no form in what libarchive writes: the whole second is there."""
    text = info.pax_headers.get('mtime')
    if text is None:
        return int(info.mtime) * 10**9
    sign = -1 if text.startswith('-') else 1
    whole, _, frac = text.lstrip('-').partition('.')
    got = sign * (int(whole) * 10**9 + int((frac + '0' * 9)[:9]))
    return want if got == -10**9 and got < want < 0 else got


def acl_xattr(text):
    """The xattr that Linux has for an ACL text like user::rw-,group:5:r--,mask::r--"""
    tags = {('user', False): 1, ('user', True): 2, ('group', False): 4, ('group', True): 8,
            ('mask', False): 16, ('other', False): 32}
    entries = []
    for e in text.split(','):
        kind, who, perm = e.split(':')[:3]
        bits = sum(b for b, c in zip((4, 2, 1), perm) if c != '-')
        entries.append((tags[kind, bool(who)], int(who) if who else 0xffffffff, bits))
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', t, b, w)
                                           for t, w, b in sorted(entries))


def modes(e):
    """Permission bits as stat shows them; with an ACL also with the owning group's own bits where
    stat shows the mask, as archivers store them."""
    mode = int(e['mode'], 8) & 0o7777
    out, acl = {mode}, wanted_xattrs(e).get(ACL + 'access')
    for i in range(4, len(acl or b''), 8):
        tag, perm = struct.unpack_from('<HH', acl, i)
        if tag == 4:
            out.add(mode & ~0o70 | perm << 3)
    return out


def compare_tar(m, path):
    """Compare tar file `path` with manifest `m`; -> list of differences."""
    d = Diff()
    want = {unb(e['path']): e for e in m['entries']}
    seen = set()
    with tarfile.open(path, errors='surrogateescape') as tar:
        for t in tar:
            rel = norm(t.name)
            if rel in seen:
                d.append('%r: twice in the archive' % rel)
            seen.add(rel)
            e = want.get(rel)
            if e is None:
                if rel != b'lost+found':
                    d.append('%r: not in the manifest' % rel)
                continue
            if t.type == tarfile.LNKTYPE:
                # manifests know groups of links for regular files only
                other = want.get(norm(t.linkname), {})
                d.eq(rel, 'link to something else', e['type'], other.get('type'))
                if e['type'] == 'file':
                    d.eq(rel, 'hard link of', group(e), group(other))
                continue
            compare_entry(d, tar, t, rel, e)
    missing = [p for p in want if p not in seen and want[p]['type'] != 'sock' and p != b'.']
    d.extend('%r: missing in the archive' % p for p in missing)
    return d


def group(e):
    return unb(e.get('hardlink_of') or e['path'])


def compare_entry(d, tar, t, rel, e):
    d.eq(rel, 'type', e['type'], TYPES.get(t.type))
    if t.mode & 0o7777 not in modes(e):
        d.eq(rel, 'mode', e['mode'], oct(t.mode & 0o7777))
    d.eq(rel, 'owner', (e['uid'], e['gid']), (t.uid, t.gid))
    d.eq(rel, 'mtime', e['mtime_ns'], mtime_ns(t, e['mtime_ns']))
    if e['type'] == 'symlink':
        d.eq(rel, 'target', unb(e['target']), t.linkname.encode('utf-8', 'surrogateescape'))
    if e['type'] in ('chr', 'blk'):
        d.eq(rel, 'device', e['rdev'], [t.devmajor, t.devminor])
    if e['type'] == 'file':
        d.eq(rel, 'size', e['size'], t.size)
        compare_data(d, tar, t, rel, e)
    got = {}
    for k, v in t.pax_headers.items():
        if k.startswith('SCHILY.xattr.') and not k.startswith('SCHILY.xattr.bcachefs.'):
            got[k[len('SCHILY.xattr.'):]] = v.encode('utf-8', 'surrogateescape')
        elif k.startswith('SCHILY.acl.'):
            got[ACL + k[len('SCHILY.acl.'):]] = acl_xattr(v)
    wanted = wanted_xattrs(e)
    d.eq(rel, 'xattr names', sorted(wanted), sorted(got))
    for n in wanted:
        if n in got:
            d.eq(rel, 'xattr ' + n, wanted[n], got[n])


def compare_data(d, tar, t, rel, e):
    f = tar.extractfile(t)
    h = hashlib.sha256()
    if 'sha256_data_regions' in e:
        for start, end in e['data']:
            f.seek(start)
            while start < end:
                b = f.read(min(1 << 20, end - start))
                if not b:
                    break
                h.update(b)
                start += len(b)
        d.eq(rel, 'hash of data', e['sha256_data_regions'], h.hexdigest())
    elif 'sha256' in e:
        for b in iter(lambda: f.read(1 << 20), b''):
            h.update(b)
        d.eq(rel, 'sha256', e['sha256'], h.hexdigest())
    if t.sparse is not None:
        data = [(o, o + n) for o, n in t.sparse if n]
        d.eq(rel, 'bytes stored in holes', 0, overlap(holes_of(e), data))
