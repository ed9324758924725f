# SPDX-License-Identifier: GPL-2.0
"""A minute of fuzzing over all targets; longer runs: make fuzz."""
import os
import subprocess

import pytest

import run

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.mark.fuzz
@pytest.mark.slow
def test_fuzz_smoke():
    built = run.BUILD + '-fuzz'
    if not os.path.isdir(built):
        pytest.skip('fuzz targets are not part of this build')
    p = subprocess.run([os.path.join(HERE, 'tools', 'fuzz-run.sh'), built, 'smoke'], timeout=600,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.returncode == 0, p.stdout.decode('utf-8', 'replace')[-10000:]
