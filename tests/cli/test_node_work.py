# SPDX-License-Identifier: GPL-2.0
"""Pointers to btree nodes that could not be placed as options ask for say so from the beginning, and are
listed in reconcile_scan: a check finds nothing to add, after splits and after a crash either."""
import json
import os
import re

import pytest

import run

MB = 1 << 20
START = os.path.join(run.BUILD, 'tests/kernel/start_fs')


def make(scratch, nr, *args):
    devs = [os.path.join(scratch, 'dev%d.img' % i) for i in range(nr)]
    for d in devs:
        with open(d, 'wb') as f:
            f.truncate(64 * MB)
    argv = [devs[int(a[1:])] if re.fullmatch(r'@\d', a) else a for a in args]
    run.bcachefs('format', '-q', '--btree_node_size=16k', *argv, rc=0)
    return devs


def start(devs, *args):
    r = run.execute([START, *args, *devs])
    assert r.rc == 0 and not r.err, repr(r)


def listed(devs, *args):
    r = run.bcachefs('list', '--json', *args, *devs, devices=devs, rc=0)
    return [json.loads(l) for l in r.out.splitlines() if l.startswith('{')]


def roots_and_nodes(devs):
    out = []
    for b in ('inodes', 'dirents', 'alloc', 'freespace', 'backpointers', 'accounting',
              'subvolumes', 'snapshots', 'snapshot_trees', 'logged_ops', 'reconcile_scan', 'lru',
              'need_discard', 'bucket_gens', 'deleted_inodes', 'subvolume_children', 'extents'):
        out += listed(devs, '-b', b, '-m', 'nodes')
    return out


def check(devs, need, cls):
    """All nodes need the same, each with an entry of its own in reconcile_scan."""
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    values = [n['value'] for n in roots_and_nodes(devs)]
    assert len(values) >= 11
    numbers = []
    for v in values:
        assert 'need_rb=%s ' % need in v, v
        numbers += re.findall(r'reconcile_bp: idx (\d+)', v)
    entries = [k['pos']['offset'] for k in listed(devs, '-b', 'reconcile_scan')
               if k['pos']['inode'] == cls]
    assert len(set(numbers)) == len(values) and sorted(numbers) == sorted(entries)


CASES = {
    'replicas': (1, ['--metadata_replicas=2', '@0'], 'data_replicas', '1'),
    'target': (2, ['--label=ssd', '--data_allowed=user', '@0', '--label=hdd',
                   '--data_allowed=journal,btree,user', '@1', '--metadata_target=ssd'],
               'background_target', '2'),
}


@pytest.mark.parametrize('case', sorted(CASES))
def test_new_nodes(case, scratch):
    nr, args, need, cls = CASES[case]
    devs = make(scratch, nr, *args)
    check(devs, need, cls)
    names = [x for i in range(400) for x in ('-n', 'directory-with-a-long-name-%04d' % i)]
    start(devs, *names)
    assert len(listed(devs, '-b', 'dirents', '-m', 'nodes')) > 1, 'it has split'
    check(devs, need, cls)
    start(devs, '-k', *[n + 'x' if i % 2 else n for i, n in enumerate(names)])
    start(devs)
    check(devs, need, cls)


def test_done_when_asked_for_less(scratch):
    devs = make(scratch, 1, '--metadata_replicas=2', '@0')
    run.bcachefs('set-fs-option', '--metadata_replicas=1', *devs, rc=0)
    run.bcachefs('fsck', '-y', *devs)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    assert not [n for n in roots_and_nodes(devs) if 'need_rb' in n['value']]
    assert not [k for k in listed(devs, '-b', 'reconcile_scan') if k['pos']['inode'] != '0']
    start(devs, '-n', 'one')
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)


def test_two_devices(scratch):
    """Everything is where it should be: nothing is recorded."""
    devs = make(scratch, 2, '--metadata_replicas=2', '@0', '@1')
    start(devs, '-n', 'one')
    assert not [n for n in roots_and_nodes(devs) if 'reconcile' in n['value']]
    assert not listed(devs, '-b', 'reconcile_scan')
