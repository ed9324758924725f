# SPDX-License-Identifier: GPL-2.0
"""Filesystems made to harm whoever copies files out of them: keys changed under right checksums."""
import io
import itertools
import json
import os
import signal
import struct
import subprocess
import tarfile

import pytest

import damage
import manifest
import run
from damage import bcr

NAME = 'small-616'


def where(raw, val):
    """Offset of a value among packed keys: each begins with its length in words."""
    o, found = 0, []
    while o < len(raw):
        n = 8 * raw[o]
        if raw[o + n - len(val):o + n] == val:
            found.append(o + n - len(val))
        o += n
    assert len(found) == 1, 'the value is not alone'
    return found[0]


def edit(devs, btree, which, change):
    """Replace the values of the keys that `which` selects by change(value), of the same length."""
    found = 0
    for node in damage.nodes(devs, btree, level=0):
        for nr in range(len(node.sets)):
            at, length = damage.keys_at(node, nr)
            raw = damage.get(devs[node.dev], at, length)
            hits = [k for k in node.sets[nr]['keys'] if k.val and which(k)]
            for k in hits:
                new = change(k.val)
                assert len(new) == len(k.val)
                damage.put(devs[node.dev], at + where(raw, k.val), new)
            if hits:
                damage.reseal_bset(devs[node.dev], node, nr)
            found += len(hits)
    assert found, 'nothing to change'
    return found


def is_dirent(parent=None, name=None):
    def which(k):
        return k.type == bcr.T['dirent'] and parent in (None, k.pos[0]) and \
            name in (None, bcr.dirent_decode(k).name)
    return which


def inum_of(devs, path):
    fs = bcr.FS(list(devs))
    fs.ready()
    inode = fs.inode(fs.subvol[1]['inode'], fs.subvol[1]['snapshot'])
    for part in path.encode().split(b'/'):
        inode, _ = fs.lookup(next(d for d in fs.readdir(inode, 1) if d.name == part), 1)
    return inode['inum']


def is_inode(inum):
    return lambda k: k.type == bcr.T['inode_v3'] and k.pos[1] == inum


def dirent(inum, kind, name):
    """The value of an entry with a short name."""
    assert len(name) <= 7
    return struct.pack('<QB', inum, kind) + name.ljust(7, b'\0')


def with_size(size):
    return lambda v: v[:32] + struct.pack('<Q', size) + v[40:]


def restore(devs, dest, *args, **kw):
    return run.bcachefs('restore', *args, ':'.join(devs), dest, devices=devs, **kw)


def tree(top):
    return sorted(os.path.join(d, n) for d, ds, fs in os.walk(top) for n in ds + fs)


# ------------------------------------------------------------------ names

@pytest.mark.parametrize('name', [b'../x', b'..', b'.', b'a/b', b'/x'])
def test_impossible_names(name, cache, scratch):
    """An entry that would lie elsewhere is left out and reported."""
    devs = cache.copy(NAME, scratch)
    modes = inum_of(devs, 'modes')
    victim = inum_of(devs, 'modes/m4755')
    edit(devs, 'dirents', is_dirent(modes, b'm4755'), lambda v: dirent(victim, 8, name))
    before = tree(scratch)
    r = restore(devs, scratch + '/in/out', '-p', 'modes')
    assert r.rc == 8, 'the parent of the destination is not made: %r' % r
    os.mkdir(scratch + '/in')
    r = restore(devs, scratch + '/in/out', '-p', 'modes')
    left = [p for p in tree(scratch) if not p.startswith(scratch + '/in/out')]
    assert left == sorted(before + [scratch + '/in']), repr(r)
    assert not os.path.exists(scratch + '/in/out/modes/m4755')
    assert 'name' in r.text, repr(r)


def plant_symlink(devs, target):
    """acl/dir becomes two entries: a symlink to `target`, and the directory with a socket in it."""
    sock = inum_of(devs, 'dev/sock')
    link = next(k for k in bcr.FS(list(devs)).keys(bcr.B['inodes'])
                if (i := bcr.inode_decode(k)) and i['mode'] >> 12 == 0o12 and 8 < i['size'] < 200)
    inum = link.pos[1]
    edit(devs, 'extents', lambda k: k.pos[0] == inum, lambda v: target.ljust(len(v), b'\0'))
    edit(devs, 'inodes', is_inode(inum), with_size(len(target)))
    # seen first, as its inode number is lower
    edit(devs, 'dirents', is_dirent(inum_of(devs, 'acl'), b'f0'),
         lambda v: dirent(inum, 10, b'dir'))
    edit(devs, 'dirents', is_dirent(inum_of(devs, 'acl/dir'), b'inherits'),
         lambda v: struct.pack('<QB', sock, 12) + v[9:])


