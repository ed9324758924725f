#!/usr/bin/python3
"""bcr.py - reference decoder for the bcachefs on-disk format, written only from Documentation/format/.

usage: bcr.py [-p PASSPHRASE] COMMAND IMAGE... [-- ARGS]
  super     superblock copies and all sections          journal   every entry, verdict and replay window
  roots     btree roots                                 nodes     every node: level, range, bsets   [-- BTREE]
  list      keys of one btree, overlaid   -- BTREE      counts    number of keys per btree
  tree      recursive listing                           cat       file contents   -- PATH
  check     compare with a manifest       -- M.json     verify    internal consistency (hashes, stripes, backpointers, ...)
  selftest  test vectors of the specification (no image)
A note ("!") is anything in the image that disagrees with the specification."""
import base64, bisect, collections, hashlib, json, os, struct, subprocess, sys, zlib

U64, U32 = (1 << 64) - 1, (1 << 32) - 1
SPOS_MAX = (U64, U64, U32)
notes = collections.Counter()
note_text = {}

def note(kind, text=''):
    """Record a disagreement between image and specification (first text per kind is kept)."""
    notes[kind] += 1
    note_text.setdefault(kind, text)

def le(b, o, n): return int.from_bytes(b[o:o + n], 'little')
def bits(w, lo, hi): return (w >> lo) & ((1 << (hi - lo)) - 1)            # hi exclusive
def ver_s(v): return '%d.%d' % (v >> 10, v & 1023)

# ------------------------------------------------------------------------------------------------ checksums, ciphers (13)
import crc32c as _crc32c, crcmod as _crcmod, xxhash as _xxhash
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.poly1305 import Poly1305
_crc64_plain = _crcmod.mkCrcFun(0x142f0e1eba9ea3693, initCrc=0, rev=False, xorOut=0)
_crc64_nonzero = _crcmod.mkCrcFun(0x142f0e1eba9ea3693, initCrc=0, rev=False, xorOut=U64)

CSUM_BYTES = {0: 0, 1: 4, 2: 8, 3: 10, 4: 16, 5: 4, 6: 8, 7: 8}
CSUM_NAME = ['none', 'crc32c_nonzero', 'crc64_nonzero', 'chacha20_poly1305_80', 'chacha20_poly1305_128', 'crc32c', 'crc64', 'xxhash']

def crc32c_register(data, reg): return _crc32c.crc32c(data, reg ^ U32) ^ U32

def chacha20(key, nonce, data):
    return Cipher(algorithms.ChaCha20(key, struct.pack('<4I', *nonce)), mode=None).encryptor().update(bytes(data))

