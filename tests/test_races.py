# SPDX-License-Identifier: GPL-2.0
"""Threads forced into one interleaving: every binary of tests/races/ is one test here. The slow
scenarios run with RACES_ALL=1, which is what `make races` sets."""
import glob
import os

import pytest

import run

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(HERE, 'races', 'race_*.c')))


@pytest.mark.unit
@pytest.mark.parametrize('name', TESTS)
def test_races(name, scratch):
    binary = os.path.join(run.BUILD, 'tests', 'races', name)
    assert os.path.exists(binary), 'not built: make race-tests'
    os.environ['TEST_TMPDIR'] = scratch
    os.environ['TEST_FORMAT'] = run.BINARY
    r = run.execute([binary], timeout=300)
    assert r.rc == 0, repr(r)
