# SPDX-License-Identifier: GPL-2.0
"""Fixtures that all tests share. See tests/lib/ for what they hand out."""
import os
import shutil
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, 'lib'), os.path.join(HERE, 'reference')]
sys.dont_write_bytecode = True

import images       # noqa: E402
import run          # noqa: E402


@pytest.fixture(scope='session')
def workdir():
    """A directory of this session on a filesystem that can do O_DIRECT; removed at the end."""
    base = os.path.join(run.BUILD, 'tests') if os.path.isdir(run.BUILD) else None
    if base:
        os.makedirs(base, exist_ok=True)
    d = tempfile.mkdtemp(prefix='work-', dir=base)
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture(scope='session')
def cache(workdir):
    return images.Cache(os.path.join(workdir, 'images'))


@pytest.fixture
def scratch(workdir):
    """A directory of this test only; removed when it passes or fails."""
    d = tempfile.mkdtemp(prefix='t-', dir=workdir)
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture(scope='session')
def passfile(workdir):
    p = os.path.join(workdir, 'passphrase')
    with open(p, 'w') as f:
        f.write(images.PASSPHRASE + '\n')
    return p
