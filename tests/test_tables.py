# SPDX-License-Identifier: GPL-2.0
"""The X-macro tables of the core say what the tables of the format description say."""
import os
import re

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def doc(name):
    with open(os.path.join(TOP, 'Documentation', 'format', name), encoding='utf-8') as f:
        return f.read()


def part(text, start, end):
    assert start in text and end in text
    return text.split(start, 1)[1].split(end, 1)[0]


def table(header, macro):
    """Lines x(...) of one X-macro list, continuation lines joined, arguments stripped."""
    with open(os.path.join(TOP, 'libbcachefs', header), encoding='utf-8') as f:
        text = f.read()
    m = re.search(r'#define %s\(x\)((?:.*\\\n)*.*\n)' % macro, text)
    assert m, macro
    body = m[1].replace('\\\n', ' ')
    return [[a.strip() for a in e.split(',')] for e in re.findall(r'\bx\(((?:[^()]|\([^()]*\))*)\)', body)]


@pytest.mark.tree
def test_error_ids():
    text = part(doc('32-errors.md'), '## 14. All error ids', '\n## 15.')
    want = {int(m[1]): (m[2], bool(m[3]))
            for m in re.finditer(r'^\| (\d+) \| `(\w+)` \| (A?) ?\|', text, re.M)}
    have = {int(a[0]): (a[1], a[2] == 'FSCK_AUTOFIX')
            for a in table('sb/errors_format.h', 'BCH_SB_ERRS')}
    assert sorted(want) == list(range(365))
    assert have == want


@pytest.mark.tree
def test_versions():
    text = part(doc('12-versions.md'), '## 3. All versions', '\n## 4.')
    want = [(int(m[1]), int(m[2]), m[3], 'i' in m[4])
            for m in re.finditer(r'^\| (\d+)\.(\d+) \| (\w+) \|([iud ]*)\|', text, re.M)]
    have = [(int(a[0]), int(a[1]), a[2], a[3] == 'BCH_VERSION_INCOMPAT')
            for a in table('sb/versions_format.h', 'BCH_METADATA_VERSIONS')]
    assert len(want) == 59
    assert have == want


@pytest.mark.tree
@pytest.mark.parametrize('page,start,end', [
    ('12-versions.md', '## 8. Recovery passes', '### 8.1'),
    ('31-recovery.md', '## 9. Recovery passes', '\n## 10.'),
])
def test_recovery_passes(page, start, end):
    letters = {'PASS_ALWAYS': 'A', 'PASS_FSCK': 'F', 'PASS_ONLINE': 'O', 'PASS_ALLOC': 'L',
               'PASS_SILENT': 'S', 'PASS_NODEFER': 'N'}
    want = []
    for m in re.finditer(r'^\| (\d+) \| (\d+) \| (\w+) \|([A-Z -]*)\|([0-9, -]*)\|',
                         part(doc(page), start, end), re.M):
        assert int(m[1]) == len(want)
        want.append((int(m[2]), m[3], set(re.findall('[A-Z]', m[4])),
                     {int(d) for d in re.findall(r'\d+', m[5])}))
    rows = table('init/passes_format.h', 'BCH_RECOVERY_PASSES')
    run = {a[1]: i for i, a in enumerate(rows)}
    have = [(int(a[0]), a[1], {letters[f] for f in re.findall(r'PASS_\w+', a[2])},
             {run[d] for d in re.findall(r'PASS_DEP\((\w+)\)', a[3])}) for a in rows]
    assert len(want) == 49
    assert have == want


@pytest.mark.tree
def test_counters():
    text = part(doc('10-superblock.md'), '### 9.10 counters', '### 9.11')
    want = {int(m[1]): (m[2], m[3]) for m in re.finditer(r'\| (\d+) \| (\w+) \((C|S)\)', text)}
    have = {int(a[0]): (a[1], 'S' if a[2] == 'BCH_COUNTER_SECTORS' else 'C')
            for a in table('sb/counters_format.h', 'BCH_PERSISTENT_COUNTERS')}
    assert sorted(want) == list(range(136))
    assert have == want


