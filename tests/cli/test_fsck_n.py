# SPDX-License-Identifier: GPL-2.0
"""fsck -n: every image is found clean as far as reading goes; text, exit codes, JSON report."""
import json
import re

import pytest

import images
import run


@pytest.mark.parametrize('name', [n for n in images.NAMES if n != 'big-616'])
def test_clean(name, cache):
    devs = cache.get(name)
    r = run.bcachefs('fsck', '-n', *devs, devices=devs, timeout=300,
                     stdin=images.PASSPHRASE + '\n' if images.needs_passphrase(name) else None)
    assert r.rc == 0, repr(r)
    assert 'Running userspace offline fsck' in r.out
    if not name.startswith(('empty-', 'source-')):
        kind = 'unclean' if images.is_unclean(name) else 'clean'
        assert re.search(r'recovering from %s shutdown' % kind, r.out), repr(r)


@pytest.mark.slow
def test_clean_big(cache):
    devs = cache.get('big-616')
    run.bcachefs('fsck', '-n', *devs, devices=devs, timeout=300, rc=0)


@pytest.mark.parametrize('flag', ['-a', '-p', '-af', '-pn'])
def test_preen_does_nothing(flag, scratch):
    r = run.bcachefs('fsck', flag, scratch + '/does-not-exist', rc=0)
    assert 'do nothing' in r.out


def test_usage(cache):
    devs = cache.get('empty-32m-138')
    assert run.bcachefs('fsck').rc in (2, 16)
    assert run.bcachefs('fsck', '--nonsense', '-n', *devs).rc in (2, 16)
    assert run.bcachefs('fsck', '--help', rc=0).out
    r = run.bcachefs('fsck', '-n', '/nonexistent/device', rc=8)
    assert '/nonexistent/device' in r.text
    r = run.bcachefs('fsck', '-n', '-o', 'degraded=nonsense', *devs)
    assert r.rc in (1, 2, 8, 16) and 'degraded' in r.err, repr(r)
    # unknown names are ignored: options come and go
    run.bcachefs('fsck', '-n', '-o', 'no_such_option=1', *devs, rc=0)


@pytest.mark.valgrind
def test_names_of_the_binary(cache, scratch):
    import os
    devs = cache.get('empty-32m-138')
    link = scratch + '/fsck.bcachefs'
    os.symlink(run.BINARY, link)
    r = run.execute([link, '-n', *devs])
    assert r.rc == 0 and 'Running userspace offline fsck' in r.out


def test_ways_to_name_devices(cache):
    devs = cache.get('multi3-ec-138')
    for args in ([':'.join(devs)], devs, list(reversed(devs))):
        run.bcachefs('fsck', '-n', *args, devices=devs, rc=0)


def test_json(cache):
    devs = cache.get('small-138')
    r = run.bcachefs('fsck', '-n', '--json', *devs, devices=devs, rc=0)
    text = r.out[r.out.index('{'):]
    j = json.loads(text)
    assert j.get('errors') in ([], 0, {}) or j.get('nr_errors') == 0, text


def test_reports_go_to_stdout_summary_to_stderr(cache, scratch):
    import damage
    devs = cache.copy('btree64k-616', scratch)
    node = damage.nodes(devs, 'inodes', level=0)[2]
    damage.zero(devs[0], node.sector * 512, 512)
    r = run.bcachefs('fsck', '-n', *devs, devices=devs)
    assert r.rc & 4 and not r.rc & 2, repr(r)
    assert re.search(r'still has errors', r.err), repr(r)
    j = run.bcachefs('fsck', '-n', '--json', *devs, devices=devs)
    assert str(node.sector) in j.out
