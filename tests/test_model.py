# SPDX-License-Identifier: GPL-2.0
"""The replay protocol as Promela models: the new one holds, every broken one is caught."""
import os
import re
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, 'model')


def variants():
    with open(os.path.join(MODEL, 'variants-small.txt')) as f:
        return [line.split() for line in f if line.strip() and not line.startswith('#')]


def run(*argv):
    p = subprocess.run([os.path.join(MODEL, 'run.sh'), *argv], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=300)
    return p.returncode, p.stdout.decode('utf-8', 'replace')


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('spin'), reason='spin is not installed')
def test_small_bounds():
    """One line per variant, and no line with a verdict that was not expected."""
    rc, out = run('small')
    assert rc == 0, out
    seen = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:]}
    assert seen == {v[0]: v[1] for v in variants()}, out


@pytest.mark.skipif(not shutil.which('spin'), reason='spin is not installed')
def test_unexpected_verdict_fails(tmp_path):
    """The runner itself can fail: a protocol that loses updates, said to be right."""
    copy = tmp_path / 'model'
    shutil.copytree(MODEL, copy)
    (copy / 'variants-small.txt').write_text(
        'lie ok replay -DPROTO_OLD -DNODISK -DNTX=1 -DCOMMITTERS=1 -DSEQS=1\n')
    p = subprocess.run([str(copy / 'run.sh'), 'small'], stdout=subprocess.PIPE, timeout=60)
    assert p.returncode == 1 and b', not ok' in p.stdout


def test_every_switch_is_used():
    """Each PROTO_ and BUG_ switch of a model is named in the list with a property to break."""
    used = {d[2:] for v in variants() for d in v[3:]}
    for name in sorted(os.listdir(MODEL)):
        if not name.endswith('.pml'):
            continue
        with open(os.path.join(MODEL, name)) as f:
            switches = set(re.findall(r'\b(?:PROTO|BUG)_[A-Z_]+\b', f.read()))
        assert switches and switches <= used, (name, switches - used)
