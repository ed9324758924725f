# SPDX-License-Identifier: GPL-2.0
"""No command changes a byte on a device: contents before and after, on files and on loop devices.

run.bcachefs() already notices every write to an image by its modification time; here the bytes are
compared, and the kernel refuses writes as well where it can.
"""
import hashlib
import os
import subprocess

import pytest

import images
import run

# ALL: every device as an argument of its own; LIST: all joined by colons; ONE: the first; OUT: a
# directory for results.
COMMANDS = '''
show-super -f all -l ONE
list -b inodes ALL
list -b extents -f ALL
list -m nodes-ondisk -b dirents ALL
list_journal -a -B ALL
fsck -n ALL
fsck -n -v ALL
dump -f -o OUT/dump ALL
restore --list LIST
restore --list-subvolumes LIST
restore --ignore-errors LIST OUT/tree
recover-super ONE
'''.strip().split('\n')
IMAGES = ['small-616', 'unclean-616-3', 'unclean-138-2', 'blacklist-138', 'discard-138', 'snaps-612',
          'multi2-616', 'encrypted-616', 'empty-v113-138', 'casefold-616']


def sweep(devs, out, stdin=None):
    for line in COMMANDS:
        argv = []
        for a in line.split():
            argv += devs if a == 'ALL' else [a.replace('LIST', ':'.join(devs))
                                             .replace('ONE', devs[0]).replace('OUT', out)]
        r = run.bcachefs(*argv, stdin='n\n' if 'recover' in line else stdin, timeout=300)
        assert r.rc in (0, 1, 4), repr(r)


@pytest.mark.parametrize('name', IMAGES)
def test_files(name, cache, scratch):
    devs = cache.copy(name, scratch)
    before = [images.content_hash(d) for d in devs]
    for d in devs:
        os.chmod(d, 0o444)
    sweep(devs, scratch, images.PASSPHRASE + '\n' if images.needs_passphrase(name) else None)
    assert [images.content_hash(d) for d in devs] == before
    assert not any(images.touched(d) for d in devs)


@pytest.fixture
def losetup(block_devices):
    if os.geteuid():
        pytest.skip('loop devices need root')
    loops = []

    def attach(path, *flags):
        p = subprocess.run(['losetup', '-f', '--show', *flags, path], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        if p.returncode:
            pytest.skip('no loop devices here: ' + p.stderr.decode().strip())
        loops.append(p.stdout.decode().strip())
        return loops[-1]
    yield attach
    for d in loops:
        subprocess.run(['losetup', '-d', d], check=True)


def device_hash(path):
    h = hashlib.sha256()
    with open(path, 'rb') as f:
        for b in iter(lambda: f.read(1 << 20), b''):
            h.update(b)
    return h.hexdigest()


@pytest.mark.parametrize('flags', [[], ['-r']], ids=['writable', 'read-only'])
@pytest.mark.parametrize('name', ['unclean-616-2', 'multi2-138', 'empty-32m-138'])
def test_loop_devices(name, flags, cache, scratch, losetup):
    devs = cache.copy(name, scratch)
    loops = [losetup(d, *flags) for d in devs]
    before = [device_hash(d) for d in loops]
    sweep(loops, scratch)
    subprocess.run(['sync'])
    assert [device_hash(d) for d in loops] == before
    assert [device_hash(d) for d in devs] == before


@pytest.mark.parametrize('size', [512, 4096])
def test_loop_sector_sizes(size, cache, scratch, losetup):
    """A device with 4k sectors needs aligned requests."""
    d, = cache.copy('small-616', scratch)
    loop = losetup(d, '-r', '--sector-size', str(size))
    r = run.bcachefs('fsck', '-n', loop)
    assert r.rc == 0, repr(r)


def test_tmpfs(cache, scratch):
    """Where O_DIRECT is refused or useless, reading works all the same."""
    if not os.path.isdir('/dev/shm') or not os.access('/dev/shm', os.W_OK):
        pytest.skip('no tmpfs')
    d, = cache.get('empty-32m-138')
    p = '/dev/shm/bcachefs-test-%d.img' % os.getpid()
    try:
        subprocess.run(['cp', '--sparse=always', d, p], check=True)
        images.stamp(p)
        run.bcachefs('fsck', '-n', p, devices=[p], rc=0)
    finally:
        os.unlink(p)
