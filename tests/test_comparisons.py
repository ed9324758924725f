# SPDX-License-Identifier: GPL-2.0
"""The comparisons that other tests trust: they accept what is right and notice what is wrong."""
import os

import pytest

import damage
import images
import manifest
import slow_restore
import tarcmp


@pytest.fixture(scope='module')
def tree(cache, workdir):
    if os.geteuid():
        pytest.skip('owners and devices need root')
    out = os.path.join(workdir, 'slow-tree')
    slow_restore.to_directory(cache.get('small-616'), out)
    return out


@pytest.mark.tree
@pytest.mark.slow
def test_right_tree_is_accepted(tree):
    diff = manifest.compare_dir(manifest.load('small-616'), tree)
    assert not diff, '\n'.join(diff[:40])


@pytest.mark.tree
@pytest.mark.slow
def test_wrong_trees_are_noticed(tree):
    m = manifest.load('small-616')

    def spoil(change, undo, word):
        change()
        diff = manifest.compare_dir(m, tree)
        undo()
        assert len(diff) >= 1 and any(word in x for x in diff), (word, diff)

    f = tree + '/sizes/r0100000'
    st = os.stat(f)

    def times():
        os.utime(f, ns=(st.st_atime_ns, st.st_mtime_ns))
    spoil(lambda: (damage.flip(f, 50000), times()), lambda: (damage.flip(f, 50000), times()),
          'sha256')
    spoil(lambda: os.utime(f, ns=(1, 1)), times, 'mtime')
    spoil(lambda: os.chmod(f, 0o600), lambda: os.chmod(f, st.st_mode), 'mode')
    spoil(lambda: os.chown(f, 5, 0), lambda: os.chown(f, 0, 0), 'owner')
    spoil(lambda: os.setxattr(f, 'user.new', b''), lambda: os.removexattr(f, 'user.new'), 'xattr')
    spoil(lambda: os.rename(f, f + 'x'), lambda: os.rename(f + 'x', f), 'not in the manifest')
    hole = tree + '/sparse/1g-hole'
    hs = os.stat(hole)

    def fill(n):
        fd = os.open(hole, os.O_RDWR)
        os.posix_fallocate(fd, 0, 1 << 20)
        os.pwrite(fd, bytes(n), 4096)
        os.close(fd)
        os.utime(hole, ns=(hs.st_atime_ns, hs.st_mtime_ns))
    spoil(lambda: fill(8192), lambda: None, 'holes')


@pytest.mark.tree
@pytest.mark.slow
def test_tar(cache, scratch):
    m = manifest.load('small-616')
    path = scratch + '/x.tar'
    # without the files that are only huge holes: this writer does not store sparse files
    huge = {'sparse/1g-hole', 'sparse/allhole'}
    real = slow_restore.entries
    slow_restore.entries = lambda d, p=None: (x for x in real(d, p) if x[1].decode('latin1')
                                              not in huge)
    try:
        slow_restore.to_tar(cache.get('small-616'), path)
    finally:
        slow_restore.entries = real
    diff = tarcmp.compare_tar(m, path)
    assert sorted(diff) == ["b'%s': missing in the archive" % h for h in sorted(huge)], diff[:20]
    worse = dict(m, entries=[dict(e, mtime_ns=e['mtime_ns'] + 1) if e['path'] == 'hard/a' else e
                             for e in m['entries']])
    assert len(tarcmp.compare_tar(worse, path)) == 3


@pytest.mark.tree
def test_content_hash_ignores_holes(scratch):
    a, b = scratch + '/a', scratch + '/b'
    for p, sparse in ((a, True), (b, False)):
        with open(p, 'wb') as f:
            f.write(b'x')
            if sparse:
                f.truncate(1 << 20)
            else:
                f.write(bytes((1 << 20) - 1))
    assert images.content_hash(a) == images.content_hash(b)
    damage.flip(b, 70000)
    assert images.content_hash(a) != images.content_hash(b)
    damage.flip(b, 70000)
    assert images.content_hash(a) == images.content_hash(b)


@pytest.mark.tree
def test_witness_selftest():
    import bcr
    bcr.cmd_selftest()
