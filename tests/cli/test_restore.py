# SPDX-License-Identifier: GPL-2.0
"""restore: every entry of every image as its manifest says, as a directory and as a tar stream."""
import json
import os
import re

import pytest

import images
import manifest
import run
import tarcmp

LISTED = [n for n in images.NAMES if manifest.load(n)['entries'] and n != 'big-616']
TARRED = ['small-616', 'small-612', 'native128-616', 'snaps-138', 'unclean-138-2', 'comp-138',
          'enc-zstd-wide-138', 'multi3-ec-138', 'casefold-138']


def need_root():
    if os.geteuid():
        pytest.skip('owners, devices and trusted attributes need root')


def auth(name, passfile):
    return ['--passphrase-file', passfile] if images.needs_passphrase(name) else []


def first(diff, n=30):
    return '%d differences\n%s' % (len(diff), '\n'.join(diff[:n]))


@pytest.mark.parametrize('name', LISTED)
def test_directory(name, cache, scratch, passfile):
    need_root()
    devs = cache.get(name)
    out = os.path.join(scratch, 'out')
    r = run.bcachefs('restore', *auth(name, passfile), ':'.join(devs), out, devices=devs,
                     timeout=300)
    diff = manifest.compare_dir(manifest.load(name), out)
    assert not diff, '%s\n%r' % (first(diff), r)
    assert r.rc == 0, repr(r)


@pytest.mark.slow
def test_directory_big(cache, scratch):
    need_root()
    devs = cache.get('big-616')
    out = os.path.join(scratch, 'out')
    run.bcachefs('restore', devs[0], out, devices=devs, rc=0, timeout=600)
    diff = manifest.compare_dir(manifest.load('big-616'), out)
    assert not diff, first(diff)


@pytest.mark.parametrize('name', TARRED)
def test_tar(name, cache, scratch, passfile):
    devs = cache.get(name)
    path = os.path.join(scratch, 'out.tar')
    with open(path, 'wb') as f:
        r = run.bcachefs('restore', *auth(name, passfile), ':'.join(devs), '-', devices=devs,
                         stdout=f, timeout=300)
    diff = tarcmp.compare_tar(manifest.load(name), path)
    assert not diff, '%s\n%r' % (first(diff), r)
    assert r.rc == 0, repr(r)


@pytest.mark.parametrize('name', ['xattr-names-138'])
def test_xattr_names(name, cache, scratch):
    """117 attributes whose names cross every length at which a name hash may go wrong."""
    need_root()
    devs = cache.get(name)
    out = os.path.join(scratch, 'out')
    run.bcachefs('restore', devs[0], out, devices=devs, rc=0)
    for ns in ('user', 'trusted', 'security'):
        for nn in range(1, 40):
            p = '%s/%s%02d' % (out, ns, nn)
            attr = '%s.%s' % (ns, ''.join(chr(97 + (i * 7 + nn) % 26) for i in range(nn)))
            assert os.listxattr(p) == [attr]
            assert os.getxattr(p, attr) == b'v%d' % nn


@pytest.mark.valgrind
def test_fresh(cache, scratch):
    devs = cache.get('empty-32m-138')
    out = os.path.join(scratch, 'out')
    run.bcachefs('restore', devs[0], out, devices=devs, rc=0)
    assert os.listdir(out) in ([], ['lost+found'])


@pytest.mark.valgrind
def test_one_path(cache, scratch):
    devs = cache.get('small-616')
    e = next(x for x in manifest.load('small-616')['entries'] if x['path'] == 'sizes/r0100000')
    out = os.path.join(scratch, 'out')
    run.bcachefs('restore', '--path', 'sizes/r0100000', devs[0], out, devices=devs, rc=0)
    files = [os.path.join(d, f) for d, _, fs in os.walk(out) for f in fs]
    assert [os.path.basename(f) for f in files] == ['r0100000']
    with open(files[0], 'rb') as f:
        data = f.read()
    assert manifest.region_hash(lambda o, n: data[o:o + n], [(0, len(data))]) == e['sha256']


def test_one_directory(cache, scratch):
    devs = cache.get('small-616')
    out = os.path.join(scratch, 'out')
    run.bcachefs('restore', '-p', 'names', devs[0], out, devices=devs, rc=0)
    want = {manifest.unb(e['path']).split(b'/')[1] for e in manifest.load('small-616')['entries']
            if manifest.unb(e['path']).startswith(b'names/')}
    got = {os.path.basename(p) for p in manifest.walk(os.fsencode(out))} - {b'.', b'names'}
    assert got == want


def test_missing_path(cache, scratch):
    devs = cache.get('empty-32m-138')
    r = run.bcachefs('restore', '-p', 'no/such/file', devs[0], scratch + '/out', devices=devs)
    assert r.rc in (1, 8) and 'no/such/file' in r.err, repr(r)


def sub_manifest(m, prefix):
    """The part of a manifest below one directory, as a manifest of its own."""
    out = []
    for e in m['entries']:
        p = manifest.unb(e['path'])
        if p == prefix or p.startswith(prefix + b'/'):
            rel = p[len(prefix) + 1:] or b'.'
            e = dict(e, path=rel.decode())
            if 'hardlink_of' in e:
                e['hardlink_of'] = manifest.unb(e['hardlink_of'])[len(prefix) + 1:].decode()
            out.append(e)
    return dict(m, entries=out)


