# SPDX-License-Identifier: GPL-2.0
"""list_journal: entries, ranges, filters; the window agrees with the independent decoder."""
import re

import pytest

import images
import run

UNCLEAN = [n for n in images.NAMES if images.is_unclean(n)]


def witness(name, devs):
    import bcr
    return bcr.FS(devs)


def entries(out):
    return [int(x) for x in re.findall(r'^(?:\*?\s*)(?:blacklisted )?journal entry\s+(\d+)$', out, re.M)]


@pytest.mark.parametrize('name', UNCLEAN)
def test_window(name, cache):
    """Default listing: the newest contiguous run; it covers the replay window."""
    devs = cache.get(name)
    fs = witness(name, devs)
    r = run.bcachefs('list_journal', '-H', *devs, devices=devs, rc=0)
    got = entries(r.out)
    assert got == sorted(got) and len(set(got)) == len(got)
    first, last = fs.window['last_seq'], fs.window['end']
    want = [s for s in range(first, last + 1) if s in fs.jsets and not fs.jsets[s].ignored]
    assert set(want) <= set(got), 'the replay window is %d-%d' % (first, last)


@pytest.mark.parametrize('name', ['unclean-616-1', 'unclean-138-2', 'blacklist-138', 'small-612'])
def test_all(name, cache):
    """-a -B shows every entry that is readable on the devices."""
    devs = cache.get(name)
    fs = witness(name, devs)
    r = run.bcachefs('list_journal', '-a', '-B', '-H', *devs, devices=devs, rc=0)
    want = sorted(s for s, e in fs.jsets.items() if e.good)
    assert set(want) <= set(entries(r.out))


@pytest.mark.valgrind
def test_header_lines(cache):
    devs = cache.get('unclean-616-1')
    fs = witness('unclean-616-1', devs)
    seq = fs.window['end']
    r = run.bcachefs('list_journal', '-H', '-s', str(seq), *devs, devices=devs, rc=0)
    e = fs.jsets[seq]
    assert entries(r.out) == [seq]
    assert re.search(r'^  version +%d$' % e.version, r.out, re.M), r.out
    assert re.search(r'^  last seq +%d$' % e.last_seq, r.out, re.M)
    assert re.search(r'^  flush +%d$' % (not e.noflush), r.out, re.M)
    assert re.search(r'^  written at.*\(sector %d\)' % e.where[0][3], r.out, re.M | re.S)


def test_ranges(cache):
    devs = cache.get('unclean-138-2')
    every = entries(run.bcachefs('list_journal', '-H', *devs, devices=devs, rc=0).out)
    assert len(every) > 6
    for args, want in ((['-n', '3'], every[-3:]),
                       (['-s', '%d..%d' % (every[1], every[3])], every[1:4]),
                       (['-s', '%d..%d' % (every[3], every[1])], every[1:4]),
                       (['-s', '%d..' % every[-2]], every[-2:])):
        r = run.bcachefs('list_journal', '-H', *args, *devs, devices=devs, rc=0)
        assert entries(r.out) == want, '%s\n%r' % (args, r)


def test_keys_and_filters(cache):
    devs = cache.get('unclean-616-2')
    r = run.bcachefs('list_journal', *devs, devices=devs, rc=0)
    assert re.search(r'^    btree_keys: btree=dirents level=0 u64s \d+ type dirent ', r.out, re.M)
    assert re.search(r'^  btree_root: btree=\S+ level=\d u64s', r.out, re.M)
    r = run.bcachefs('list_journal', '-b', 'dirents', *devs, devices=devs, rc=0)
    named = set(re.findall(r'btree_keys: btree=(\S+)', r.out))
    assert named == {'dirents'}
    r = run.bcachefs('list_journal', '-V', 'no', '-b', 'inodes', *devs, devices=devs, rc=0)
    assert 'bi_size' not in r.out and 'type inode_v3' in r.out


def test_noflush_and_datetime(cache):
    devs = cache.get('unclean-616-3')
    every = run.bcachefs('list_journal', '-H', *devs, devices=devs, rc=0).out
    flush = run.bcachefs('list_journal', '-H', '-F', *devs, devices=devs, rc=0).out
    assert set(re.findall(r'^  flush +(\d)', flush, re.M)) == {'1'}
    assert len(entries(flush)) == len(re.findall(r'^  flush +1', every, re.M))
    r = run.bcachefs('list_journal', '-D', *devs, devices=devs, rc=0)
    assert re.search(r'^\d+ ', r.out, re.M)


def test_usage(cache):
    devs = cache.get('empty-32m-138')
    run.bcachefs('list_journal', rc=2)
    run.bcachefs('list_journal', '--nonsense', *devs, rc=2)
    run.bcachefs('list_journal', '-s', 'x..y', *devs, rc=2)
    run.bcachefs('list_journal', '-b', 'nonsense', *devs, rc=2)
    assert run.bcachefs('list_journal', '--help', rc=0).out
    r = run.bcachefs('list_journal', '/nonexistent/device', rc=1)
    assert '/nonexistent/device' in r.err
