# SPDX-License-Identifier: GPL-2.0
"""What the first start leaves, key by key and field by field, next to what the reference's leaves on
devices of the same size with the same options.

Compared is everything that `list` and `show-super` know, after what has to differ is taken out:
random uuids and seeds, times, journal and superblock sequence numbers, and where nodes lie. What is
different beyond that is named at its place, with the reason; nothing else may be.

Three things are timing. A bucket that was used for a moment (by a root that was replaced before the
first stop) waits for being made free again, or is free again with a higher generation: of three
images of the reference one has such a bucket left. With buckets of several nodes, which of them
share one. And where a leaf of alloc is split, which is done while buckets are taken: a bucket earlier
or later.
"""
import json
import os
import re
import struct

import pytest

import run

MiB = 1 << 20
SIZES = {'empty-32m-138': '0', 'empty-256m-138': '0', 'empty-16g-138': '0'}
BTREES = ['extents', 'inodes', 'dirents', 'xattrs', 'alloc', 'quotas', 'stripes', 'reflink',
          'subvolumes', 'snapshots', 'lru', 'freespace', 'need_discard', 'backpointers',
          'bucket_gens', 'snapshot_trees', 'deleted_inodes', 'logged_ops', 'reconcile_work',
          'subvolume_children', 'accounting', 'reconcile_hipri', 'reconcile_pending',
          'reconcile_scan', 'reconcile_work_phys', 'reconcile_hipri_phys', 'stripe_backpointers']

# Nothing of a new filesystem is ever in these.
NEVER = ['quotas', 'stripes', 'reflink', 'deleted_inodes', 'reconcile_work', 'subvolume_children',
         'reconcile_hipri', 'reconcile_pending', 'reconcile_scan', 'reconcile_work_phys',
         'reconcile_hipri_phys', 'stripe_backpointers']

# Values that are random, a time, or a number of a journal entry.
RANDOM = re.compile(r'(hash_seed|bi_[acmo]time|journal_seq|journal_seq_nonempty|journal_seq_empty|'
                    r'bi_dir_offset|io_time\[(?:READ|WRITE)\]) \w+')


class Fresh:
    """One filesystem: its superblock, its keys, and how many buckets its btree nodes take."""

    def __init__(self, path):
        self.sb = json.loads(run.bcachefs('show-super', '--json', path, rc=0).out)
        self.keys = {b: self.list(path, b) for b in BTREES}
        # one without keys may have had some; that those of NEVER had none is seen in the accounting
        self.nodes = {b: [] if b in NEVER else self.list(path, b, '-m', 'nodes') for b in BTREES}

    @staticmethod
    def list(path, btree, *args):
        r = run.bcachefs('list', '--json', '-b', btree, *args, path, devices=[path], rc=0)
        return [json.loads(l) for l in r.out.splitlines() if l.startswith('{')]


@pytest.fixture(scope='module', params=sorted(SIZES))
def pair(request, cache, workdir):
    """-> the reference's filesystem, ours."""
    ref = cache.get(request.param)[0]
    # the name that the reference's device had when it was formatted, of which 16 bytes are kept
    ours = os.path.join(workdir, 'e-%s.img' % request.param)
    with open(ours, 'wb') as f:
        f.truncate(os.path.getsize(ref))
    run.bcachefs('format', '-q', '-L', request.param,
                 '--shard_inode_numbers_bits=' + SIZES[request.param], ours, rc=0)
    run.bcachefs('fsck', '-n', ours, devices=[ours], rc=0)
    yield Fresh(ref), Fresh(ours)
    os.unlink(ours)


def bare(key):
    """A key without what has to differ."""
    return (key['type'], key['pos']['inode'], key['pos']['offset'], key['pos']['snapshot'],
            key['size'], key['u64s'], RANDOM.sub(r'\1 *', key['value']))


def same(pair, btree, change=bare):
    ref, ours = ([change(k) for k in p.keys[btree]] for p in pair)
    assert ref == ours, btree


@pytest.mark.parametrize('btree', ['extents', 'xattrs', 'quotas', 'stripes', 'reflink',
                                   'deleted_inodes', 'reconcile_work', 'subvolume_children',
                                   'subvolumes', 'snapshots', 'snapshot_trees', 'logged_ops',
                                   'reconcile_hipri', 'reconcile_pending', 'reconcile_scan',
                                   'reconcile_work_phys', 'reconcile_hipri_phys',
                                   'stripe_backpointers'])
def test_same_keys(pair, btree):
    same(pair, btree)