@pytest.mark.parametrize('args', [[], ['--overwrite']])
def test_symlink_and_directory_of_one_name(args, cache, scratch):
    """Nothing is written through a symlink that came out of the same filesystem."""
    devs = cache.copy(NAME, scratch)
    os.makedirs(scratch + '/o/keep')
    os.utime(scratch + '/o', (1, 1))
    plant_symlink(devs, b'../../o')
    r = restore(devs, scratch + '/out', *args)
    assert tree(scratch + '/o') == [scratch + '/o/keep'], repr(r)
    assert os.stat(scratch + '/o').st_mtime == 1, repr(r)
    assert r.rc == (0 if args else 1), repr(r)


@pytest.mark.parametrize('args', [[], ['--overwrite']])
def test_symlinks_in_the_destination(args, cache, scratch):
    """Nor through one that was there before."""
    if os.geteuid():
        pytest.skip('needs root')
    devs = cache.get(NAME)
    os.makedirs(scratch + '/o/dir')
    os.mkdir(scratch + '/out')
    for d in 'acl', 'dev':
        os.symlink('../o', '%s/out/%s' % (scratch, d))
    os.utime(scratch + '/o/dir', (1, 1))
    os.utime(scratch + '/o', (1, 1))
    r = restore(devs, scratch + '/out', *args)
    assert tree(scratch + '/o') == [scratch + '/o/dir'], repr(r)
    assert {os.stat(scratch + p).st_mtime for p in ('/o', '/o/dir')} == {1}, repr(r)
    if args:
        assert r.rc == 0 and not manifest.compare_dir(manifest.load(NAME), scratch + '/out')
    else:
        assert r.rc == 1 and r.err.count('already exists') == 2, repr(r)


def test_control_characters(cache, scratch):
    """Names cannot write to the terminal, as they are or in messages."""
    devs = cache.copy(NAME, scratch)
    modes, victim = inum_of(devs, 'modes'), inum_of(devs, 'modes/m4755')
    for old, new in (b'm4755', b'\x1b[31m'), (b'm0400', b'\xc2\x9b31m'), (b'm0001', b'\x9b31m'):
        edit(devs, 'dirents', is_dirent(modes, old), lambda v: dirent(victim, 8, new))
    r = run.bcachefs('restore', '--list', '-p', 'modes', *devs, devices=devs)
    assert not {0x1b, 0x9b, 0x07} & set(r.raw_out + r.raw_err), repr(r)
    assert r'\033[31m' in r.out and r.out.count(r'\23331m') == 2, repr(r)
    os.makedirs(scratch + '/out/modes/\x1b[31m/x')
    r = restore(devs, scratch + '/out', '-p', 'modes', '--overwrite')
    assert b'\x1b' not in r.raw_err and r.rc == 1, repr(r)


# ------------------------------------------------------------------ loops and dead ends

@pytest.mark.valgrind
def test_directory_in_itself(cache, scratch):
    """A directory that is its own grandchild is entered once."""
    devs = cache.copy(NAME, scratch)
    modes, top = inum_of(devs, 'modes'), inum_of(devs, 'acl')
    deep = inum_of(devs, 'acl/dir')
    edit(devs, 'dirents', is_dirent(deep, b'sub'), lambda v: dirent(top, 4, b'sub'))
    edit(devs, 'dirents', is_dirent(modes, b'd4755'), lambda v: dirent(4096, 4, b'd4755'))
    edit(devs, 'dirents', is_dirent(modes, b'd1777'), lambda v: dirent(top, 4, b'd1777'))
    r = run.bcachefs('restore', '--list', *devs, devices=devs, rc=1)
    assert r.err.count('more than once') == 3, repr(r)
    assert restore(devs, scratch + '/out').rc == 1


