# SPDX-License-Identifier: GPL-2.0
"""recover-super: asks, writes what was shown to every place, and nothing else; other members as source."""
import os

import pytest

import damage
import images
import run
import superblocks as sbs


def ruin(path, layout=True, which=(0,)):
    """The copies with these numbers, and the layout sector, are overwritten."""
    where = damage.superblocks([path])
    for i in which:
        damage.zero(path, where[i].sector * 512, 4096)
    if layout:
        damage.zero(path, 3584, 512)


def recover(*args, **kw):
    return run.bcachefs('recover-super', *args, **kw)


@pytest.mark.parametrize('image', ['small-616', 'small-138', 'unclean-138-1', 'encrypted-616',
                                   'block512-616', 'empty-v113-138'])
@pytest.mark.parametrize('which', [(0,), (0, 1), (1, 2)])
def test_as_it_was(image, which, cache, scratch):
    """With the surviving copy every byte comes back."""
    before, devs = cache.get(image), cache.copy(image, scratch)
    ruin(devs[0], which=which)
    r = recover('-y', devs[0], rc=0)
    assert 'Found superblock:' in r.out and 'Recovering' in r.out
    assert sbs.differences(before[0], devs[0]) == []


def test_asks(cache, scratch):
    d, = cache.copy('small-616', scratch)
    ruin(d)
    for answer in ('n\n', '\n', 'x\n', 'no\n'):
        r = recover(d, stdin=answer, devices=[d], rc=0)
        assert r.out.endswith('Recover? (y,n) ')
    r = recover(d, stdin='', devices=[d], rc=1)
    assert 'error reading from standard input' in r.err
    r = recover('--report', '-y', d, devices=[d], rc=0)
    assert 'Nothing was written' in r.out and ' 8 2056 ' in r.out
    r = recover(d, stdin='yes\n', rc=0)
    assert images.touched(d)
    assert len(sbs.copies(d)) == 3
    run.bcachefs('fsck', '-n', d, rc=0)


def test_no_superblock(scratch):
    blank = scratch + '/blank'
    with open(blank, 'wb') as f:
        f.truncate(64 << 20)
    images.stamp(blank)
    recover('-y', blank, devices=[blank], rc=1)


def test_from_member(cache, scratch):
    """A lost device gets the shared state, its own index and layout, and no journal."""
    before, devs = cache.get('multi2-616'), cache.copy('multi2-616', scratch)
    lost = scratch + '/lost.img'
    with open(lost, 'wb') as f:
        f.truncate(os.stat(devs[1]).st_size)
    images.stamp(lost)
    source = ['-s', devs[0], '-i', '1']
    recover(*source, lost, stdin='n\n', devices=[lost, devs[0]], rc=0)
    r = recover(*source, '-y', lost, devices=[devs[0]], rc=0)
    assert 'no longer have a journal' in r.out
    new, old = sbs.newest(lost), sbs.newest(before[1])
    assert new.dev_idx == 1 and new.layout.raw == old.layout.raw
    assert new.seq == old.seq and not {0, 9} & set(new.sections)
    assert {t: s for t, s in new.sections.items()} == \
        {t: s for t, s in old.sections.items() if t not in (0, 9)}
    assert damage.get(lost, 3584, 512) == new.layout.raw
    blank = scratch + '/blank'
    with open(blank, 'wb') as f:
        f.truncate(os.stat(lost).st_size)
    for lo, hi in sbs.differences(blank, lost):
        assert lo == 3584 or any(a <= lo and hi <= b for a, b in sbs.places(lost))
    # the other device's data is found through it
    r = run.bcachefs('list', '-b', 'inodes', devs[0], lost, rc=0)
    assert r.out.count('type inode_v3') > 100


def test_member_that_does_not_exist(cache, scratch):
    devs = cache.get('multi2-616')
    lost = scratch + '/lost.img'
    with open(lost, 'wb') as f:
        f.truncate(os.stat(devs[1]).st_size)
    images.stamp(lost)
    for idx in ('2', '255', '256', '4294967296'):
        recover('-y', '-s', devs[0], '-i', idx, lost, devices=[lost, *devs], rc=1)
    recover('-y', '-s', devs[0], lost, devices=[lost], rc=2)
    recover('-y', '-i', '1', lost, devices=[lost], rc=2)


def test_device_too_small(cache, scratch):
    """The places of the layout must all lie on the device."""
    d, = cache.copy('small-616', scratch)
    ruin(d)
    os.truncate(d, 200 << 20)
    images.stamp(d)
    r = recover('-y', d, devices=[d], rc=1)
    assert 'too small' in r.err, repr(r)


def test_in_use(cache, scratch):
    import fcntl
    d, = cache.copy('small-616', scratch)
    ruin(d)
    with open(d, 'rb') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        recover('-y', d, devices=[d], rc=1)
    recover('-y', d, rc=0)
