# SPDX-License-Identifier: GPL-2.0
"""Damaged bytes in every kind of structure: a clear message that names device, sector and object;
what can still be read is read; never a crash, a hang, or a changed device (run.py sees to these).
"""
import os
import random
import re
import struct

import pytest

import damage
import images
import manifest
import run

HOW = ['flip', 'zero', 'truncate']
BITS = {'superblock': r'superblock', 'layout': r'layout', 'journal': r'journal|jset',
        'btree': r'btree', 'data': r'data|extent|checksum'}


def names(text, path, sector, thing):
    """Does some message name the device, the sector and the object?"""
    dev = os.path.basename(path)
    for para in paragraphs(text):
        if (dev in para or re.search(r'\bdev(ice)? 0\b', para)) and \
                re.search(r'\b%d\b' % sector, para) and re.search(thing, para, re.I):
            return True
    return False


def paragraphs(text):
    """Messages: a line with the indented lines that follow it."""
    out = []
    for line in text.split('\n'):
        if line.startswith('  ') and out:
            out[-1] += '\n' + line
        else:
            out.append(line)
    return out


def fsck(devs, **kw):
    return run.bcachefs('fsck', '-n', *devs, devices=devs, **kw)


def check_named(r, devs, place, thing=None):
    assert names(r.text, devs[place.dev], place.sector, thing or BITS[place.what]), \
        'no message names %s, sector %d, %s\n%r' % (devs[place.dev], place.sector, place.what, r)


# ------------------------------------------------------------------ superblock

@pytest.mark.parametrize('how', HOW)
@pytest.mark.parametrize('copy', [0, 1, 2])
def test_superblock_copy(copy, how, cache, scratch):
    """One bad copy: it is named, another is used, everything else works."""
    devs = cache.copy('small-616', scratch)
    place = damage.superblocks(devs)[copy]
    damage.harm(devs, place, how)
    r = run.bcachefs('show-super', *devs, devices=devs, rc=0)
    assert 'b13a0b78-ebdf-4861-a146-96ee181c978a' in r.out
    if copy == 0:
        check_named(r, devs, place)
    r = fsck(devs)
    check_named(r, devs, place)
    assert r.rc in (0, 1, 4), repr(r)


@pytest.mark.parametrize('how', HOW)
def test_all_superblocks(how, cache, scratch):
    devs = cache.copy('empty-32m-138', scratch)
    for place in damage.superblocks(devs):
        damage.harm(devs, place, how)
    for args, rc in ((['show-super'], 1), (['list', '-b', 'inodes'], 1), (['fsck', '-n'], 8),
                     (['list_journal'], 1)):
        r = run.bcachefs(*args, *devs, devices=devs, rc=rc)
        check_named(r, devs, damage.Place('superblock', 0, 8, 0, 0))
    r = run.bcachefs('restore', *devs, scratch + '/out', devices=devs, rc=8)
    assert os.path.basename(devs[0]) in r.err


@pytest.mark.parametrize('how', HOW)
def test_layout(how, cache, scratch):
    """The layout sector alone is only needed when the first copy is bad."""
    devs = cache.copy('small-616', scratch)
    place = damage.layout(devs)
    if how == 'flip':           # no checksum: only what is in use can be noticed
        place = place._replace(length=32)
    damage.harm(devs, place, how)
    if how != 'truncate':       # its second half is zero anyway
        assert run.bcachefs('show-super', *devs, devices=devs, rc=0)
    damage.harm(devs, damage.superblocks(devs)[0], 'flip')
    r = run.bcachefs('show-super', *devs, devices=devs)
    if how == 'truncate':
        assert r.rc == 0, repr(r)
    else:
        assert r.rc == 1, repr(r)
        check_named(r, devs, place)


def section_edit(kind, offset, fmt, value):
    def change(raw):
        o = 752
        while o < len(raw):
            n, t = struct.unpack_from('<II', raw, o)
            if t == kind:
                struct.pack_into(fmt, raw, o + offset, value)
                return
            o += 8 * n
        raise AssertionError('section %d is not there' % kind)
    return change