@pytest.mark.tree
def test_key_types():
    text = part(doc('20-keys-and-nodes.md'), '### 5.1 Key types', '### 5.2')
    want = {int(m[1]): (m[2], int(m[3]), m[4] == 'yes')
            for m in re.finditer(r'^\| (\d+) \| (\w+) \| (\d+)[^|]*\| (yes)? ?\|', text, re.M)}
    have = {int(a[0]): (a[1], int(a[2]), 'BKEY_TYPE_STRICT' in a[3])
            for a in table('btree/bkey_format.h', 'BCH_BKEY_TYPES')}
    assert sorted(want) == list(range(38))
    assert have == want


@pytest.mark.tree
def test_btrees():
    letters = {'extents': 'E', 'snapshots': 'S', 'snapshot_field': 'F', 'data': 'D',
               'write_buffer': 'W', 'key_cached': 'C', 'trans_trigger': 'T',
               'atomic_trigger': 'A'}
    text = part(doc('20-keys-and-nodes.md'), '### 5.2 Btrees', '### 5.3')
    want = {}
    for m in re.finditer(r'^\| (\d+) \| (\w+) \|([^|]*)\|([^|]*)\|', text, re.M):
        flags = re.sub(r'\(.*?\)', '', m[3])
        want[int(m[1])] = (m[2], set(flags.split()), set(re.findall(r'\w+', m[4])))
    have = {int(a[0]): (a[1], {letters[f] for f in re.findall(r'BTREE_IS_(\w+)', a[2])},
                        set(re.findall(r'BKEY_TYPE_BIT\((\w+)\)', a[3])))
            for a in table('btree/bkey_format.h', 'BCH_BTREE_IDS')}
    assert sorted(want) == list(range(28))
    assert have == want


@pytest.mark.tree
@pytest.mark.parametrize('macro,start,end', [
    ('BCH_UPGRADE_TABLE', '### 6.1 Regular upgrade', '### 6.2'),
    ('BCH_UPGRADE_INCOMPAT_TABLE', '### 6.2', '\n## 7.'),
    ('BCH_DOWNGRADE_TABLE', '### 7.1', '### 7.2'),
])
def test_upgrade_tables(macro, start, end):
    passes = {a[1]: int(a[0]) for a in table('init/passes_format.h', 'BCH_RECOVERY_PASSES')}
    errors = {a[1]: int(a[0]) for a in table('sb/errors_format.h', 'BCH_SB_ERRS')}
    want = []
    for m in re.finditer(r'^\| \d+\.\d+ \| (\w+) \| ([^|]*) \| ([^|]*) \|',
                         part(doc('12-versions.md'), start, end), re.M):
        ids = {int(i) for i in re.findall(r'\((\d+)\)', m[2])}
        if 'all fsck passes' in m[2]:
            ids.add('fsck')
        want.append((m[1], ids, [int(i) for i in re.findall(r'\((\d+)\)', m[3])]))
    have = []
    for a in table('sb/downgrade_format.h', macro):
        ids = {passes[p] for p in re.findall(r'PASS_STABLE\((\w+)\)', a[1])}
        if 'BCH_RECOVERY_PASSES_FSCK_STABLE' in a[1]:
            ids.add('fsck')
        have.append((a[0], ids, [errors[e[len('BCH_FSCK_ERR_'):]] for e in a[2:]]))
    assert want
    assert have == want



@pytest.mark.tree
def test_stored_options():
    letters = {'OPT_FORMAT': 'F', 'OPT_MOUNT': 'M', 'OPT_MOUNT_OLD': 'm', 'OPT_RUNTIME': 'R',
               'OPT_INODE': 'I', 'OPT_DEVICE': 'D'}
    text = part(doc('11-options.md'), '## 2. Filesystem options', '\n## 3.')
    want = {}
    for m in re.finditer(r'^\| (\w+)[^|]*\|([^|]*)\| ([^|]*) \| ([FMmRI ]+) \| ([^|]*) \|', text, re.M):
        want[m[1]] = (set(m[4].split()), 'power of 2' in m[2], ' H' in m[2], '/512' in m[5],
                      'log2' in m[5], '+1' in m[5])
    have = {}
    for a in table('opts.h', 'BCH_OPTS_STORED'):
        flags = set(a[3].split('|'))
        flags = {f.strip() for f in flags}
        have[a[0]] = ({letters[f] for f in flags if f in letters},
                      'OPT_MUST_BE_POW_2' in flags, 'OPT_HUMAN_READABLE' in flags,
                      'OPT_SB_FIELD_SECTORS' in flags, 'OPT_SB_FIELD_ILOG2' in flags,
                      'OPT_SB_FIELD_ONE_BIAS' in flags)
    assert len(want) == 47
    assert have == want


