# SPDX-License-Identifier: GPL-2.0
"""device resize, device resize-journal: larger, never smaller; the filesystem is whole afterwards."""
import os
import struct

import pytest

import damage
import images
import run
import superblocks as sbs

MB = 1 << 20


def make(scratch, size, *args):
    path = os.path.join(scratch, 'dev.img')
    with open(path, 'wb') as f:
        f.truncate(size)
    run.bcachefs('format', '--force', '--quiet', *args, path, rc=0)
    return path


def enlarge(path, size):
    with open(path, 'r+b') as f:
        f.truncate(size)


def clean(path):
    run.bcachefs('fsck', '-n', path, devices=[path], rc=0)


def test_grow(scratch):
    path = make(scratch, 256 * MB, '--bucket_size=256k')
    enlarge(path, 320 * MB)
    r = run.bcachefs('device', 'resize', path, '300M', rc=0)
    assert 'resizing to 1200 buckets' in r.out
    clean(path)
    r = run.bcachefs('device', 'resize', path, rc=0)
    assert 'resizing to 1280 buckets' in r.out
    clean(path)
    r = run.bcachefs('list', '-b', 'reconcile_scan', path, rc=0)
    assert 'type cookie 0:2:0' in r.out, r.out
    # the same once more
    run.bcachefs('device', 'resize', path, rc=0)
    clean(path)


def test_grow_for_older_kernels(scratch):
    """A 6.16 kernel does not survive the root of a btree that it does not know."""
    path = make(scratch, 256 * MB, '--bucket_size=256k', '--version=1.28')
    run.bcachefs('fsck', '-y', path, rc=0)
    enlarge(path, 320 * MB)
    r = run.bcachefs('device', 'resize', path, rc=0)
    assert 'resizing to 1280 buckets' in r.out
    clean(path)
    r = run.bcachefs('list', '-b', 'reconcile_scan', path, rc=0)
    assert 'cookie' not in r.out, r.out


@pytest.mark.parametrize('size,text', [('128M', 'shrinking not supported (requested 512 buckets, have 1024)'),
                                       ('1G', 'larger than device size'), ('x', 'bad size')])
def test_refused(size, text, scratch):
    path = make(scratch, 256 * MB, '--bucket_size=256k')
    r = run.bcachefs('device', 'resize', path, size, rc=1)
    assert text in r.err, repr(r)
    clean(path)


def test_journal(scratch):
    path = make(scratch, 256 * MB, '--bucket_size=256k')
    r = run.bcachefs('device', 'resize-journal', path, '16M', rc=0)
    assert 'resizing journal to 64 buckets' in r.out
    clean(path)
    r = run.bcachefs('show-super', '-F', 'journal_v2', path, rc=0)
    runs = [x for x in r.out.split() if x.replace('-', '').isdigit()]
    run.bcachefs('device', 'resize-journal', path, '1M', rc=0)
    assert runs and run.bcachefs('show-super', '-F', 'journal_v2', path, rc=0).out == r.out
    clean(path)


def test_encrypted(scratch, passfile):
    path = make(scratch, 256 * MB, '--bucket_size=256k', '--encrypted', '--passphrase-file', passfile)
    enlarge(path, 320 * MB)
    r = run.bcachefs('device', 'resize', path, rc=1, stdin='wrong\n')
    assert 'incorrect passphrase' in r.err
    r = run.bcachefs('device', 'resize', '--passphrase-file', passfile, path, rc=0)
    assert 'resizing to 1280 buckets' in r.out
    run.bcachefs('device', 'resize-journal', path, '16M', rc=0, stdin=images.PASSPHRASE + '\n')
    run.bcachefs('fsck', '-n', path, devices=[path], rc=0, stdin=images.PASSPHRASE + '\n')


def test_unclean(cache, scratch):
    """It is recovered on the way."""
    d, = cache.copy('unclean-138-2', scratch)
    size = os.path.getsize(d)
    enlarge(d, size + 64 * MB)
    r = run.bcachefs('device', 'resize', d, rc=0)
    assert 'recovering from unclean shutdown' in r.out
    assert sbs.newest(d).clean
    clean(d)


def test_one_of_several(cache, scratch):
    """Without the others a filesystem is not started, unless they may be missing; then the one that is
    there grows, and comes together with the others again."""
    devs = cache.copy('multi2-138', scratch)
    uuid = os.urandom(16)       # nothing like it among this machine's block devices
    for d in devs:
        damage.edit_superblocks(d, lambda raw: struct.pack_into('<16s', raw, 56, uuid))
    enlarge(devs[0], os.path.getsize(devs[0]) + 64 * MB)
    images.stamp(devs[0])
    r = run.bcachefs('device', 'resize', devs[0], devices=devs, rc=1)
    assert 'missing' in r.out + r.err, repr(r)
    run.bcachefs('set-fs-option', '--degraded=yes', *devs, rc=0)
    before = [m['nbuckets'] for m in sbs.newest(devs[0]).members]
    run.bcachefs('device', 'resize', devs[0], devices=devs[1:], rc=0)
    after = [m['nbuckets'] for m in sbs.newest(devs[0]).members]
    assert after[0] > before[0] and after[1] == before[1]
    r = run.bcachefs('fsck', '-y', *devs)
    assert r.rc in (0, 1), repr(r)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)


def test_several_devices(cache, scratch):
    devs = cache.copy('multi2-138', scratch)
    r = run.bcachefs('device', 'resize', ':'.join(devs), rc=1)
    assert 'requires exactly one' in r.err, repr(r)
