# SPDX-License-Identifier: GPL-2.0
"""Filesystems of versions 1.13 and 1.28, clean and not, brought to the current one by fsck.

Only what the upgrade demands changes, silently; a second run finds nothing; files are what they
were; and what is derived is as another decoder of the format computes it - which goes by what the
superblock calls complete, so not in builds that lack a pass of the upgrade.
"""
import os

import pytest

import images
import manifest
import run
import tarcmp
import upgrades

QUICK = ['small-612', 'unclean-612-1', 'unclean-616-1', 'discard-616']
SLOW = ['small-616', 'snaps-612', 'snaps-616', 'unclean-616-2', 'unclean-616-3', 'multi2-616',
        'casefold-616', 'comp-zstd-616', 'btree64k-616', 'quota-616', 'nocow-616', 'block512-616',
        'bucket256k-616', 'native128-616', 'small-incompat-616']
# Backpointers keep bytes of before 1.14 (spec 42 6.3).
LEFTOVERS = {'btree64k-616': '[backpointers] differs'}
EMPTY = ['empty-v113-138', 'empty-v116-138', 'empty-v125-138', 'empty-v128-138']


def compare_files(name, devs, scratch):
    path = os.path.join(scratch, 'restored.tar')
    with open(path, 'wb') as f:
        run.bcachefs('restore', ':'.join(devs), '-', stdout=f, rc=0, timeout=300)
    return tarcmp.compare_tar(manifest.load(name), path)


def upgraded(dev, missing):
    v = upgrades.versions(dev)
    assert v['version'] == '1.38'
    assert v['required'] == ','.join(missing)
    if not missing:
        assert v['complete'] == '1.38'


@pytest.mark.parametrize('name', QUICK + [pytest.param(n, marks=pytest.mark.slow) for n in SLOW])
def test_upgrade(name, cache, scratch):
    devs = cache.copy(name, scratch)
    before = upgrades.witness(devs)
    was = upgrades.versions(devs[0])['complete']
    missing = upgrades.missing_passes()

    # looking at it goes the same way, in memory
    r = upgrades.fsck('-n', devs, missing, devices=devs)
    assert 'Doing compatible version upgrade from' in r['text']

    r = upgrades.fsck('-y', devs, missing)
    assert '(%s) to need_discard_by_journal_seq (1.38)' % was in r['text']
    upgraded(devs[0], missing)

    r = upgrades.fsck('-y', devs, missing)
    assert not r['errors'] and (missing or 'upgrade' not in r['text'])
    r = upgrades.fsck('-n', devs, missing, devices=devs)
    assert not r['errors']

    assert not compare_files(name, devs, scratch)
    new = [] if missing else \
        [l for l in upgrades.witness(devs) - before if not upgrades.WITNESS_FINE.match(l) and
         not l.startswith(LEFTOVERS.get(name, '\n'))]
    assert not new, '\n'.join(sorted(new))


@pytest.mark.parametrize('name', EMPTY)
def test_initialize(name, cache, scratch):
    """Formatted for an older version and never started: the first start makes the current one."""
    devs = cache.copy(name, scratch)
    upgrades.fsck('-y', devs, [])
    v = upgrades.versions(devs[0])
    assert v == {'version': '1.38', 'complete': '1.38', 'required': ''}
    r = upgrades.fsck('-n', devs, [], devices=devs)
    assert not r['errors']
    assert not upgrades.witness(devs)


def test_interrupted(cache, scratch):
    """A start that dies when it has upgraded: the next one begins where that one was."""
    devs = cache.copy('unclean-612-1', scratch)
    missing = upgrades.missing_passes()
    r = run.execute([os.path.join(run.BUILD, 'tests/kernel/start_fs'), '-k', '-n', 'made-here',
                     *upgrades.without(missing), *devs])
    assert r.rc == 0, repr(r)
    r = upgrades.fsck('-y', devs, missing)
    assert 'recovering from unclean shutdown' in r['text'] and not r['errors']
    upgraded(devs[0], missing)
    r = upgrades.fsck('-n', devs, missing, devices=devs)
    assert not r['errors']
    out = run.bcachefs('restore', '--list', devs[0], rc=0).out
    assert 'made-here' in out
    assert missing or not [l for l in upgrades.witness(devs)
                           if not upgrades.WITNESS_FINE.match(l)]


def test_refused(cache, scratch):
    """Without check_allocations there would be no counters: nothing is written."""
    devs = cache.copy('small-612', scratch)
    before = images.content_hash(devs[0])
    r = run.bcachefs('fsck', '-y', '-o', 'recovery_passes_exclude=check_allocations', *devs)
    assert r.rc == 8 and 'passes of the upgrade are not available' in r.text, repr(r)
    assert images.content_hash(devs[0]) == before
