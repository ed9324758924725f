# SPDX-License-Identifier: GPL-2.0
"""kill_btree_node: exactly the first block of the named nodes becomes zero; fsck -n sees it; everything is
found before the first is damaged."""
import os
import re

import pytest

import damage
import images
import run
import superblocks as sbs


def kill(*args, **kw):
    return run.bcachefs('kill_btree_node', *args, **kw)


def first_blocks(nodes, block=4096):
    return sorted((n.sector * 512, n.sector * 512 + block) for n in nodes)


def changed(before, after):
    """Differences, joined when nothing but equal bytes lies between them within one block."""
    return sorted(sbs.differences(before, after))


def inside(parts, blocks):
    return all(any(a <= lo and hi <= b for a, b in blocks) for lo, hi in parts)


@pytest.mark.parametrize('btree,level,index', [('extents', 0, 0), ('extents', 0, 1), ('inodes', 0, 5),
                                               ('extents', 1, 0), ('alloc', 0, 0)])
def test_one_node(btree, level, index, cache, scratch):
    before, devs = cache.get('small-616'), cache.copy('small-616', scratch)
    node = damage.nodes(before, btree, level)[index]
    arg = btree if not level and not index else '%s:%d:%d' % (btree, level, index)
    r = kill('-n', arg, *devs, rc=0)
    assert len(r.err.splitlines()) == 1 and devs[0] in r.err and btree in r.err, repr(r)
    assert damage.get(devs[0], node.sector * 512, 4096) == bytes(4096)
    diff = changed(before[0], devs[0])
    assert diff and inside(diff, first_blocks([node]))
    r = run.bcachefs('fsck', '-n', *devs)
    assert r.rc & 4 and re.search('btree node read error.*%s' % btree, r.out), repr(r)


def test_several(cache, scratch):
    before, devs = cache.get('btree64k-138'), cache.copy('btree64k-138', scratch)
    want = [damage.nodes(before, 'dirents', 0)[2], damage.nodes(before, 'extents', 0)[0]]
    r = kill('-n', 'dirents:0:2', '--node=extents', *devs, rc=0)
    assert len(r.err.splitlines()) == 2
    assert inside(changed(before[0], devs[0]), first_blocks(want))
    block = sbs.newest(devs[0]).block * 512
    for n in want:
        assert damage.get(devs[0], n.sector * 512, block) == bytes(block)


def test_replicas(cache, scratch):
    before, devs = cache.get('multi2-616'), cache.copy('multi2-616', scratch)
    kill('-n', 'extents', '-d', '1', *devs, rc=0)
    assert not sbs.differences(before[0], devs[0]) and sbs.differences(before[1], devs[1])
    r = run.bcachefs('fsck', '-n', *devs)
    assert 'retry success' in r.out, 'the other replica is good'
    r = kill('-n', 'extents', *cache.copy('multi2-616', scratch), rc=0)
    assert len(r.err.splitlines()) == 2
    assert sbs.differences(before[0], devs[0]) and sbs.differences(before[1], devs[1])


def test_written_anew_when_read(cache, scratch):
    """A start that meets a node with a bad copy makes a new one of the good copy, in the background."""
    devs = cache.copy('multi2-138', scratch)
    start = [os.path.join(run.BUILD, 'tests/kernel/start_fs'), '-o', 'fix_errors=yes']
    assert run.execute(start + devs).rc == 0
    kill('-n', 'subvolumes', '-d', '1', *devs, rc=0)
    r = run.bcachefs('fsck', '-n', *devs)
    assert 'retry success' in r.out, repr(r)
    r = run.execute(start + devs)
    assert 'retry success, rewriting' in r.out and 'errors_fixed' in r.err, repr(r)
    r = run.bcachefs('fsck', '-n', *devs, rc=0)
    assert 'retry' not in r.out, 'nothing is left of it'


def test_encrypted(cache, scratch, passfile):
    before, devs = cache.get('encrypted-616'), cache.copy('encrypted-616', scratch)
    kill('-n', 'dirents', '--passphrase-file', passfile, *devs, rc=0)
    assert len(sbs.differences(before[0], devs[0])) == 1


@pytest.mark.parametrize('args', [
    ['-n', 'extents:0:99999'], ['-n', 'extents:3'], ['-n', 'extents:4'], ['-n', 'extents:-1'],
    ['-n', 'nonsense'], ['-n', ''], ['-n', 'extents:0:0:0'], ['-n', 'extents:x'], ['-n', 'extents:'],
    ['-n', 'extents', '-n', 'inodes:0:9999'], ['-n', 'extents', '-d', '1'], ['-n', 'stripes'], []])
def test_refused(args, cache):
    """Nothing is damaged, not even the nodes that do exist."""
    devs = cache.get('small-138')
    r = kill(*args, *devs, devices=devs, rc=1)
    assert r.err.splitlines()[-1].startswith('Error: ')


@pytest.mark.parametrize('image', ['unclean-616-1', 'unclean-138-2'])
def test_unclean(image, cache, scratch):
    """It is recovered, then damaged."""
    d, = cache.copy(image, scratch)
    r = kill('-n', 'extents', d, rc=0)
    assert r.out.startswith('Filesystem not clean, running recovery\n')
    assert len(r.err.splitlines()) == 1 and sbs.newest(d).clean
    text = run.bcachefs('show-super', '-F', 'clean', d, rc=0).out
    sector, = re.search(r'btree=extents level=0 [^=]*ptr: 0:(\d+) gen', text).groups()
    block = sbs.newest(d).block * 512
    assert not any(damage.get(d, int(sector) * 512, block))
    assert any(damage.get(d, int(sector) * 512 + block, 4096))
    r = run.bcachefs('fsck', '-n', d)
    assert r.rc & 4 and re.search('btree node read error.*extents', r.out), repr(r)


@pytest.mark.parametrize('image,text', [('empty-v128-138', 'never mounted')])
def test_only_started_ones(image, text, cache):
    devs = cache.get(image)
    r = kill('-n', 'extents', *devs, devices=devs, rc=1)
    assert text in r.err, repr(r)


def test_in_use(cache, scratch):
    import fcntl
    d, = cache.copy('small-138', scratch)
    with open(d, 'rb') as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        kill('-n', 'extents', d, devices=[d], rc=1)
    assert not images.touched(d)
