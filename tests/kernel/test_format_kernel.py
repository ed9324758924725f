# SPDX-License-Identifier: GPL-2.0
"""What `format` makes, a real kernel mounts, initialises, fills and finds in order; `restore` reads
it back.

Formatted here, mounted there: needs a kernel under QEMU as test_kernel_reads_back.py says; skipped
where that is missing, and with SKIP_KERNEL=1. One run of the kernel takes all filesystems, as
booting it takes longer than anything else.
"""
import hashlib
import json
import os
import re
import subprocess

import pytest

import images
import manifest
import run

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.environ.get('BCACHEFS_ORACLE', '/var/cache/bcachefs-oracle')
BIN = os.environ.get('BCACHEFS_ORACLE_BIN', ORACLE)

# name: arguments; @ is the next device
CASES = {
    'default': '@',
    'v13': '--version=1.13 @',
    'v28': '--version=1.28 @',
    'v38': '--version=1.38 @',
    'block512': '--block_size=512 @',
    'block4096': '--block_size=4096 @',
    'replicas': '--replicas=2 @ @',
    'targets': '--label=ssd.a @ --label=hdd.b --durability=2 --bucket_size=128k @ '
               '--foreground_target=ssd --background_target=hdd --metadata_target=ssd.a',
    'nopass': '--encrypted --no_passphrase @',
    'options': '--compression=zstd:3 --metadata_checksum=xxhash --data_checksum=crc64 '
               '--str_hash=crc32c --btree_node_size=64k --fs_label=opts --nodiscard --trim @',
    'passphrase': '--encrypted --passphrase_file=PASS @',
    'unlocked': '--encrypted --passphrase_file=PASS --version=1.13 @',
}
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
    sync
    python3 /job/files/listing.py /mnt /share/$name.listing.json
    umount /mnt || fail=1
    mount -i -t bcachefs -o ro,fsck,fix_errors=no,noatime $dev /mnt || { echo "FAILED fsck $name"; fail=1; }
    umount /mnt
    check_log $name
}
'''


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
    return disks


def uuid(path):
    return re.search(r'External UUID: +(\S+)', run.bcachefs('show-super', path, rc=0).out).group(1)


def passphrase_key():
    return hashlib.scrypt(images.PASSPHRASE.encode(), salt=b'bcache\0', n=1 << 14, r=8, p=16,
                          dklen=32, maxmem=1 << 26)


def kernel(scratch, disks, job, seconds=600):
    share = os.path.join(scratch, 'share')
    os.makedirs(share, exist_ok=True)
    with open(os.path.join(share, 'key'), 'wb') as f:
        f.write(passphrase_key())
    script = os.path.join(scratch, 'job.sh')
    with open(script, 'w') as f:
        f.write(job)
    argv = [os.path.join(BIN, 'run'), '--job', script, '--share', share, '--timeout', str(seconds)]
    for d in disks:
        argv += ['--disk', d]
    for f in ('content.py', 'listing.py'):
        argv += ['--file', os.path.join(HERE, f)]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=seconds + 60, env=dict(os.environ, BCACHEFS_ORACLE=ORACLE))
    return p.returncode, p.stdout.decode('utf-8', 'replace'), share


def complaints(text):
    """Lines of the kernel's log that should not be there."""
    bad = re.compile(r'error|corrupt|inconsisten|WARNING|BUG|Oops|should be|incorrect|invalid|'
                     r'fixing|not marked|emergency', re.I)
    fine = re.compile(r'with options|errors=|fix_errors|check_|going read|scanning')
    return [l for l in text.splitlines() if bad.search(l) and not fine.search(l)]


@pytest.mark.kernel
@pytest.mark.slow
def test_kernel_initialises(scratch, passfile):
    if os.environ.get('SKIP_KERNEL'):
        pytest.skip('SKIP_KERNEL is set')
    if not os.access(os.path.join(BIN, 'run'), os.X_OK):
        pytest.skip('no kernel to run: %s/run' % BIN)

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
        assert 'initializing new filesystem' in log, log
        assert not complaints(log), '%s:\n%s' % (name, log)
        with open(os.path.join(share, name + '.listing.json')) as f:
            m = json.load(f)
        assert len(m['entries']) > 100
        out = os.path.join(scratch, 'out-' + name)
        key = ['--passphrase-file', passfile] if name in KEYS else []
        r = run.bcachefs('restore', *key, ':'.join(disks[name]), out, devices=disks[name],
                         timeout=120)
        diff = manifest.compare_dir(m, out)
        assert r.rc == 0 and not diff, '%s: %s\n%r' % (name, '\n'.join(diff[:20]), r)
        run.bcachefs('fsck', '-n', *disks[name], devices=disks[name], rc=0,
                     stdin=images.PASSPHRASE + '\n')
