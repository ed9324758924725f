# SPDX-License-Identifier: GPL-2.0
"""strip-alloc: the roots of the allocation btrees and what is derived from them leave the superblock;
files stay what they are, and nothing but superblocks is written."""
import re

import pytest

import images
import run
import superblocks as sbs

ALLOC = {'alloc', 'backpointers', 'stripe_backpointers', 'need_discard', 'freespace', 'bucket_gens',
         'lru', 'accounting', 'reconcile_work', 'reconcile_hipri', 'reconcile_pending',
         'reconcile_scan'}
KINDS = {'small-616', 'small-138', 'multi2-138', 'encrypted-138', 'snaps-616', 'block512-616'}


def roots(path):
    text = run.bcachefs('show-super', '-F', 'clean', path, devices=[path], rc=0).out
    return set(re.findall(r'btree_root: btree=(\w+)', text))


def clean_rest(path):
    """What is in the section clean besides roots."""
    text = run.bcachefs('show-super', '-F', 'clean', path, devices=[path], rc=0).out
    return [x for x in text.split('\n') if x.strip() and 'u64s' not in x and 'btree_root' not in x
            and 'ptr:' not in x and 'seq ' not in x]


@pytest.mark.parametrize('image', sorted(KINDS))
def test_strip(image, cache, scratch, passfile):
    before, devs = cache.get(image), cache.copy(image, scratch)
    r = run.bcachefs('strip-alloc', *devs, rc=0)
    assert r.out == 'Stripping alloc info from %s\n' % devs[0]
    sbs.only_superblocks_changed(before, devs)
    for a, b in zip(before, devs):
        sb = sbs.newest(b)
        assert sb.clean and sb.features[0] >> 21 & 1
        assert not {3, 7} & set(sb.sections)
        assert not any(m['flags'] >> 30 & 1 for m in sb.members)
        assert roots(a) & ALLOC and roots(b) == roots(a) - ALLOC
        assert clean_rest(b) == clean_rest(a)
    key = ['--passphrase-file', passfile] if images.needs_passphrase(image) else []
    lists = [run.bcachefs('restore', '--list', '--json', *key, ':'.join(x), devices=x, rc=0).out
             for x in (before, devs)]
    assert lists[0] == lists[1] and lists[0]
    stdin = images.PASSPHRASE + '\n' if key else None
    run.bcachefs('fsck', '-n', *devs, devices=devs, stdin=stdin, rc=0)


def listing(devs):
    return run.bcachefs('restore', '--list', '--json', ':'.join(devs), devices=devs, rc=0).out


@pytest.mark.parametrize('image', ['unclean-616-1', 'unclean-138-3'])
def test_unclean(image, cache, scratch):
    """It is recovered, then stripped; files are those that a replay shows; fsck makes it whole."""
    before, devs = cache.get(image), cache.copy(image, scratch)
    files = listing(before)
    r = run.bcachefs('strip-alloc', *devs, rc=0)
    assert r.out.startswith('Filesystem not clean, running recovery\n') and not r.err, repr(r)
    assert r.out.endswith('\nStripping alloc info from %s\n' % devs[0])
    sb = sbs.newest(devs[0])
    assert sb.clean and sb.features[0] >> 21 & 1 and not roots(devs[0]) & ALLOC
    assert listing(devs) == files
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    run.bcachefs('fsck', '-y', *devs)
    assert not sbs.newest(devs[0]).features[0] >> 21 & 1 and roots(devs[0]) & ALLOC
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    assert listing(devs) == files


@pytest.mark.parametrize('image,text', [('empty-v128-138', 'never mounted')])
def test_refused(image, text, cache):
    devs = cache.get(image)
    r = run.bcachefs('strip-alloc', *devs, devices=devs, rc=1)
    assert text in r.err


def test_twice(cache, scratch):
    devs = cache.copy('small-138', scratch)
    run.bcachefs('strip-alloc', *devs, rc=0)
    left = roots(devs[0])
    run.bcachefs('strip-alloc', *devs, rc=0)
    assert roots(devs[0]) == left
