# SPDX-License-Identifier: GPL-2.0
"""device resize, device resize-journal: larger, never smaller; the filesystem is whole afterwards."""
import os

import pytest

import run

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


def test_several_devices(cache, scratch):
    devs = cache.copy('multi2-138', scratch)
    r = run.bcachefs('device', 'resize', ':'.join(devs), rc=1)
    assert 'requires exactly one' in r.err, repr(r)