@pytest.mark.parametrize('name,sub', [('snaps-616', 'snaps/s4'), ('snaps-138', 'snaps/n6'),
                                      ('snaps-612', 'main/inner')])
def test_one_snapshot(name, sub, cache, scratch):
    need_root()
    devs = cache.get(name)
    out = os.path.join(scratch, 'out')
    run.bcachefs('restore', '--snapshot', sub, devs[0], out, devices=devs, rc=0)
    m = sub_manifest(manifest.load(name), sub.encode())
    assert len(m['entries']) > 1
    diff = manifest.compare_dir(m, out)
    assert not diff, first(diff)


def test_list_subvolumes(cache):
    devs = cache.get('snaps-616')
    r = run.bcachefs('restore', '--list-subvolumes', devs[0], devices=devs, rc=0)
    for p in ('main', 'main/inner', 'main/inner/inner2', 'snaps/s0', 'snaps/n6',
              'snaps/with-inner', 'gone-snap'):
        assert re.search(r'(^|[\s/])%s$' % p, r.out, re.M), '%s is missing\n%s' % (p, r.out)
    assert 'snaps/s2\n' not in r.out, 'deleted subvolumes are not listed'


@pytest.mark.parametrize('name', ['small-616', 'snaps-138', 'unclean-616-3'])
def test_list(name, cache):
    """--list names every entry, writes nothing."""
    devs = cache.get(name)
    r = run.bcachefs('restore', '--list', '--json', devs[0], devices=devs, rc=0)
    objs = [json.loads(x) for x in r.out.split('\n') if x.strip()]
    m = manifest.load(name)
    assert len({json.dumps(o['path']) for o in objs} ) == len(objs)
    plain = {o['path'] for o in objs if isinstance(o['path'], str)}
    plain = {p.lstrip('/').removeprefix('./') or '.' for p in plain}
    want = {e['path'] for e in m['entries'] if isinstance(e['path'], str)}
    assert want - plain - {'.'} == set()
    assert plain - want - {'.', 'lost+found'} == set() or \
        len(objs) - len(plain) != len(m['entries']) - len(want)
    r = run.bcachefs('restore', '--list', devs[0], devices=devs, rc=0)
    assert len(r.out.split('\n')) >= len(want)


def test_degraded_mirror(cache, scratch, block_devices):
    """One of two replicas is enough."""
    need_root()
    devs = cache.get('multi2-138')
    for i in (0, 1):
        out = os.path.join(scratch, 'out%d' % i)
        r = run.bcachefs('restore', '-o', 'degraded=yes', devs[i], out, devices=devs)
        diff = manifest.compare_dir(manifest.load('multi2-138'), out)
        assert not diff and r.rc == 0, '%s\n%r' % (first(diff), r)
        assert re.search(r'missing|degraded|not found', r.text), repr(r)


@pytest.mark.parametrize('gone', [0, 1, 2])
def test_erasure_coded_without(gone, cache, scratch):
    """Three devices with stripes: the data of a missing one is computed from the others."""
    need_root()
    devs = cache.get('multi3-ec-138')
    out = os.path.join(scratch, 'out')
    left = [d for i, d in enumerate(devs) if i != gone]
    r = run.bcachefs('restore', '-o', 'degraded=very', ':'.join(left), out, devices=devs)
    diff = manifest.compare_dir(manifest.load('multi3-ec-138'), out)
    assert not diff and r.rc == 0, '%s\n%r' % (first(diff), r)


def test_passphrases(cache, scratch, passfile):
    need_root()
    devs = cache.get('encrypted-138')
    r = run.bcachefs('restore', devs[0], scratch + '/a', devices=devs, stdin='wrong\n')
    assert r.rc == 8 and 'passphrase' in r.text, repr(r)
    assert not os.path.exists(scratch + '/a') or os.listdir(scratch + '/a') == []
    r = run.bcachefs('restore', devs[0], scratch + '/b', devices=devs, rc=0,
                     stdin=images.PASSPHRASE + '\n')
    assert not manifest.compare_dir(manifest.load('encrypted-138'), scratch + '/b')


def test_usage(cache, scratch):
    devs = cache.get('empty-32m-138')
    run.bcachefs('restore', rc=2)
    run.bcachefs('restore', devs[0], rc=2)
    run.bcachefs('restore', '--nonsense', devs[0], scratch, rc=2)
    assert run.bcachefs('restore', '--help', rc=0).out
    r = run.bcachefs('restore', scratch + '/no-such-device', scratch + '/out', rc=8)
    assert 'no-such-device' in r.err


def test_no_colour_or_progress_in_a_file(cache, scratch):
    devs = cache.get('small-616')
    r = run.bcachefs('restore', '-p', 'sizes', devs[0], scratch + '/o', devices=devs, rc=0)
    assert '\x1b' not in r.text and '\r' not in r.text


def test_tar_stream_is_clean(cache, scratch):
    """With - the archive is all that standard output carries."""
    devs = cache.get('empty-32m-138')
    r = run.bcachefs('restore', devs[0], '-', devices=devs, rc=0)
    assert len(r.raw_out) % 512 == 0 and r.raw_out.endswith(bytes(1024))
    assert r.raw_out[257:262] == b'ustar'
