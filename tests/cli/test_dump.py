# SPDX-License-Identifier: GPL-2.0
"""dump and undump: what comes back lists the same; qcow2 header; sanitizing; nodes that cannot be
read do not stop a dump."""
import os
import re
import struct

import pytest

import run


def dump(args, devs, out, **kw):
    return run.bcachefs('dump', '-o', out, *args, *devs, devices=devs, timeout=300, **kw)


def qcow_files(out):
    d = os.path.dirname(out)
    return sorted(os.path.join(d, f) for f in os.listdir(d) if f.endswith('.qcow2'))


def raw_files(out):
    d, b = os.path.split(out)
    return sorted(os.path.join(d, f) for f in os.listdir(d)
                  if f.startswith(b) and not f.endswith('.qcow2'))


def counts(devs, btrees):
    out = {}
    for b in btrees:
        r = run.bcachefs('list', '-b', b, *devs, rc=0)
        out[b] = len(re.findall(r'^u64s \d+ type ', r.out, re.M))
    return out


BTREES = ('extents', 'inodes', 'dirents', 'xattrs', 'snapshots', 'alloc')


@pytest.mark.parametrize('name', ['small-138', 'unclean-616-2', 'multi2-616', 'block512-616',
                                  'btree64k-138'])
def test_round_trip(name, cache, scratch):
    devs = cache.get(name)
    out = os.path.join(scratch, 'd')
    dump([], devs, out, rc=0)
    files = qcow_files(out)
    assert [os.path.basename(f) for f in files] == \
        (['d.qcow2'] if len(devs) == 1 else ['d.%d.qcow2' % i for i in range(len(devs))])
    run.bcachefs('undump', *files, rc=0, timeout=300)
    raw = raw_files(out)
    assert [os.path.getsize(f) for f in raw] == [os.path.getsize(d) for d in devs]
    assert counts(raw, BTREES) == counts(devs, BTREES)
    r = run.bcachefs('fsck', '-n', *raw)
    assert r.rc == 0, repr(r)
    # File data is not in the dump.
    assert os.stat(raw[0]).st_blocks < os.stat(devs[0]).st_blocks or name.startswith('block512')


def test_header(cache, scratch):
    devs = cache.get('small-616')
    out = os.path.join(scratch, 'd')
    dump([], devs, out, rc=0)
    with open(out + '.qcow2', 'rb') as f:
        h = f.read(72)
    magic, version, back, backlen, bits, size, crypt, l1n = struct.unpack_from('>IIQIIQII', h)
    assert (magic, version, back, backlen, crypt) == (0x514649fb, 2, 0, 0, 0)
    assert bits == 12 and size == os.path.getsize(devs[0])
    assert l1n == -(-size // (4096 * 4096 // 8))


def test_superblocks_survive(cache, scratch):
    """All superblock copies, also the one at the end, come back bit for bit."""
    import bcr
    devs = cache.get('small-138')
    out = os.path.join(scratch, 'd')
    dump([], devs, out, rc=0)
    run.bcachefs('undump', out + '.qcow2', rc=0)
    a, b = bcr.Device(devs[0]), bcr.Device(out)
    assert [c.raw for c in a.copies] == [c.raw for c in b.copies]
    assert len(b.copies) > 1 and a.read(7, 1) == b.read(7, 1)


def test_existing_output(cache, scratch):
    devs = cache.get('empty-32m-138')
    out = os.path.join(scratch, 'd')
    dump([], devs, out, rc=0)
    r = dump([], devs, out)
    assert r.rc == 1 and 'd.qcow2' in r.err, repr(r)
    dump(['-f'], devs, out, rc=0)
    run.bcachefs('undump', out + '.qcow2', rc=0)
    r = run.bcachefs('undump', out + '.qcow2', rc=1)
    assert 'already exists' in r.err
    run.bcachefs('undump', '-f', out + '.qcow2', rc=0)


def test_usage(cache, scratch):
    devs = cache.get('empty-32m-138')
    run.bcachefs('dump', *devs, rc=2)
    run.bcachefs('dump', '--nonsense', '-o', scratch + '/x', *devs, rc=2)
    r = run.bcachefs('dump', '-o', scratch + '/x', '-s=nonsense', *devs)
    assert r.rc in (1, 2) and re.search('sanitize', r.err), repr(r)
    r = run.bcachefs('undump', devs[0], rc=1)
    assert 'not a qcow2 image' in r.err
    fake = scratch + '/fake.qcow2'
    with open(fake, 'wb') as f:
        f.write(b'\0' * 4096)
    assert 'not a qcow2 image' in run.bcachefs('undump', fake, rc=1).err
    with open(fake, 'wb') as f:
        f.write(struct.pack('>II', 0x514649fb, 3) + bytes(4088))
    assert 'version' in run.bcachefs('undump', fake, rc=1).err


def test_hostile_qcow2(cache, scratch):
    """A header that promises more than there is must not eat memory or crash."""
    fake = scratch + '/fake.qcow2'
    for bits, size, l1n, l1 in ((9, 1 << 62, 0xffffffff, 72), (21, 1 << 40, 1, 1 << 60),
                                (63, 4096, 1, 512), (12, 4096, 0, 0), (12, 1 << 30, 512, 1 << 20)):
        with open(fake, 'wb') as f:
            f.write(struct.pack('>IIQIIQIIQQIIQ', 0x514649fb, 2, 0, 0, bits, size, 0, l1n, l1, 0, 0,
                                0, 0) + b'\xff' * 4096)
        r = run.bcachefs('undump', '-f', fake, timeout=60)
        if r.rc == 0:
            assert os.path.getsize(scratch + '/fake') == size


@pytest.mark.parametrize('what', ['data', 'filenames'])
def test_sanitize(what, cache, scratch):
    devs = cache.get('small-616')
    out = os.path.join(scratch, 'd')
    plain = os.path.join(scratch, 'plain')
    dump([], devs, plain, rc=0)
    dump(['--sanitize=' + what], devs, out, rc=0)
    for f in (plain, out):
        run.bcachefs('undump', f + '.qcow2', rc=0)
    with open(plain, 'rb') as f:
        before = f.read()
    with open(out, 'rb') as f:
        after = f.read()
    inline, name = b'quick brown fox', b'renamed-0'
    assert inline in before and name in before
    assert inline not in after, 'inline data is still there'
    assert (name in after) == (what == 'data')
    assert counts([out], BTREES) == counts(devs, BTREES)


def test_damaged_node_does_not_stop_a_dump(cache, scratch):
    import damage
    devs = cache.copy('btree64k-138', scratch)
    node = damage.nodes(devs, 'dirents', level=0)[3]
    damage.zero(devs[node.dev], node.sector * 512, 4096)
    out = os.path.join(scratch, 'd')
    r = dump([], devs, out)
    run.bcachefs('undump', out + '.qcow2', rc=0)
    whole = counts(cache.get('btree64k-138'), ('inodes', 'extents'))
    assert counts([out], ('inodes', 'extents')) == whole, repr(r)
