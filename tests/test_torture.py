# SPDX-License-Identifier: GPL-2.0
"""A live filesystem under random work, losses of power and kills; see torture/live.c. Longer:
make torture."""
import os

import pytest

import run

CASES = {
    'one-thread': '--seed 1 --threads 1 --ops 4000 --rounds 2 --crashes 4 --kills 0',
    'many-splits': '--seed 2 --threads 1 --ops 8000 --rounds 1 --crashes 2 --kills 0',
    'threads': '--seed 3 --threads 4 --ops 2000 --rounds 2 --crashes 4 --kills 0',
    'killed': '--seed 4 --threads 2 --ops 3000 --rounds 4 --crashes 0 --kills 4',
}

# With work while the journal is being replayed.
SOAK = {
    'during-replay': '--seed 5 --threads 4 --ops 700 --rounds 4 --crashes 2 --kills 0 --delay 400',
    'during-replay-small-nodes': '--seed 6 --threads 3 --ops 500 --rounds 4 --crashes 2 --kills 0 '
                                 '--delay 1000 --node-size 8192',
}


def torture(program, args, scratch):
    binary = os.path.join(run.BUILD, 'tests', 'torture', program)
    assert os.path.exists(binary), 'not built: make torture-tests'
    os.environ['BUILD'] = os.path.abspath(run.BUILD)
    r = run.execute([binary, *args.split(), os.path.join(scratch, 'image')], timeout=120)
    assert r.rc == 0, repr(r)


@pytest.mark.slow
@pytest.mark.parametrize('name', CASES)
def test_torture(name, scratch):
    torture('live', CASES[name], scratch)


@pytest.mark.slow
@pytest.mark.parametrize('name', SOAK)
def test_soak(name, scratch):
    torture('soak', '--during-replay ' + SOAK[name], scratch)


@pytest.mark.slow
def test_killed_repairs(scratch):
    """make torture-fsck does many more."""
    tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'torture', 'kill_fsck.py')
    r = run.execute(['/usr/bin/python3', '-B', tool, '--seed', '1', '--kills', '4', '--work',
                     scratch], timeout=180)
    assert r.rc == 0 and 'nothing lost' in r.out, repr(r)


@pytest.mark.slow
def test_random_damage(scratch):
    """make torture-damage does many more."""
    tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'torture', 'random_damage.py')
    r = run.execute(['/usr/bin/python3', '-B', tool, '--seed', '1', '--rounds', '8', '--work',
                     scratch], timeout=180)
    assert r.rc == 0 and 'found and repaired' in r.out, repr(r)
