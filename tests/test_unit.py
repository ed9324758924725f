# SPDX-License-Identifier: GPL-2.0
"""Every unit test binary is one test here; its cmocka output is shown when it fails."""
import glob
import os

import pytest

import run

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(HERE, 'unit', 'test_*.c')))


@pytest.mark.unit
@pytest.mark.parametrize('name', TESTS)
def test_unit(name, scratch):
    binary = os.path.join(run.BUILD, 'tests', 'unit', name)
    assert os.path.exists(binary), 'not built: make unit-tests'
    os.environ['TEST_TMPDIR'] = scratch
    os.environ['TEST_FIXTURES'] = os.path.join(HERE, 'fixtures')
    r = run.execute([binary], timeout=180)
    assert r.rc == 0, repr(r)
