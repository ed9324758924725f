# SPDX-License-Identifier: GPL-2.0
"""All allocation information made anew: asked for, or because a filesystem was stripped of it."""
import pytest

import fscktest
import images
import run

NAMES = ['small-138', 'snaps-138', 'cached-138', 'multi3-ec-138', 'discard-138']


def sound(name, devs, scratch):
    """Nothing is found any more, nothing was lost."""
    for d in devs:
        images.stamp(d)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    run.bcachefs('fsck', '-y', *devs, rc=0)
    diff = fscktest.compare_files(name, devs, scratch)
    assert not diff, '\n'.join(diff[:20])


@pytest.mark.parametrize('name', NAMES)
def test_asked_for(name, cache, scratch):
    """-R: what is found missing is expected, and not worth a word."""
    devs = cache.copy(name, scratch)
    r, report = fscktest.fsck('-y', '-R', devs=devs)
    assert r.rc in (0, 1) and not [e for e in report['errors'] if 'alloc' in e['id']], repr(r)
    sound(name, devs, scratch)


@pytest.mark.parametrize('name', ['small-138', 'snaps-138'])
def test_stripped(name, cache, scratch):
    """A check that repairs makes it anew; one that does not leaves it alone."""
    devs = cache.copy(name, scratch)
    run.bcachefs('strip-alloc', *devs, rc=0)
    for d in devs:
        images.stamp(d)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    r = run.bcachefs('fsck', '-y', *devs)
    assert r.rc in (0, 1), repr(r)
    assert 'no_alloc_info' not in run.bcachefs('show-super', devs[0], rc=0).out
    sound(name, devs, scratch)


def test_only_in_memory(cache, scratch):
    """-n -R: everything is made anew, and nothing is written."""
    devs = cache.copy('small-138', scratch)
    for d in devs:
        images.stamp(d)
    run.bcachefs('fsck', '-n', '-R', *devs, devices=devs)
    assert not any(map(images.touched, devs))
