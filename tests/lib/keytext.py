# SPDX-License-Identifier: GPL-2.0
"""The text of keys, made from what the independent decoder (reference/bcr.py) reads.

Nothing here looks at the program under test: key_text() says what `list` must print for a key.
Texts are bytes, because names are.
"""
import os
import struct

from damage import bcr

DATA_TYPES = ('free sb journal btree user cached parity stripe need_gc_gens need_discard unstriped '
              'multiple').split()
CSUM_TYPES = ('none crc32c_nonzero crc64_nonzero chacha20_poly1305_80 chacha20_poly1305_128 crc32c '
              'crc64 xxhash').split()
COMPRESSION_TYPES = 'none lz4_old gzip lz4 zstd incompressible'.split()
ENTRY_TYPES = ('ptr crc32 crc64 crc128 stripe_ptr rebalance_v1 flags reconcile '
               'reconcile_bp').split()
ENTRY_WORDS = (1, 1, 2, 3, 1, 1, 1, 1, 1)
D_TYPES = {1: 'fifo', 2: 'chr', 4: 'dir', 6: 'blk', 8: 'reg', 10: 'lnk', 12: 'sock', 16: 'subvol'}
INODE_FLAGS = ('sync immutable append nodump noatime i_size_dirty i_sectors_dirty unlinked '
               'backptr_untrusted has_child_snapshot has_case_insensitive '
               '31bit_dirent_offset').split()
HASH_TYPES = 'crc32c crc64 siphash_old siphash'.split()
RECONCILE = 'data_replicas data_checksum erasure_code background_compression background_target'.split()
RECONCILE_COUNTERS = ('replicas checksum erasure_code compression target high_priority pending '
                      'stripes').split()
ACCOUNTING = (
    ('nr_inodes', ['inodes']), ('persistent_reserved', ['sectors']), ('replicas', ['sectors']),
    ('dev_data_type', ['buckets', 'sectors', 'fragmented']),
    ('compression', ['extents', 'uncompressed', 'compressed']), ('snapshot', ['sectors']),
    ('btree', ['sectors', 'nodes', 'interior_nodes']), ('rebalance_work', ['sectors']),
    ('inum', ['extents', 'sectors', 'sectors_on_disk']), ('reconcile_work', ['data', 'metadata']),
    ('dev_leaving', ['sectors']))
ACL_TAGS = {1: 'user_obj', 2: 'user', 4: 'group_obj', 8: 'group', 16: 'mask', 32: 'other'}

le, bits, pos_s = bcr.le, bcr.bits, bcr.pos_s


def flags(names, value):
    return ','.join(names[i] if i < len(names) else 'bit%d' % i
                    for i in range(value.bit_length()) if value >> i & 1)


def escape(name):
    return b''.join(b'\\x%02x' % c if c < 0x20 or c in (0x7f, 0x5c) else bytes([c]) for c in name)


def lines(words):
    return '\n' + ''.join('    %s\n' % w for w in words)


