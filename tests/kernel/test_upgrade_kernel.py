# SPDX-License-Identifier: GPL-2.0
"""Filesystems that a kernel of 1.13 or 1.28 made and fsck here brought to 1.38: the kernel of 1.28
takes them down again by the section downgrade, finds nothing else to repair in a check of its own,
and shows the files that were in them.

Needs a kernel under QEMU as tests/lib/oracle.py says; skipped where that is missing, and with
SKIP_KERNEL=1.
"""
import json
import os

import pytest

import manifest
import oracle
import run
import upgrades
from test_format_kernel import complaints, first_mount_complaints

NAMES = ['unclean-612-1', 'unclean-616-3']

JOB = '''
set -u
mkdir -p /mnt
fail=0
one() {
    echo "ORACLE-START $1" > /dev/kmsg
    mount -i -t bcachefs -o noatime $2 /mnt || { echo "FAILED mount $1"; fail=1; return; }
    python3 /job/files/listing.py /mnt /share/$1.listing.json
    umount /mnt || fail=1
    echo "ORACLE-CHECK $1" > /dev/kmsg
    mount -i -t bcachefs -o ro,fsck,fix_errors=no,noatime $2 /mnt || { echo "FAILED fsck $1"; fail=1; }
    umount /mnt
    dmesg | sed -n "/ORACLE-START $1\\$/,\\$p" > /share/$1.dmesg
}
'''


def files(entries):
    """What two listings must agree on."""
    return {json.dumps(e['path']): [e.get(k) for k in ('type', 'mode', 'uid', 'gid', 'size', 'sha256',
                                                       'target')]
            for e in entries if e['type'] != 'dir'}


@pytest.mark.kernel
@pytest.mark.slow
def test_kernel_takes_upgraded(cache, scratch):
    oracle.needed()
    missing = upgrades.missing_passes()
    disks, job = [], JOB
    for i, name in enumerate(NAMES):
        devs = cache.copy(name, scratch)
        upgrades.fsck('-y', devs, missing)
        disks += devs
        job += 'one %s /dev/disk%d\n' % (name, i)
    rc, text = oracle.boot(scratch, disks, job + 'exit $fail\n', ('listing.py',))
    assert rc == 0, text[-6000:]

    for i, name in enumerate(NAMES):
        with open(os.path.join(scratch, name + '.dmesg')) as f:
            first, check = f.read().split('ORACLE-CHECK', 1)
        assert 'Version downgrade required' in first, first
        assert not first_mount_complaints(first, 1), '%s:\n%s' % (name, first)
        assert not complaints(check) and 'check_nlinks... done' in check, '%s:\n%s' % (name, check)
        with open(os.path.join(scratch, name + '.listing.json')) as f:
            have = files(json.load(f)['entries'])
        want = files(e for e in manifest.load(name)['entries'] if not e.get('hardlink_of'))
        wrong = [p for p in want if have.get(p) != want[p] and 'hardlink' not in str(have.get(p))]
        assert len(want) > 10 and not wrong, '%s: %s' % (name, wrong[:10])
        # and back once more
        upgrades.fsck('-y', [disks[i]], missing)
        assert upgrades.versions(disks[i])['version'] == '1.38'
        run.bcachefs('restore', '--list', disks[i], rc=0)