SECTION_EDITS = [
    ('members_v2', 'empty-32m-138', section_edit(11, 8, '<H', 7)),
    ('members_v2', 'empty-32m-138', section_edit(11, 16 + 26, '<H', 0)),
    ('members_v2', 'empty-32m-138', section_edit(11, 16 + 16, '<Q', 1 << 63)),
    ('journal_v2', 'small-616', section_edit(9, 8, '<Q', 1 << 60)),
    ('journal_v2', 'small-616', section_edit(9, 16, '<Q', 0)),
    ('clean', 'small-616', section_edit(6, 24, '<H', 0xffff)),
    ('crypt', 'encrypted-nopass-616', section_edit(2, 8, '<Q', 15)),
    ('disk_groups', 'cached-138', section_edit(5, 8, '<B', 0)),
    ('superblock', 'small-616', lambda raw: struct.pack_into('<I', raw, 124, 0xfffffff0)),
    ('section', 'small-616', lambda raw: struct.pack_into('<I', raw, 752, 0)),
    ('section', 'small-616', lambda raw: struct.pack_into('<I', raw, 752, 1 << 30)),
    ('block', 'small-616', lambda raw: struct.pack_into('<H', raw, 120, 3)),
    ('version', 'small-616', lambda raw: struct.pack_into('<H', raw, 16, 0xffff)),
    ('nr_devices|devices|index', 'small-616', lambda raw: struct.pack_into('<BB', raw, 122, 9, 3)),
    ('precision|time', 'small-616', lambda raw: struct.pack_into('<I', raw, 140, 0)),
    ('node', 'small-616', lambda raw: struct.pack_into('<H', raw, 145, 0)),
]


@pytest.mark.parametrize('nr', range(len(SECTION_EDITS)))
def test_section_with_right_checksum(nr, cache, scratch):
    """Bad contents under a good checksum, in every copy: refused with the section's name."""
    thing, name, change = SECTION_EDITS[nr]
    devs = cache.copy(name, scratch)
    damage.edit_superblocks(devs[0], change)
    for args in (['show-super', devs[0]], ['fsck', '-n'] + devs, ['list'] + devs):
        r = run.bcachefs(*args, devices=devs)
        assert r.rc & ~1 in (0, 8, 4), repr(r)
        assert r.rc, 'not noticed\n%r' % r
        assert os.path.basename(devs[0]) in r.text and re.search(thing, r.text, re.I), repr(r)


@pytest.mark.parametrize('size', [0, 512, 4095, 4096, 5000, 65536, 1 << 20, 16 << 20, (32 << 20) - 512])
def test_short_device(size, cache, scratch):
    devs = cache.copy('empty-32m-138', scratch)
    damage.cut(devs[0], size)
    for args in (['show-super'], ['fsck', '-n'], ['list', '-b', 'inodes'], ['list_journal']):
        r = run.bcachefs(*args, *devs, devices=devs)
        if size < 8192:
            assert r.rc in (1, 8) and os.path.basename(devs[0]) in r.text, repr(r)
    r = fsck(devs)
    assert r.rc and os.path.basename(devs[0]) in r.text, repr(r)


# ------------------------------------------------------------------ journal

