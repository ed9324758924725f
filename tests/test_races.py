# SPDX-License-Identifier: GPL-2.0
"""Threads forced into one interleaving: every binary of tests/races/ is one test here. The slow
scenarios run with RACES_ALL=1, which is what `make races` sets."""
import glob
import os
import re

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
    r = run.execute([binary], timeout=900 if os.environ.get('RACES_ALL') else 300)
    assert r.rc == 0, repr(r)


def test_every_scenario_is_forced():
    """Each number of the page has a test of that name, or the README says why there is none."""
    with open(os.path.join(HERE, '..', 'Documentation', 'format',
                           '22-write-buffer-and-replay.md')) as f:
        page = f.read().split('### 15.2', 1)[1].split('\n## ', 1)[0]
    numbers = {int(n) for n in re.findall(r'^(\d+)\. \*\*', page, re.M)}
    forced = set()
    for name in TESTS:
        with open(os.path.join(HERE, 'races', name + '.c')) as f:
            for numbers_of in re.findall(r'RACE\(scenario((?:_\d\d)+)_', f.read()):
                forced |= {int(n) for n in numbers_of.split('_')[1:]}
    with open(os.path.join(HERE, 'races', 'README.md')) as f:
        without = f.read().split('Without a test', 1)[1]
    excused = {int(n) for n in re.findall(r'^\| (\d+) \|', without, re.M)}
    assert len(numbers) == 40
    assert numbers - forced == excused
