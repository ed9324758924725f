# SPDX-License-Identifier: GPL-2.0
"""Btrees whose interior nodes, roots or pointers are lost: what cannot be made with debug-edit.
Most cases are directories of tests/fsck/."""
import os
import struct

import pytest

import damage
import fscktest
import run

CLEAN, BTREE_ROOT = 6, 1
DIRENTS = 2
#: In a key: its position (snapshot, offset, inode); in the value of a pointer: flags, first position.
KEY_POS, PTR_FLAGS, PTR_MIN = 20, 40 + 18, 40 + 20


def change_root(path, btree, change):
    """Apply change(bytearray) to the pointer to a root in the clean section."""
    at, length = damage.sections(path)[CLEAN]
    done = []

    def edit(raw):
        o = at + 24
        while o + 8 <= at + length:
            n, b, _, t = struct.unpack_from('<HBBB', raw, o)
            if (t, b) == (BTREE_ROOT, btree):
                key = bytearray(raw[o + 8:o + 8 + 8 * n])
                change(key)
                raw[o + 8:o + 8 + 8 * n] = key
                done.append(o)
            o += 8 + 8 * n
    damage.edit_superblocks(path, edit)
    assert done


def begins_late(key):
    struct.pack_into('<H', key, PTR_FLAGS, 1)
    struct.pack_into('<IQQ', key, PTR_MIN, 0, 0, 1)


def ends_early(key):
    struct.pack_into('<H', key, PTR_FLAGS, 1)
    struct.pack_into('<IQQ', key, KEY_POS, 0xffffffff, 1 << 63, 1 << 63)


def repaired(devs, ids, base, scratch):
    """The first run finds ids and repairs them; the second nothing; all files are there."""
    r, report = fscktest.fsck('-n', devs=devs, devices=devs)
    assert {e['id'] for e in report['errors']} == ids, repr(r)
    r, report = fscktest.fsck('-y', devs=devs)
    assert r.rc == 1 and {e['id'] for e in report['errors']} == ids, repr(r)
    r, report = fscktest.fsck('-y', devs=devs)
    assert r.rc == 0 and not report['errors'], repr(r)
    diff = fscktest.compare_files(base, devs, scratch)
    assert not diff, diff[:5]


@pytest.mark.parametrize('change,found', [
    (begins_late, 'btree_node_topology_bad_root_min_key'),
    (ends_early, 'btree_node_topology_bad_root_max_key')])
def test_root_range(change, found, cache, scratch):
    devs = cache.copy('small-138', scratch)
    change_root(devs[0], DIRENTS, change)
    repaired(devs, {found}, 'small-138', scratch)


# ------------------------------------------------------------------ three levels

KEYS = 9000


def list_keys(devs, level=0):
    r = run.bcachefs('list', '-b', 'xattrs', '-l', str(level), *devs, rc=0)
    return r.out[r.out.index('u64s'):]


def deep(scratch):
    """A filesystem with a btree of three levels -> its image, in a list."""
    devs = [os.path.join(scratch, 'deep.img')]
    with open(devs[0], 'wb') as f:
        f.truncate(256 << 20)
    run.bcachefs('format', '--force', '--quiet', '--block_size=512', '--btree_node_size=4k',
                 '--bucket_size=128k', *devs, rc=0)
    script = ''.join('insert xattrs 4096:%d:4294967295 hash_whiteout\n' % (1000 * i + 1)
                     for i in range(KEYS))
    run.bcachefs('debug-edit', *devs, '-', stdin=script, rc=0)
    assert '\nu64s' in list_keys(devs, 2)
    return devs


def kill_and_repair(devs, nodes):
    run.bcachefs('kill_btree_node', *[a for n in nodes for a in ('-n', 'xattrs:' + n)], *devs, rc=0)
    run.bcachefs('fsck', '-y', *devs, rc=1)
    run.bcachefs('fsck', '-y', *devs, rc=0)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)


def test_interior_nodes(scratch):
    """Without any of its interior nodes, a btree still has all keys of its leaves."""
    devs = deep(scratch)
    good = list_keys(devs)
    assert good.count('u64s') == KEYS
    for nodes in (['1:1'], ['2', '1:0'], ['1:0', '1:1', '1:2']):
        kill_and_repair(devs, nodes)
        assert list_keys(devs) == good, nodes


def test_lost_leaf(scratch):
    """An interior node, and a leaf elsewhere that has no older version: only its keys are gone."""
    devs = deep(scratch)
    good = set(list_keys(devs).split('\n'))
    kill_and_repair(devs, ['0:40', '1:0'])
    now = set(list_keys(devs).split('\n'))
    assert now < good and len(good - now) < 200


def test_without_repair(scratch):
    """-n says what it would do and changes nothing, and reading makes do with what is found."""
    devs = deep(scratch)
    good = list_keys(devs)
    run.bcachefs('kill_btree_node', '-n', 'xattrs:2', *devs, rc=0)
    r = run.bcachefs('fsck', '-n', *devs, devices=devs)
    assert r.rc == 5 and 'leaves that were found' in r.out, repr(r)
    assert list_keys(devs) == good