@pytest.mark.valgrind
def test_entries_of_nothing(cache, scratch):
    devs = cache.copy(NAME, scratch)
    modes = inum_of(devs, 'modes')
    edit(devs, 'dirents', is_dirent(modes, b'd0777'), lambda v: dirent(1 << 40, 4, b'd0777'))
    edit(devs, 'dirents', is_dirent(modes, b'm0400'), lambda v: dirent(2**64 - 1, 8, b'm0400'))
    edit(devs, 'dirents', is_dirent(modes, b'm4755'), lambda v: dirent(1, 16, b'm4755'))
    r = restore(devs, scratch + '/out', rc=1)
    for n in 'd0777', 'm0400':
        assert 'modes/%s: inode' % n in r.err and 'missing' in r.err, repr(r)


def test_subvolume_inside_itself(cache, scratch):
    """Subvolumes whose roots and snapshots point at each other."""
    devs = cache.copy('snaps-616', scratch)
    first = itertools.count()
    # every subvolume has the root directory of the first one
    edit(devs, 'subvolumes', lambda k: k.type == bcr.T['subvolume'] and k.pos[1] != 1,
         lambda v: v[:8] + struct.pack('<Q', 4096) + v[16:])
    r = restore(devs, scratch + '/a', '-i')
    assert r.rc in (0, 1), repr(r)
    run.bcachefs('restore', '--list-subvolumes', *devs, devices=devs)
    # and lives in snapshots that are not there
    edit(devs, 'subvolumes', lambda k: k.type == bcr.T['subvolume'] and k.pos[1] != 1,
         lambda v: v[:4] + struct.pack('<I', 1 + next(first) % 3) + v[8:])
    r = restore(devs, scratch + '/b', '-i')
    assert r.rc in (0, 1), repr(r)
    run.bcachefs('restore', '--list-subvolumes', '--json', *devs, devices=devs)


@pytest.mark.valgrind
def test_snapshot_tree_in_knots(cache, scratch):
    """Parents, children and skip entries at random: every view ends."""
    devs = cache.copy('snaps-616', scratch)
    ids = sorted(k.pos[1] for k in bcr.FS(list(devs)).keys(bcr.B['snapshots'])
                 if k.type == bcr.T['snapshot'])

    def knot(v):
        f = list(struct.unpack_from('<10I', v))
        f[1] = ids[-1]                          # parent: the highest, for all
        f[6:9] = [ids[-1]] * 3                  # skip
        return struct.pack('<10I', *f)[:len(v)] + v[40:]
    edit(devs, 'snapshots', lambda k: k.type == bcr.T['snapshot'] and k.pos[1] != ids[-1], knot)
    assert restore(devs, scratch + '/a', '-i').rc in (0, 1)
    run.bcachefs('fsck', '-n', *devs, devices=devs)


@pytest.mark.parametrize('kind', [0, 0o170000, 0o030000])
def test_file_of_no_type(kind, cache, scratch):
    devs = cache.copy(NAME, scratch)
    victim = inum_of(devs, 'modes/m4755')

    def change(v):
        f, = struct.unpack_from('<Q', v, 16)
        return v[:16] + struct.pack('<Q', f & ~(0o170000 << 36) | kind << 36) + v[24:]
    edit(devs, 'inodes', is_inode(victim), change)
    r = restore(devs, scratch + '/out', '-p', 'modes')
    assert r.rc == 1 and 'kind of file' in r.err and 'm4755' in r.err, repr(r)
    with open(scratch + '/out.tar', 'wb') as f:
        r = restore(devs, '-', '-p', 'modes', stdout=f)
    assert r.rc == 1 and 'm4755' in r.err, repr(r)
    with tarfile.open(scratch + '/out.tar') as t:
        assert 'modes/m0400' in t.getnames() and 'modes/m4755' not in t.getnames()


# ------------------------------------------------------------------ sizes

