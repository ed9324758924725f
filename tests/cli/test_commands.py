# SPDX-License-Identifier: GPL-2.0
"""Dispatch, help, version, unlock, recover-super: small things that scripts rely on."""
import os
import re
import subprocess

import pytest

import images
import run

READ_SIDE = ['version', 'show-super', 'recover-super', 'fsck', 'unlock', 'dump', 'undump', 'list',
             'list_journal', 'restore']


@pytest.mark.valgrind
def test_no_arguments():
    r = run.bcachefs(rc=1)
    assert r.out.split('\n')[0] == 'missing command' and r.err == ''
    assert re.search(r'^usage: bcachefs <command> \[<args>\]$', r.out, re.M)


def test_overview():
    for arg in ('--help', '-h', 'help'):
        r = run.bcachefs(arg, rc=0)
        for c in READ_SIDE:
            assert re.search(r'^  %s\s+\S' % c, r.out, re.M), '%s is missing in the overview' % c
    assert set(READ_SIDE) <= run.commands()


def test_unknown_command():
    for c in ('nonsense', '--version', ''):
        r = run.bcachefs(c, rc=1)
        assert r.out.startswith('Unknown command %s\n' % c) and r.err == ''


@pytest.mark.valgrind
def test_version():
    r = run.bcachefs('version', rc=0)
    assert re.fullmatch(r'\S.*\n', r.out) and r.err == ''


@pytest.mark.parametrize('command', READ_SIDE)
def test_help_and_unknown_flag(command):
    r = run.bcachefs(command, '--help', rc=0)
    assert command in r.out and r.err == ''
    r = run.bcachefs(command, '--no-such-flag')
    assert r.rc in (2, 16) and r.err.startswith('error: ') and '--no-such-flag' in r.err, repr(r)


def test_links(scratch):
    """Only the last component of the name counts, and only names whose command exists."""
    d = scratch + '/mkfs-mount-fsck'
    os.mkdir(d)
    os.symlink(run.BINARY, d + '/bcachefs')
    assert run.execute([d + '/bcachefs', 'version']).rc == 0
    os.symlink(run.BINARY, d + '/fsck.bcachefs')
    assert run.execute([d + '/fsck.bcachefs', '-a', 'x']).rc == 0


def test_closed_pipe(cache):
    d, = cache.get('small-616')
    p = subprocess.Popen([run.BINARY, 'list', '-b', 'inodes', d], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, env=run.environment())
    p.stdout.read(100)
    p.stdout.close()
    assert p.wait(60) != 0


# --- unlock

def test_unlock_check(cache):
    run.bcachefs('unlock', '-c', *cache.get('encrypted-616'), rc=0)
    run.bcachefs('unlock', '-c', *cache.get('small-616'), rc=1)
    run.bcachefs('unlock', '-c', '/nonexistent', rc=1)


def test_unlock_not_encrypted(cache):
    d, = cache.get('small-616')
    r = run.bcachefs('unlock', d, rc=1, stdin='x\n')
    assert 'not encrypted' in r.text


def test_unlock_wrong(cache, scratch):
    d, = cache.get('encrypted-616')
    r = run.bcachefs('unlock', d, rc=1, stdin='wrong\n')
    assert 'incorrect passphrase' in r.text


def test_unlock_session(cache, passfile):
    """The key lands in the session keyring and opens the filesystem without a prompt."""
    d, = cache.get('encrypted-616')
    if subprocess.run(['keyctl', 'session', '-', 'true'], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip('no kernel keyrings here')
    script = '%s unlock -k session -f %s %s && keyctl show @s && %s list -b inodes %s' % (
        run.BINARY, passfile, d, run.BINARY, d)
    r = run.execute(['keyctl', 'session', '-', 'sh', '-c', script])
    assert r.rc == 0 and re.search(r'user: bcachefs:[0-9a-f-]{36}', r.out), repr(r)
    assert len(re.findall(r'^u64s \d+ type inode', r.out, re.M)) > 180


# --- recover-super (report)

def test_recover_super_reports(cache, scratch):
    devs = cache.copy('small-616', scratch)
    with open(devs[0], 'r+b') as f:        # the primary copy and the layout are gone
        f.seek(3584)
        f.write(bytes(8192))
    images.stamp(devs[0])
    r = run.bcachefs('recover-super', *devs, devices=devs, rc=0, stdin='n\n')
    assert 'Found superblock' in r.out
    assert 'b13a0b78-ebdf-4861-a146-96ee181c978a' in r.out


def test_recover_super_finds_nothing(scratch):
    blank = scratch + '/blank'
    for size in (64 << 20, 1 << 20, 4096, 0):
        with open(blank, 'wb') as f:
            f.truncate(size)
        images.stamp(blank)
        r = run.bcachefs('recover-super', blank, devices=[blank], rc=1, stdin='n\n')
        assert 'Found no bcachefs superblocks' in r.text
    run.bcachefs('recover-super', '-o', '100', blank, rc=1)
