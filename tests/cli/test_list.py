# SPDX-License-Identifier: GPL-2.0
"""list: number of keys per btree as the reference counted them; modes, ranges, types, JSON."""
import json
import re
import subprocess

import pytest

import images
import manifest
import run

KEY = re.compile(r'^u64s (\d+) type (\S+) (POS_MIN|POS_MAX|SPOS_MAX|\d+:\S+)( len (\d+))?( ver (\S+))?')

# Counts of the reference that are not the number of keys on disk, and why.
#  - accounting: the reference changes these keys in memory when it opens a filesystem (1.38 drops
#    all of an older version's, and some others); the independent decoder counts instead.
#  - 1.13's `list` died by an assertion after some btrees: the manifest has a text, no number.
#  - 1.13 left out backpointers that are still in the journal, and has no reconcile btrees.
#  - Filesystems that were only formatted have no btrees at all. The reference initializes them in
#    memory before it lists, with lost+found and allocation information; we show an empty root.
SKIP = {'accounting', 'rebalance_work'}
SKIP_113 = {'backpointers'}


def initialized(name):
    m = manifest.load(name)
    return not (m['state'].startswith('clean (format') and 'Clean: 0' in
                re.sub(' +', ' ', '\n'.join(m.get('show_super_138', []))))


def wanted(name):
    m = manifest.load(name)
    out = {b: n for b, n in (m.get('list_counts') or {}).items()
           if isinstance(n, int) and b not in SKIP | SKIP_113}
    out.update({b: n for b, n in (m.get('list_counts_138') or {}).items()
                if isinstance(n, int) and b not in SKIP})
    if not initialized(name):
        empty = {'subvolumes': 1, 'snapshots': 1, 'snapshot_trees': 1, 'inodes': 1}
        out = {b: empty.get(b, 0) for b in out}
    return out


def auth(name):
    """Without a key in a keyring the passphrase is the first line of standard input."""
    return images.PASSPHRASE + '\n' if images.needs_passphrase(name) else None


def listing(*args, devices, **kw):
    """-> (key lines, the whole result)"""
    r = run.bcachefs('list', *args, *devices, devices=devices, rc=0, **kw)
    return [line for line in r.out.split('\n') if KEY.match(line)], r


COUNTED = [n for n in images.NAMES if wanted(n) and n != 'big-616']


@pytest.mark.parametrize('name', COUNTED)
def test_counts(name, cache):
    devs = cache.get(name)
    got = {b: len(listing('-b', b, devices=devs)[0]) for b in wanted(name)}
    assert got == wanted(name)


@pytest.mark.slow
def test_counts_big(cache):
    devs = cache.get('big-616')
    got = {b: len(listing('-b', b, devices=devs, timeout=300)[0]) for b in wanted('big-616')}
    assert got == wanted('big-616')


def witness_counts(name, devs):
    argv = ['/usr/bin/python3', '-B', images.HERE + '/../reference/bcr.py']
    if images.needs_passphrase(name):
        argv += ['-p', images.PASSPHRASE]
    out = subprocess.run(argv + ['counts'] + devs, stdout=subprocess.PIPE, check=True).stdout.decode()
    return {b: int(n) for b, n in re.findall(r'^(\w+) (\d+)$', out, re.M)}


@pytest.mark.slow
@pytest.mark.parametrize('name', ['blacklist-138', 'cached-138', 'strhash-crc32c-138',
                                  'nocow-falloc-138', 'xattr-names-138', 'encrypted-138',
                                  'encrypted-616', 'enc-zstd-wide-138', 'unclean-616-3',
                                  'discard-138'])
def test_counts_like_witness(name, cache):
    """Also images whose manifest has no counts: compare with the independent decoder."""
    devs = cache.get(name)
    want = witness_counts(name, devs)
    assert len(want) > 20
    for btree, n in want.items():
        keys, r = listing('-b', btree, devices=devs, stdin=auth(name))
        assert len(keys) == n, '%s: %d keys, the witness has %d\n%r' % (btree, len(keys), n, r)


@pytest.mark.slow
@pytest.mark.parametrize('name', [n for n in images.NAMES if not n.startswith(('big-', 'empty-'))])
def test_accounting_like_witness(name, cache):
    devs = cache.get(name)
    keys, r = listing('-b', 'accounting', devices=devs, stdin=auth(name))
    assert len(keys) == witness_counts(name, devs)['accounting'], repr(r)


@pytest.mark.valgrind
def test_fresh_filesystem(cache):
    devs = cache.get('empty-32m-138')
    keys, r = listing('-b', 'dirents', devices=devs)
    assert len(keys) == 1
    assert re.search(r'type dirent .*lost\+found -> \d+ type dir', r.out)
    keys, r = listing('-b', 'inodes', devices=devs)
    assert len(keys) == 2
    assert all(re.match(r'^u64s \d+ type inode_v3 0:\d+:U32_MAX', k) for k in keys), keys
    keys, r = listing(devices=devs)
    assert keys == [], 'extents of a fresh filesystem'


def test_startup_text(cache):
    _, r = listing('-b', 'inodes', devices=cache.get('small-616'))
    assert 'recovering from clean shutdown, journal seq 173' in r.out
    assert r.err == ''


