#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Cut the seed corpus of the fuzz targets from the bundled images.

    make_corpus.py [--check] [DIR]

writes DIR/TARGET/NAME for each target (default: corpus/ beside this file). What
the targets expect is told at the top of each fuzz_*.c. Seeds are small: the whole
corpus stays under 2 MB. --check only tells whether the corpus there is complete.

Needs the witness decoder in tests/reference and its Debian packages
(python3-crc32c, python3-crcmod, python3-xxhash, python3-cryptography,
python3-zstandard) and zstd.
"""
import collections
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TESTS, 'reference'))
sys.dont_write_bytecode = True
import bcr  # noqa: E402

# (images, passphrase): one feature each, all of them small
IMAGES = [
    (['small-138'], None),
    (['small-616'], None),
    (['snaps-138'], None),
    (['unclean-138-1'], None),
    (['unclean-612-1'], None),
    (['discard-138'], None),
    (['comp-138'], None),
    (['comp-gzip-616'], None),
    (['comp-zstd-616'], None),
    (['csum-xxhash-616'], None),
    (['csum-crc64-616'], None),
    (['encrypted-138'], 'oracle-pass'),
    (['enc-zstd-wide-138'], 'oracle-pass'),
    (['quota-616'], None),
    (['casefold-138'], None),
    (['nocow-falloc-138'], None),
    (['cached-138-0', 'cached-138-1'], None),
    (['multi3-ec-138-0', 'multi3-ec-138-1', 'multi3-ec-138-2'], None),
    (['btree64k-616'], None),
    (['blacklist-138'], None),
    (['empty-v113-138'], None),
    (['empty-v125-138'], None),
]

LIMIT = 1900 << 10              # all seeds together
NODE_BYTES_MAX = 32 << 10       # what fuzz_btree_node takes
JSET_BYTES_MAX = 12 << 10
DATA_BYTES_MAX = 16 << 10       # stored data of one extent
TARGETS = 'superblock jset btree_node key extent decompress'.split()

# Key types that keep a seed for every btree and image family
PER_TYPE = 3


class Corpus:
    def __init__(self, top):
        self.top, self.total, self.nr = top, 0, collections.Counter()

    def add(self, target, name, data):
        if self.total + len(data) > LIMIT:
            return False
        d = os.path.join(self.top, 'fuzz_' + target)
        os.makedirs(d, exist_ok=True)
        with open(os.path.join(d, name), 'wb') as f:
            f.write(data)
        self.total += len(data)
        self.nr[target] += 1
        return True


def unpack(name, tmp):
    out = os.path.join(tmp, name + '.img')
    src = os.path.join(TESTS, 'fixtures', name + '.img.zst')
    subprocess.run(['zstd', '-qdf', '--long=27', '--sparse', '-o', out, src], check=True)
    return out


def key_bytes(k):
    val = k.val + bytes(-len(k.val) % 8)
    return struct.pack('<BBBBQIIIQQ', 5 + len(val) // 8, 1, k.type, 0, k.ver[1], k.ver[0],
                       k.size, k.pos[2], k.pos[1], k.pos[0]) + val


def seed_superblock(c, fs, name):
    dev = fs.devs[min(fs.devs)]
    c.add('superblock', name, dev.sb.raw)


def seed_jsets(c, fs, name):
    """The newest entries, and those with the most kinds of records."""
    seen = set()
    for seq in sorted(fs.jsets, reverse=True):
        raw = fs.jsets[seq].raw
        kinds = frozenset((t, k.type) for _, _, t, p, _ in fs.jsets[seq].entries()
                          if t in (0, 1, 10, 11, 13) and p for k in bcr.payload_keys(p)) | \
            frozenset((t, None) for _, _, t, _, _ in fs.jsets[seq].entries())
        if len(raw) > JSET_BYTES_MAX or kinds <= seen:
            continue
        seen |= kinds
        c.add('jset', '%s-%d' % (name, seq), raw)
        if len(seen) > 60:
            break


def plain_node(fs, p):
    """A node without encryption and checksums, up to its last set; None: too big."""
    buf = bytearray(fs.devs[p.dev].read(p.offset, fs.sb.node_sectors))
    seq, pos, end = bcr.le(buf, 136, 8), 0, 0
    while pos < fs.sb.node_sectors:
        o = pos * 512
        h = 136 if not pos else o + 16
        s, jseq, flags, _, u64s = struct.unpack_from('<QQIHH', buf, h)
        if pos and s != seq:
            break
        keys, end = h + 24, h + 24 + 8 * u64s
        if end > NODE_BYTES_MAX:
            return None
        if flags & 15 in (3, 4):
            nonce = (o, seq & bcr.U32, seq >> 32, (jseq & bcr.U32) ^ 0x20000000)
            if not pos:
                buf[24:136] = bcr.chacha20(fs.key, nonce, buf[24:136])
                nonce = bcr.nonce_add(nonce, 128)
            buf[keys:end] = bcr.chacha20(fs.key, nonce, buf[keys:end])
        struct.pack_into('<I', buf, h + 16, flags & ~15)
        buf[o:o + 16] = bytes(16)
        pos += -(-(end - o) // fs.block) * fs.sb.block
    struct.pack_into('<Q', buf, 16, 0x90135c78b99e07f5)     # the uuid of fuzz_fs() is 0
    return bytes(buf[:end]), pos


def seed_nodes(c, fs, name, seen):
    for btree in sorted(fs.roots):
        top, root = fs.roots[btree]
        for level in range(min(top, 1) + 1):
            ptrs = [root] if level == top else fs.keys(btree, level + 1)
            for k in ptrs[:2]:
                if (btree, level) in seen and len(seen) > 20:
                    continue
                at = 40 if k.type == bcr.T['btree_ptr_v2'] else 0
                p = bcr.parse_entries(k.val[at:], 0, fs.sb.entry_sizes)[0][0]
                if p.dev not in fs.devs:
                    continue
                node = plain_node(fs, p)
                if not node or len(node[0]) > (4 << 10 if c.total > LIMIT // 2 else NODE_BYTES_MAX):
                    continue
                bits = max(0, (len(node[0]) - 1).bit_length() - 12)
                head = struct.pack('<BBBBHH', btree, level, 1, bits, node[1], 0)
                if c.add('btree_node', '%s-%s-%d' % (name, bcr.BTREES[btree], level), head + node[0]):
                    seen.add((btree, level))


def seed_keys(c, fs, name, seen):
    for btree in range(len(bcr.BTREES)):
        levels = fs.roots.get(btree, (0,))[0]
        for level in range(min(levels, 1) + 1):
            for k in fs.keys(btree, level):
                shape = (btree, level, k.type, min(len(k.val) // 16, 6))
                if seen[shape] >= PER_TYPE:
                    continue
                seen[shape] += 1
                head = struct.pack('<BBBB4x', btree, level + (level > 0), 3, seen[shape] & 1)
                c.add('key', '%s-%s-%d-%d' % (name, k.tname(), level, seen[shape] * 10 + shape[3]),
                      head + key_bytes(k))


def seed_data(c, fs, name, seen):
    """Stored extents with their keys, and compressed units on their own."""
    for btree in ('extents', 'reflink'):
        for k in fs.keys(bcr.B[btree]):
            if k.tname() not in ('extent', 'reflink_v'):
                continue
            ptrs = bcr.parse_entries(k.val[8 if k.tname() == 'reflink_v' else 0:], k.size,
                                     fs.sb.entry_sizes)[0]
            for p in ptrs:
                crc = p.crc
                what = (k.tname(), crc.csum_type, crc.comp, crc.offset > 0)
                if p.dev not in fs.devs or p.unwritten or crc.csize * 512 > DATA_BYTES_MAX or \
                   seen[what] >= 2:
                    continue
                seen[what] += 1
                seed_extent(c, fs, name, k, p, seen[what], what)


def seed_extent(c, fs, name, k, p, nr, what):
    crc = p.crc
    data = fs.devs[p.dev].read(p.offset, crc.csize)
    n = min(k.size, 8)
    encrypted = crc.csum_type in (3, 4)
    comp = crc.comp if 1 <= crc.comp <= 4 else 0
    if encrypted:
        # under the key that the target has
        hi, lo = k.ver
        nonce = ((((crc.usize << 22) & bcr.U32 if comp else 0) + 8 * crc.nonce) & bcr.U32,
                 lo & bcr.U32, lo >> 32, (hi | comp << 24) ^ 0x10000000)
        plain = bcr.chacha20(fs.key, nonce, data)
        data = bcr.chacha20(bytes(range(32)), nonce, plain)
    else:
        plain = data
    head = struct.pack('<BBBB4x', 0, encrypted, 0, n)
    c.add('extent', '%s-%s-%d-%d-%d' % (name, k.tname(), crc.csum_type, crc.comp, nr * 2 + what[3]),
          head + key_bytes(k) + data)
    if comp:
        c.add('decompress', '%s-%d-%d' % (name, comp, nr),
              struct.pack('<BH', comp, crc.usize - 1) + plain)


def make(top):
    c = Corpus(top)
    nodes, keys, data = set(), collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as tmp:
        for images, passphrase in IMAGES:
            name = images[0]
            paths = [unpack(i, tmp) for i in images]
            fs = bcr.FS(paths, passphrase)
            seed_superblock(c, fs, name)
            seed_jsets(c, fs, name)
            seed_nodes(c, fs, name, nodes)
            seed_keys(c, fs, name, keys)
            seed_data(c, fs, name, data)
            for p in paths:
                os.unlink(p)
    for t in TARGETS:
        print('%-12s %4d seeds' % (t, c.nr[t]))
    print('%d bytes in all' % c.total)


def check(top):
    size = 0
    for t in TARGETS:
        d = os.path.join(top, 'fuzz_' + t)
        files = os.listdir(d) if os.path.isdir(d) else []
        if not files:
            sys.exit('%s: no seeds' % d)
        size += sum(os.path.getsize(os.path.join(d, f)) for f in files)
    if size > 2 << 20:
        sys.exit('%s: %d bytes, should be below 2 MiB' % (top, size))


def main(argv):
    args = [a for a in argv if a != '--check']
    top = args[0] if args else os.path.join(HERE, 'corpus')
    if '--check' in argv:
        check(top)
    else:
        make(top)


if __name__ == '__main__':
    main(sys.argv[1:])
