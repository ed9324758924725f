# SPDX-License-Identifier: GPL-2.0
"""A real kernel mounts filesystems whose superblocks were written by set-fs-option, set-passphrase,
remove-passphrase, reset-counters and recover-super: without an error, without a recovery where the
filesystem was clean, and finding what the options say. Then the kernel writes, and we read again.

Needs a kernel under QEMU, as tests/lib/oracle.py says. Skipped where that is missing, and with
SKIP_KERNEL=1.
"""
import os
import re

import pytest

import damage
import images
import oracle
import run
import superblocks as sbs

# Each filesystem is mounted read-only, checked by the kernel, mounted read-write and written to.
JOB = '''
check() {	# NAME DEVICES OPTIONS
	dmesg -C
	for how in ro ro,fsck,fix_errors=no rw; do
		mount -i -t bcachefs -o "$how" "$2" /mnt || { echo "$1: cannot mount $how"; dmesg; exit 1; }
		grep " /mnt " /proc/mounts | tail -1 >> /share/$1.mounts
		ls -R /mnt | wc -l >> /share/$1.lines
		if [ "$how" = rw ]; then
			dd if=/dev/zero of=/mnt/written-by-kernel bs=1M count=1 2> /dev/null || exit 1
			sync
		fi
		umount /mnt || exit 1
	done
	dmesg > /share/$1.dmesg
}
'''


def text(path):
    with open(path, errors='replace') as f:
        return f.read()


def tool(*args, **kw):
    return run.bcachefs(*args, rc=0, **kw)


def prepare(cache, scratch):
    """-> {name: devices}, each with its superblock written by us."""
    fs = {}

    def take(name, image):
        where = os.path.join(scratch, name)
        os.mkdir(where)
        fs[name] = cache.copy(image, where)
        return fs[name]

    d = take('options', 'small-616')
    tool('set-fs-option', '--compression=zstd:3', '--metadata_checksum=xxhash', '--nodiscard',
         '--data_checksum=crc64', '--gc_reserve_percent=10', '--foreground_target=' + d[0], *d)
    d = take('two', 'multi2-616')
    tool('set-fs-option', '-d', '1', '--durability=2', *d)
    tool('reset-counters', ':'.join(d))
    d = take('nopass', 'encrypted-616')
    tool('remove-passphrase', *d, stdin=images.PASSPHRASE + '\n')
    d = take('newpass', 'encrypted-616')
    tool('set-passphrase', *d, stdin=images.PASSPHRASE + '\nanother\n')
    d = take('recovered', 'snaps-616')
    for place in damage.superblocks(d)[:2] + [damage.layout(d)]:
        damage.harm(d, place, 'zero')
    tool('recover-super', '-y', *d)
    return fs


@pytest.mark.kernel
@pytest.mark.slow
def test_kernel_takes_our_superblocks(cache, scratch):
    oracle.needed()
    fs = prepare(cache, scratch)
    disks, job = [], JOB
    for name, devs in fs.items():
        names = ['/dev/disk%d' % (len(disks) + i) for i in range(len(devs))]
        disks += devs
        if name == 'newpass':
            job += 'printf another | bcachefs unlock -k user %s || exit 1\n' % names[0]
        job += 'check %s %s\n' % (name, ':'.join(names))
    seq = {name: sbs.newest(devs[0]).seq for name, devs in fs.items()}
    rc, out = oracle.boot(scratch, disks, job)
    assert rc == 0, out[-4000:]

    for name, devs in fs.items():
        log = text(os.path.join(scratch, name + '.dmesg'))
        assert log.count('recovering from clean shutdown') == 3, log
        assert not re.search(r'unclean|error|wrong|corrupt|inconsist|WARNING|split', re.sub(
            r'errors=\w+|fix_errors=\w+|casefold\S*', '', log)), log
        assert int(text(os.path.join(scratch, name + '.lines')).split()[0]) > 20
        # it has gone on from what we wrote
        assert sbs.newest(devs[0]).seq > seq[name] and sbs.newest(devs[0]).clean
        stdin = 'another\n' if name == 'newpass' else None
        r = run.bcachefs('restore', '--list', ':'.join(devs), stdin=stdin, rc=0)
        assert 'written-by-kernel' in r.out
        run.bcachefs('fsck', '-n', *devs, stdin=stdin, rc=0)

    options = sbs.fields(fs['options'][0])
    assert options['compression'] == 'zstd:3' and options['gc_reserve_percent'] == '10'
    assert sbs.newest(fs['options'][0]).csum_type == 7, 'what the kernel wrote itself'
    mounts = text(os.path.join(scratch, 'options.mounts'))
    assert 'compression=zstd:3' in mounts and 'metadata_checksum=xxhash' in mounts, mounts
    assert sbs.newest(fs['two'][1]).members[1]['flags'] >> 28 & 3 == 3