def test_inodes(pair):
    """Their sizes differ with the bytes that times and hashes need."""
    same(pair, 'inodes', lambda k: bare(dict(k, u64s=0)))
    for p in pair:
        assert len(p.keys['inodes']) == 2


def test_dirents(pair):
    """lost+found, at the place that the root directory's seed decides."""
    same(pair, 'dirents', lambda k: bare(dict(k, pos=dict(k['pos'], offset='*'))))
    for p in pair:
        inodes = {k['pos']['offset']: k['value'] for k in p.keys['inodes']}
        assert 'bi_dir_offset %s\n' % p.keys['dirents'][0]['pos']['offset'] in inodes['2147483648']


# --- where nodes lie ---

def buckets(p):
    """-> {bucket: what alloc says of it}"""
    out = {}
    for k in p.keys['alloc']:
        assert k['type'] == 'alloc_v4' and k['u64s'] == 13 and k['pos']['inode'] == '0'
        v = RANDOM.sub(r'\1 *', k['value'])
        out[int(k['pos']['offset'])] = v
    return out


def of_type(b, name):
    return {n: v for n, v in b.items() if ' data_type %s\n' % name in v}


def unused(v):
    return re.search(r' data_type (free|need_discard)\n', v)


def shares_buckets(p):
    """Does a bucket have room for more than one node?"""
    return p.sb['members'][0]['bucket_size'] > p.sb['options']['btree_node_size']


def test_alloc(pair):
    """The same buckets hold superblocks and journal, and the keys say the same of them. Buckets of
    btree nodes are full, where one node fills them, and their keys say the same but for the
    generation; others hold as much as nodes are in them."""
    ref, ours = (buckets(p) for p in pair)
    for kind in ('sb', 'journal'):
        a, b = of_type(ref, kind), of_type(ours, kind)
        assert a and a == b
    if not shares_buckets(pair[0]):
        a, b = ({re.sub(r'gen \d+', 'gen *', v) for v in of_type(p, 'btree').values()}
                for p in (ref, ours))
        assert a == b and len(a) == 1
    for p, b in zip(pair, (ref, ours)):
        there = {}
        for _, _, bucket, _ in nodes(p):
            there[bucket] = there.get(bucket, 0) + p.sb['options']['btree_node_size'] // 512
        assert there == {n: int(re.search(r'dirty_sectors (\d+)', v).group(1))
                         for n, v in of_type(b, 'btree').items()}
        rest = set(b) - {n for k in ('sb', 'journal', 'btree') for n in of_type(b, k)}
        assert all(unused(b[n]) for n in rest) and len(rest) <= 4


def comparable(pair):
    """Btrees that both, or neither, need a root for: need_discard only where such a bucket waits."""
    waits = [bool(p.keys['need_discard']) for p in pair]
    return [b for b in BTREES if b != 'need_discard' or waits[0] == waits[1]]


def nodes(p):
    """-> [(btree, level, bucket, sector in the device), ...] of all btree nodes."""
    out = []
    for b in BTREES:
        for k in p.nodes[b]:
            out.append((b, k['level'], int(re.search(r'ptr: \S+ 0:(\d+):', k['value']).group(1)),
                        int(re.search(r'ptr: \S+ 0:\d+:(\d+) ', k['value']).group(1))))
    return out


def no_split(btree, text):
    """The text of a key of an interior node, or of a backpointer to one, without the place where
    alloc was split."""
    return re.sub(r'\b0:\d+:[01]\b', '0:*', text) if btree == 'alloc' else text


def splits(p):
    return [int(k['pos']['offset']) for k in p.nodes['alloc'] if k['pos']['inode'] == '0']


def test_nodes(pair):
    """The same btrees have nodes, of the same levels, and the keys of roots say the same but for
    the place, the sequence number and how much was written."""
    def root(k):
        v = re.sub(r'seq \w+ written \d+', 'seq * written *', k['value'])
        return k['btree'], k['level'], k['type'], k['u64s'], \
            no_split(k['btree'], '%s:%s:%s %s' % bare(k)[1:5]), \
            no_split(k['btree'], re.sub(r'ptr: \S+ 0:\d+:\d+ gen \d+', 'ptr: *', v))
    ref, ours = ([root(k) for b in comparable(pair) for k in p.nodes[b]] for p in pair)
    assert ref == ours
    assert all(abs(a - b) < 8 for a, b in zip(*map(splits, pair)))
    for p in pair:
        assert bool(p.nodes['need_discard']) or not p.keys['need_discard']