class KeyText:
    """Texts of the keys of one filesystem (bcr.FS) on these images."""

    def __init__(self, fs, paths):
        self.fs = fs
        self.devs = {}
        names = {bcr.Device(p).sb.dev_idx: os.path.basename(p) for p in paths}
        for i, m in enumerate(fs.sb.members):
            if m['alive']:
                durability = bits(m['flags'], 28, 30)
                self.devs[i] = (names.get(i, 'dev-%d' % i), m['bucket'],
                                durability - 1 if durability else 1)
        self.reversed = fs.sb.upgrade_complete >= (1 << 10) + 15
        # Kernels up to 1.28 shift by 10 whatever the superblock says: no place is printed then.
        known = fs.sb.bp_shift == 10 or bits(fs.sb.flags[5], 0, 16) > (1 << 10) + 28
        self.shift = fs.sb.bp_shift if known else None

    def key_text(self, k):
        head = 'u64s %d type %s %s len %d ver %d' % (k.u64s(), k.tname(), pos_s(k.pos), k.size,
                                                     k.ver[1])
        if not k.val:
            return head.encode()
        text = getattr(self, k.tname())(k)
        return head.encode() + b'  : ' + (text if isinstance(text, bytes) else text.encode())

    # pointers

    def pointer(self, w):
        sector, dev, gen = bits(w, 4, 48), bits(w, 48, 56), w >> 56
        if dev in self.devs:
            name, bucket, durability = self.devs[dev]
            t = '%s %d:%d:%d gen %d' % (name, dev, sector // bucket, sector % bucket, gen)
            t += ' d=%d' % durability if durability != 1 else ''
        else:
            t = '%d:%d gen %d' % (dev, sector, gen)
        return t + (' cached' if w & 2 else '') + (' unwritten' if w & 8 else '')

    def recorded_opts(self, **o):
        def one(name, v, inode):
            return ' %s=%s%s' % (name, v, ' (inode)' if inode else '')
        t = one('replicas', *o['replicas'])[1:]
        t += one('checksum', 'none crc32c crc64 xxhash'.split()[o['checksum'][0]], o['checksum'][1])
        z, inode = o['compression']
        if z or inode:
            level = ':%d' % (z >> 4) if z >> 4 else ''
            t += one('background_compression', 'none lz4 gzip zstd'.split()[z & 15] + level, inode)
        for target in 'background_target', 'promote_target':
            v, inode = o[target]
            if v or inode:
                t += one(target, self.target(v), inode)
        return t + (one('ec', *o['ec']) if any(o['ec']) else '')

    def target(self, v):
        if not v:
            return 'none'
        if v <= 256:
            return '/dev/' + self.devs[v - 1][0]
        groups, i, path = self.fs.sb.sections[5][8:], v - 257, []
        while i >= 0:
            e = groups[48 * i:48 * i + 48]
            path.insert(0, e[:32].rstrip(b'\0').decode())
            i = bits(le(e, 32, 8), 6, 24) - 1
        return '.'.join(path)

    def entry(self, t, w, val):
        def crc(csize, usize, offset, nonce, csum, comp, hi, lo):
            return 'c_size %d size %d offset %d nonce %d csum %s %x:%x  compress %s' % (
                csize + 1, usize + 1, offset, nonce, CSUM_TYPES[csum], hi, lo,
                COMPRESSION_TYPES[comp])

        def field(*bounds):
            return tuple(bits(w, a, b) for a, b in zip(bounds, bounds[1:]))
        if t == 0:
            return self.pointer(w)
        if t == 1:
            return crc(*field(2, 9, 16, 23), 0, *field(24, 28, 32), 0, w >> 32)
        if t == 2:
            return crc(*field(3, 12, 21, 30, 40, 44, 48), w >> 48, le(val, 8, 8))
        if t == 3:
            return crc(*field(4, 17, 30, 43, 56, 60, 64), le(val, 16, 8), le(val, 8, 8))
        if t == 4:
            return 'idx %d block %d' % (w >> 17, bits(w, 5, 13))
        if t == 5:
            i = field(9, 10, 11, 12, 13, 14, 15)
            promote, ec, csum, replicas, comp, target = field(15, 31, 32, 36, 40, 48, 64)
            return self.recorded_opts(
                replicas=(replicas, i[4]), checksum=(csum, i[2]), compression=(comp, i[3]),
                background_target=(target, i[5]), promote_target=(promote, i[0]), ec=(ec, i[1]))
        if t == 6:
            return flags(['poisoned'], w >> 7)
        if t == 7:
            r = bcr.reconcile_decode(w)
            return 'need_rb=' + flags(RECONCILE, r['need_rb']) + (' hipri' if r['hipri'] else '') + \
                (' pending ' if r['pending'] else ' ') + self.recorded_opts(
                    replicas=(r['data_replicas'], r['replicas_i']),
                    checksum=(r['data_checksum'], r['csum_i']),
                    compression=(r['background_compression'], r['bgcomp_i']),
                    background_target=(r['background_target'], r['bgtarget_i']),
                    promote_target=(r['promote_target'], r['promote_i']),
                    ec=(r['erasure_code'], r['ec_i']))
        return 'idx %d' % (w >> 9)

    def entries(self, val, indent=4):
        durability, redundancy, out, i = 0, None, '', 0
        while i < len(val):
            w = le(val, i, 8)
            t = (w & -w).bit_length() - 1
            if t == 0:
                dev = bits(w, 48, 56)
                if redundancy is None:
                    copies = 0 if dev == 255 else self.devs[dev][2] if dev in self.devs else 1
                else:
                    copies = redundancy + 1
                durability += 0 if w & 2 else copies
                redundancy = None
            elif t == 4:
                redundancy = bits(w, 13, 17)
            out += '\n' + ' ' * indent + ENTRY_TYPES[t] + ': ' + self.entry(t, w, val[i:])
            i += 8 * ENTRY_WORDS[t]
        return 'durability: %d %s' % (durability, out)

    def extent(self, k):
        return self.entries(k.val)

    btree_ptr = extent

    def reflink_v(self, k):
        return 'refcount: %d ' % le(k.val, 0, 8) + self.entries(k.val[8:])

    def btree_ptr_v2(self, k):
        v = k.val
        return '\n    seq %x written %d min_key %s%s ' % (
            le(v, 8, 8), le(v, 16, 2), 'R ' if v[18] & 1 else '',
            pos_s(bcr.pos_read(v, 20))) + self.entries(v[40:], 6)

    def stripe(self, k):
        s = bcr.stripe_decode(k)
        t = 'algo %d sectors %d blocks %d:%d csum %s gran %d label=%s' % (
            s['algorithm'], s['sectors'], s['nr'] - s['nr_red'], s['nr_red'],
            CSUM_TYPES[s['csum_type']], s['gran'],
            self.target(256 + s['label']) if s['label'] else '(none)')
        t += ' needs_reconcile' if s['needs_reconcile'] else ''
        t += ' can_widen=%d' % s['can_widen'] if s['can_widen'] else ''
        return t + ''.join('\n    %s#%d' % (self.pointer(le(k.val, 8 + 8 * i, 8)), n)
                           for i, n in enumerate(s['counts']))

    # other values of data btrees

    def reflink_p(self, k):
        w = le(k.val, 0, 8)
        return 'idx %d front_pad %d back_pad %d' % (bits(w, 0, 56), le(k.val, 8, 4), le(k.val, 12, 4)) + \
            (' error' if w >> 56 & 1 else '') + (' may_update_opts' if w >> 57 & 1 else '')

    def reservation(self, k):
        return 'generation %d replicas %d' % (le(k.val, 0, 4), k.val[4])

    def error(self, k):
        return 'unknown device_removed double_allocation no_valid_pointers_repair'.split()[k.val[0]]

    def cookie(self, k):
        return '%d' % le(k.val, 0, 8)

    def inline_data(self, k):
        return 'datalen %d: %s' % (len(k.val), k.val[:32].hex())

    def indirect_inline_data(self, k):
        return 'refcount %d datalen %d: %s' % (le(k.val, 0, 8), len(k.val) - 8, k.val[8:40].hex())

    # inodes and names

    def inode_v3(self, k):
        i = bcr.inode_decode(k)
        out = ['mode %o' % i['mode'], 'flags ' + (flags(INODE_FLAGS, i['flags']) or '(none)'),
               'journal_seq %d' % i.get('journal_seq', 0), 'hash_seed %016x' % i['seed'],
               'hash_type ' + HASH_TYPES[i['hash_type']], 'bi_size %d' % i['size'],
               'bi_sectors %d' % i['sectors'], 'bi_version %d' % i.get('version', 0)]
        return lines(out + ['bi_%s %d' % (name, i[name]) for name, _ in bcr.FIELDS_V3 if i[name]])

    inode = inode_v2 = inode_v3

    def inode_generation(self, k):
        return 'generation %d' % le(k.val, 0, 4)

    def inode_alloc_cursor(self, k):
        return 'bits %d generation %d idx %d' % (k.val[0], le(k.val, 4, 4), le(k.val, 8, 8))

    def dirent(self, k):
        d = bcr.dirent_decode(k)
        t = escape(d.name)
        t += b' (casefold ' + escape(d.cf_name) + b')' if d.cf_name is not None else b''
        to = 'subvol %d parent_subvol %d' % (d.child, d.parent) if d.type == 16 else '%d' % d.inum
        return t + (' -> %s type %s' % (to, D_TYPES.get(d.type, 'unknown'))).encode()

    def acl(self, val):
        out, p = 'acl', 4
        while p < len(val):
            tag, perm = struct.unpack_from('<HH', val, p)
            has_id = tag in (2, 8)
            out += ' %s%s:%s' % (ACL_TAGS[tag], ':%d' % le(val, p + 4, 4) if has_id else '', ''.join(
                c if perm & b else '-' for c, b in zip('rwx', (4, 2, 1))))
            p += 8 if has_id else 4
        return out.encode()

    def xattr(self, k):
        x_type, name, _, val = bcr.xattr_decode(k)
        t = bcr.XATTR_PREFIX[x_type] + escape(name) + b' = '
        if x_type in (1, 2):
            return t + self.acl(val)
        return t + (val if all(0x20 <= c < 0x7f for c in val) else b'0x' + val.hex().encode())

    def quota(self, k):
        return '%s %d space hardlimit %d softlimit %d inodes hardlimit %d softlimit %d' % (
            ('usr grp prj'.split()[k.pos[0]], k.pos[1]) + struct.unpack_from('<4Q', k.val))

    def logged_op_truncate(self, k):
        v = k.val
        return 'subvol=%d inum=%d new_i_size=%d' % (le(v, 0, 4), le(v, 8, 8), le(v, 16, 8))

    # snapshots

    def snapshot(self, k):
        v = k.val + bytes(56)
        f = struct.unpack_from('<10I', v)
        state = flags('will_delete subvol deleted no_keys'.split(), f[0]) or '(none)'
        return 'flags %s parent %d children %d %d subvol %d tree %d depth %d skip %d %d %d btime %d' % (
            (state,) + f[1:] + (le(v, 40, 8),))

    def snapshot_tree(self, k):
        return 'subvol %d root %d' % struct.unpack_from('<2I', k.val)

    def subvolume(self, k):
        v = k.val + bytes(40)
        state, snapshot, inode, creation, parent = struct.unpack_from('<IIQII', v)
        t = 'root %d snapshot %d creation_parent %d fs_path_parent %d otime %d' % (
            inode, snapshot, creation, parent, le(v, 24, 8))
        return t + (' flags ' + flags('ro snap unlinked'.split(), state) if state else '')

    # buckets

    def alloc_v4(self, k):
        a = bcr.alloc_v4_decode(k.val)
        out = ['gen %d oldest_gen %d data_type %s' % (a['gen'], a['oldest_gen'],
                                                      DATA_TYPES[a['data_type']]),
               'journal_seq_nonempty %d' % a['seq_nonempty'], 'journal_seq_empty %d' % a['seq_empty'],
               'need_discard %d' % (a['flags'] & 1), 'need_inc_gen %d' % (a['flags'] >> 1 & 1),
               'dirty_sectors %d' % a['dirty'], 'stripe_sectors %d' % a['stripe_sectors'],
               'cached_sectors %d' % a['cached'], 'stripe_refcount %d' % a['stripe_refcount'],
               'io_time[READ] %d' % a['io_r'], 'io_time[WRITE] %d' % a['io_w']]
        used = a['cached'] if a['data_type'] == 5 else a['dirty'] + a['stripe_sectors']
        size = self.devs[k.pos[0]][1]
        empty = a['data_type'] in (0, 8, 9)
        out.append('fragmented_sectors %d' % (max(0, size - used) if used else 0 if empty else size))
        return lines(out)

    def bucket_gens(self, k):
        return ' '.join(map(str, k.val))

    def backpointer(self, k):
        b = bcr.backpointer_decode(k.val)
        t = ''
        if b['flags'] >> 3 & 1:
            t = 'stripe %d block %d ' % (k.pos[0] >> 8, k.pos[0] & 255)
        elif k.pos[0] in self.devs and self.shift is not None:
            sector, size = k.pos[1] >> self.shift, self.devs[k.pos[0]][1]
            t = 'bucket %d:%d:%d ' % (k.pos[0], sector // size, sector % size)
        return t + 'btree=%s level=%d data_type %s gen %d len %d pos %s%s%s' % (
            bcr.BTREES[b['btree']], b['level'], DATA_TYPES[b['data_type']], b['gen'], b['len'],
            pos_s(b['pos']), ('', ' hipri', ' reconcile', '')[b['flags'] & 3],
            ' erasure_coded' if b['flags'] >> 2 & 1 else '')

    def accounting(self, k):
        t, f, counters = bcr.accounting_decode(k, self.reversed)
        name, labels = ACCOUNTING[t]
        if t == 2:
            name += ' %s %d/%d [%s]' % (DATA_TYPES[f[0]], f[2], f[1], ' '.join(map(str, f[3:])))
        elif t == 3:
            name += ' dev %d %s' % (f[0], DATA_TYPES[f[1]])
        elif t not in (0, 7):
            number = le(f, 0, len(f))
            name += ' ' + {1: 'replicas %d' % number, 10: 'dev %d' % number,
                           4: (COMPRESSION_TYPES + [''] * 256)[number & 255],
                           6: (list(bcr.BTREES) + [''] * 256)[number & 255],
                           9: (RECONCILE_COUNTERS + [''] * 256)[number & 255]}.get(t, '%d' % number)
        return name + ':' + ''.join(' %s %d' % c for c in zip(labels, counters))