@pytest.mark.valgrind
@pytest.mark.parametrize('size', [1 << 60, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_hostile_size(size, cache, scratch):
    """A file said to be of any size is one hole with what is there: no time, no space, no loop."""
    devs = cache.copy(NAME, scratch)
    path = 'sizes/r0100000'
    edit(devs, 'inodes', is_inode(inum_of(devs, path)), with_size(size))
    possible = size < 1 << 63
    r = restore(devs, scratch + '/out', '-p', path, timeout=20)
    out = scratch + '/out/' + path
    if os.path.exists(out):
        assert r.rc == 0 and os.stat(out).st_size == size and os.stat(out).st_blocks < 1000
    else:
        assert r.rc == 1 and path in r.err, repr(r)
    with open(scratch + '/out.tar', 'wb') as f:
        r = restore(devs, '-', '-p', path, '-p', 'modes/m4755', timeout=20, stdout=f)
    assert r.rc == (0 if possible else 1), repr(r)
    assert os.stat(scratch + '/out.tar').st_size < 1 << 20
    with tarfile.open(scratch + '/out.tar') as t:
        assert 'modes/m4755' in t.getnames()
        assert not possible or t.getmember(path).size == size
    r = run.bcachefs('restore', '--list', '--json', '-p', path, *devs, devices=devs)
    assert r.rc == (0 if possible else 1), repr(r)


@pytest.mark.parametrize('t', [1 << 63, (1 << 63) - 1, 0xdeadbeef << 32])
def test_hostile_times(t, cache, scratch):
    """Times 292 years and more away."""
    devs = cache.copy('empty-32m-138', scratch)

    def change(v):
        # every 8 byte time of the value
        return v[:48] + bytes([255 if b else 0 for b in v[48:]])
    edit(devs, 'inodes', lambda k: k.type == bcr.T['inode_v3'], change)
    for args in ['--list'], ['--list', '--json']:
        r = run.bcachefs('restore', *args, *devs, devices=devs)
        assert r.rc in (0, 1), repr(r)
    assert restore(devs, scratch + '/out').rc in (0, 1)
    assert restore(devs, '-').rc in (0, 1)


# ------------------------------------------------------------------ destinations

def test_full_destination(cache, scratch):
    """ENOSPC is said once, ends the run, and leaves no file that looks complete."""
    if os.geteuid():
        pytest.skip('needs root')
    devs = cache.get(NAME)
    small = scratch + '/small'
    os.mkdir(small)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', small]).returncode:
        pytest.skip('cannot mount a tmpfs')
    try:
        r = restore(devs, small + '/out', rc=1, timeout=30)
        assert r.err.count('No space left on device') == 1, repr(r)
        want = {e['path']: e.get('size') for e in manifest.load(NAME)['entries']
                if e['type'] == 'file' and isinstance(e['path'], str)}
        for d, _, files in os.walk(small + '/out'):
            for f in files:
                p = os.path.relpath(os.path.join(d, f), small + '/out')
                assert os.lstat(os.path.join(d, f)).st_size == want.get(p, 0), p
    finally:
        subprocess.run(['umount', small], check=True)


LISTERS = [['list', '-b', 'inodes'], ['list', '--json', '-b', 'inodes'],
           ['list', '-m', 'nodes-ondisk', '-b', 'extents'], ['restore', '--list'],
           ['restore', '--list', '--json'], ['list_journal', '-a'], ['show-super', '-f', 'all'],
           ['fsck', '-n'], ['restore', '--list-subvolumes']]


@pytest.mark.parametrize('args', LISTERS, ids=' '.join)
def test_full_output(args, cache):
    devs = cache.get(NAME)
    with open('/dev/full', 'wb') as f:
        r = run.bcachefs(*args, *devs, devices=devs, stdout=f)
    assert r.rc and r.err, repr(r)


def close_early(argv, ignore):
    """Read a little of the output, then go away. -> (status, messages)"""
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=run.environment(), restore_signals=not ignore,
                         preexec_fn=(lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
                         if ignore else None)
    os.read(p.stdout.fileno(), 10)
    p.stdout.close()
    err = p.stderr.read().decode(errors='replace')
    return p.wait(timeout=60 * run.SLOWER), err


@pytest.mark.parametrize('ignore', [False, True])
@pytest.mark.parametrize('args', LISTERS[:5] + [['restore', '-']], ids=' '.join)
def test_reader_goes_away(args, ignore, cache):
    """list | head: ends by SIGPIPE, or with a message where that is ignored; never goes on."""
    devs = cache.get(NAME)
    argv = [run.BINARY, args[0], *args[1:], *devs]
    if args[-1] == '-':
        argv = [run.BINARY, 'restore', *devs, '-']
    rc, err = close_early(argv, ignore)
    assert not run.SANITIZER.search(err.encode()), err
    if ignore:
        assert rc == 1 and ('Broken pipe' in err or 'EPIPE' in err), (rc, err)
    else:
        assert rc == -signal.SIGPIPE, (rc, err)


def test_without_root(cache, scratch):
    """Owners are left out with one word about it; what else fails is named, with the reason."""
    if os.geteuid():
        pytest.skip('needs root, to give it up')
    devs = cache.get(NAME)
    out = scratch + '/out'
    os.mkdir(out)
    os.chown(out, 65534, 65534)
    p = scratch
    while p != '/' and not os.stat(p).st_mode & 1:
        os.chmod(p, os.stat(p).st_mode | 0o755)
        p = os.path.dirname(p)
    r = run.execute(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', run.BINARY,
                     'restore', *devs, out])
    assert r.rc == 1, repr(r)
    assert r.err.count('owners are not restored') == 1, repr(r)
    assert 'dev/c1-3: ' in r.err and 'Operation not permitted' in r.err, repr(r)
    bad = [x for x in r.err.split('\n') if x.startswith('error:') and
           not x.startswith(('error: dev/', 'error: xattr/'))]
    assert not bad, bad
    m = manifest.load(NAME)
    m = dict(m, entries=[e for e in m['entries'] if e['type'] == 'file'])
    assert all('owner' in d or 'xattr' in d or 'extra' in d or 'not in' in d or 'mode' in d
               for d in manifest.compare_dir(m, out)[:2000] if 'sha256' in d or 'size' in d)


def test_owners_cannot_be_set(cache, scratch):
    """Root without the right to change owners: one message, and a count."""
    if os.geteuid():
        pytest.skip('needs root')
    devs = cache.get(NAME)
    r = run.execute(['setpriv', '--bounding-set=-chown', '--inh-caps=-chown', run.BINARY,
                     'restore', *devs, scratch + '/out'])
    assert r.rc == 1 and r.err.count("Can't set user") == 1, repr(r)
    assert 'owners of 6 entries could not be set' in r.err and ' 6 errors' in r.err, repr(r)


# ------------------------------------------------------------------ the stream and GNU tar

def gnu_tar(devs, where, *args):
    """restore - | tar x: -> what tar says."""
    os.mkdir(where)
    with open(where + '.tar', 'wb') as f:
        restore(devs, '-', stdout=f, rc=0)
    t = subprocess.run(['tar', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-C',
                        where, '-xpf', where + '.tar', *args], stderr=subprocess.PIPE, check=True)
    return t.stderr.decode(errors='replace')


@pytest.mark.parametrize('name', [NAME, 'snaps-138'])
def test_gnu_tar(name, cache, scratch):
    """The tar that everybody has gets everything out, and has little to complain about."""
    if os.geteuid():
        pytest.skip('needs root')
    said = gnu_tar(cache.get(name), scratch + '/out')
    m = manifest.load(name)
    # sockets are not for tar; less than a second before 1970 has no form there
    m = dict(m, entries=[e for e in m['entries'] if e['type'] != 'sock' and
                         not -10**9 < e.get('mtime_ns', 0) < 0])
    diff = [d for d in manifest.compare_dir(m, scratch + '/out')
            if 't-1.' not in d and 'bcachefs.' not in d]
    assert not diff, '%d differences\n%s' % (len(diff), '\n'.join(diff[:20]))
    noise = [x for x in said.split('\n') if 'unknown extended header' in x]
    assert len(noise) < 10, '%d lines\n%s' % (len(noise), '\n'.join(noise[:10]))


def test_list_json_of_every_name(cache):
    """Whatever bytes names have, each line is JSON and nothing is left out."""
    for name in NAME, 'xattr-names-138':
        devs = cache.get(name)
        r = run.bcachefs('restore', '--list', '--json', *devs, devices=devs, rc=0)
        objs = [json.loads(x) for x in io.StringIO(r.out) if x.strip()]
        want = {json.dumps(e['path']): e for e in manifest.load(name)['entries']}
        for o in objs:
            e = want.get(json.dumps(o['path']))
            if e and 'xattrs' in e:
                assert len(o.get('xattrs_b64', {})) == len(e['xattrs']), o
