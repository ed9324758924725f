# SPDX-License-Identifier: GPL-2.0
"""What `format` makes, a real kernel mounts, fills and finds in order; `restore` reads it back.

Three kinds: formatted only, the kernel initialises it; initialised here, by the first start of this
code, some also changed, left without a clean stop, replayed; and what the kernel must refuse.

The kernel knows metadata version 1.28. What format makes of the current version uses incompatible
features from its first start on, as the reference's filesystems do, and the kernel refuses both with
the same words. So what is initialised here is formatted for version 1.28, which forbids newer
features: the first start brings it to the current version all the same, and the kernel downgrades
it by the superblock's section downgrade. All of them are left clean: to give up the accounting btree
(DOWNGRADE, below) with a journal to replay is more than that kernel can do without miscounting.

Needs a kernel under QEMU as tests/lib/oracle.py says; skipped where that is missing, and with
SKIP_KERNEL=1. One run of the kernel takes all filesystems, as booting it takes longer than anything
else.
"""
import hashlib
import json
import os
import re

import pytest

import images
import manifest
import oracle
import run

# Formatted only. Name: arguments; @ is the next device
CASES = {
    'v13': '--version=1.13 @',
    'v28': '--version=1.28 @',
    'uninitialized': '--no_initialize --version=1.28 --replicas=2 @ @',
    'block1k': '--version=1.28 --block_size=1k --bucket_size=128k --btree_node_size=128k @',
    'passphrase': '--version=1.28 --encrypted --passphrase_file=PASS @',
    'unlocked': '--encrypted --passphrase_file=PASS --version=1.13 @',
}
# Formatted for 1.28, then started here. What comes before the arguments is what happens then, one
# letter per start: s start and stop, c change something, k change and end without stopping; r: the
# device is made larger, and its journal.
STARTED = {
    'default': 's @',
    'block512': 's --block_size=512 @',
    'block2k': 's --block_size=2k --bucket_size=64k --btree_node_size=16k @',
    'block4096': 'c --block_size=4096 @',
    'bucket128k': 'c --bucket_size=128k --btree_node_size=32k @',
    'replicas': 'c --replicas=2 @ @',
    'three': 's --metadata_replicas=3 --data_replicas=2 @ @ @',
    'targets': 'c --label=ssd.a @ --label=hdd.b --durability=2 --bucket_size=128k @ '
               '--foreground_target=ssd --background_target=hdd --metadata_target=ssd.a',
    'nopass': 'c --encrypted --no_passphrase @',
    'options': 'c --compression=zstd:3 --metadata_checksum=xxhash --data_checksum=crc64 '
               '--str_hash=crc32c --btree_node_size=64k --fs_label=opts --nodiscard --trim @',
    'nocsum': 'c --metadata_checksum=none --data_checksum=none @',
    'grown': 'crc @',
    'replayed': 'kks @',
    'replayed2': 'kcks --replicas=2 @ @',
}
CASES.update({n: '--version=1.28 ' + a.split(' ', 1)[1] for n, a in STARTED.items()})
STARTS = {n: a.split(' ', 1)[0] for n, a in STARTED.items()}
# The kernel mounts these only with their keys in a keyring. One key is made here; for the other
# one other tools of that version read the superblock and the passphrase.
KEYS = {
    'passphrase': 'keyctl padd user bcachefs:UUID @u < /share/key',
    'unlocked': "printf '%s\\n' | bcachefs unlock -k user DEV" % images.PASSPHRASE,
}

