# SPDX-License-Identifier: GPL-2.0
"""A real kernel makes a fresh filesystem, `restore` reads it back.

Needs a kernel under QEMU: $BCACHEFS_ORACLE (default /var/cache/bcachefs-oracle) with an executable
`run` in it or in $BCACHEFS_ORACLE_BIN, which boots a kernel with the given disks and runs a script
in it as root. Skipped where that is missing, and with SKIP_KERNEL=1.
"""
import json
import os
import subprocess

import pytest

import manifest
import run

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.environ.get('BCACHEFS_ORACLE', '/var/cache/bcachefs-oracle')
BIN = os.environ.get('BCACHEFS_ORACLE_BIN', ORACLE)

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


def kernel(tmp, disks, job, seconds=400):
    script = os.path.join(tmp, 'job.sh')
    with open(script, 'w') as f:
        f.write(job)
    argv = [os.path.join(BIN, 'run'), '--job', script, '--share', tmp, '--timeout', str(seconds)]
    for d in disks:
        argv += ['--disk', d]
    for f in ('content.py', 'listing.py'):
        argv += ['--file', os.path.join(HERE, f)]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=seconds + 60, env=dict(os.environ, BCACHEFS_ORACLE=ORACLE))
    return p.returncode, p.stdout.decode('utf-8', 'replace')


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize('options,nr', [('', 1), ('--compression=zstd --data_checksum=crc64', 1),
                                        ('--replicas=2', 2)])
def test_read_back(options, nr, scratch):
    if os.environ.get('SKIP_KERNEL'):
        pytest.skip('SKIP_KERNEL is set')
    if not os.access(os.path.join(BIN, 'run'), os.X_OK):
        pytest.skip('no kernel to run: %s/run' % BIN)
    disks = []
    for i in range(nr):
        disks.append(os.path.join(scratch, 'disk%d.img' % i))
        with open(disks[-1], 'wb') as f:
            f.truncate(128 << 20)
    seed = 1 + len(options)
    rc, text = kernel(scratch, disks, JOB % {'format': options, 'seed': seed})
    assert rc == 0, text[-4000:]
    with open(os.path.join(scratch, 'listing.json')) as f:
        m = json.load(f)
    assert len(m['entries']) > 100
    out = os.path.join(scratch, 'out')
    r = run.bcachefs('restore', ':'.join(disks), out, devices=disks, timeout=120)
    diff = manifest.compare_dir(m, out)
    assert r.rc == 0 and not diff, '%s\n%r' % ('\n'.join(diff[:20]), r)
    run.bcachefs('fsck', '-n', *disks, devices=disks, rc=0)