def test_backpointers(pair):
    """One for each node, at its place."""
    def text(k):
        return k['type'], k['u64s'], no_split(re.search(r'btree=(\w+)', k['value']).group(1),
                                              re.sub(r'(bucket|gen) [\d:]+', r'\1 *', k['value']))
    ref, ours = (sorted(text(k) for k in p.keys['backpointers']
                        if re.search(r'btree=(\w+)', k['value']).group(1) in comparable(pair))
                 for p in pair)
    assert ref == ours
    for p in pair:
        got = sorted((re.search(r'btree=(\w+)', k['value']).group(1),
                      int(re.search(r'bucket 0:(\d+):', k['value']).group(1)))
                     for k in p.keys['backpointers'])
        assert got == sorted((b, n) for b, _, n, _ in nodes(p))


def ranges(p, btree):
    return [(int(k['pos']['offset']) - k['size'], int(k['pos']['offset'])) for k in p.keys[btree]]


def test_freespace(pair):
    """Every bucket is in freespace, in need_discard, or used; the same number of them is used."""
    for p in pair:
        dev = p.sb['members'][0]
        b = buckets(p)
        free = {n for a, z in ranges(p, 'freespace') for n in range(a, z)}
        assert all(k['type'] == 'set' and k['u64s'] == 5 for k in p.keys['freespace'])
        used = {n for n, v in b.items() if ' data_type free\n' not in v}
        assert not free & used
        assert free | used == set(range(dev['buckets']))


def test_need_discard(pair):
    """Left-over work: a key for each bucket in that state, by the number of the journal entry that
    emptied it."""
    for p in pair:
        states = {n for n, v in buckets(p).items() if ' data_type need_discard\n' in v}
        assert {int(k['pos']['offset']) for k in p.keys['need_discard']} == states
        assert all(k['type'] == 'set' for k in p.keys['need_discard'])


def test_bucket_gens(pair):
    """Only where a bucket's generation is above 0, thus after a bucket was emptied and freed."""
    for p in pair:
        gens = {n for n, v in buckets(p).items() if not re.search(r'\bgen 0 ', v)}
        assert bool(p.keys['bucket_gens']) == bool(gens)


def test_lru(pair):
    """Buckets with room left, by how much: one key for each."""
    for p in pair:
        want = sorted(n for n, v in of_type(buckets(p), 'btree').items()
                      if ' fragmented_sectors 0\n' not in v)
        assert sorted(int(k['pos']['offset']) for k in p.keys['lru']) == want
        assert all(k['type'] == 'set' and k['u64s'] == 5 for k in p.keys['lru'])
        assert bool(want) <= shares_buckets(p)