MOUNTS = '''
set -u
fail=0
check_log() {
    dmesg | sed -n "/ORACLE-START $1\\$/,\\$p" > /share/$1.dmesg
}
one() {
    name=$1; shift
    dev=$(echo "$@" | tr ' ' ':')
    mkdir -p /mnt
    echo "ORACLE-START $name" > /dev/kmsg
    mount -i -t bcachefs -o noatime $dev /mnt || { check_log $name; echo "FAILED mount $name"; fail=1; return; }
    python3 /job/files/content.py /mnt 7
    cp --reflink=always /mnt/overwritten /mnt/reflinked && bcsub create /mnt/sub &&
        cp --reflink=always /mnt/overwritten /mnt/sub/second && echo before > /mnt/sub/file &&
        bcsub snapshot /mnt/sub /mnt/snap && echo after > /mnt/sub/file && rm /mnt/snap/second ||
        { echo "FAILED to change $name"; fail=1; }
    sync
    python3 /job/files/listing.py /mnt /share/$name.listing.json
    umount /mnt || fail=1
    mount -i -t bcachefs -o ro,fsck,fix_errors=no,noatime $dev /mnt || { echo "FAILED fsck $name"; fail=1; }
    umount /mnt
    check_log $name
}
'''


def grow(disk):
    os.truncate(disk, 160 << 20)
    run.bcachefs('device', 'resize', disk, rc=0)
    run.bcachefs('device', 'resize-journal', disk, '4M', rc=0)


def make(scratch, passfile, name):
    """Format the devices of a case. -> their paths, in order."""
    argv, disks = ['format', '-q'], []
    for word in CASES[name].split():
        if word == '@':
            word = os.path.join(scratch, '%s-%d.img' % (name, len(disks)))
            with open(word, 'wb') as f:
                f.truncate(96 << 20)
            disks.append(word)
        argv.append(word.replace('PASS', passfile))
    r = run.bcachefs(*argv, rc=0)
    assert not r.err, repr(r)
    for i, how in enumerate(STARTS.get(name, '')):
        if how == 'r':
            grow(disks[0])
            continue
        argv = [os.path.join(run.BUILD, 'tests/kernel/start_fs')]
        argv += ['-n', '%s%d' % (how, i)] if how != 's' else []
        r = run.execute(argv + (['-k'] if how == 'k' else []) + disks)
        assert r.rc == 0 and not r.err, repr(r)
        assert 'Clean: %37d\n' % (how != 'k') in run.bcachefs('show-super', disks[0], rc=0).out
    return disks


def uuid(path):
    return re.search(r'External UUID: +(\S+)', run.bcachefs('show-super', path, rc=0).out).group(1)


def passphrase_key():
    return hashlib.scrypt(images.PASSPHRASE.encode(), salt=b'bcache\0', n=1 << 14, r=8, p=16,
                          dklen=32, maxmem=1 << 26)


def kernel(scratch, disks, job, seconds=1500):
    share = os.path.join(scratch, 'share')
    os.makedirs(share, exist_ok=True)
    with open(os.path.join(share, 'key'), 'wb') as f:
        f.write(passphrase_key())
    rc, text = oracle.boot(share, disks, job, ('content.py', 'listing.py'), seconds)
    return rc, text, share


def complaints(text):
    """Lines of the kernel's log that should not be there."""
    bad = re.compile(r'error|corrupt|inconsisten|WARNING|BUG|Oops|should be|incorrect|invalid|'
                     r'fixing|not marked|emergency|FAILED', re.I)
    fine = re.compile(r'with options|errors=|fix_errors|check_|going read|scanning')
    return [l for l in text.splitlines() if bad.search(l) and not fine.search(l)]


# A kernel of 1.28 does not know the counters that btrees have from 1.31 on. Section downgrade tells
# it to drop such keys without a word and to count anew; but where one node has no other keys it
# gives up the node, which is the root of the accounting btree, and so finds its bucket unused.
DOWNGRADE = re.compile(
    r'error reading btree root btree=accounting level=0: btree_node_read_error, fixing$|'
    r'bucket \d:(\d+) gen 0 (has wrong data_type: got btree, should be need_discard|'
    r'data type need_discard has wrong dirty_sectors: got \d+, should be 0), fixing$')