def nonce_add(n, nbytes): return ((n[0] + nbytes // 64) & U32,) + tuple(n[1:])

def checksum(ctype, data, key=None, nonce=None):
    """16-byte stored form (lo, hi)."""
    data = bytes(data)
    if ctype == 0: return bytes(16)
    if ctype == 1: return struct.pack('<QQ', _crc32c.crc32c(data), 0)
    if ctype == 2: return struct.pack('<QQ', _crc64_nonzero(data), 0)
    if ctype == 5: return struct.pack('<QQ', crc32c_register(data, 0), 0)
    if ctype == 6: return struct.pack('<QQ', _crc64_plain(data), 0)
    if ctype == 7: return struct.pack('<QQ', _xxhash.xxh64(data, seed=0).intdigest(), 0)
    if ctype in (3, 4):
        if key is None: raise ValueError('checksum type %d needs the key' % ctype)
        pk = chacha20(key, (nonce[0], nonce[1], nonce[2], nonce[3] ^ 0x80000000), bytes(32))
        tag = Poly1305.generate_tag(pk, data)
        return tag if ctype == 4 else tag[:10] + bytes(6)
    raise ValueError('unknown checksum type %d' % ctype)

# ------------------------------------------------------------------------------------------------ compression (13.6)
def lz4_block(src, want):
    """Raw LZ4 block; stops when `want` bytes have been produced."""
    out, i = bytearray(), 0
    while len(out) < want:
        tok = src[i]; i += 1
        n = tok >> 4
        if n == 15:
            while True:
                b = src[i]; i += 1; n += b
                if b != 255: break
        out += src[i:i + n]; i += n
        if len(out) >= want: break
        d = src[i] | src[i + 1] << 8; i += 2
        n = (tok & 15) + 4
        if n == 19:
            while True:
                b = src[i]; i += 1; n += b
                if b != 255: break
        if d == 0 or d > len(out): raise ValueError('lz4: bad distance')
        while n > 0:
            c = out[-d:][:n] if d > n else out[-d:]
            out += c; n -= len(c)
    if len(out) != want: raise ValueError('lz4: %d bytes for %d' % (len(out), want))
    return bytes(out)

def decompress(ctype, data, want):
    if ctype in (1, 3): return lz4_block(data, want)
    if ctype == 2:
        d = zlib.decompressobj(-15); out = d.decompress(data)
        if not d.eof or len(out) != want: raise ValueError('gzip: %d bytes for %d' % (len(out), want))
        if any(d.unused_data): note('gzip: trailing bytes not zero')
        return out
    if ctype == 4:
        import zstandard
        n = le(data, 0, 4)
        if n > len(data) - 4: raise ValueError('zstd: frame length %d' % n)
        if any(data[4 + n:]): note('zstd: trailing bytes not zero')
        out = zstandard.ZstdDecompressor().decompress(data[4:4 + n], max_output_size=want)
        if len(out) != want: raise ValueError('zstd: %d bytes for %d' % (len(out), want))
        return out
    raise ValueError('compression type %d' % ctype)

# ------------------------------------------------------------------------------------------------ numbers of the format (20.5)
KEY_TYPES = '''deleted whiteout error cookie hash_whiteout btree_ptr extent reservation inode inode_generation dirent xattr alloc quota stripe reflink_p
reflink_v inline_data btree_ptr_v2 indirect_inline_data alloc_v2 subvolume snapshot inode_v2 alloc_v3 set lru alloc_v4 backpointer inode_v3 bucket_gens
snapshot_tree logged_op_truncate logged_op_finsert accounting inode_alloc_cursor extent_whiteout logged_op_stripe_update'''.split()
T = {n: i for i, n in enumerate(KEY_TYPES)}
BTREES = '''extents inodes dirents xattrs alloc quotas stripes reflink subvolumes snapshots lru freespace need_discard backpointers bucket_gens snapshot_trees
deleted_inodes logged_ops reconcile_work subvolume_children accounting reconcile_hipri reconcile_pending reconcile_scan reconcile_work_phys
reconcile_hipri_phys bucket_to_stripe stripe_backpointers'''.split()
B = {n: i for i, n in enumerate(BTREES)}
EXTENT_BTREES, SNAPSHOT_BTREES = {0, 7, 11}, {0, 1, 2, 3}
FREE_SNAPSHOT_FIELD = {16, 18, 20, 21, 22}
ALLOWED = {k: {T[x] for x in v.split()} for k, v in {
    0: 'whiteout extent_whiteout error cookie extent reservation reflink_p inline_data', 1: 'whiteout inode inode_v2 inode_v3 inode_generation',
    2: 'whiteout hash_whiteout dirent', 3: 'whiteout cookie hash_whiteout xattr', 4: 'alloc alloc_v2 alloc_v3 alloc_v4', 5: 'quota', 6: 'stripe',
    7: 'reflink_v indirect_inline_data error', 8: 'subvolume', 9: 'snapshot', 10: 'set', 11: 'set', 12: 'set', 13: 'backpointer', 14: 'bucket_gens',
    15: 'snapshot_tree', 16: 'set', 17: 'logged_op_truncate logged_op_finsert logged_op_stripe_update inode_alloc_cursor', 18: 'set cookie', 19: 'set',
    20: 'accounting', 21: 'set', 22: 'set', 23: 'cookie backpointer', 24: 'set', 25: 'set', 26: 'set', 27: 'backpointer'}.items()}
MIN_VAL = dict(zip(range(38), [0, 0, 0, 8, 0, 0, 0, 8, 16, 8, 16, 8, 8, 32, 8, 16, 8, 0, 40, 8, 8, 16, 24, 32, 16, 0, 8, 48, 32, 48, 0, 8, 24, 24, 8, 16, 0, 40]))

# ------------------------------------------------------------------------------------------------ keys (20.2 - 20.6)
class Key:
    """A key in unpacked form. pos = (inode, offset, snapshot); ver = (hi, lo)."""
    __slots__ = ('type', 'pos', 'size', 'ver', 'val', 'packed', 'seq')
    def __init__(self, type, pos, size=0, ver=(0, 0), val=b'', packed=False):
        self.type, self.pos, self.size, self.ver, self.val, self.packed, self.seq = type, pos, size, ver, val, packed, 0
    def start(self): return self.pos[1] - self.size
    def tname(self): return KEY_TYPES[self.type] if self.type < len(KEY_TYPES) else '(unknown type %d)' % self.type
    def u64s(self): return 5 + len(self.val) // 8

def pos_read(b, o=0): return (le(b, o + 12, 8), le(b, o + 4, 8), le(b, o, 4))
def pos_s(p):
    f = lambda v, m, s: s if v == m else str(v)
    return 'POS_MIN' if p == (0, 0, 0) else 'SPOS_MAX' if p == SPOS_MAX else '%s:%s:%s' % (f(p[0], U64, 'U64_MAX'), f(p[1], U64, 'U64_MAX'), f(p[2], U32, 'U32_MAX'))

def key_current(b, o=0):
    """One key in current format -> (Key, total words)."""
    u, fmt, typ, pad, lo, hi, size, sn, off, ino = struct.unpack_from('<BBBBQIIIQQ', b, o)
    if u < 5 or fmt & 0x7f != 1: raise ValueError('bad key: u64s %d format %d' % (u, fmt))
    if fmt & 0x80: note('key: needs-whiteout bit set on disk')
    if pad: note('key: pad not zero')
    return Key(typ, (ino, off, sn), size, (hi, lo), bytes(b[o + 40:o + 8 * u])), u

FULL = (64, 64, 32, 32, 32, 64)                                           # inode offset snapshot size ver.hi ver.lo
class Format:
    def __init__(self, b):
        self.key_u64s, self.nr, self.width = b[0], b[1], tuple(b[2:8])
        self.offset = struct.unpack_from('<6Q', b, 8)
        bad = self.nr != 6 or self.key_u64s != (24 + sum(self.width) + 63) // 64
        for w, f, o in zip(self.width, FULL, self.offset):
            bad |= w > f or (w == f and o != 0) or (w < f and o + (1 << w) - 1 > (1 << f) - 1)
        if bad: raise ValueError('bad format %r' % (tuple(b[:56]),))
    def decode(self, b, o):
        u, fmt, typ = b[o], b[o + 1], b[o + 2]
        if u < self.key_u64s: raise ValueError('packed key too short')
        if fmt & 0x80: note('packed key: needs-whiteout bit set on disk')
        n = int.from_bytes(b[o:o + 8 * self.key_u64s], 'little')
        at, f = 64 * self.key_u64s, []
        for w, off in zip(self.width, self.offset):
            at -= w
            f.append(((n >> at) & ((1 << w) - 1)) + off if w else off)
        if bits(n, 24, at): note('packed key: unused bits not zero')
        return Key(typ, (f[0], f[1], f[2]), f[3], (f[4], f[5]), bytes(b[o + 8 * self.key_u64s:o + 8 * u]), True), u

# ------------------------------------------------------------------------------------------------ extent entries (50.2, 50.3)
Ptr = collections.namedtuple('Ptr', 'cached unwritten offset dev gen crc ec')
Crc = collections.namedtuple('Crc', 'csize usize offset nonce csum_type comp csum')
Ec = collections.namedtuple('Ec', 'block redundancy idx')

def parse_entries(val, live, sizes=(1, 1, 2, 3, 1, 1, 1, 1, 1)):
    """-> (pointers with the crc and stripe entry that govern them, [(type, word)] of the rest)."""
    crc, ec, ptrs, other, i = Crc(live, live, 0, 0, 0, 0, bytes(16)), None, [], [], 0
    since_crc = True
    while i < len(val):
        w = le(val, i, 8)
        if not w: raise ValueError('extent entry 0')
        t = (w & -w).bit_length() - 1
        if t >= len(sizes): raise ValueError('extent entry type %d' % t)
        n = sizes[t] * 8
        if i + n > len(val): raise ValueError('extent entry overruns value')
        if t == 0:
            p = Ptr(bits(w, 1, 2), bits(w, 3, 4), bits(w, 4, 48), bits(w, 48, 56), bits(w, 56, 64), crc, ec)
            if bits(w, 2, 3): note('ptr: bit 2 set')
            ptrs.append(p); ec = None; since_crc = True
        elif t == 1:
            crc = Crc(bits(w, 2, 9) + 1, bits(w, 9, 16) + 1, bits(w, 16, 23), 0, bits(w, 24, 28), bits(w, 28, 32), struct.pack('<QQ', w >> 32, 0))
        elif t == 2:
            crc = Crc(bits(w, 3, 12) + 1, bits(w, 12, 21) + 1, bits(w, 21, 30), bits(w, 30, 40), bits(w, 40, 44), bits(w, 44, 48),
                      struct.pack('<QQ', le(val, i + 8, 8), w >> 48))
        elif t == 3:
            crc = Crc(bits(w, 4, 17) + 1, bits(w, 17, 30) + 1, bits(w, 30, 43), bits(w, 43, 56), bits(w, 56, 60), bits(w, 60, 64), val[i + 8:i + 24])
        elif t == 4: ec = Ec(bits(w, 5, 13), bits(w, 13, 17), w >> 17)
        else: other.append((t, w))
        if t in (1, 2, 3):
            if not since_crc: note('extent: two crc entries without pointer')
            since_crc = False
        if t == 6 and i: note('extent: flags not first')
        i += n
    if not since_crc: note('extent: crc entry after last pointer')
    return ptrs, other

def entries_of(k):
    """The entry bytes of any pointer container, or None."""
    return {T['extent']: 0, T['reflink_v']: 8, T['btree_ptr']: 0, T['btree_ptr_v2']: 40}.get(k.type)

# ------------------------------------------------------------------------------------------------ varints, inodes (60)
def varint(b, o):
    t = 0
    while t < 8 and b[o] >> t & 1: t += 1
    if t == 8: return le(b, o + 1, 8), 9
    return le(b, o, t + 1) >> (t + 1), t + 1

def varint_enc(v):
    n = max(1, (v.bit_length() + 6) // 7)
    return b'\xff' + v.to_bytes(8, 'little') if n > 8 else (v << n | (1 << (n - 1)) - 1).to_bytes(n, 'little')

def varint_old(b, o):
    if not b[o]: raise ValueError('old varint 0')
    n = [13, 10, 8, 6, 4, 3, 2, 1][b[o].bit_length() - 1]
    return int.from_bytes(bytes([b[o] ^ 1 << (b[o].bit_length() - 1)]) + b[o + 1:o + n], 'big'), n

FIELDS_V3 = '''atime:96 ctime:96 mtime:96 otime:96 uid:32 gid:32 nlink:32 generation:32 dev:32 data_checksum:8 compression:8 project:32 background_compression:8
data_replicas:8 promote_target:16 foreground_target:16 background_target:16 erasure_code:16 fields_set:16 dir:64 dir_offset:64 subvol:32 parent_subvol:32
nocow:8 depth:32 inodes_32bit:8 casefold:8 unused_ec:8'''.split()
FIELDS_V3 = [(f.split(':')[0], int(f.split(':')[1])) for f in FIELDS_V3]
FIELDS_V2 = FIELDS_V3[:4] + [('size', 64), ('sectors', 64)] + FIELDS_V3[4:23]
INODE_OPTS = '''data_checksum compression project background_compression data_replicas promote_target foreground_target background_target erasure_code nocow
inodes_32bit casefold'''.split()

def inode_decode(k):
    """inode, inode_v2, inode_v3 -> dict (None if the key is no inode)."""
    v = k.val
    i = {'inum': k.pos[1], 'snapshot': k.pos[2]}
    for n, _ in FIELDS_V2 + FIELDS_V3: i[n] = 0
    rd = varint
    if k.type == T['inode_v3']:
        i['journal_seq'], i['seed'], f, i['sectors'], i['size'], i['version'] = struct.unpack_from('<6Q', v)
        o, fields, i['mode'] = 8 * bits(f, 31, 36), FIELDS_V3, bits(f, 36, 52)
        if bits(f, 31, 36) != 6: note('inode_v3: fields_start %d' % bits(f, 31, 36))
        if bits(f, 52, 64): note('inode_v3: bits 52..63 set')
    elif k.type == T['inode_v2']:
        i['journal_seq'], i['seed'], f = struct.unpack_from('<3Q', v); i['mode'], o, fields = le(v, 24, 2), 26, FIELDS_V2
    elif k.type == T['inode']:
        i['seed'], f, i['mode'] = struct.unpack_from('<QIH', v); o, fields = 14, FIELDS_V2
        if not f >> 31 & 1: rd = varint_old
    else: return None
    i['flags'], i['hash_type'], nr = bits(f, 0, 20), bits(f, 20, 24), bits(f, 24, 31)
    if nr > len(fields): note('inode: %d fields' % nr)
    raw = o
    for name, width in fields[:nr]:
        x, n = rd(v, o); o += n
        if width == 96 and rd is varint:
            hi, n = varint(v, o); o += n
            if hi: note('inode: high half of %s not zero' % name)
        elif width < 64 and x >> width: note('inode: %s too big' % name)
        i[name] = x
    if o > len(v) or len(v) - o >= 8 or any(v[o:]): note('inode: value not minimal or padding not zero', '%d of %d' % (o, len(v)))
    if rd is varint and nr <= len(fields):                                # would a writer produce the same bytes?
        last = max([n + 1 for n, (name, _) in enumerate(fields) if i[name]], default=0)
        enc = b''.join(varint_enc(i[name]) + (b'\0' if w == 96 else b'') for name, w in fields[:nr])
        if enc != v[raw:o]: note('inode: varint encoding differs from ours', '%s / %s' % (v[raw:o].hex(), enc.hex()))
        if last != nr: note('inode: number of fields %d, last non-zero %d' % (nr, last), pos_s(k.pos))
    i['nlinks'] = 0 if i['flags'] & 0x80 else i['nlink'] + (2 if i['mode'] >> 12 == 4 else 1)
    return i

def sipround(v):
    a, b, c, d = v
    rot = lambda x, n: (x << n | x >> (64 - n)) & U64
    a = (a + b) & U64; b = rot(b, 13) ^ a; a = rot(a, 32); c = (c + d) & U64; d = rot(d, 16) ^ c
    a = (a + d) & U64; d = rot(d, 21) ^ a; c = (c + b) & U64; b = rot(b, 17) ^ c; c = rot(c, 32)
    return a, b, c, d

def siphash24(key, data):
    k0, k1 = struct.unpack('<QQ', key)
    v = (k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573)
    n = len(data)
    tail = data[n & ~7:] + bytes(7 - (n & 7)) + bytes([n & 255])
    for i in range(0, n & ~7, 8):
        m = le(data, i, 8); v = (v[0], v[1], v[2], v[3] ^ m); v = sipround(sipround(v)); v = (v[0] ^ m, v[1], v[2], v[3])
    m = le(tail, 0, 8); v = (v[0], v[1], v[2], v[3] ^ m); v = sipround(sipround(v)); v = (v[0] ^ m, v[1], v[2] ^ 255, v[3])
    for _ in range(4): v = sipround(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]

def str_hash(htype, seed, data):
    s = struct.pack('<Q', seed)
    if htype == 0: return crc32c_register(s + data, U32)
    if htype == 1: return (_crc64_nonzero(s + data) ^ U64) >> 1
    if htype == 2: return siphash24(hashlib.sha256(s).digest()[:16], data) >> 1
    if htype == 3: return siphash24(s + bytes(8), data) >> 1
    raise ValueError('hash type %d' % htype)

def xattr_hash(inode, x_type, name):
    """Type byte and name are fed to SipHash in two calls; upstream's second call stores the last partial block one byte too far (60.10.2)."""
    d, r = bytes([x_type]) + name, (1 + len(name)) % 8
    if inode['hash_type'] in (2, 3) and len(name) >= 7 and r: d = d[:-r] + bytes([x_type]) + d[-r:-1]
    return str_hash(inode['hash_type'], inode['seed'], d)

def dirent_hash(inode, name):
    h = str_hash(inode['hash_type'], inode['seed'], name)
    if inode['flags'] >> 11 & 1: h &= 0x7fffffff
    return max(h, 2)

Dirent = collections.namedtuple('Dirent', 'type inum child parent name cf_name key')
def dirent_decode(k):
    v, t = k.val, k.val[8]
    if t & 0x60: note('dirent: bits 5..6 of type byte set')
    if t & 0x80:
        n, m = le(v, 11, 2), le(v, 13, 2)
        if v[9] or v[10]: note('dirent: pad of casefolded form not zero')
        name, cf, used = v[15:15 + n], v[15 + n:15 + n + m], 15 + n + m
    else:
        name, cf = v[9:], None
        tail = len(v[-8:]) - len(v[-8:].rstrip(b'\0'))
        name = v[9:max(9, len(v) - tail)]; used = 9 + len(name)
    if len(v) != (used + 7) & ~7 or any(v[used:]): note('dirent: value not minimal / padding', '%d %s' % (used, v.hex()))
    if not name or name in (b'.', b'..') or b'/' in name or b'\0' in name: note('dirent: bad name', repr(name))
    t &= 0x1f
    return Dirent(t, 0 if t == 16 else le(v, 0, 8), le(v, 0, 4) if t == 16 else 0, le(v, 4, 4) if t == 16 else 0, name, cf, k)

XATTR_PREFIX = {0: b'user.', 1: b'system.posix_acl_access', 2: b'system.posix_acl_default', 3: b'trusted.', 4: b'security.'}
def xattr_decode(k):
    """-> (x_type, raw name, full name, value)"""
    v = k.val; t, n, m = v[0], v[1], le(v, 2, 2)
    words = (4 + n + m + 7) // 8
    if not words <= len(v) // 8 <= (4 + n + m + 4 + 7) // 8: note('xattr: size')
    if len(v) // 8 != words: note('xattr: slack words')
    if any(v[4 + n + m:]): note('xattr: padding not zero')
    return t, v[4:4 + n], XATTR_PREFIX[t] + v[4:4 + n], v[4 + n:4 + n + m]

def acl_to_xattr(v):
    """Stored ACL (60.14) -> value of system.posix_acl_* as the kernel shows it."""
    if le(v, 0, 4) != 1: raise ValueError('acl version')
    out, o = [struct.pack('<I', 2)], 4
    while o < len(v):
        tag, perm = struct.unpack_from('<HH', v, o); o += 4
        ident = U32
        if tag in (2, 8): ident = le(v, o, 4); o += 4
        elif tag not in (1, 4, 0x10, 0x20): raise ValueError('acl tag %d' % tag)
        out.append(struct.pack('<HHI', tag, perm, ident))
    return b''.join(out)

# ------------------------------------------------------------------------------------------------ superblock (10)
MAGICS = {bytes.fromhex('c68573f666ce90a9d96a60cf803df7ef'), bytes.fromhex('c68573f64e1a45ca8265f57f48ba6d81')}
SECTIONS = '''journal members_v1 crypt replicas_v0 quota disk_groups clean replicas journal_seq_blacklist journal_v2 counters members_v2 errors ext downgrade
recovery_passes extent_type_u64s'''.split()
# option name: (place, word, lo, hi); see 10.5 and 11.2
OPTIONS = '''errors:0:8:12 btree_node_size:0:12:28 gc_reserve_percent:0:28:33 root_reserve_percent:0:33:40 metadata_checksum:0:40:44 data_checksum:0:44:48
metadata_replicas:0:48:52 data_replicas:0:52:56 acl:0:56:57 usrquota:0:57:58 grpquota:0:58:59 prjquota:0:59:60 promote_whole_extents:0:63:64 str_hash:1:0:4
compression:1:4:8 inodes_32bit:1:8:9 wide_macs:1:9:10 encryption_type:1:10:14 encoded_extent_max_bits:1:14:20 promote_target:1:28:40
foreground_target:1:40:52 background_target:1:52:64 background_compression:2:0:4 gc_reserve_bytes:2:4:64 erasure_code:3:0:16 metadata_target:3:16:28
journal_flush_delay:3:30:62 journal_flush_disabled:3:62:63 journal_reclaim_delay:4:0:32 journal_transaction_names:4:32:33 nocow:4:33:34 version_upgrade:4:54:56
compression_level:4:56:60 background_compression_level:4:60:64 version_upgrade_complete:5:0:16 allocator_stuck_timeout:5:16:32 version_incompat:5:32:48
version_incompat_allowed:5:48:64 shard_inode_numbers_bits:6:0:4 write_error_timeout:6:4:14 checksum_err_retry_nr:6:14:20 degraded:6:20:22 casefold:6:22:23
reconcile_on_ac_only:6:23:24 writeback_timeout:6:24:40 extent_bp_shift:6:40:48 scrub_recent_journal_entries:6:48:50 ec_max_data_blocks:6:50:58
move_writes_fua:6:58:59'''.split()

class Layout:
    def __init__(self, b):
        self.raw = bytes(b[:512])
        self.magic, self.type, self.bits, self.nr = self.raw[:16], b[16], b[17], b[18]
        if self.magic not in MAGICS or self.type or not 1 <= self.nr <= 61 or self.bits > 16: raise ValueError('bad layout')
        self.offsets = struct.unpack_from('<%dQ' % self.nr, b, 24)
        for a, c in zip(self.offsets, self.offsets[1:]):
            if c < a + (1 << self.bits): raise ValueError('layout: superblocks overlap')
        if any(b[19:24]) or any(b[24 + 8 * self.nr:512]): note('layout: padding not zero')

class Superblock:
    def __init__(self, raw):
        (self.version, self.version_min) = struct.unpack_from('<HH', raw, 16)
        self.magic, self.uuid, self.user_uuid, self.label = raw[24:40], raw[40:56], raw[56:72], raw[72:104]
        self.offset, self.seq, self.block, self.dev_idx, self.nr_devices, self.u64s = struct.unpack_from('<QQHBBI', raw, 104)
        self.time_lo, self.time_hi, self.precision = struct.unpack_from('<QII', raw, 128)
        self.flags = struct.unpack_from('<7Q', raw, 144)
        self.write_time, = struct.unpack_from('<Q', raw, 200)
        self.features, self.compat = struct.unpack_from('<QQ', raw, 208), struct.unpack_from('<QQ', raw, 224)
        self.raw = raw = bytes(raw[:752 + 8 * self.u64s])
        self.layout = Layout(raw[240:752])
        if self.magic not in MAGICS: raise ValueError('superblock magic')
        for v in (self.version, self.version_min):
            if v >> 10 > 1 or v < 9: raise ValueError('superblock version')
        if len(raw) > 512 << self.layout.bits: raise ValueError('superblock too big')
        ct = bits(self.flags[0], 2, 8)
        if ct not in (0, 1, 2, 5, 6, 7) or checksum(ct, raw[16:]) != raw[:16]: raise ValueError('superblock checksum')
        self.csum_type = ct
        self.sections, o = collections.OrderedDict(), 752
        while o < len(raw):
            n, t = struct.unpack_from('<II', raw, o)
            if not n or o + 8 * n > len(raw): raise ValueError('section size')
            self.sections.setdefault(t, raw[o:o + 8 * n]); o += 8 * n
        if raw[20:24] != bytes(4): note('superblock: pad not zero')
        self.initialized, self.clean = bits(self.flags[0], 0, 1), bits(self.flags[0], 1, 2)
        self.node_sectors = bits(self.flags[0], 12, 28)
        self.version_incompat = bits(self.flags[5], 32, 48)
        self.upgrade_complete = bits(self.flags[5], 0, 16) or self.version
        self.bp_shift = bits(self.flags[6], 40, 48) or 10
        self.encoded_extent_max = 1 << bits(self.flags[1], 14, 20)
        if self.features[0] >> 24 or self.features[1]: note('superblock: unknown feature', hex(self.features[0]))
        self.members = self._members()
        self.blacklist = [struct.unpack_from('<QQ', self.sections[8], o) for o in range(8, len(self.sections[8]), 16)] if 8 in self.sections else []
        for (a, e), nx in zip(self.blacklist, self.blacklist[1:] + [(U64, U64)]):
            if a >= e or e > nx[0]: note('superblock: blacklist not sorted')
        m = le(self.uuid, 0, 8)
        self.jset_magic, self.node_magic = m ^ 0x245235c1a3625032, m ^ 0x90135c78b99e07f5
        self.entry_sizes = [1, 1, 2, 3, 1, 1, 1, 1, 1]
        for i, d in enumerate(self.sections.get(16, b'')[8:]):
            if not d: break
            if i >= 9: self.entry_sizes.append(d)
            elif d != self.entry_sizes[i]: note('superblock: extent_type_u64s')
    def _members(self):
        if 11 in self.sections:
            s = self.sections[11]; n, at = le(s, 8, 2), 16
        else: s, n, at = self.sections[1], 56, 8
        out = []
        for i in range(self.nr_devices):
            e = (s[at + i * n:at + (i + 1) * n] + bytes(296))[:296]
            f = le(e, 40, 8)
            out.append(dict(uuid=e[:16], nbuckets=le(e, 16, 8), first_bucket=le(e, 24, 2), bucket=le(e, 26, 2), flags=f, seq=le(e, 120, 8),
                            bitmap_shift=e[28], bitmap=le(e, 128, 8), journal_bucket=le(e, 136, 4), journal_off=le(e, 140, 4), state=bits(f, 0, 4), stride=n,
                            rotational=bits(f, 32, 33), alive=e[:16] not in (bytes(16), bytes.fromhex('ffffffffffffffffd96a60cf803df7ef'))))
        return out
    def journal_buckets(self):
        if 9 in self.sections:
            s = self.sections[9]
            return [b for o in range(8, len(s), 16) for b in range(le(s, o, 8), le(s, o, 8) + le(s, o + 8, 8))]
        s = self.sections.get(0, b'')
        return [le(s, o, 8) for o in range(8, len(s), 8)]
    def opt(self, name):
        for o in OPTIONS:
            n, w, lo, hi = o.split(':')
            if n == name: return bits(self.flags[int(w)], int(lo), int(hi))
        raise KeyError(name)

class Device:
    """One image: all superblock copies, the chosen one (10.11), raw reads."""
    def __init__(self, path):
        self.path, self.fd = path, os.open(path, os.O_RDONLY)
        self.sectors = os.fstat(self.fd).st_size // 512
        copies = []
        try: first = self._copy(8); layout = first.layout; copies.append(first)
        except ValueError as e:
            note('superblock: primary unreadable', str(e)); first = None; layout = Layout(self.read(7, 1))
        for o in layout.offsets[1:]:
            try: copies.append(self._copy(o))
            except ValueError as e: note('superblock: copy at %d unreadable' % o, str(e))
        self.copies = copies
        if not copies: raise ValueError('%s: no superblock' % path)
        self.sb = max(copies, key=lambda c: (c.seq, c.offset))
        if self.read(7, 1) != self.sb.layout.raw: note('superblock: stand-alone layout differs')
        for c in copies:
            if c.seq == self.sb.seq and c.raw[16:104] + c.raw[112:] != self.sb.raw[16:104] + self.sb.raw[112:]: note('superblock: copies differ')
            if c.seq != self.sb.seq: note('superblock: copies of different age', '%d %d' % (c.seq, self.sb.seq))
    def read(self, sector, n):
        b = os.pread(self.fd, n * 512, sector * 512)
        if len(b) != n * 512: raise IOError('short read at sector %d' % sector)
        return b
    def _copy(self, sector):
        b = self.read(sector, 8)
        if b[24:40] not in MAGICS: raise ValueError('magic')
        n = (752 + 8 * le(b, 124, 4) + 511) // 512
        if n > 1 << 16: raise ValueError('too big')
        s = Superblock(self.read(sector, max(n, 8)))
        if s.offset != sector: raise ValueError('offset field')
        return s

# ------------------------------------------------------------------------------------------------ journal (30)
class Jset:
    def __init__(self, raw, good): self.raw, self.good, self.where, self.ignored = raw, good, [], None
    seq = property(lambda s: le(s.raw, 24, 8))
    version = property(lambda s: le(s.raw, 32, 4))
    flags = property(lambda s: le(s.raw, 36, 4))
    last_seq = property(lambda s: le(s.raw, 48, 8))
    noflush = property(lambda s: bool(s.flags & 0x20))
    def entries(self): return sub_entries(self.raw, 56)
    def has_keys(self): return any(t in (0, 11) and p for _, _, t, p, _ in self.entries())

def sub_entries(b, o):
    """-> (btree, level, type, payload, offset in words)"""
    base = o
    while o < len(b):
        n, bt, lvl, typ = struct.unpack_from('<HBBB', b, o)
        if o + 8 + 8 * n > len(b): note('journal: sub-entry past end'); return
        if any(b[o + 5:o + 8]): note('journal: sub-entry pad not zero')
        yield bt, lvl, typ, b[o + 8:o + 8 + 8 * n], (o - base) // 8
        o += 8 + 8 * n

def payload_keys(p):
    o = 0
    while o < len(p):
        k, u = key_current(p, o); yield k; o += 8 * u

class FS:
    def __init__(self, paths, passphrase=None, journal=True):
        self.devs = {}
        devs = [Device(p) for p in paths]
        best = max(devs, key=lambda d: (d.sb.seq, d.sb.write_time))
        self.sb = sb = best.sb
        for d in devs:
            if d.sb.uuid != sb.uuid: raise ValueError('not a member')
            m = sb.members[d.sb.dev_idx]
            if not m['alive']: raise ValueError('device removed')
            if m['seq'] and m['seq'] < d.sb.seq or (d.sb.seq == sb.seq and d.sb.write_time != sb.write_time): note('superblock: split brain')
            if d.sb.seq == sb.seq and m['seq'] != d.sb.seq and sb.version >= 1028 and sb.write_time: note('superblock: member seq differs', '%d %d' % (m['seq'], d.sb.seq))
            self.devs[d.sb.dev_idx] = d
        self.block = sb.block * 512
        self.key = self._master_key(passphrase)
        self.nodes_read, self._levels, self._blob = 0, {}, {}
        self.jsets, self.window, self.overlay, self.roots, self.blacklisted = {}, None, {}, {}, list(sb.blacklist)
        if journal: self._journal()
        self._roots()
        self._ready = False

    # -------- encryption key (13.5)
    def _master_key(self, passphrase):
        s = self.sb.sections.get(2)
        if not s: return None
        if len(s) != 64 or le(s, 8, 8) & 15: note('crypt: size or kdf')
        kf, box = le(s, 16, 8), s[24:64]
        if box[:8] == b'bch**key': return box[8:]
        if passphrase is None: return None
        n, r, p = (1 << bits(kf, a, a + 16) for a in (0, 16, 32))
        pk = hashlib.scrypt(passphrase.encode(), salt=b'bcache\0', n=n, r=r, p=p, maxmem=1 << 28, dklen=32)
        box = chacha20(pk, (0, 0) + struct.unpack('<II', self.sb.uuid[:8]), box)
        if box[:8] != b'bch**key': raise ValueError('wrong passphrase')
        return box[8:]

    # -------- reading and merging the journal (30.8)
    def _journal(self):
        for idx, dev in sorted(self.devs.items()):
            ring, bs = dev.sb.journal_buckets(), dev.sb.members[idx]['bucket']
            for slot, bucket in enumerate(ring):
                self._journal_bucket(idx, dev, slot, bucket * bs, bs)
        self._choose_window()

    def _journal_bucket(self, idx, dev, slot, start, bs):
        buf, pos, seq_here, bad_seen, blk = dev.read(start, bs), 0, 0, False, self.sb.block
        while pos < bs:
            o = pos * 512
            if le(buf, o + 16, 8) != self.sb.jset_magic:
                if not bad_seen: break
                pos += blk; continue
            version, flags, u64s = struct.unpack_from('<III', buf, o + 32)
            if version >> 10 > 1 or version < 9: raise ValueError('journal version')
            nbytes = 56 + 8 * u64s
            if nbytes > (bs - pos) * 512: note('journal: past bucket end'); nbytes = (bs - pos) * 512
            raw = bytearray(buf[o:o + nbytes]); seq = le(raw, 24, 8)
            if seq < seq_here: break
            seq_here = seq
            ct, nonce = flags & 15, (0, seq & U32, seq >> 32, 0x30000000)
            good = ct < 8 and (ct not in (3, 4) or self.key) and checksum(ct, raw[16:], self.key, nonce) == raw[:16]
            bad_seen |= not good
            if ct in (3, 4) and self.key: raw[44:] = chacha20(self.key, nonce, raw[44:])
            n = -(-nbytes // self.block) * self.sb.block
            pad = buf[o + nbytes:o + n * 512]
            if good and any(pad): note('journal: padding not zero', 'seq %d' % seq)
            self._journal_add(Jset(bytes(raw), good), (idx, slot, pos, start + pos))
            pos += n

    def _journal_add(self, e, where):
        d = self.jsets.get(e.seq)
        if d is None: e.where.append(where); self.jsets[e.seq] = e; return
        if d.good and e.good and d.raw != e.raw: note('journal: copies differ', str(e.seq))
        if any(w[0] == where[0] for w in d.where): note('journal: two copies on one device', str(e.seq))
        if e.good and not d.good: e.where = d.where; self.jsets[e.seq] = e; d = e
        d.where.append(where)

    # -------- replay window (30.9)
    def _is_blacklisted(self, s): return any(a <= s < e for a, e in self.blacklisted)

    def _choose_window(self):
        newest, torn = None, False
        for s in sorted(self.jsets, reverse=True):
            e = self.jsets[s]
            if newest is None:
                if e.noflush: e.ignored = 'noflush after the last flush'; continue
                if not e.good and not torn: e.ignored = 'torn'; torn = True; continue
                newest = e
        if newest is None: self.window = None; return
        last = min(newest.last_seq, newest.seq)
        if newest.last_seq > newest.seq: note('journal: last_seq > seq')
        self.window = dict(last_seq=last, end=newest.seq, cur=max(self.jsets) + 1, empty=last == newest.seq and not newest.has_keys())
        for s, e in self.jsets.items():
            if s < last: e.ignored = 'not dirty'
            elif e.ignored is None and self._is_blacklisted(s): e.ignored = 'blacklisted'; note('journal: blacklisted flush entry in window' if not e.noflush else 'journal: blacklisted noflush')
        for s in range(last, newest.seq + 1):
            if not self._is_blacklisted(s) and (s not in self.jsets or self.jsets[s].ignored): note('journal: entries missing', str(s))
        for s in sorted(self.jsets):
            e = self.jsets[s]
            if e.ignored: continue
            if not e.good: note('journal: bad checksum in window')
            for bt, lvl, typ, p, _ in e.entries():
                if typ == 3: self.blacklisted.append((le(p, 0, 8), le(p, 0, 8) + 1))
                if typ == 4: self.blacklisted.append((le(p, 0, 8), le(p, 8, 8) + 1))
                if typ == 15: note('journal: rewind in progress')
                if typ == 11 and p: note('journal: write_buffer_keys on disk')

    def _roots(self):
        """Roots from the clean section, else from the journal; overlay from the journal (22.8, 31.6)."""
        def take(it):
            for bt, lvl, typ, p, _ in it:
                if typ == 1:
                    if not p: note('root: empty record'); continue
                    k, u = key_current(p)
                    if 8 * u != len(p): note('root: size')
                    self.roots[bt] = (lvl, k)
        if self.sb.clean:
            if 6 not in self.sb.sections: raise ValueError('clean section missing')
            take(sub_entries(self.sb.sections[6], 24))
            if self.window:
                if self.window['end'] != le(self.sb.sections[6], 16, 8): note('clean: journal_seq %s the newest entry' % ('behind' if self.window['end'] > le(self.sb.sections[6], 16, 8) else 'ahead of'), '%d %d' % (self.window['end'], le(self.sb.sections[6], 16, 8)))
                if not self.window['empty']: note('clean: journal not empty')
                j = {bt: (lvl, p) for bt, lvl, typ, p, _ in self.jsets[self.window['end']].entries() if typ == 1}
                c = {bt: (lvl, p) for bt, lvl, typ, p, _ in sub_entries(self.sb.sections[6], 24) if typ == 1}
                if j != c: note('clean: roots differ from newest journal entry')
            return
        keys = collections.defaultdict(dict)
        for s in sorted(self.jsets):
            e = self.jsets[s]
            if e.ignored: continue
            take(e.entries())
            for bt, lvl, typ, p, off in e.entries():
                if typ not in (0, 11): continue
                for k in payload_keys(p):
                    k.seq = s
                    d = keys[lvl, bt]
                    if k.type == T['accounting']: d.setdefault(k.pos, []); d[k.pos] = [x for x in d[k.pos] if x.type == k.type] + [k]
                    else: d[k.pos] = [k]
        for lb, d in keys.items(): self.overlay[lb] = (sorted(d), d)

    # -------- one btree node (20.8, 20.11)
    def read_node(self, k, btree, level):
        """-> (min, max, [bset], Format) where bset = dict(off, seq, jseq, flags, version, keys). Every replica is checked."""
        v2 = k.type == T['btree_ptr_v2']
        seq, written, flags, minp = (le(k.val, 8, 8), le(k.val, 16, 2), le(k.val, 18, 2), pos_read(k.val, 20)) if v2 else (0, 0, 0, None)
        ptrs, other = parse_entries(k.val[40 if v2 else 0:], 0, self.sb.entry_sizes)
        if v2 and flags & ~1: note('btree_ptr_v2: flags')
        result, err = None, None
        for p in ptrs:
            if p.dev not in self.devs: continue
            try: r = self._node(self.devs[p.dev].read(p.offset, self.sb.node_sectors), k, btree, level, seq, written, flags & 1, minp)
            except ValueError as e: err = e; note('node: unreadable replica', '%s dev %d sector %d: %s' % (BTREES[btree], p.dev, p.offset, e)); continue
            result = result or r
        if result is None: raise ValueError('node unreadable: %s level %d %s: %s' % (BTREES[btree], level, pos_s(k.pos), err))
        self.nodes_read += 1
        return result

    def _node(self, buf, k, btree, level, ptr_seq, written, updated, minp):
        buf = bytearray(buf)
        if le(buf, 16, 8) != self.sb.node_magic: raise ValueError('magic')
        seq, limit, pos, sets, fmt = le(buf, 136, 8), written or self.sb.node_sectors, 0, [], None
        if ptr_seq and seq != ptr_seq or not seq: raise ValueError('seq')
        while pos < limit:
            o = pos * 512; h = 136 if pos == 0 else o + 16                # h: start of the 24-byte set header
            s, jseq, flags, version, u64s = struct.unpack_from('<QQIHH', buf, h)
            if pos and s != seq: break
            ct, keys0 = flags & 15, h + 24
            end = keys0 + 8 * u64s
            if end > limit * 512: raise ValueError('set past end')
            nonce = (o, seq & U32, seq >> 32, (jseq & U32) ^ 0x20000000)
            if ct >= 8 or checksum(ct, buf[o + 16:end], self.key, nonce) != buf[o:o + 16]: raise ValueError('checksum at sector %d' % pos)
            if ct in (3, 4):
                if pos == 0:
                    buf[24:136] = chacha20(self.key, nonce, buf[24:136]); nonce = nonce_add(nonce, 128)
                buf[keys0:end] = chacha20(self.key, nonce, buf[keys0:end])
            if pos == 0:
                nf = le(buf, 24, 8); fmt = Format(buf[80:136]); lo, hi = pos_read(buf, 32), pos_read(buf, 52)
                if bits(nf, 0, 4) + 16 * bits(nf, 9, 25) != btree or bits(nf, 4, 8) != level: raise ValueError('btree or level')
                if not nf >> 8 & 1: note('node: new_extent_overwrite clear')
                if bits(nf, 25, 32): note('node: flag bits 25..31')
                if le(buf, 72, 8): note('node: unused pointer field not zero')
                if jseq: note('node: first set has a guard', str(jseq))
                if updated: lo, hi = minp, k.pos
                elif (minp is not None and lo != minp) or hi != k.pos: raise ValueError('min/max key')
            if flags >> 16 != pos: note('set: offset field', '%d at %d' % (flags >> 16, pos))
            if flags & 0xffe0: note('set: flag bits', hex(flags))
            if pos and not u64s: note('set: empty later set')
            if version < self.sb.version_min or version > self.sb.version: note('set: version outside superblock range', '%s' % ver_s(version))
            n = -(-(end - o) // self.block) * self.sb.block
            if any(buf[end:o + n * 512]): note('set: padding not zero')
            drop = jseq and self._is_blacklisted(jseq)
            if drop: note('set: blacklisted guard' + (' within sectors_written' if written else ''), '%s %d' % (BTREES[btree], jseq))
            keys = [] if drop and pos else self._set_keys(buf, keys0, end, fmt, btree, level, lo, hi, bool(sets))
            sets.append(dict(off=pos, seq=s, jseq=jseq, flags=flags, version=version, u64s=u64s, keys=keys))
            pos += n
        if written and pos != written: raise ValueError('sectors_written %d, found %d' % (written, pos))
        if not written: note('node: pointer without sectors_written')
        self.last_sets_after = 0
        for q in range(pos, self.sb.node_sectors, self.sb.block):         # anything behind sectors_written?
            if le(buf, q * 512 + 16, 8) == seq: self.last_sets_after += 1
        return lo, hi, sets, fmt

    def _set_keys(self, buf, o, end, fmt, btree, level, lo, hi, later):
        keys, prev = [], None
        while o < end:
            f = buf[o + 1] & 0x7f
            if f > 1: raise ValueError('key format %d' % f)
            k, u = fmt.decode(buf, o) if f == 0 else key_current(buf, o)
            if o + 8 * u > end: raise ValueError('key past end of set')
            o += 8 * u
            self.check_key(k, btree, level)
            if not lo <= k.pos <= hi: note('key outside node', '%s %s' % (BTREES[btree], pos_s(k.pos)))
            if prev and not (prev.pos < k.pos or prev.pos == k.pos and prev.type == 0 and k.type != 0): note('keys out of order', '%s %s' % (BTREES[btree], pos_s(k.pos)))
            if k.type == 0 and not later: note('deleted key in first set', BTREES[btree])
            if k.type == 0 and k.val: note('deleted key with value')
            if prev and prev.pos == k.pos: note('deleted and live key at one position in one set')
            keys.append(k); prev = k
        return keys

    def check_key(self, k, btree, level):
        """Generic checks of 20.11.3."""
        if btree >= len(BTREES): return
        ok = {T['btree_ptr'], T['btree_ptr_v2']} if level else ALLOWED[btree]
        if k.type and k.type not in ok: note('key type not listed for btree', '%s in %s level %d' % (k.tname(), BTREES[btree], level))
        ext = btree in EXTENT_BTREES and not level
        if ext and k.type not in (0, 1, 36):
            if not k.size or k.size > k.pos[1]: note('extent size', pos_s(k.pos))
        elif k.size and not (ext and k.type == 0): note('size not zero', '%s %s %s' % (BTREES[btree], k.tname(), pos_s(k.pos)))
        if ext and k.type in (0, 1, 36) and k.size: note('whiteout with size', k.tname())
        if not level and btree in SNAPSHOT_BTREES and not k.pos[2]: note('snapshot zero', BTREES[btree])
        if not level and btree not in SNAPSHOT_BTREES | FREE_SNAPSHOT_FIELD and k.pos[2]: note('snapshot not zero', BTREES[btree])
        if k.type < 38 and len(k.val) < MIN_VAL[k.type]: note('value too small', k.tname())
        if k.type in (4, 25) and k.val: note('value not empty', k.tname())

    # -------- merged contents (20.9, 22.8)
    def node_contents(self, k, btree, level):
        lo, hi, sets, fmt = self.read_node(k, btree, level)
        d = {}
        for s in sets:
            for x in s['keys']:
                if x.type == 0: d.pop(x.pos, None)
                else: d[x.pos] = x
        self._overlay(d, btree, level, lo, hi)
        return d

    def _overlay(self, d, btree, level, lo, hi):
        order, keys = self.overlay.get((level, btree), ((), None))
        for i in range(bisect.bisect_left(order, lo), len(order)):
            p = order[i]
            if p > hi: break
            for x in keys[p]:
                if x.type == T['accounting'] and p in d and d[p].type == x.type:
                    b = d[p]
                    if b.ver >= x.ver: continue                           # already contained
                    n = min(len(b.val), len(x.val)) // 8
                    c = [(u + v) & U64 for u, v in zip(struct.unpack_from('<%dQ' % n, b.val), struct.unpack_from('<%dQ' % n, x.val))]
                    d[p] = Key(x.type, p, 0, x.ver, struct.pack('<%dQ' % n, *c))
                elif x.type == 0: d.pop(p, None)
                else: d[p] = x

    def keys(self, btree, level=0):
        """All keys of one level in order, overlay applied."""
        if (btree, level) in self._levels: return self._levels[btree, level]
        out = []
        if btree not in self.roots:
            if level == 0:
                d = {}; self._overlay(d, btree, 0, (0, 0, 0), SPOS_MAX); out = [d[p] for p in sorted(d)]
        else:
            top, root = self.roots[btree]
            def walk(k, lvl):
                d = self.node_contents(k, btree, lvl)
                if lvl == level: out.extend(d[p] for p in sorted(d)); return
                expect = None
                for p in sorted(d):
                    mp = pos_read(d[p].val, 20) if d[p].type == T['btree_ptr_v2'] else None
                    if expect is not None and mp is not None and mp != expect: note('topology: gap or overlap between children', BTREES[btree])
                    walk(d[p], lvl - 1)
                    n = (p[0] << 96 | p[1] << 32 | p[2]) + 1
                    expect = (n >> 96, n >> 32 & U64, n & U32)
            if level <= top: walk(root, top)
        self._levels[btree, level] = out
        return out

    # -------- snapshots, subvolumes, views (61)
    def ready(self):
        if self._ready: return
        self._ready = True
        self.snap, self.subvol, self.snap_tree = {}, {}, {}
        for k in self.keys(B['snapshots']):
            v = k.val + bytes(max(0, 56 - len(k.val)))
            self.snap[k.pos[1]] = dict(zip('flags parent child0 child1 subvol tree depth skip0 skip1 skip2'.split(), struct.unpack_from('<10I', v)), btime=le(v, 40, 8))
        for k in self.keys(B['subvolumes']):
            v = k.val + bytes(max(0, 40 - len(k.val)))
            self.subvol[k.pos[1]] = dict(flags=le(v, 0, 4), snapshot=le(v, 4, 4), inode=le(v, 8, 8), creation_parent=le(v, 16, 4), fs_parent=le(v, 20, 4), otime=le(v, 24, 8))
        for k in self.keys(B['snapshot_trees']): self.snap_tree[k.pos[1]] = dict(master=le(k.val, 0, 4), root=le(k.val, 4, 4))
        self._anc = {}
        def index(btree, first):                                          # {inode: {offset: [(snapshot, key)...]}}
            d = {}
            for k in self.keys(btree):
                a, b = (k.pos[1], 0) if first else (k.pos[0], k.pos[1])
                d.setdefault(a, {}).setdefault(b, []).append((k.pos[2], k))
            return d
        self.ix = {b: index(b, b == 1) for b in SNAPSHOT_BTREES}
        self.reflink = self.keys(B['reflink']); self.reflink_ends = [k.pos[1] for k in self.reflink]

    def ancestors(self, s):
        if s not in self._anc:
            out, i = set(), s
            while i:
                out.add(i)
                if i not in self.snap: note('snapshot node missing', str(i)); break
                i = self.snap[i]['parent']
            self._anc[s] = out
        return self._anc[s]

    def view(self, btree, inum, snap):
        """Visible keys of one inode in one snapshot, by offset; whiteouts removed, hash whiteouts kept."""
        anc, out = self.ancestors(snap), []
        for off, lst in sorted(self.ix[btree].get(inum, {}).items()):
            for s, k in lst:                                              # ascending: nearest first
                if s in anc:
                    if k.type not in (1, 36): out.append(k)
                    break
        return out

    def inode(self, inum, snap):
        for k in self.view(1, inum, snap): return inode_decode(k)
        return None

    def time_ns(self, t):
        if t >> 63: t -= 1 << 64
        return (self.sb.time_lo // self.sb.precision + t) * self.sb.precision

    def readdir(self, inode, subvol):
        snap = self.subvol[subvol]['snapshot']
        for k in self.view(2, inode['inum'], snap):
            if k.type != T['dirent']: continue
            d = dirent_decode(k)
            if d.type == 16 and d.parent != subvol: continue              # invisible copy in a snapshot
            yield d

    def lookup(self, d, subvol):
        """Dirent -> (inode, subvolume)."""
        if d.type == 16:
            sv = self.subvol[d.child]
            return self.inode(sv['inode'], sv['snapshot']), d.child
        return self.inode(d.inum, self.subvol[subvol]['snapshot']), subvol

    def xattrs(self, inode, subvol):
        out = {}
        for k in self.view(3, inode['inum'], self.subvol[subvol]['snapshot']):
            if k.type != T['xattr']: continue
            t, raw, name, v = xattr_decode(k)
            out[name] = acl_to_xattr(v) if t in (1, 2) else v
        for n, o in enumerate(INODE_OPTS):
            if inode['fields_set'] >> n & 1 and inode[o]: out[b'bcachefs.' + o.encode()] = opt_text(o, inode[o] - 1)
        return out

    # -------- file data (50, 51, 54)
    def extents(self, inode, subvol):
        """Visible extents of a file as a list of (start, end, key) in sectors."""
        out, prev = [], 0
        for k in self.view(0, inode['inum'], self.subvol[subvol]['snapshot']):
            if k.start() < prev: note('visible extents overlap', '%s starts at %d before %d' % (pos_s(k.pos), k.start(), prev))
            out.append((k.start(), k.pos[1], k)); prev = k.pos[1]
        return out

    def blob(self, k, p):
        """The original extent behind pointer p, verified, decrypted, decompressed (54.2 step 8); cached."""
        c = p.crc
        ident = (p.dev, p.offset, c)
        if ident in self._blob: return self._blob[ident]
        data = self.devs[p.dev].read(p.offset, c.csize)
        if not c.csum_type and not c.comp: r = data
        else:
            comp = c.comp if 1 <= c.comp <= 4 else 0
            hi, lo = k.ver
            nonce = ((((c.usize << 22) & U32 if comp else 0) + 8 * c.nonce) & U32, lo & U32, lo >> 32, (hi | comp << 24) ^ 0x10000000)
            want = checksum(c.csum_type, data, self.key, nonce)
            n = CSUM_BYTES[c.csum_type]
            if want[:n] != c.csum[:n]: raise IOError('data checksum: type %d' % c.csum_type)
            if any(c.csum[n:]): note('crc entry: unused checksum bytes not zero')
            if c.csum_type in (3, 4): data = chacha20(self.key, nonce, data)
            r = decompress(comp, data, c.usize * 512) if comp else data
        if len(self._blob) > 64: self._blob.clear()
        self._blob[ident] = r
        return r

    def stale(self, p):
        """(int8)(bucket gen - ptr gen); 0 = valid."""
        if not hasattr(self, '_gens'):
            self._gens = {k.pos[:2]: k.val[12] for k in self.keys(B['alloc']) if k.type == T['alloc_v4']}
        g = self._gens.get((p.dev, p.offset // self.sb.members[p.dev]['bucket']), 0)
        return ((g - p.gen) & 255) - (256 if (g - p.gen) & 255 >= 128 else 0)

    def extent_bytes(self, k, o, n):
        """n sectors of a pointer container, from live sector o. All usable replicas are read and compared."""
        ptrs, other = parse_entries(k.val[entries_of(k):], k.size, self.sb.entry_sizes)
        for t, w in other:
            if t == 6 and w >> 7 & 1: raise IOError('poisoned')
        if any(p.unwritten for p in ptrs): return bytes(512 * n)
        got, err = None, IOError('no usable replica')
        for p in ptrs:
            if p.dev not in self.devs: continue
            st = self.stale(p)
            if st:
                if not p.cached: note('stale dirty pointer', pos_s(k.pos))
                continue
            if p.crc.offset + k.size > p.crc.usize: note('crc: offset + size > uncompressed size')
            try: b = self.blob(k, p)
            except (IOError, ValueError) as e: err = e; note('data: bad replica', '%s: %s' % (pos_s(k.pos), e)); continue
            b = b[512 * (p.crc.offset + o):512 * (p.crc.offset + o + n)]
            if len(b) != 512 * n: note('data: short extent'); continue
            if got is not None and got != b: note('data: replicas differ', pos_s(k.pos))
            got = b
        if got is None: raise err
        return got

    def read_key(self, k, o, n):
        """n sectors from live sector o of any key of the extents btree."""
        t = k.tname()
        if t == 'extent': return self.extent_bytes(k, o, n)
        if t == 'reservation': return bytes(512 * n)
        if t == 'inline_data': return (k.val[512 * o:512 * (o + n)] + bytes(512 * n))[:512 * n]
        if t == 'reflink_p':
            w, front, back = struct.unpack_from('<QII', k.val)
            if w >> 58: note('reflink_p: bits 58..63')
            idx, out = bits(w, 0, 56) + o, []
            while n:
                i = bisect.bisect_right(self.reflink_ends, idx)
                r = self.reflink[i] if i < len(self.reflink) else None
                if r is None or r.start() > idx or r.type not in (T['reflink_v'], T['indirect_inline_data']): raise IOError('missing indirect extent %d' % idx)
                m = min(n, r.pos[1] - idx); a = idx - r.start()
                out.append(self.extent_bytes(r, a, m) if r.type == T['reflink_v'] else (r.val[8:][512 * a:512 * (a + m)] + bytes(512 * m))[:512 * m])
                idx += m; n -= m
            return b''.join(out)
        raise IOError('key type ' + t)

    def read_file(self, inode, subvol, start=0, end=None):
        """Yields byte strings covering [start, end) of the file."""
        end = inode['size'] if end is None else min(end, inode['size'])
        at = start
        def zeros(n):
            while n > 0: yield bytes(min(n, 1 << 20)); n -= 1 << 20
        for s, e, k in self.extents(inode, subvol):
            if e * 512 <= at: continue
            if s * 512 >= end: break
            if s * 512 > at: yield from zeros(s * 512 - at); at = s * 512
            stop = min(e * 512, end)
            a, z = at // 512, -(-stop // 512)
            while a < z:
                m = min(2048, z - a)
                b = self.read_key(k, a - s, m)
                b = b[at - a * 512:min(stop, (a + m) * 512) - a * 512]
                yield b
                at += len(b); a += m
        if at < end: yield from zeros(end - at)

    def walk(self, inode=None, subvol=1, path=b'.'):
        """Depth first: (path, inode, subvol, [dirents])."""
        self.ready()
        if inode is None:
            sv = self.subvol[1]; inode = self.inode(sv['inode'], sv['snapshot'])
        ents = sorted(self.readdir(inode, subvol), key=lambda d: d.name) if inode['mode'] >> 12 == 4 else None
        yield path, inode, subvol, ents
        for d in ents or ():
            i, sv = self.lookup(d, subvol)
            p = d.name if path == b'.' else path + b'/' + d.name
            if i is None: note('dirent to missing inode', repr(p)); continue
            t = 16 if i['subvol'] else i['mode'] >> 12
            if d.type != t: note('dirent type differs', repr(p))
            yield from self.walk(i, sv, p)

def opt_text(o, v):
    """Text of an inode option value (11.5)."""
    csum, comp = ['none', 'crc32c', 'crc64', 'xxhash'], ['none', 'lz4', 'gzip', 'zstd']
    if o == 'data_checksum': s = csum[v]
    elif o in ('compression', 'background_compression'): s = comp[v & 15] + (':%d' % (v >> 4) if v >> 4 else '')
    else: s = str(v)
    return s.encode()

# ------------------------------------------------------------------------------------------------ values as text
ERR_KIND = ['unknown', 'device_removed', 'double_allocation', 'no_valid_pointers_repair']
DATA_TYPE = ['free', 'sb', 'journal', 'btree', 'user', 'cached', 'parity', 'stripe', 'need_gc_gens', 'need_discard', 'unstriped']

def stripe_decode(k):
    v = k.val
    s = dict(idx=k.pos[1], sectors=le(v, 0, 2), algorithm=v[2] & 15, needs_reconcile=v[2] >> 4 & 1, can_widen=v[2] >> 5, nr=v[3], nr_red=v[4], gran=v[5], csum_type=v[6], label=v[7])
    n, o = s['nr'], 8 + 8 * s['nr']
    s['ptrs'] = [parse_entries(v[8 + 8 * i:16 + 8 * i], 0)[0][0] for i in range(n)]
    c, w = -(-s['sectors'] // (1 << s['gran'])), CSUM_BYTES[s['csum_type']]
    s['csums'] = [[v[o + (i * c + j) * w:o + (i * c + j + 1) * w] for j in range(c)] for i in range(n)]
    o += n * c * w
    s['counts'] = struct.unpack_from('<%dH' % n, v, o); o += 2 * n
    if len(v) != (o + 7) & ~7 or any(v[o:]): note('stripe: value size', '%d %d' % (len(v), o))
    return s

def reconcile_decode(w):
    f, at = {}, 8
    for name, width in (('', 2), ('ptrs_moving', 5), ('hipri', 1), ('pending', 1), ('need_rb', 5), ('replicas_i', 1), ('csum_i', 1), ('ec_i', 1), ('bgcomp_i', 1), ('bgtarget_i', 1),
                        ('promote_i', 1), ('data_replicas', 3), ('data_checksum', 4), ('erasure_code', 1), ('background_compression', 8), ('background_target', 10), ('promote_target', 10)):
        f[name] = bits(w, at, at + width); at += width
    return f

def backpointer_decode(v):
    return dict(btree=v[0], level=v[1], data_type=v[2], gen=v[3], flags=le(v, 4, 4), len=le(v, 8, 4), pos=pos_read(v, 12))

def accounting_decode(k, reverse=True):
    """-> (type, fields, counters); reverse is False while version_upgrade_complete < 1.15"""
    a = struct.pack('<IQQ', k.pos[2], k.pos[1], k.pos[0])
    if reverse: a = a[::-1]
    n = {0: 0, 1: 1, 3: 2, 4: 1, 5: 4, 6: 4, 7: 0, 8: 8, 9: 1, 10: 4}.get(a[0], a[2] + 3 if a[0] == 2 else 19)
    if any(a[1 + n:]): note('accounting: junk at end', a.hex())
    return a[0], a[1:1 + n], struct.unpack('<%dq' % (len(k.val) // 8), k.val)

def alloc_v4_decode(v):
    b = (v + bytes(64))[:64]; start = bits(le(b, 8, 4), 2, 8) or 6
    if start < 8: b = b[:8 * start] + bytes(64 - 8 * start)
    f = struct.unpack('<QIBBBBIIQQIIQII', b)
    return dict(zip('seq_nonempty flags gen oldest_gen data_type _r dirty cached io_r io_w stripe_refcount _n seq_empty stripe_sectors _p'.split(), f))

def ptr_text(ptrs, other):
    out = []
    for p in ptrs:
        c = p.crc
        out.append('%sptr %d:%d gen %d%s%s' % ('ec %d/%d r%d ' % (p.ec.idx, p.ec.block, p.ec.redundancy) if p.ec else '', p.dev, p.offset, p.gen, ' cached' if p.cached else '', ' unwritten' if p.unwritten else '')
                   + (' crc c %d u %d off %d nonce %d csum %d:%s comp %d' % (c.csize, c.usize, c.offset, c.nonce, c.csum_type, c.csum.hex(), c.comp) if c.csum_type or c.comp else ''))
    for t, w in other: out.append('entry%d:%x' % (t, w) + (' %s' % {a: b for a, b in reconcile_decode(w).items() if b and a} if t == 7 else ''))
    return '; '.join(out)

def value_text(k, fs=None):
    v, t = k.val, k.tname()
    if entries_of(k) is not None:
        h = {'reflink_v': lambda: 'refcount %d ' % le(v, 0, 8), 'btree_ptr_v2': lambda: 'seq %x written %d min %s%s ' % (le(v, 8, 8), le(v, 16, 2), 'R ' if v[18] & 1 else '', pos_s(pos_read(v, 20)))}
        return h.get(t, str)() + ptr_text(*parse_entries(v[entries_of(k):], k.size))
    if t in ('inode', 'inode_v2', 'inode_v3'):
        i = inode_decode(k)
        return 'mode %o flags %x hash %d ' % (i['mode'], i['flags'], i['hash_type']) + ' '.join('%s %d' % (n, x) for n, x in i.items() if x and n not in ('mode', 'flags', 'hash_type', 'inum', 'snapshot'))
    if t == 'dirent':
        d = dirent_decode(k)
        return '%r -> %s type %d%s' % (d.name, 'subvol %d parent %d' % (d.child, d.parent) if d.type == 16 else d.inum, d.type, ' cf %r' % d.cf_name if d.cf_name is not None else '')
    if t == 'xattr': return '%r = %r' % xattr_decode(k)[2:]
    if t == 'alloc_v4': return str({a: b for a, b in alloc_v4_decode(v).items() if b})
    if t == 'backpointer': return str(backpointer_decode(v))
    if t == 'stripe': return str(stripe_decode(k))
    if t == 'accounting': a = accounting_decode(k, fs is None or fs.sb.upgrade_complete >= 1039); return '%d %s %s' % (a[0], a[1].hex(), a[2])
    if t == 'reflink_p': w = le(v, 0, 8); return 'idx %d front %d back %d%s%s' % (bits(w, 0, 56), le(v, 8, 4), le(v, 12, 4), ' error' if w >> 56 & 1 else '', ' may_update_opts' if w >> 57 & 1 else '')
    if t == 'reservation': return 'generation %d replicas %d' % (le(v, 0, 4), v[4])
    if t == 'error': return ERR_KIND[v[0]] if v else ERR_KIND[0]
    if t in ('cookie', 'quota', 'lru'): return ' '.join(map(str, struct.unpack('<%dQ' % (len(v) // 8), v)))
    if t in ('subvolume', 'snapshot', 'snapshot_tree'): return ' '.join(map(str, struct.unpack('<%dI' % (len(v) // 4), v)))
    if t == 'inode_alloc_cursor': return 'bits %d gen %d idx %d' % (v[0], le(v, 4, 4), le(v, 8, 8))
    if t == 'logged_op_truncate': return 'subvol %d inum %d size %d' % (le(v, 0, 4), le(v, 8, 8), le(v, 16, 8))
    if t == 'logged_op_finsert': return 'state %d subvol %d inum %d dst %d src %d pos %d' % ((v[0], le(v, 4, 4)) + struct.unpack_from('<4Q', v, 8))
    return v.hex() if len(v) <= 64 else '%d bytes %s...' % (len(v), v[:32].hex())

def key_text(k, fs=None):
    t = value_text(k, fs) if k.val else ''
    return 'u64s %d type %s %s len %d ver %d%s' % (k.u64s(), k.tname(), pos_s(k.pos), k.size, k.ver[1], ': ' + t if t else '')

# ------------------------------------------------------------------------------------------------ printing commands
def uuid_s(u): h = u.hex(); return '-'.join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))

def cmd_super(fs, args):
    for n, d in sorted(fs.devs.items()):
        s = d.sb
        print('device %d %s: %d sectors; copies %s' % (n, d.path, d.sectors, ['%d seq %d csum %d %d bytes' % (c.offset, c.seq, c.csum_type, len(c.raw)) for c in d.copies]))
        print('  uuid %s user %s label %r version %s min %s incompat %s allowed %s complete %s' % (uuid_s(s.uuid), uuid_s(s.user_uuid), s.label.rstrip(b'\0'), ver_s(s.version), ver_s(s.version_min),
              ver_s(s.version_incompat), ver_s(s.opt('version_incompat_allowed')), ver_s(s.upgrade_complete)))
        print('  seq %d block %d dev_idx %d nr_devices %d time %d/%d write_time %d features %x compat %x initialized %d clean %d errors %d/%d multi %d' % (s.seq, s.block, s.dev_idx, s.nr_devices, s.time_lo,
              s.precision, s.write_time, s.features[0], s.compat[0], s.initialized, s.clean, bits(s.flags[0], 60, 61), bits(s.flags[0], 61, 62), bits(s.flags[3], 63, 64)))
        print('  flags', ' '.join('%016x' % f for f in s.flags))
        print('  options', ' '.join('%s=%d' % (o.split(':')[0], s.opt(o.split(':')[0])) for o in OPTIONS))
        for t, b in s.sections.items():
            print('  section %d %s: %d bytes' % (t, SECTIONS[t] if t < len(SECTIONS) else '?', len(b)))
            if t in (0, 9): print('    buckets', s.journal_buckets())
            elif t in (1, 11):
                for i, m in enumerate(s.members): print('    member %d' % i, {a: (x.hex() if isinstance(x, bytes) else x) for a, x in m.items()})
            elif t == 2: print('    flags %d kdf %x key box %s' % (le(b, 8, 8), le(b, 16, 8), 'plain' if b[24:32] == b'bch**key' else 'encrypted'))
            elif t in (3, 7):
                o, h = 8, 2 if t == 3 else 3
                while o + h <= len(b) and b[o]:
                    print('    %s required %d devs %s' % (DATA_TYPE[b[o]], b[o + 2] if t == 7 else 1, list(b[o + h:o + h + b[o + 1]]))); o += h + b[o + 1]
            elif t == 4: print('   ', struct.unpack('<18I', b[8:80]))
            elif t == 5:
                for i in range((len(b) - 8) // 48):
                    f = le(b, 40 + 48 * i, 8); print('    label %d %r deleted %d allowed %d parent %d' % (i, b[8 + 48 * i:40 + 48 * i].rstrip(b'\0'), bits(f, 0, 1), bits(f, 1, 6), bits(f, 6, 24)))
            elif t == 6:
                print('    flags %d journal_seq %d' % (le(b, 8, 4), le(b, 16, 8)))
                for e in sub_entries(b, 24):
                    if e[3]: print('     ', entry_text(*e))
            elif t == 8: print('   ', s.blacklist)
            elif t == 10: print('   ', {i: x for i, x in enumerate(struct.unpack('<%dQ' % (len(b) // 8 - 1), b[8:])) if x})
            elif t == 12: print('   ', [(le(b, o, 8) & 0xffff, le(b, o, 8) >> 16, le(b, o + 8, 8)) for o in range(8, len(b), 16)])
            elif t == 13: print('    passes %x,%x silent %s lost %x flags0 %x' % (le(b, 8, 8), le(b, 16, 8), b[24:88].rstrip(b'\0').hex(), le(b, 88, 8), le(b, 96, 8)))
            elif t == 14:
                o = 8
                while o + 20 <= len(b) and o + 20 + 2 * le(b, o + 18, 2) <= len(b):
                    ne = le(b, o + 18, 2); print('    %s passes %x errors %s' % (ver_s(le(b, o, 2)), le(b, o + 2, 8), struct.unpack_from('<%dH' % ne, b, o + 20))); o += 20 + 2 * ne
            elif t == 15: print('   ', {i: (le(b, 8 + 16 * i, 8), le(b, 16 + 16 * i, 4), le(b, 20 + 16 * i, 4)) for i in range((len(b) - 8) // 16) if any(b[8 + 16 * i:24 + 16 * i])})
            elif t == 16: print('   ', b[8:].hex())

ENTRY_TYPES = 'btree_keys btree_root prio_ptrs blacklist blacklist_v2 usage data_usage clock dev_usage log overwrite write_buffer_keys datetime log_bkey rewind_limit rewind'.split()
def entry_text(bt, lvl, typ, p, off):
    name = ENTRY_TYPES[typ] if typ < 16 else 'type %d' % typ
    if typ in (0, 1, 10, 11, 13): return '%s %s l=%d ' % (name, BTREES[bt] if bt < len(BTREES) else bt, lvl) + ' | '.join(key_text(k) for k in payload_keys(p))
    if typ == 9: return '%s level %d %r' % (name, lvl, p.rstrip(b'\0'))
    if typ == 5: return 'usage type %d = %d' % (bt, le(p, 0, 8))
    if typ == 7: return 'clock %s = %d' % ('rw'[p[0]], le(p, 8, 8))
    return name + ' ' + ' '.join(str(le(p, o, 8)) for o in range(0, len(p), 8))

def cmd_journal(fs, args):
    for s in sorted(fs.jsets):
        e = fs.jsets[s]
        print('seq %d version %s last_seq %d flags %x %s%s %d bytes at %s%s' % (s, ver_s(e.version), e.last_seq, e.flags, 'noflush' if e.noflush else 'flush', '' if e.good else ' BAD CHECKSUM', len(e.raw),
              ' '.join('%d:%d+%d' % w[:3] for w in e.where), ' (%s)' % e.ignored if e.ignored else ''))
        if '-v' in args:
            for x in e.entries():
                if x[3] or x[2]: print('    ' + entry_text(*x))
    print('window', fs.window, 'blacklist', fs.blacklisted, 'overlay', {'%s l%d' % (BTREES[b], l): len(x[0]) for (l, b), x in sorted(fs.overlay.items())})

def cmd_roots(fs, args):
    for b, (lvl, k) in sorted(fs.roots.items()): print(BTREES[b] if b < len(BTREES) else b, 'level', lvl, key_text(k))

def all_nodes(fs, b):
    """Every node of a btree: (level, pointer key)."""
    if b not in fs.roots: return
    top, root = fs.roots[b]
    yield top, root
    for lvl in range(top, 0, -1):
        for k in fs.keys(b, lvl): yield lvl - 1, k

def cmd_nodes(fs, args):
    for b in range(63):
        if args and BTREES[b] not in args: continue
        for lvl, k in all_nodes(fs, b):
            lo, hi, sets, fmt = fs.read_node(k, b, lvl)
            print('%s level %d %s - %s format %d words %s offsets %s (sets behind end: %d)' % (BTREES[b], lvl, pos_s(lo), pos_s(hi), fmt.key_u64s, fmt.width, fmt.offset, fs.last_sets_after))
            print('   ', ' '.join('[%d: jseq %d v%s %d keys %d words]' % (s['off'], s['jseq'], ver_s(s['version']), len(s['keys']), s['u64s']) for s in sets), value_text(k))

def cmd_list(fs, args):
    for k in fs.keys(B[args[0]], int(args[1]) if len(args) > 1 else 0): print(key_text(k, fs))

def cmd_counts(fs, args):
    for b in range(len(BTREES)): print(BTREES[b], len(fs.keys(b)))

def cmd_tree(fs, args):
    for path, i, sv, ents in fs.walk(): print('%o %d:%d %d n%d s%d %s' % (i['mode'], i['uid'], i['gid'], i['size'], i['nlinks'], sv, path.decode('utf-8', 'backslashreplace')))

def cmd_cat(fs, args):
    want = os.fsencode(args[0])
    for path, i, sv, ents in fs.walk():
        if path == want:
            for b in fs.read_file(i, sv): sys.stdout.buffer.write(b)

# ------------------------------------------------------------------------------------------------ comparison with a manifest
TYPES = {1: 'fifo', 2: 'chr', 4: 'dir', 6: 'blk', 8: 'file', 10: 'symlink', 12: 'sock'}
def unb(x): return base64.b64decode(x['b64']) if isinstance(x, dict) else x.encode()

def data_regions(fs, i, sv):
    """What SEEK_DATA / SEEK_HOLE show, in bytes."""
    out = []
    for s, e, k in fs.extents(i, sv):
        if k.type == T['reservation']: continue
        if k.type == T['extent'] and any(p.unwritten for p in parse_entries(k.val, k.size)[0]): continue
        a, z = s * 512, min(e * 512, i['size'])
        if a >= z: continue
        if out and out[-1][1] >= a: out[-1][1] = max(z, out[-1][1])
        else: out.append([a, z])
    return out

def check_entry(fs, m, i, sv, ents, path):
    """-> list of differences between one manifest entry and what we decoded."""
    bad = []
    def eq(name, want, got):
        if want != got: bad.append('%s: manifest %r, decoded %r' % (name, want, got))
    eq('type', m['type'], TYPES.get(i['mode'] >> 12)); eq('mode', int(m['mode'], 8), i['mode'])
    for f in ('uid', 'gid'): eq(f, m[f], i[f])
    eq('ino', m['ino'], i['inum']); eq('nlink', m['nlink'], i['nlinks'])
    eq('mtime', m['mtime_ns'], fs.time_ns(i['mtime'])); eq('ctime', m['ctime_ns'], fs.time_ns(i['ctime']))
    if 'entries' in m: eq('entries', m['entries'], len(ents))
    if 'rdev' in m: eq('rdev', m['rdev'], [i['dev'] >> 20, i['dev'] & 0xfffff])
    x = {n.decode('utf-8', 'surrogateescape'): base64.b64encode(v).decode() for n, v in fs.xattrs(i, sv).items()}
    if x != m.get('xattrs_b64', {}):
        a, b = m.get('xattrs_b64', {}), x
        bad.append('xattrs differ: %s' % {n: (a.get(n), b.get(n)) for n in set(a) | set(b) if a.get(n) != b.get(n)})
    if m['type'] == 'symlink': eq('target', unb(m['target']), b''.join(fs.read_file(i, sv)))
    if m['type'] == 'file':
        eq('size', m['size'], i['size']); eq('blocks', m['blocks'], i['sectors'])
        alloc = {T[n] for n in 'extent reservation reflink_p inline_data error'.split()}
        n = sum(k.size for s, e, k in fs.extents(i, sv) if k.type in alloc)
        if n != i['sectors']: note('check: bi_sectors is not the sum of the visible extents', '%r %d %d' % (path, i['sectors'], n))
        try:
            if 'sha256' in m:
                h = hashlib.sha256()
                for b in fs.read_file(i, sv): h.update(b)
                eq('sha256', m['sha256'], h.hexdigest())
            if 'sha256_data_regions' in m:
                h = hashlib.sha256()
                for a, z in m['data']:
                    for b in fs.read_file(i, sv, a, z): h.update(b)
                eq('sha256 of regions', m['sha256_data_regions'], h.hexdigest())
            if 'data' in m: eq('data regions', m['data'], data_regions(fs, i, sv))
        except (IOError, ValueError) as e: bad.append('read: %s' % e)
    return bad

def cmd_check(fs, args):
    path = args[0]; man = json.load(open(path))
    ents = man.get('entries')
    if isinstance(ents, str):
        f = path[:-5] + '.list.json.zst'
        ents = json.loads(subprocess.run(['zstd', '-dc', '--long=27', f], check=True, stdout=subprocess.PIPE).stdout)
        ents = ents['entries'] if isinstance(ents, dict) else ents
    ok = total = 0; diffs = []
    if ents and fs.sb.initialized:
        want = {unb(e['path']): e for e in ents}; total = len(want)
        for p, i, sv, d in fs.walk():
            if p == b'lost+found' and not d: continue
            m = want.pop(p, None)
            if m is None: diffs.append('%r: not in manifest' % p); continue
            bad = check_entry(fs, m, i, sv, d, p)
            if bad: diffs.append('%r: %s' % (p, '; '.join(bad)))
            else: ok += 1
        diffs += ['%r: in manifest only' % p for p in want]
    cok = ctotal = 0; cbad = []
    for field in ('list_counts_138', 'list_counts'):
        for n, c in (man.get(field) or {}).items():
            b = B.get({'rebalance_work': 'reconcile_work'}.get(n, n))
            got = len(fs.keys(b)) if b is not None else None
            if field == 'list_counts_138': ctotal += 1; cok += got == c
            if isinstance(c, int) and got != c and (field == 'list_counts_138' or not man.get('list_counts_138')): cbad.append('%s %s: listed %s, decoded %s' % (field, n, c, got))
    print('%s: entries %d/%d, counts(138) %d/%d, nodes %d' % (man['name'], ok, total, cok, ctotal, fs.nodes_read))
    for x in diffs[:12]: print('   ', x[:400])
    if len(diffs) > 12: print('    ... %d more' % (len(diffs) - 12))
    for x in cbad: print('   ', x)

# ------------------------------------------------------------------------------------------------ internal consistency
def gf_mul(a, b):
    r = 0
    while b:
        if b & 1: r ^= a
        a = a << 1 ^ (0x11d if a & 0x80 else 0); b >>= 1
    return r

def verify_hashes(fs):
    good = probed = 0
    seed = {}
    for k in fs.keys(1):
        i = inode_decode(k)
        if not i: continue
        x = seed.setdefault(i['inum'], i)
        if (x['seed'], x['hash_type']) != (i['seed'], i['hash_type']): note('verify: versions of an inode differ in hash seed')
    for bt in (2, 3):
        for inum, d in fs.ix[bt].items():
            i = seed.get(inum)
            if not i: note('verify: no inode for %s' % BTREES[bt]); continue
            for off, lst in d.items():
                for s, k in lst:
                    if k.type == T['dirent']:
                        e = dirent_decode(k); h = dirent_hash(i, e.name if e.cf_name is None else e.cf_name)
                    elif k.type == T['xattr']:
                        t, raw, _, _ = xattr_decode(k); h = xattr_hash(i, t, raw)
                    else: continue
                    if h == off: good += 1; continue
                    vis = {x.pos[1] for x in fs.view(bt, inum, s)}
                    if h < off and all(o in vis for o in range(h, off)): probed += 1
                    else: note('verify: %s hash' % BTREES[bt], '%s expected %d' % (pos_s(k.pos), h))
            for s in {s for lst in d.values() for s, _ in lst}:
                if not any(k.pos[2] == s for k in (x[1] for x in fs.ix[1].get(inum, {}).get(0, []))): note('verify: I-own', '%s %d:%d' % (BTREES[bt], inum, s))
    return 'hashes %d direct, %d probed' % (good, probed)

def verify_stripes(fs):
    n = cs = 0
    for k in fs.keys(B['stripes']):
        s = stripe_decode(k); n += 1
        data = [fs.devs[p.dev].read(p.offset, s['sectors']) if p.dev in fs.devs else None for p in s['ptrs']]
        g = 512 << s['gran']
        for b, blk in enumerate(data):
            if blk is None: continue
            for j, c in enumerate(s['csums'][b]):
                w = CSUM_BYTES[s['csum_type']]
                if checksum(s['csum_type'], blk[j * g:(j + 1) * g])[:w] != c: note('verify: stripe checksum', 'stripe %d block %d part %d' % (s['idx'], b, j))
                cs += 1
        nd = s['nr'] - s['nr_red']
        if all(d is not None for d in data):
            x = 0
            for d in data[:nd]: x ^= int.from_bytes(d, 'little')
            if x.to_bytes(len(data[0]), 'little') != data[nd]: note('verify: P parity', str(s['idx']))
            if s['nr_red'] == 2:
                q = 0; g = 1
                for d in data[:nd]:
                    tab = bytes(gf_mul(v, g) for v in range(256)); q ^= int.from_bytes(d.translate(tab), 'little'); g = gf_mul(g, 2)
                if q.to_bytes(len(data[0]), 'little') != data[nd + 1]: note('verify: Q parity', str(s['idx']))
    return 'stripes %d, checksums %d' % (n, cs)

def all_pointers(fs):
    """(btree, level of the key, key, ptr, sectors on disk, reconcile word or 0)"""
    for b in fs.roots:
        if b >= len(BTREES): continue
        top, root = fs.roots[b]
        for lvl in range(top + 1, -1, -1):
            if lvl == 0 and b not in (0, 7): continue
            for k in ([root] if lvl == top + 1 else fs.keys(b, lvl)):
                if entries_of(k) is None: continue
                ptrs, other = parse_entries(k.val[entries_of(k):], k.size, fs.sb.entry_sizes)
                rec = next((w for t, w in other if t == 7), 0)
                for p in ptrs:
                    c = p.crc
                    n = fs.sb.node_sectors if lvl else -(-k.size * c.csize // c.usize) if 1 <= c.comp <= 4 else k.size
                    yield b, lvl, k, p, n, rec

def work_class(rec):
    f = reconcile_decode(rec)
    return 0 if not rec or not f['need_rb'] else 3 if f['pending'] else 1 if f['hipri'] else 2

def verify_backpointers(fs):
    """Expected against found. Entries of another generation are dead; before 1.33 the flags word is undefined."""
    old = fs.sb.upgrade_complete < 1038                                   # before 1.14: 40-bit bucket offset instead of generation and flags
    got = {k.pos: tuple(backpointer_decode(k.val).values()) for k in fs.keys(B['backpointers'])}
    best = []
    for shift in sorted({fs.sb.bp_shift, 10}, key=lambda x: x != fs.sb.bp_shift):
        want, bad = {}, collections.Counter()
        def add(p, sector, sub, v):
            pos = (p.dev, (sector << shift) + sub, 0); bs = fs.sb.members[p.dev]['bucket']
            if old: o = (sector % bs << 10) + sub; v = v[:3] + (o & 255, o >> 8) + v[5:]
            elif fs.sb.upgrade_complete < 1057: v = v[:4] + (0,) + v[5:]
            if pos in want: bad['two pointers at one backpointer position'] += 1
            want[pos] = v
        for b, lvl, k, p, n, rec in all_pointers(fs):
            if p.dev == 255 or fs.stale(p) or (p.cached and fs.sb.upgrade_complete < 1045): continue
            cl = work_class(rec)
            f = (cl if cl in (1, 2) and not lvl and fs.sb.members[p.dev]['rotational'] else 0) | (4 if p.ec and fs.sb.version >= 1061 else 0)
            add(p, p.offset, 0 if lvl else p.crc.offset, (b, lvl, 3 if lvl else 7 if p.ec else 5 if p.cached else 4, p.gen, f, n, k.pos))
        for k in fs.keys(B['stripes']):
            s = stripe_decode(k)
            for i, p in enumerate(s['ptrs']):
                f = 1 if s['needs_reconcile'] and fs.sb.members[p.dev]['rotational'] else 0
                if p.dev != 255: add(p, p.offset + s['sectors'], -1, (6, 0, 6 if i >= s['nr'] - s['nr_red'] else 4, p.gen, f, 0, k.pos))
        dead = 0
        for p in want:
            g = got.get(p)
            if g and not old and fs.sb.upgrade_complete < 1057: g = g[:4] + (0,) + g[5:]
            if g is None: bad['missing: %s' % (want[p][:3],)] += 1
            elif want[p] != g: bad['differs: want %s got %s' % (want[p], g)] += 1
        for p in got:
            if p in want: continue
            gen = fs._gens.get((p[0], (p[1] >> shift) // fs.sb.members[p[0]]['bucket']), 0)
            if not old and got[p][3] != gen: dead += 1
            else: bad['without pointer: %s %s' % (pos_s(p), got[p])] += 1
        best.append((sum(bad.values()), shift, bad, dead))
    n, shift, bad, dead = min(best, key=lambda x: x[0])
    if shift != fs.sb.bp_shift: note('verify: backpointers use shift %d, superblock says %d' % (shift, fs.sb.bp_shift))
    for x, c in bad.items(): notes['verify: backpointer'] += c; note_text.setdefault('verify: backpointer', x)
    return 'backpointers %d, %d of them dead' % (len(got), dead)

def verify_indexes(fs):
    dead = {(0, i['inum'], i['snapshot']) for k in fs.keys(1) for i in [inode_decode(k)] if i and i['flags'] & 0x280 == 0x80}
    have = {k.pos for k in fs.keys(B['deleted_inodes'])}
    if dead != have: note('verify: deleted_inodes', '%s / %s' % (sorted(dead - have)[:3], sorted(have - dead)[:3]))
    kids = {(s['fs_parent'], n, 0) for n, s in fs.subvol.items() if s['fs_parent']}
    if kids != {k.pos for k in fs.keys(B['subvolume_children'])}: note('verify: subvolume_children')
    refs = {k.pos: 0 for k in fs.reflink}
    for k in fs.keys(0):
        if k.type != T['reflink_p']: continue
        w, front, back = struct.unpack_from('<QII', k.val); idx = bits(w, 0, 56); a, z = idx - front, idx + k.size + back
        i = bisect.bisect_right(fs.reflink_ends, a)
        while i < len(fs.reflink) and fs.reflink[i].start() < z: refs[fs.reflink[i].pos] += 1; i += 1
    for k in fs.reflink:
        if le(k.val, 0, 8) != refs[k.pos]: note('verify: refcount', '%s stored %d counted %d' % (pos_s(k.pos), le(k.val, 0, 8), refs[k.pos]))
    for n, s in fs.snap.items():                                          # snapshot tree invariants (61.11)
        p = s['parent']
        if s['flags'] & 0xc: continue
        if p and (p <= n or p not in fs.snap or n not in (fs.snap[p]['child0'], fs.snap[p]['child1'])): note('verify: snapshot parent', str(n))
        depth = len(fs.ancestors(n)) - 1
        if s['depth'] != depth: note('verify: snapshot depth', '%d: %d want %d' % (n, s['depth'], depth))
        sk = (s['skip0'], s['skip1'], s['skip2'])
        if list(sk) != sorted(sk) or any(x not in fs.ancestors(n) - {n} for x in sk if x) or (not p and any(sk)): note('verify: snapshot skips', '%d %s' % (n, sk))
    nlink, dirs, subdirs = collections.Counter(), {}, collections.Counter()
    for p, i, sv, ents in fs.walk():
        nlink[sv, i['inum']] += 1; dirs[sv, i['inum']] = (p, i)
        if ents is not None: subdirs[sv, i['inum']] = sum(1 for d in ents if d.type == 4)
    for key, (p, i) in dirs.items():
        want = subdirs[key] + 2 if key in subdirs else nlink[key]
        if i['nlinks'] != want: note('verify: link count', '%r stored %d counted %d' % (p, i['nlinks'], want))
    work = collections.defaultdict(set)
    stripes = {k.pos[1]: stripe_decode(k) for k in fs.keys(B['stripes'])}
    for b, lvl, k, p, n, rec in all_pointers(fs):
        if lvl == 0 and work_class(rec): work[work_class(rec)].add((1, k.pos[1], 0) if b == 7 else k.pos)
        if lvl == 0 and p.ec:
            s = stripes.get(p.ec.idx)
            if not s or not (p.ec.block < s['nr'] - s['nr_red'] and s['ptrs'][p.ec.block].gen == p.gen and s['ptrs'][p.ec.block].dev in (p.dev, 255)
                             and 0 <= p.offset - s['ptrs'][p.ec.block].offset < s['sectors']) or p.ec.redundancy != s['nr_red']: note('verify: stripe pointer does not match')
            elif 'live' in s: s['live'][p.ec.block] += n
            else: s['live'] = [n if i == p.ec.block else 0 for i in range(s['nr'])]
    for s in stripes.values():
        if list(s['counts']) != s.get('live', [0] * s['nr']): note('verify: stripe block counts', '%d %s %s' % (s['idx'], s['counts'], s.get('live')))
        if s['needs_reconcile']: work[1].add((0, s['idx'], 0))
    if fs.sb.version >= 1057:
        for c, b in ((1, 'reconcile_hipri'), (2, 'reconcile_work'), (3, 'reconcile_pending')):
            have = {k.pos for k in fs.keys(B[b])}
            if have != work[c]: note('verify: %s' % b, '%d want %d; %s' % (len(have), len(work[c]), sorted(have ^ work[c])[:2]))
    for lvl, k in [x for b in fs.roots for x in all_nodes(fs, b)]:        # btree bitmap (10.9.8.6)
        for p in parse_entries(k.val[entries_of(k):], 0)[0]:
            m = fs.sb.members[p.dev]
            if fs.sb.version >= 1031 - 0 and not all(m['bitmap'] >> (s >> m['bitmap_shift']) & 1 for s in range(p.offset, p.offset + fs.sb.node_sectors, 8)): note('verify: btree bitmap', '%d:%d' % (p.dev, p.offset))
    return 'inodes %d dead %d' % (len(fs.keys(1)), len(dead))

def cmd_verify(fs, args):
    if not fs.sb.initialized: print('    not initialised'); return
    fs.ready()
    for b in range(len(BTREES)):
        for k in fs.keys(b): value_text(k, fs)                            # every decoder once
    print('   ', '; '.join((verify_hashes(fs), verify_stripes(fs), verify_backpointers(fs), verify_indexes(fs))))

def cmd_selftest():
    """Test vectors of the documents."""
    d, z = b'123456789', bytes(4096)
    t = [(checksum(1, d)[:4], '839206e3'), (checksum(2, d)[:8], '0af0a4f1e359ec62'), (checksum(5, d)[:4], '20fae358'), (checksum(6, d)[:8], '4773490b5fdf406c'), (checksum(7, d)[:8], '83aee640db41b88c'),
         (checksum(1, z)[:4], '8941f998'), (checksum(2, z)[:8], '64cbcb29a4570fa5'), (checksum(7, z)[:8], 'dbbbd8326f9b86ac'), (checksum(7, b'')[:8], '99e9d85137db46ef')]
    key = bytes(range(32)); n = (0, 0x05060708, 0x01020304, 0x30000000)
    t += [(chacha20(key, n[:3] + (n[3] ^ 0x80000000,), bytes(32)), 'd8b29ca2e189f7dadee2cdf0d2ab471dc911e72277fe1e51d9e2157f49580e93'), (checksum(4, bytes(64), key, n), 'ad92fbe172c2ccf3dc957da7c6aedf33'),
          (chacha20(key, n, bytes(16)), '938f814bb2bdcab93266aef4aa152d9d'), (checksum(4, z, key, (0, 5, 0, 0x10000000)), 'ea4af3018cb238d429334a977560d906'),
          (hashlib.scrypt(b'password', salt=b'bcache\0', n=16384, r=8, p=16, maxmem=1 << 28, dklen=32), '4cdc353befc856bc289ee68e6354280283ec016193749ee010229d70a19d2d50'),
          (chacha20(hashlib.scrypt(b'password', salt=b'bcache\0', n=16384, r=8, p=16, maxmem=1 << 28, dklen=32), (0, 0, 0x03020100, 0x07060504), b'bch**key' + key),
           '179bdf32680eda3aa9f8151fd98edd51a4c7b9e39252c893bb2843a6e7bad3ad3cbfea08749fa631')]
    s = 0x1122334455667788
    for name, vals in ((b'lost+found', '0a4d0a27 6623aa690f885dfa 6abbeea27729f76b 4745c1ee16e7a220'), (b'a', '087fc519 0a412e91048b8df8 73082e405552d88a 6a6d9f0917291861'),
                       (b'README', '50bbe5de 5d7325e2842cc709 41244bd4476c6442 4dce671adbc883f6'), (b'\0foo', '95a390f5 6d3e42c18a9d6872 230d91edb9fa182e 298c5ea291ea82ed'),
                       (b'\1', '69b9567b 017ed764615c1880 1d7665fea48259df 289f8676f7a90e78')):
        t += [(str_hash(h, s, name).to_bytes(8, 'big'), '%016x' % int(v, 16)) for h, v in enumerate(vals.split())]
    for v, e in ((0, '00'), (1, '02'), (127, 'fe'), (128, '0102'), (300, 'b104'), (16384, '030002'), (268435455, 'f7ffffff'), (1 << 55, '7f00000000000080'), (1 << 56, 'ff0000000000000001'), (U64, 'ff' * 9)):
        t += [(varint_enc(v), e), (varint(bytes.fromhex(e), 0)[0].to_bytes(9, 'big'), '%018x' % v)]
    for e, v in (('80', 0), ('ff', 127), ('4080', 128), ('43e8', 1000), ('300000', 1 << 20), ('080010000000', 1 << 28)): t.append((varint_old(bytes.fromhex(e), 0)[0].to_bytes(9, 'big'), '%018x' % v))
    fm = Format(bytes([1, 6, 8, 16, 0, 8, 0, 0]) + struct.pack('<6Q', 4096, 0, U32, 0, 0, 0))
    for b, want in (('0200060008080000', (4096, 8, U32, 8)), ('0200060040800000', (4096, 128, U32, 64)), ('0200060080001003', (4099, 4096, U32, 128))):
        k, _ = fm.decode(bytes.fromhex(b) + bytes(8), 0); t.append((repr(k.pos + (k.size,)).encode(), repr(want).encode().hex()))
    for e, c in (('feff0005839206e3', Crc(128, 128, 0, 0, 5, 0, bytes.fromhex('839206e3') + bytes(12))), ('3e7e184578563412', Crc(16, 64, 24, 0, 5, 4, bytes.fromhex('78563412') + bytes(12))),
                 ('fcf70f00000600008877665544332211', Crc(256, 256, 0, 0, 6, 0, bytes.fromhex('8877665544332211') + bytes(8))), ('3cf007001833aabb8877665544332211', Crc(8, 128, 0, 96, 3, 3, bytes.fromhex('8877665544332211aabb') + bytes(6)))):
        p, _ = parse_entries(bytes.fromhex(e) + b'\1' + bytes(7), 64); t.append((repr(p[0].crc).encode(), repr(c).encode().hex()))
    bad = [(i, a.hex(), b) for i, (a, b) in enumerate(t) if a.hex() != b]
    print('selftest: %d vectors, %d wrong' % (len(t), len(bad)))
    for x in bad: print('   ', x)

def main(argv):
    args, pw = argv[1:], None
    if args[:1] == ['-p']: pw, args = args[1], args[2:]
    if not args: print(__doc__); return 2
    cmd, images, rest = args[0], args[1:], []
    if '--' in images: n = images.index('--'); images, rest = images[:n], images[n + 1:]
    sys.setrecursionlimit(100000)
    if cmd == 'selftest': cmd_selftest(); return 0
    fs = FS(images, pw)
    globals()['cmd_' + cmd](fs, rest)
    for k, n in sorted(notes.items()): print('  ! %s x%d%s' % (k, n, ': ' + note_text[k] if note_text[k] else ''))
    return 0

if __name__ == '__main__': sys.exit(main(sys.argv))
