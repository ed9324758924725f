# SPDX-License-Identifier: GPL-2.0
"""Putting several devices together: missing, foreign, stale, split, cloned and removed ones are
reported by name; UUID= and LABEL= find members among block devices."""
import os
import re
import struct
import subprocess
import time

import pytest

import damage
import run


def fsck(*args, **kw):
    return run.bcachefs('fsck', '-n', *args, **kw)


def base(path):
    return os.path.basename(path)


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_order_does_not_matter(order, cache):
    devs = cache.get('multi2-616')
    r = fsck(*[devs[i] for i in order], devices=devs, rc=0)
    assert not re.search(r'missing|degraded mode', r.text), repr(r)


def test_missing_device_is_named(cache, block_devices):
    devs = cache.get('multi2-138')
    uuid = damage.bcr.Device(devs[1]).sb.members[1]['uuid']
    r = run.bcachefs('list', '-b', 'inodes', devs[0], devices=devs, rc=0)
    text = '-'.join(uuid.hex()[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
    assert re.search(r'missing|not found|offline', r.text) and \
        (text in r.text or re.search(r'\b(dev|device|member) 1\b', r.text)), repr(r)
    # default of restore: every member has to be there
    r = run.bcachefs('restore', '--list', '-o', 'degraded=no', devs[0], devices=devs)
    assert r.rc == 8 and re.search(r'insufficient|missing|not enough', r.text), repr(r)


def test_too_few_devices(cache, block_devices):
    """Striped data without one of its devices: opened only with degraded=very."""
    devs = cache.get('cached-138')
    r = fsck(devs[0], devices=devs)
    assert r.rc == 8 and base(devs[0]) in r.text, repr(r)
    assert re.search(r'insufficient|missing|not enough', r.text), repr(r)


def test_foreign_device(cache):
    a, b = cache.get('small-616'), cache.get('small-138')
    r = fsck(a[0], b[0], devices=a + b)
    assert r.rc == 8, repr(r)
    assert base(a[0]) in r.text or base(b[0]) in r.text
    assert re.search(r'not a member|another filesystem|different filesystem', r.text), repr(r)


def test_not_bcachefs(cache, scratch):
    devs = cache.get('multi2-138')
    blank = scratch + '/blank.img'
    with open(blank, 'wb') as f:
        f.truncate(16 << 20)
    r = fsck(devs[0], blank, devices=devs)
    assert r.rc == 8 and 'blank.img' in r.text, repr(r)


def test_device_twice(cache, scratch):
    """The same member, and a clone of it, do not make two."""
    devs = cache.get('multi2-138')
    clone = scratch + '/clone.img'
    subprocess.run(['cp', '--sparse=always', devs[0], clone], check=True)
    for second in (devs[0], clone):
        r = fsck(devs[0], second, devs[1], devices=devs)
        assert r.rc == 8 or base(second) in r.text, repr(r)
        assert re.search(r'already|twice|duplicate|same', r.text), repr(r)


def set_seq(path, seq, write_time=None):
    def change(raw):
        struct.pack_into('<Q', raw, 112, seq)
        if write_time is not None:
            struct.pack_into('<Q', raw, 200, write_time)
    damage.edit_superblocks(path, change)


def test_device_that_missed_updates(cache, scratch):
    """Older, but known to the others as such: accepted."""
    devs = cache.copy('multi2-138', scratch)
    sb = damage.bcr.Device(devs[1]).sb
    set_seq(devs[1], sb.seq - 5)
    r = fsck(*devs, devices=devs)
    assert not re.search(r'split', r.text), repr(r)


def test_split_brain_by_time(cache, scratch):
    """Same sequence number, other time: both halves were changed on their own."""
    devs = cache.copy('multi2-138', scratch)
    sb = damage.bcr.Device(devs[1]).sb
    set_seq(devs[1], sb.seq, 1)
    r = fsck(*devs, devices=devs)
    assert re.search(r'split[ -]?brain', r.text, re.I) and base(devs[1]) in r.text, repr(r)
    r = fsck('-o', 'no_splitbrain_check', *devs, devices=devs)
    assert r.rc != 16, repr(r)


def test_split_brain_by_seq(cache, scratch):
    """Device 0 went on alone for many updates; device 1 also has updates nobody knows of."""
    devs = cache.copy('multi2-138', scratch)
    sb = damage.bcr.Device(devs[0]).sb
    set_seq(devs[0], sb.seq + 20)
    set_seq(devs[1], sb.seq + 10)
    r = fsck(*devs, devices=devs)
    assert re.search(r'split[ -]?brain', r.text, re.I) and base(devs[1]) in r.text, repr(r)


def test_removed_device(cache, scratch):
    """A member whose slot is empty in the newest superblock is left out, by name."""
    devs = cache.copy('multi2-138', scratch)
    sb = damage.bcr.Device(devs[0]).sb

    def change(raw):
        o = 752
        while o < len(raw):
            n, t = struct.unpack_from('<II', raw, o)
            if t == 11:
                size = struct.unpack_from('<H', raw, o + 8)[0]
                raw[o + 16 + size:o + 16 + size + 16] = bytes(16)
            elif t in (3, 7):   # replicas: nothing lies on it any more
                raw[o + 8:o + 8 * n] = bytes(8 * n - 8)
            o += 8 * n
        struct.pack_into('<Q', raw, 112, sb.seq + 1)
    damage.edit_superblocks(devs[0], change)
    r = fsck(*devs, devices=devs)
    assert re.search(r'removed', r.text) and base(devs[1]) in r.text, repr(r)


def test_other_superblock_offset(cache, scratch):
    """sb=SECTOR reads the copy there, without looking at the first one."""
    devs = cache.copy('small-616', scratch)
    copies = damage.superblocks(devs)
    damage.zero(devs[0], 3584, 512)
    damage.harm(devs, copies[0], 'zero')
    r = fsck('-o', 'sb=%d' % copies[1].sector, *devs, devices=devs)
    assert r.rc in (0, 1, 4), repr(r)
    r = fsck('-o', 'sb=4242', *devs, devices=devs)
    assert r.rc == 8 and '4242' in r.text, repr(r)


@pytest.fixture
def loops(cache, scratch, block_devices):
    if os.geteuid():
        pytest.skip('loop devices need root')
    out = []

    def attach(name):
        new = []
        for d in cache.copy(name, scratch):
            p = subprocess.run(['losetup', '-r', '-f', '--show', d], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
            if p.returncode:
                pytest.skip('no loop devices here: ' + p.stderr.decode().strip())
            new.append(p.stdout.decode().strip())
        out.extend(new)
        time.sleep(0.2)
        return new
    yield attach
    for d in out:
        subprocess.run(['losetup', '-d', d], check=True)


def listed(*args):
    r = run.bcachefs('list', '-b', 'inodes', *args)
    return len(re.findall(r'^u64s \d+ type inode', r.out, re.M)), r


def test_one_member_finds_the_others(loops, cache):
    devs = loops('multi2-138')
    want, _ = listed(*cache.get('multi2-138'))
    n, r = listed(devs[1])
    assert n == want and not re.search(r'missing', r.text), repr(r)


def test_uuid_and_label(loops, cache):
    devs = loops('multi2-138')
    uuid = damage.bcr.Device(cache.get('multi2-138')[0]).sb.user_uuid.hex()
    uuid = '-'.join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
    want, _ = listed(*devs)
    for name in ('UUID=' + uuid, 'OLD_BLKID_UUID=' + uuid, 'LABEL=multi2-138',
                 'UUID=' + uuid.replace('-', '')):
        n, r = listed(name)
        assert n == want, '%s\n%r' % (name, r)
    n, r = listed('UUID=00000000-0000-4000-8000-000000000000')
    assert r.rc == 1 and n == 0 and '00000000-0000-4000' in r.text, repr(r)
    n, r = listed('LABEL=no-such-label')
    assert r.rc == 1 and 'no-such-label' in r.text, repr(r)


def test_same_label_twice(loops):
    """Two filesystems with one label: refused rather than guessed."""
    a, = loops('empty-32m-138')
    b, = loops('empty-256m-138')
    label = damage.bcr.Device(a).sb.label.rstrip(b'\0').decode()
    other = damage.bcr.Device(b).sb.label.rstrip(b'\0').decode()
    if label != other:
        n, r = listed('LABEL=' + label)
        assert n == 2 and r.rc == 0, repr(r)
    else:
        assert listed('LABEL=' + label)[1].rc == 1