def first_mount_complaints(log, nr):
    """What is wrong in the log of the mount that downgrades, on a filesystem of nr devices."""
    lines = complaints(log)
    known = [l for l in lines if DOWNGRADE.search(l)]
    assert len(known) <= 1 + 2 * nr, log
    return [l for l in lines if l not in known]


@pytest.mark.kernel
@pytest.mark.slow
def test_kernel_initialises(scratch, passfile):
    oracle.needed()

    disks, job, all_disks = {}, MOUNTS + 'keyctl link @u @s\n', []
    for name in CASES:
        disks[name] = make(scratch, passfile, name)
        numbers = range(len(all_disks), len(all_disks) + len(disks[name]))
        all_disks += disks[name]
        devs = ' '.join('/dev/disk%d' % n for n in numbers)
        if name in KEYS:
            # without the key it must be refused
            job += 'mount -i -t bcachefs %s /mnt && fail=1\n' % devs
            job += KEYS[name].replace('UUID', uuid(disks[name][0])).replace('DEV', devs) + \
                ' || fail=1\n'
        job += 'one %s %s\n' % (name, devs)
    rc, text, share = kernel(scratch, all_disks, job + 'exit $fail\n')
    assert rc == 0, text[-6000:]

    for name in CASES:
        with open(os.path.join(share, name + '.dmesg')) as f:
            log = f.read()
        first, again = log.split('clean shutdown complete', 1)
        if name in STARTS:
            assert 'initializing' not in log and 'Version downgrade required' in first, log
            assert not first_mount_complaints(first, len(disks[name])), '%s:\n%s' % (name, log)
            first = ''
        else:
            assert 'initializing new filesystem' in log, log
            # at its own version: nothing is upgraded, downgraded, checked or repaired
            assert not re.search(r'check_\w+\.\.\.|grade required|version upgrade|recovery pass',
                                 first), log
        assert not complaints(first + again), '%s:\n%s' % (name, log)
        assert 'check_nlinks... done' in again, log
        with open(os.path.join(share, name + '.listing.json')) as f:
            m = json.load(f)
        assert len(m['entries']) > 100
        here = {how + str(i) for i, how in enumerate(STARTS.get(name, '')) if how in 'ck'}
        assert here <= {e['path'] for e in m['entries'] if isinstance(e['path'], str)}
        out = os.path.join(scratch, 'out-' + name)
        key = ['--passphrase-file', passfile] if name in KEYS else []
        r = run.bcachefs('restore', *key, ':'.join(disks[name]), out, devices=disks[name],
                         timeout=120)
        diff = manifest.compare_dir(m, out)
        assert r.rc == 0 and not diff, '%s: %s\n%r' % (name, '\n'.join(diff[:20]), r)
        run.bcachefs('fsck', '-n', *disks[name], devices=disks[name], rc=0,
                     stdin=images.PASSPHRASE + '\n')


@pytest.mark.kernel
@pytest.mark.slow
def test_kernel_refuses_the_current_version(cache, scratch, passfile):
    """As it refuses the reference's: by version, in the same words, and for no other reason."""
    oracle.needed()
    ours = os.path.join(scratch, 'ours.img')
    with open(ours, 'wb') as f:
        f.truncate(256 << 20)
    run.bcachefs('format', '-q', ours, rc=0)
    ref = cache.copy('empty-256m-138', scratch)[0]
    job = 'mkdir -p /mnt\n'
    for i, name in enumerate(('ours', 'reference')):
        job += 'dmesg -C; mount -i -t bcachefs /dev/disk%d /mnt && exit 1\n' % i
        job += 'dmesg | sed "s/^[^]]*] //; s/vd[a-z]*/DEV/g" > /share/%s.dmesg\n' % name
    rc, text, share = kernel(scratch, [ours, ref], job + 'exit 0\n')
    assert rc == 0, text[-4000:]
    with open(os.path.join(share, 'ours.dmesg')) as f, \
            open(os.path.join(share, 'reference.dmesg')) as g:
        a, b = f.read(), g.read()
    assert 'Filesystem has incompatible version 1.38' in a and a == b
