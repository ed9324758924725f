# SPDX-License-Identifier: GPL-2.0
"""A real kernel under QEMU, as judge.

Two directories, which may be the same. One, $BCACHEFS_ORACLE (default /var/cache/bcachefs-oracle),
holds kernels and a userland. The other holds the executable `run`, which boots a kernel of the
former with the given disks and runs a script in it as root: $BCACHEFS_ORACLE_BIN, or else the
former, or else `shared/oracle` or `oracle` next to the source tree.
"""
import os
import subprocess

import pytest

import run

ORACLE = os.environ.get('BCACHEFS_ORACLE', '/var/cache/bcachefs-oracle')
HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'kernel')
BESIDE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


def find_run():
    """-> path of `run`, or None."""
    places = [os.environ.get('BCACHEFS_ORACLE_BIN'), ORACLE, os.path.join(BESIDE, 'shared', 'oracle'),
              os.path.join(BESIDE, 'oracle')]
    for p in places:
        if p and os.access(os.path.join(p, 'run'), os.X_OK):
            return os.path.join(p, 'run')
    return None


def needed():
    """Skip the test where there is no kernel to run, or none is wanted."""
    if os.environ.get('SKIP_KERNEL'):
        pytest.skip('SKIP_KERNEL is set')
    if not os.path.isdir(os.path.join(ORACLE, 'kernels')):
        pytest.skip('no kernel to run: nothing in %s (BCACHEFS_ORACLE)' % ORACLE)
    if not find_run():
        pytest.skip('no kernel to run: set BCACHEFS_ORACLE_BIN to the directory of `run`')


def boot(share, disks, job, files=(), seconds=900):
    """Run a script as root on a booted kernel. -> its exit status, and what was on the console.

    In it the disks are /dev/disk0 and so on, share is /share, and files of tests/kernel are in
    /job/files."""
    os.makedirs(share, exist_ok=True)
    script = os.path.join(share, 'job.sh')
    with open(script, 'w') as f:
        f.write(job)
    argv = [find_run(), '--job', script, '--share', share, '--timeout', str(seconds)]
    for d in disks:
        argv += ['--disk', d]
    for f in files:
        argv += ['--file', os.path.join(HERE, f)]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=seconds + 120, env=dict(os.environ, BCACHEFS_ORACLE=ORACLE))
    return p.returncode, p.stdout.decode('utf-8', 'replace')