def test_accounting(pair):
    """The same counters with the same values, but for those of buckets and for the root of
    need_discard; these are what the buckets and nodes add up to. Versions are places in the journal."""
    def counters(p):
        out = {}
        for k in p.keys['accounting']:
            assert k['type'] == 'accounting' and k['version'] > 0
            out[k['value'].split(': ')[0]] = (k['pos'], k['u64s'], k['value'].split(': ')[1])
        return out
    kinds = ['free', 'btree', 'need_discard', 'need_gc_gens']
    own = {'dev_data_type dev 0 ' + k for k in kinds} | {'replicas btree 1/1 [0]'}
    if 'need_discard' not in comparable(pair):
        own.add('btree need_discard')
    ref, ours = (counters(p) for p in pair)
    assert {i: v for i, v in ref.items() if i not in own} == \
        {i: v for i, v in ours.items() if i not in own}
    for p, c in zip(pair, (ref, ours)):
        assert not {'btree ' + b for b in NEVER} & set(c)
        b, node = buckets(p), p.sb['options']['btree_node_size'] // 512
        total = len(nodes(p)) * node
        assert c['replicas btree 1/1 [0]'][2] == 'sectors %d' % total
        used = of_type(b, 'btree')
        assert c['dev_data_type dev 0 btree'][2] == 'buckets %d sectors %d fragmented %d' % (
            len(used), total, len(used) * p.sb['members'][0]['bucket_size'] // 512 - total)
        for kind in ('need_discard', 'need_gc_gens'):
            n = len(of_type(b, kind))
            got = c.get('dev_data_type dev 0 ' + kind, (0, 0, 'buckets 0 sectors 0'))[2]
            assert got.startswith('buckets %d sectors 0' % n)
        free = p.sb['members'][0]['buckets'] - sum(' data_type free\n' not in v for v in b.values())
        assert c['dev_data_type dev 0 free'][2] == 'buckets %d sectors 0 fragmented 0' % free


# --- the superblock ---

# What has to differ at the top of show-super --json.
CHANGING = {'external_uuid', 'internal_uuid', 'created', 'sequence', 'write_time', 'device'}


def test_superblock(pair):
    ref, ours = (p.sb for p in pair)
    assert list(ref) == list(ours)
    left = {k for k in ref if ref[k] != ours[k]}
    explained = {
        # 1.36 is asked for at every start for writing, and is allowed here. The reference asks at
        # another time: its fresh filesystems have only what the first inode needs, 1.33.
        'version_incompat',
        # the next three tests
        'size', 'sections', 'members', 'counters',
    }
    assert left <= CHANGING | explained, {k: (ref[k], ours[k]) for k in left - CHANGING}
    assert ref['version_incompat']['number'] == 1024 + 33
    assert ours['version_incompat']['number'] == 1024 + 36
    for s in ref, ours:
        assert s['sequence'] > 1 and s['created'] <= s['write_time']


def test_sections(pair):
    """The same, of the same sizes, but for two; in another order, which means nothing."""
    ref, ours = ({s['name']: s['size'] for s in p.sb['sections']} for p in pair)
    assert set(ref) == set(ours)
    # four counters are newer than the reference that made the images
    assert ref.pop('counters') == 8 * (1 + 132) and ours.pop('counters') == 8 * (1 + 136)
    # Who may not open the filesystem at all needs no help with it: of eight entries the one for 1.38
    # is left. The reference wrote the section when nothing incompatible was in use yet.
    assert ref.pop('downgrade') == 8 * 31 and ours.pop('downgrade') == 8 * 5
    assert ref == ours


def test_member(pair):
    (ref,), (ours,) = (p.sb['members'] for p in pair)
    assert ours['last_mount'] >= pair[1].sb['created']
    assert ours['sequence'] == pair[1].sb['sequence']
    # where nodes lie; every node has its bit
    for p in pair:
        m = p.sb['members'][0]
        size = m['bucket_size'] // 512
        for _, _, bucket, sector in nodes(p):
            sector += bucket * size
            assert m['btree_bitmap'] >> (sector >> m['btree_bitmap_shift']) & 1
    assert ref['btree_bitmap_shift'] == ours['btree_bitmap_shift']
    for m in ref, ours:
        for k in ('uuid', 'last_mount', 'sequence', 'btree_bitmap'):
            m.pop(k)
    assert ref == ours


def test_counters(pair):
    """The section is there, and counts the writes of superblocks; other events are not counted."""
    assert pair[1].sb['counters']['write_super'] > 1
    assert set(pair[0].sb['counters']) == set(pair[1].sb['counters'])


# --- formatted for an older version, started by this one ---

def section(path, kind):
    """Bytes of the section of this type, of the first superblock."""
    with open(path, 'rb') as f:
        f.seek(4096)
        head = f.read(752)
        sb = f.read(8 * struct.unpack_from('<I', head, 124)[0])
    at = 0
    while at < len(sb):
        u64s, this = struct.unpack_from('<II', sb, at)
        if this == kind:
            return sb[at:at + 8 * u64s]
        at += 8 * u64s
    return None


def test_started_older(cache, scratch):
    """Nothing incompatible may be used, so software of that version can still open it, and finds
    the same instructions as the reference leaves; those who ask for the superblock only change no
    more than they are asked to."""
    start = os.path.join(run.BUILD, 'tests/kernel/start_fs')
    if not os.access(start, os.X_OK):
        pytest.skip('%s is not built' % start)
    path = os.path.join(scratch, 'older.img')
    with open(path, 'wb') as f:
        f.truncate(64 * MiB)
    run.bcachefs('format', '-q', '--version=1.28', path, rc=0)
    assert section(path, 14) is None and section(path, 10) is None
    for _ in range(2):
        r = run.execute([start, path])
        assert r.rc == 0 and not r.err, repr(r)
    sb = json.loads(run.bcachefs('show-super', '--json', path, rc=0).out)
    numbers = [sb['version' + v]['number'] - 1024 for v in
               ('', '_upgrade_complete', '_incompat_allowed', '_incompat', '_min')]
    assert numbers[:3] == [38, 38, 28] and numbers[3] <= 0 and numbers[4] == 28
    # members_v1, and every entry of downgrade
    assert section(path, 1) is not None
    assert section(path, 14) == section(cache.get('empty-256m-138')[0], 14)
    assert sb['clean'] and sb['members'][0]['last_device_name'] == 'older.img'

    writes = sb['counters']['write_super']
    run.bcachefs('set-fs-option', '--gc_reserve_percent=9', path, rc=0)
    sb = json.loads(run.bcachefs('show-super', '--json', path, rc=0).out)
    assert sb['clean'] and sb['counters']['write_super'] == writes
    run.bcachefs('fsck', '-n', path, devices=[path], rc=0)