def test_sorted_and_ranges(cache):
    devs = cache.get('small-616')
    keys, _ = listing('-b', 'dirents', devices=devs)
    pos = [KEY.match(k).group(3) for k in keys]
    assert len(set(pos)) == len(pos)

    def number(p):
        if p == 'POS_MIN':
            return (0, 0, 0)
        top = {'U64_MAX': 2**64 - 1, 'U32_MAX': 2**32 - 1}
        return tuple(top.get(x) or int(x) for x in p.split(':'))
    assert [number(p) for p in pos] == sorted(number(p) for p in pos)
    a, b = len(pos) // 3, len(pos) // 2
    part, _ = listing('-b', 'dirents', '-s', pos[a], '-e', pos[b], devices=devs)
    assert [KEY.match(k).group(3) for k in part] == pos[a:b + 1]


def test_type_filter(cache):
    devs = cache.get('small-616')
    keys, _ = listing('-b', 'extents', devices=devs)
    for t in ('extent', 'inline_data', 'reflink_p', 'reservation'):
        only, _ = listing('-b', 'extents', '-k', t, devices=devs)
        assert only == [k for k in keys if KEY.match(k).group(2) == t]
    assert listing('-b', 'extents', '-k', 'inline_data', devices=devs)[0]


def test_interior_level(cache):
    devs = cache.get('btree64k-616')
    keys, r = listing('-b', 'inodes', '-l', '1', devices=devs)
    assert len(keys) > 10 and all(KEY.match(k).group(2) == 'btree_ptr_v2' for k in keys)
    assert KEY.match(keys[-1]).group(3) == 'SPOS_MAX'
    assert re.search(r'ptr: \S+ 0:\d+:\d+ gen \d+', r.out), 'pointers show device:bucket:offset'


@pytest.mark.parametrize('mode', ['nodes', 'formats', 'nodes-ondisk'])
def test_modes(mode, cache):
    devs = cache.get('btree64k-616')
    r = run.bcachefs('list', '-m', mode, '-b', 'dirents', *devs, devices=devs, rc=0)
    if mode == 'nodes':
        nodes = [x for x in r.out.split('\n') if re.match(r'^u64s \d+ type btree_ptr_v2 ', x)]
        children, _ = listing('-b', 'dirents', '-l', '1', devices=devs)
        assert len(nodes) == len(children) + 1, 'every leaf and the root'
    elif mode == 'formats':
        assert len(re.findall(r'^l \d \S+ - \S+:', r.out, re.M)) > 10
        assert re.search(r'format: u64s \d+ fields \d+:\d+', r.out)
        assert re.search(r'bytes used \d+/\d+ \(\d+% full\)', r.out)
    else:
        assert re.search(r'offset 0 version \S+, journal seq \d+', r.out)
        keys, _ = listing('-b', 'dirents', devices=devs)
        ondisk = re.findall(r'^\s+u64s \d+ type dirent ', r.out, re.M)
        assert len(ondisk) >= len(keys), 'all sets hold at least what is alive'


def test_snapshot_start_filters(cache):
    """A start position with a snapshot shows what that snapshot sees."""
    devs = cache.get('snaps-616')
    every, _ = listing('-b', 'inodes', devices=devs)
    snaps = {KEY.match(k).group(3).split(':')[2] for k in every}
    assert len(snaps) > 3
    one, _ = listing('-b', 'inodes', '-s', '0:0:U32_MAX', devices=devs)
    assert 0 < len(one) < len(every)


def test_errors(cache):
    devs = cache.get('empty-32m-138')
    for bad in (['-b', 'nonsense'], ['-k', 'nonsense'], ['-m', 'nonsense'], ['--nonsense'],
                ['-l', '9'], ['-s', 'nonsense']):
        r = run.bcachefs('list', *bad, *devs, devices=devs)
        assert r.rc == 2 and r.err.startswith('error: '), repr(r)
    run.bcachefs('list', rc=2)
    r = run.bcachefs('list', '/nonexistent/device', rc=1)
    assert r.err.startswith('Error: ') and '/nonexistent/device' in r.err


def test_wrong_passphrase(cache):
    devs = cache.get('encrypted-616')
    r = run.bcachefs('list', '-b', 'inodes', *devs, devices=devs, stdin='not-the-passphrase\n')
    assert r.rc == 1 and 'incorrect passphrase' in r.text, repr(r)
    r = run.bcachefs('list', '-b', 'inodes', *devs, devices=devs, stdin='')
    assert r.rc == 1 and 'passphrase' in r.text, 'end of input is no passphrase: %r' % r
    keys, _ = listing('-b', 'inodes', devices=devs, stdin=images.PASSPHRASE + '\n')
    assert len(keys) > 180


@pytest.mark.parametrize('name', ['small-138', 'snaps-138', 'multi2-616'])
def test_json(name, cache):
    devs = cache.get(name)
    for btree in ('inodes', 'dirents', 'extents', 'snapshots'):
        keys, _ = listing('-b', btree, devices=devs)
        r = run.bcachefs('list', '--json', '-b', btree, *devs, devices=devs, rc=0)
        text = r.out.strip()
        objs = json.loads(text) if text.startswith('[') else \
            [json.loads(x) for x in text.split('\n') if x.strip()]
        if len(objs) == 1 and isinstance(objs[0], dict) and 'keys' in objs[0]:
            objs = objs[0]['keys']
        assert len(objs) == len(keys)
        for o, k in zip(objs, keys):
            assert o['type'] == KEY.match(k).group(2)