@pytest.mark.tree
def test_option_ranges():
    text = part(doc('11-options.md'), '## 2. Filesystem options', '\n## 3.')
    want, have = {}, {}
    for m in re.finditer(r'^\| (\w+)[^|]*\| uint[^|]*?(\d+)\.\.([0-9^-]+)[^|]*\| (\d*)', text, re.M):
        top = 2**32 - 1 if m[3] == '2^32-1' else int(m[3])
        want[m[1]] = (int(m[2]), top, m[4] and int(m[4]))
    for a in table('opts.h', 'BCH_OPTS_STORED'):
        m = re.match(r'OPT_IS_UINT\((\d+)$', a[4])
        if m and a[0] in want:
            top = a[5].rstrip(')').replace('U32_MAX', str(2**32 - 1)).replace('BCH_REPLICAS_MAX', '4')
            have[a[0]] = (int(m[1]), int(top), want[a[0]][2] and int(a[2]))
    # The field has four bits, and nothing above 8 was ever computed.
    assert want.pop('shard_inode_numbers_bits')[1] == 16
    assert have.pop('shard_inode_numbers_bits')[1] == 8
    assert len(want) > 15
    assert have == want


@pytest.mark.tree
def test_superblock_bits():
    text = doc('10-superblock.md')
    want = set()
    for word in range(7):
        sec = part(text, '### 5.%d flags[%d]' % (word + 1, word), '### 5.%d ' % (word + 2))
        for m in re.finditer(r'^\| (\d+)\.\.(\d+) \| ([0-9A-Z_]+) \|', sec, re.M):
            want.add((m[3], word, int(m[1]), int(m[2])))
    with open(os.path.join(TOP, 'libbcachefs', 'sb', 'sb_format.h'), encoding='utf-8') as f:
        have = {(m[1], int(m[2]), int(m[3]), int(m[4])) for m in
                re.finditer(r'^BCH_SB_BITS\((\w+),\s+(\d),\s+(\d+),\s+(\d+)\)', f.read(), re.M)}
    assert len(want) == 60
    assert have == want


@pytest.mark.tree
def test_member_bits():
    text = part(doc('10-superblock.md'), '#### 9.8.1 Member flags', '#### 9.8.2')
    want = {(m[3], int(m[1]), int(m[2])) for m in
            re.finditer(r'^\| (\d+)\.\.(\d+) \| ([A-Z_]+) \|', text, re.M)}
    with open(os.path.join(TOP, 'libbcachefs', 'sb', 'members_format.h'), encoding='utf-8') as f:
        have = {(m[1], int(m[2]), int(m[3])) for m in
                re.finditer(r'^LE64_BITMASK\(BCH_MEMBER_(\w+),\s+struct bch_member, flags,\s+(\d+),\s+(\d+)\)',
                            f.read(), re.M)}
    assert len(want) == 10
    assert have == want


@pytest.mark.tree
def test_features():
    text = part(doc('10-superblock.md'), '## 6. Incompatible feature bits', '### 6.1')
    want = {int(m[1]): m[2] for m in re.finditer(r'^\| (\d+) \| (\w+) \|', text, re.M)}
    have = {int(a[0]): a[1] for a in table('sb/sb_format.h', 'BCH_SB_FEATURES')}
    assert sorted(want) == list(range(24))
    assert have == want


@pytest.mark.tree
def test_inode_fields():
    text = part(doc('60-inodes-dirents-xattrs.md'), '### 3.3 Variable-length fields', '### 3.4')
    v2, v3 = [], []
    for m in re.finditer(r'^\| (\S+) \| (\S+) \| (bi_\w+) \| (\d+) \|', text, re.M):
        if m[1].isdigit():
            assert int(m[1]) == len(v2)
            v2.append([m[3], m[4]])
        if m[2].isdigit():
            assert int(m[2]) == len(v3)
            v3.append([m[3], m[4]])
    assert table('fs/inode_format.h', 'BCH_INODE_FIELDS_v2') == v2
    assert table('fs/inode_format.h', 'BCH_INODE_FIELDS_v3') == v3
