# SPDX-License-Identifier: GPL-2.0
"""Fixtures that all tests share. See tests/lib/ for what they hand out."""
import fcntl
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


@pytest.fixture
def block_devices():
    """Alone with the machine's block devices: tests that attach images to loop devices, or that let
    the tool search block devices for members, would find those of another run."""
    with open(os.path.join(tempfile.gettempdir(), 'bcachefs-tests.lock'), 'w') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield
