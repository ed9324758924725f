# SPDX-License-Identifier: GPL-2.0
"""A real kernel makes a fresh filesystem, `restore` reads it back.

Needs a kernel under QEMU, as tests/lib/oracle.py says; skipped where that is missing, and with
SKIP_KERNEL=1.
"""
import json
import os

import pytest

import manifest
import oracle
import run

JOB = '''
set -e
DEV=$(echo $DISKS | tr ' ' ':')
bcachefs format -f -q %(format)s $DISKS
mount -i -t bcachefs -o noatime $DEV /mnt
python3 /job/files/content.py /mnt %(seed)d
sync
umount /mnt
mount -i -t bcachefs -o ro,noatime $DEV /mnt
python3 /job/files/listing.py /mnt /share/listing.json
umount /mnt
'''


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize('options,nr', [('', 1), ('--compression=zstd --data_checksum=crc64', 1),
                                        ('--replicas=2', 2)])
def test_read_back(options, nr, scratch):
    oracle.needed()
    disks = []
    for i in range(nr):
        disks.append(os.path.join(scratch, 'disk%d.img' % i))
        with open(disks[-1], 'wb') as f:
            f.truncate(128 << 20)
    seed = 1 + len(options)
    rc, text = oracle.boot(scratch, disks, JOB % {'format': options, 'seed': seed},
                           ('content.py', 'listing.py'))
    assert rc == 0, text[-4000:]
    with open(os.path.join(scratch, 'listing.json')) as f:
        m = json.load(f)
    assert len(m['entries']) > 100
    out = os.path.join(scratch, 'out')
    r = run.bcachefs('restore', ':'.join(disks), out, devices=disks, timeout=120)
    diff = manifest.compare_dir(m, out)
    assert r.rc == 0 and not diff, '%s\n%r' % ('\n'.join(diff[:20]), r)
    run.bcachefs('fsck', '-n', *disks, devices=disks, rc=0)