@pytest.mark.parametrize('how', HOW)
@pytest.mark.parametrize('where', ['first', 'middle', 'last'])
def test_jset(where, how, cache, scratch):
    devs = cache.copy('unclean-616-2', scratch)
    sets = damage.jsets(devs)
    assert len(sets) > 4
    seq, place = sets[{'first': 0, 'middle': len(sets) // 2, 'last': -1}[where]]
    damage.harm(devs, place, how)
    r = fsck(devs)
    if how == 'zero' and where == 'last':
        return                      # as if it had never been written
    if how == 'zero':
        assert r.rc, repr(r)
        assert re.search(r'missing|journal', r.text) and str(seq) in r.text, repr(r)
    elif where != 'last':
        assert r.rc, repr(r)
        check_named(r, devs, place)
    r = run.bcachefs('list_journal', '-a', '-H', *devs, devices=devs)
    assert r.rc in (0, 1), repr(r)
    if how != 'zero':
        check_named(r, devs, place)


# (field, offset in the entry header, format, value); negative: in the first btree_keys sub-entry
JSET_EDITS = [('u64s', 40, '<I', 0xfffffff0), ('version', 32, '<I', 0xffff0000),
              ('last_seq', 48, '<Q', 1 << 62), ('sub-entry size', -8, '<H', 0xffff),
              ('sub-entry type', -4, '<B', 99), ('sub-entry btree', -6, '<B', 200),
              ('sub-entry level', -5, '<B', 77), ('key size', -1, '<B', 0)]


@pytest.mark.parametrize('field,offset,fmt,value', JSET_EDITS, ids=[x[0] for x in JSET_EDITS])
def test_jset_with_right_checksum(field, offset, fmt, value, cache, scratch):
    """Bad fields under a good checksum are found by validation."""
    devs = cache.copy('unclean-616-2', scratch)
    sets = damage.jsets(devs)
    seq, place = sets[len(sets) // 2]
    at = place.sector * 512 + offset
    if offset < 0:
        sub = next(o for o, t, n in damage.jset_entries(devs[0], place.sector) if t == 0 and n)
        at = place.sector * 512 + sub + (8 if offset == -1 else 8 + offset)
    damage.put(devs[0], at, struct.pack(fmt, value))
    if field != 'u64s':
        damage.reseal_jset(devs[0], place.sector)
    r = fsck(devs)
    # Unknown types of sub-entries and unknown btrees may come from newer versions.
    assert r.rc or field in ('sub-entry type', 'sub-entry btree'), repr(r)
    if r.rc:
        assert os.path.basename(devs[0]) in r.text or str(seq) in r.text, repr(r)
    run.bcachefs('list_journal', '-a', *devs, devices=devs)
    run.bcachefs('list', '-b', 'dirents', *devs, devices=devs)


# ------------------------------------------------------------------ btree nodes

@pytest.mark.parametrize('how', HOW)
@pytest.mark.parametrize('btree', ['inodes', 'dirents', 'extents'])
@pytest.mark.parametrize('part', ['header', 'first set', 'last set', 'whole'])
def test_node(btree, part, how, cache, scratch):
    devs = cache.copy('btree64k-138', scratch)
    found = damage.nodes(devs, btree, level=0)
    node = found[len(found) // 2]
    place = {'header': lambda: damage.node_header(node)._replace(length=128),
             'first set': lambda: damage.bset_place(node, 0),
             'last set': lambda: damage.bset_place(node, len(node.sets) - 1),
             'whole': lambda: damage.node_header(node)._replace(length=65536)}[part]()
    damage.harm(devs, place, how)
    r = fsck(devs)
    assert r.rc & 4, repr(r)
    assert names(r.text, devs[0], node.sector, btree) or \
        names(r.text, devs[0], place.sector, btree), repr(r)
    # The rest of the btree is still listed.
    r = run.bcachefs('list', '-b', btree, *devs, devices=devs)
    whole = run.bcachefs('list', '-b', btree, *cache.get('btree64k-138'), rc=0)

    def n(r):
        return len(re.findall(r'^u64s \d+ type ', r.out, re.M))
    assert n(whole) > n(r) > n(whole) * 0.8 or (part == 'last set' and n(r) >= n(whole) * 0.8), repr(r)
    assert names(r.text, devs[0], node.sector, btree) or \
        names(r.text, devs[0], place.sector, btree), repr(r)


def test_interior_node(cache, scratch):
    """A lost root: named; the other btrees are still there."""
    devs = cache.copy('btree64k-138', scratch)
    root = damage.nodes(devs, 'dirents')[0]
    assert root.level > 0
    damage.harm(devs, damage.node_header(root), 'zero')
    r = fsck(devs)
    assert r.rc & 4 or r.rc == 8, repr(r)
    check_named(r, devs, damage.node_header(root), 'dirents')
    r = run.bcachefs('list', '-b', 'inodes', *devs, devices=devs)
    assert len(re.findall(r'^u64s \d+ type inode', r.out, re.M)) > 30000


def test_other_replica_is_used(cache, scratch):
    """Two replicas: a bad node or block is read from the other device."""
    if os.geteuid():
        pytest.skip('needs root')
    devs = cache.copy('multi2-138', scratch)
    for btree in ('inodes', 'dirents', 'extents'):
        for node in damage.nodes(devs, btree):
            damage.zero(devs[node.dev], node.sector * 512, 4096)
    r = run.bcachefs('restore', *[':'.join(devs)], scratch + '/out', devices=devs)
    diff = manifest.compare_dir(manifest.load('multi2-138'), scratch + '/out')
    assert not diff, '%s\n%r' % (diff[:10], r)
    r = fsck(devs)
    assert re.search(r'inodes', r.text) and os.path.basename(devs[0]) in r.text, repr(r)


@pytest.mark.parametrize('nr,what', [(0, 'u64s 0'), (1, 'u64s too big'), (2, 'format'), (3, 'type')])
@pytest.mark.parametrize('btree', ['inodes', 'dirents', 'alloc', 'extents'])
def test_key_with_right_checksum(btree, nr, what, cache, scratch):
    """A bad key under a good checksum: found by validation, named; its neighbours stay."""
    devs = cache.copy('small-138', scratch)
    node, nr_set = next((n, i) for n in damage.nodes(devs, btree, level=0)
                        for i, x in enumerate(n.sets) if len(x['keys']) > 5)
    at, length = damage.keys_at(node, nr_set)
    # the third key of the set
    for _ in range(2):
        at += 8 * damage.get(devs[0], at, 1)[0]
    old = damage.get(devs[0], at, 3)
    new = {0: bytes([0]) + old[1:], 1: bytes([255]) + old[1:], 2: old[:1] + bytes([0x7f]) + old[2:],
           3: old[:2] + bytes([18])}[nr]             # a btree pointer in a leaf
    damage.put(devs[0], at, new)
    damage.reseal_bset(devs[0], node, nr_set)
    r = fsck(devs)
    assert r.rc, repr(r)
    assert names(r.text, devs[0], node.sector, btree) or \
        re.search(r'invalid bkey.*btree=%s level=0' % btree, r.text), repr(r)
    run.bcachefs('list', '-b', btree, *devs, devices=devs)
    run.bcachefs('restore', '--list', *devs, devices=devs)


# ------------------------------------------------------------------ file data

@pytest.mark.parametrize('how', HOW)
def test_file_data(how, cache, scratch):
    """One bad block: the file is reported with path, device and sector; all others come out."""
    if os.geteuid():
        pytest.skip('needs root')
    devs = cache.copy('small-616', scratch)
    start, place = damage.file_extents(devs, 'large/8m')[5]
    damage.harm(devs, place, how)
    r = run.bcachefs('restore', *devs, scratch + '/out', devices=devs)
    assert r.rc == 1, repr(r)
    assert any('large/8m' in p and str(place.sector) in p and os.path.basename(devs[0]) in p
               for p in paragraphs(r.text)), repr(r)
    m = manifest.load('small-616')
    bad = {x.split(':')[0] for x in manifest.compare_dir(m, scratch + '/out')}
    assert bad == {'large/8m', 'large'} or bad == {'large/8m'}, bad

    # --ignore-errors keeps the file, with the bad range zero
    r = run.bcachefs('restore', '--ignore-errors', '-p', 'large/8m', *devs, scratch + '/keep',
                     devices=devs)
    assert r.rc == 1 and 'large/8m' in r.text, repr(r)
    path, = [os.path.join(d, f) for d, _, fs in os.walk(scratch + '/keep') for f in fs]
    with open(path, 'rb') as f:
        data = f.read()
    run.bcachefs('restore', '-p', 'large/8m', *cache.get('small-616'), scratch + '/good', rc=0)
    path, = [os.path.join(d, f) for d, _, fs in os.walk(scratch + '/good') for f in fs]
    with open(path, 'rb') as f:
        good = f.read()
    assert len(data) == len(good) == 8 << 20
    wrong = [i for i in range(0, len(good), 512) if data[i:i + 512] != good[i:i + 512]]
    assert wrong and start * 512 <= wrong[0] and wrong[-1] < start * 512 + place.length
    assert not data[wrong[0]:wrong[0] + 512].strip(b'\0')


@pytest.mark.parametrize('name,path', [('comp-gzip-616', None), ('comp-lz4-616', None),
                                       ('comp-zstd-616', None), ('enc-zstd-wide-138', None),
                                       ('csum-crc64-616', None), ('csum-xxhash-616', None)])
def test_every_kind_of_data(name, path, cache, scratch, passfile):
    """Flipped bits in compressed, encrypted and differently checksummed extents are all caught."""
    if images.needs_passphrase(name):
        pytest.importorskip('cryptography')
        devs, where = cache.copy(name, scratch), None
        fs = damage.bcr.FS(devs, images.PASSPHRASE)
    else:
        devs, where = cache.copy(name, scratch), None
        fs = damage.bcr.FS(devs)
    done = 0
    for k in fs.keys(damage.bcr.B['extents']):
        if k.type != damage.bcr.T['extent']:
            continue
        ptrs, _ = damage.bcr.parse_entries(k.val, k.size, fs.sb.entry_sizes)
        p = ptrs[0]
        if p.crc.csum_type and not p.unwritten:
            damage.flip(devs[0], p.offset * 512 + p.crc.csize * 256)
            where = p.offset
            done += 1
        if done == 5:
            break
    assert done, 'no checksummed extent'
    auth = ['--passphrase-file', passfile] if images.needs_passphrase(name) else []
    r = run.bcachefs('restore', '--ignore-errors', *auth, devs[0], scratch + '/out', devices=devs)
    assert r.rc == 1, repr(r)
    assert len(re.findall(r'checksum', r.text)) >= done, repr(r)
    assert str(where) in r.text


# ------------------------------------------------------------------ anything at all

def metadata_ranges(devs):
    out = [(p.sector * 512, p.length) for p in damage.superblocks(devs)]
    out += [(p.sector * 512, p.length) for _, p in damage.jsets(devs)]
    for b in ('extents', 'inodes', 'dirents', 'alloc', 'snapshots', 'subvolumes'):
        for n in damage.nodes(devs, b):
            out += [(damage.bset_place(n, i).sector * 512, damage.bset_place(n, i).length)
                    for i in range(len(n.sets))]
    return out


@pytest.mark.slow
@pytest.mark.parametrize('name', ['empty-32m-138', 'unclean-138-1', 'unclean-616-1', 'snaps-612',
                                  'block512-616'])
@pytest.mark.parametrize('seed', range(4))
def test_random_bytes(name, seed, cache, scratch):
    """Random damage to metadata: commands end by themselves, with a documented status."""
    rnd = random.Random('%s-%d' % (name, seed))
    devs = cache.copy(name, scratch)
    ranges = metadata_ranges(devs)
    for _ in range(1 + 3 * seed):
        start, length = rnd.choice(ranges)
        at = start + rnd.randrange(length)
        kind = rnd.randrange(3)
        if kind == 0:
            damage.flip(devs[0], at, rnd.randrange(8))
        elif kind == 1:
            damage.put(devs[0], at, rnd.randbytes(min(64, start + length - at)))
        else:
            damage.zero(devs[0], at, start + length - at)
    assert fsck(devs, timeout=60).rc in (0, 1, 4, 5, 8, 13)
    for args in (['list', '-b', 'dirents'], ['list', '-b', 'extents'], ['list_journal', '-a'],
                 ['show-super', '-f', 'all'], ['list', '-m', 'nodes-ondisk', '-b', 'inodes']):
        assert run.bcachefs(*args, *devs, devices=devs, timeout=60).rc in (0, 1)
    assert run.bcachefs('restore', '--ignore-errors', *devs, scratch + '/out', devices=devs,
                        timeout=60).rc in (0, 1, 8)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(12))
def test_random_keys_with_right_checksums(seed, cache, scratch):
    """Random bytes inside key sets, checksums made right: validation alone must hold."""
    rnd = random.Random(seed)
    name = rnd.choice(['small-138', 'snaps-616', 'comp-138', 'multi3-ec-138', 'quota-616'])
    devs = cache.copy(name, scratch)
    for btree in rnd.sample(['extents', 'inodes', 'dirents', 'xattrs', 'alloc', 'snapshots',
                             'subvolumes', 'reflink', 'stripes', 'quotas', 'accounting',
                             'backpointers', 'snapshot_trees'], 5):
        for node in damage.nodes(devs, btree, level=0)[:1]:
            nr = rnd.randrange(len(node.sets))
            at, length = damage.keys_at(node, nr)
            for _ in range(rnd.randrange(1, 6)):
                if length:
                    damage.put(devs[node.dev], at + rnd.randrange(length), rnd.randbytes(1))
            damage.reseal_bset(devs[node.dev], node, nr)
    assert fsck(devs, timeout=60).rc in (0, 1, 4, 5, 8, 13)
    for btree in ('extents', 'inodes', 'dirents', 'xattrs', 'snapshots', 'stripes', 'reflink'):
        run.bcachefs('list', '-b', btree, *devs, devices=devs, timeout=60)
    assert run.bcachefs('restore', '--ignore-errors', ':'.join(devs), scratch + '/out',
                        devices=devs, timeout=60).rc in (0, 1, 8)
