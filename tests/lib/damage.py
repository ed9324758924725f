# SPDX-License-Identifier: GPL-2.0
"""Finding structures in an image with the independent decoder, and damaging them.

Places are (device index, sector, length in bytes). The damages:
  flip      one bit in the middle of the place
  zero      every byte of the place
  truncate  the place ends in the middle: its second half is zero, as after a torn write
A *reseal* makes the checksum right again, so that validation has to find the damage. Only for
filesystems without encryption.
"""
import collections
import os
import struct

import bcr
import images

Place = collections.namedtuple('Place', 'what dev sector offset length')
Node = collections.namedtuple('Node', 'btree level dev sector key sets')


def _fs(devs):
    return bcr.FS(list(devs))


# ------------------------------------------------------------------ writing

def put(path, offset, data):
    with open(path, 'r+b') as f:
        f.seek(offset)
        f.write(data)
    images.stamp(path)


def get(path, offset, length):
    with open(path, 'rb') as f:
        f.seek(offset)
        return f.read(length)


def zero(path, offset, length):
    put(path, offset, bytes(length))


def flip(path, offset, bit=0):
    put(path, offset, bytes([get(path, offset, 1)[0] ^ 1 << bit]))


def harm(devs, place, how):
    """Damage `place` (Place) on its device."""
    path, at, n = devs[place.dev], place.sector * 512 + place.offset, place.length
    if how == 'flip':
        flip(path, at + n // 2, 3)
    elif how == 'zero':
        zero(path, at, n)
    elif how == 'truncate':
        zero(path, at + n // 2, n - n // 2)
    else:
        raise ValueError(how)


def cut(path, size):
    os.truncate(path, size)
    images.stamp(path)


# ------------------------------------------------------------------ superblocks

def superblocks(devs):
    """A Place for every superblock copy of every device."""
    out = []
    for i, path in enumerate(devs):
        for c in bcr.Device(path).copies:
            out.append(Place('superblock', i, c.offset, 0, len(c.raw)))
    return out


def layout(devs, i=0):
    return Place('layout', i, 7, 0, 512)


def sections(path):
    """{type: (offset in the superblock, length)}"""
    raw, out, o = bcr.Device(path).sb.raw, {}, 752
    while o < len(raw):
        n, t = struct.unpack_from('<II', raw, o)
        out[t] = (o, 8 * n)
        o += 8 * n
    return out


def edit_superblocks(path, change):
    """Apply change(bytearray) to every copy of one device, with right checksums afterwards."""
    for c in bcr.Device(path).copies:
        raw = bytearray(c.raw)
        change(raw)
        raw[:16] = bcr.checksum(c.csum_type, bytes(raw[16:]))
        put(path, c.offset * 512, bytes(raw))


# ------------------------------------------------------------------ journal

def jsets(devs):
    """Places of all journal entries of the replay window, oldest first: [(seq, Place)]."""
    fs = _fs(devs)
    out = []
    for s in sorted(fs.jsets):
        e = fs.jsets[s]
        if not e.ignored:
            for idx, _, _, sector in e.where:
                out.append((s, Place('journal', _slot(fs, idx), sector, 0, len(e.raw))))
    return out


def _slot(fs, dev_idx):
    """Position of a member among the paths that were given."""
    return sorted(fs.devs).index(dev_idx)


def jset_entries(path, sector):
    """[(offset of the sub-entry's header in the entry, type, u64s of its data)]"""
    u64s, = struct.unpack_from('<I', get(path, sector * 512 + 40, 4))
    raw, o, out = get(path, sector * 512, 56 + 8 * u64s), 56, []
    while o + 8 <= len(raw):
        n, _, _, t = struct.unpack_from('<HBBB', raw, o)
        out.append((o, t, n))
        o += 8 + 8 * n
    return out


def reseal_jset(path, sector):
    head = get(path, sector * 512, 56)
    flags, u64s = struct.unpack_from('<II', head, 36)
    raw = get(path, sector * 512, 56 + 8 * u64s)
    put(path, sector * 512, bcr.checksum(flags & 15, raw[16:]))


# ------------------------------------------------------------------ btree nodes

def nodes(devs, btree, level=None):
    """All nodes of a btree in key order (first replica): [Node]."""
    fs, out = _fs(devs), []
    b = bcr.B[btree]
    if b not in fs.roots:
        return out

    def visit(k, lvl):
        ptrs, _ = bcr.parse_entries(k.val[bcr.entries_of(k):], 0, fs.sb.entry_sizes)
        _, _, sets, _ = fs.read_node(k, b, lvl)
        out.append(Node(btree, lvl, _slot(fs, ptrs[0].dev), ptrs[0].offset, k, sets))
        if lvl:
            d = fs.node_contents(k, b, lvl)
            for p in sorted(d):
                visit(d[p], lvl - 1)
    top, root = fs.roots[b]
    visit(root, top)
    return [n for n in out if level is None or n.level == level]


def node_header(node):
    return Place('btree', node.dev, node.sector, 0, 160)


def bset_place(node, nr):
    s = node.sets[nr]
    head = 160 if nr == 0 else 40
    return Place('btree', node.dev, node.sector + s['off'], 0, head + 8 * s['u64s'])


def keys_at(node, nr):
    """(absolute byte offset of the first key, bytes of keys) of set nr of a node."""
    p = bset_place(node, nr)
    head = 160 if nr == 0 else 40
    return p.sector * 512 + head, p.length - head


def reseal_bset(path, node, nr):
    p = bset_place(node, nr)
    raw = get(path, p.sector * 512, p.length)
    h = 136 if nr == 0 else 16
    flags, = struct.unpack_from('<I', raw, h + 16)
    put(path, p.sector * 512, bcr.checksum(flags & 15, raw[16:]))


# ------------------------------------------------------------------ file data

def file_extents(devs, path):
    """[(start sector in the file, Place of the stored bytes)] of a file, first replica only."""
    fs = _fs(devs)
    fs.ready()
    sv = 1
    inode = fs.inode(fs.subvol[1]['inode'], fs.subvol[1]['snapshot'])
    for part in path.encode().split(b'/'):
        d = next(x for x in fs.readdir(inode, sv) if x.name == part)
        inode, sv = fs.lookup(d, sv)
    out = []
    for start, _, k in fs.extents(inode, sv):
        if k.type != bcr.T['extent']:
            continue
        ptrs, _ = bcr.parse_entries(k.val, k.size, fs.sb.entry_sizes)
        for p in ptrs[:1]:
            out.append((start, Place('data', _slot(fs, p.dev), p.offset, 0, p.crc.csize * 512)))
    return out
