# SPDX-License-Identifier: GPL-2.0
"""fsck that may repair: who is asked and how, exit status, signals, what it leaves behind."""
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import time

import pytest

import fscktest
import images
import run
import terminal

CLEAN_138 = [n for n in images.NAMES
             if '-138' in n and not images.is_unclean(n) and not n.startswith('empty-v')]
#: What takes long: keys from passphrases, sizes.
SLOW = ('encrypted-138', 'encrypted-616', 'enc-zstd-wide-138', 'empty-16g-138')
UNCLEAN_138 = [n for n in images.NAMES if '-138' in n and images.is_unclean(n)]
OLDER = [n for n in images.NAMES if not images.is_unclean(n) and n != 'big-616' and
         ('-138' not in n or n.startswith('empty-v'))]
#: Buckets that are in use, wrongly put among the free ones; the error is repaired without asking
#: unless option errors forbids it.
WRONG = 12
ASK = ('-o', 'errors=ro')


def freespace_damage(devs, nr=WRONG):
    text = run.bcachefs('list', '-b', 'alloc', *devs, devices=devs, rc=0).out
    used = re.findall(r'type alloc_v4 0:(\d+):0 .*\n.* data_type (?:sb|journal|user|btree)$', text,
                      re.M)
    assert len(used) >= nr, text
    script = ''.join('insert freespace 0:%s set size=1\n' % b for b in used[:nr])
    run.bcachefs('debug-edit', *devs, '-', stdin=script, rc=0)


@pytest.fixture
def damaged(cache, scratch):
    devs = cache.copy('small-138', scratch)
    freespace_damage(devs)
    for d in devs:
        images.stamp(d)
    return devs


def errors_now(devs):
    """The wrong freespace keys that are there."""
    r = run.bcachefs('fsck', '-n', '--json', *devs, devices=devs)
    return [e['id'] for e in json.loads(r.out)['errors']]


def shown(devs):
    return run.bcachefs('show-super', '-f', 'errors,ext', *devs, rc=0).out


# --- exit status ---

def test_clean_is_0(cache, scratch):
    devs = cache.copy('small-138', scratch)
    r = run.bcachefs('fsck', '-y', *devs, rc=0)
    assert re.search(r'^clean shutdown complete, journal seq \d+$', r.out, re.M), repr(r)
    assert not r.err, repr(r)


def test_fixed_is_1_then_0(damaged):
    r = run.bcachefs('fsck', '-y', *damaged, rc=1)
    assert r.out.count('bucket incorrectly set in freespace btree') == WRONG, repr(r)
    assert re.search(r'freespace_key_wrong +%d\n' % WRONG, r.out), repr(r)
    assert re.search(r': errors fixed$', r.err, re.M) and 'still has errors' not in r.err, repr(r)
    # the superblock remembers; the filesystem is sound
    text = shown(damaged)
    assert re.search(r'freespace_key_wrong +%d ' % WRONG, text), text
    assert run.bcachefs('fsck', '-fy', *damaged, rc=0).out
    run.bcachefs('fsck', '-n', *damaged, rc=0)
    assert not re.search(r'freespace_key_wrong +%d ' % (WRONG + 1), shown(damaged))


def test_left_is_4(damaged):
    r = run.bcachefs('fsck', *ASK, '-o', 'fix_errors=no', *damaged, rc=4)
    assert 'not fixing' in r.out and 'still has errors' in r.err, repr(r)
    assert len(errors_now(damaged)) == WRONG
    head = run.bcachefs('show-super', *damaged, rc=0).out
    assert re.search(r'^Clean: +1$', head, re.M), head


def test_some_left_is_5(damaged):
    rc, out = terminal.talk('fsck', *ASK, *damaged, answer=lambda n, _: 'y\n' if n < 3 else 'N\n')
    assert rc == 5, out
    assert len(errors_now(damaged)) == WRONG - 2


def test_not_a_filesystem_is_8(scratch):
    path = scratch + '/zeros'
    with open(path, 'wb') as f:
        f.truncate(32 << 20)
    images.stamp(path)
    r = run.bcachefs('fsck', '-y', path, devices=[path], rc=8)
    assert r.err.startswith('Error: '), repr(r)
    run.bcachefs('fsck', '-y', scratch, rc=8)
    run.bcachefs('fsck', '-k', path, devices=[path], rc=8)


def test_usage_is_16(cache):
    devs = cache.get('small-138')
    for args in (['-y'], ['-y', '--nonsense', *devs], ['-y', '-o', 'fix_errors=maybe', *devs]):
        run.bcachefs('fsck', *args, devices=devs, rc=16)


# --- questions ---

def test_asks_on_a_terminal(damaged):
    replies = ['maybe\n', '\n', ' y \n', 'n\n', 'Y\n']
    rc, out = terminal.talk('fsck', *ASK, *damaged, answer=lambda n, _: replies[n - 1])
    assert rc == 5, out
    # one line for each question; what is no answer repeats the prompt alone
    assert out.count(', fix? ' + terminal.PROMPT) == 3, out
    assert out.count(terminal.PROMPT) == len(replies), out
    assert out.count('\n  , fixing') == WRONG - 3, out
    assert len(errors_now(damaged)) == 1


def test_safe_repairs_are_not_asked_for(damaged):
    rc, out = terminal.talk('fsck', *damaged, answer=lambda n, _: 'n\n')
    assert rc == 1 and terminal.PROMPT not in out, out


def test_yes_reads_nothing(damaged):
    rc, out = terminal.talk('fsck', '-y', *ASK, *damaged, answer=lambda n, _: 'n\n')
    assert rc == 1 and terminal.PROMPT not in out, out


def test_end_of_input_is_no(damaged):
    rc, out = terminal.talk('fsck', *ASK, *damaged, answer=lambda n, _: '\x04')
    assert rc == 4 and out.count(terminal.PROMPT) == 1 and 'end of input' in out, out
    assert len(errors_now(damaged)) == WRONG


@pytest.mark.parametrize('stdin', [None, 'y\n' * 40])
def test_without_a_terminal(stdin, damaged):
    """Nobody is asked, nothing is repaired, and it says what to do."""
    r = run.bcachefs('fsck', *ASK, *damaged, stdin=stdin, rc=4)
    assert terminal.PROMPT not in r.out, repr(r)
    assert r.out.count('not a terminal') == 1 and '-y' in r.out, repr(r)
    assert len(errors_now(damaged)) == WRONG


# --- signals ---

@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGTERM])
def test_signal_at_a_question(sig, damaged):
    rc, out = terminal.talk('fsck', *ASK, *damaged,
                            answer=lambda n, _: 'y\n' if n == 1 else sig)
    assert rc == 32 | 4 | 1, out
    assert 'interrupted' in out and re.search(r'^clean shutdown complete', out, re.M), out
    assert len(errors_now(damaged)) == WRONG - 1
    run.bcachefs('fsck', '-y', *damaged, rc=1)
    run.bcachefs('fsck', '-n', *damaged, rc=0)


def test_signal_during_repair(cache, scratch):
    """The tool is held inside of a pass by a pipe that nobody reads, gets SIGTERM, and is let go."""
    devs = cache.copy('small-138', scratch)
    freespace_damage(devs, 150)
    many = len(errors_now(devs))
    p = subprocess.Popen([run.BINARY, 'fsck', '-y', *devs], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, env=run.environment())
    fcntl.fcntl(p.stdout, fcntl.F_SETPIPE_SZ, 4096)
    out = b''
    while b'freespace btree' not in out:
        out += os.read(p.stdout.fileno(), 512)
    time.sleep(0.2 * run.SLOWER)
    p.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    out = (out + p.communicate(timeout=60 * run.SLOWER)[0]).decode()
    assert p.returncode == 32 | 1, out
    done = out.count('bucket incorrectly')
    assert 0 < done < many - 50, out
    assert re.search(r'^clean shutdown complete', out, re.M), out
    assert len(errors_now(devs)) == many - done
    run.bcachefs('fsck', '-y', *devs, rc=1)
    run.bcachefs('fsck', '-n', *devs, rc=0)


# --- what is written ---

def test_n_writes_nothing_even_with_y(damaged):
    before = [images.content_hash(d) for d in damaged]
    r = run.bcachefs('fsck', '-yn', *damaged, devices=damaged)
    assert r.rc == 1 and 'nothing was written' in r.err, repr(r)
    assert [images.content_hash(d) for d in damaged] == before


def test_bad_superblock_copy_is_rewritten(cache, scratch):
    devs = cache.copy('small-138', scratch)
    with open(devs[0], 'r+b') as f:
        f.seek(8 * 512 + 100)
        f.write(b'\xff' * 8)
    r = run.bcachefs('fsck', '-n', *devs)
    assert r.rc & 4 and 'bad superblock copy' in r.out, repr(r)
    r = run.bcachefs('fsck', '-y', *devs, rc=1)
    assert 'bad superblock copy' in r.out, repr(r)
    run.bcachefs('fsck', '-n', *devs, rc=0)


def has_errors(devs):
    with open(devs[0], 'rb') as f:
        f.seek(8 * 512 + 144)
        return struct.unpack('<Q', f.read(8))[0] >> 60 & 1


def test_superblock_remembers(damaged):
    """What was left stays noted, and so does a required pass that ran meanwhile; repairs alone do
    not make a filesystem sound whose other parts nobody has looked at."""
    run.bcachefs('debug-edit', *damaged, '-', rc=0,
                 stdin='sb recovery_passes_required=%d\n' % (1 << 11))
    assert not has_errors(damaged)
    run.bcachefs('fsck', *ASK, *damaged, rc=4)
    assert has_errors(damaged)
    assert re.search(r'^Recovery passes required: +check_lrus$', shown(damaged), re.M)
    r = run.bcachefs('fsck', '-y', *damaged, rc=1)
    assert re.search(r'^Recovery passes required: *$', shown(damaged), re.M)
    assert has_errors(damaged) == ('NOT COMPLETE' in r.out), repr(r)


def test_only_named_passes(damaged):
    """With recovery_passes those run, those that are always due, and no others."""
    r = run.bcachefs('fsck', '-y', '-o', 'recovery_passes=check_lrus', *damaged, rc=0)
    assert 'check_lrus...' in r.out and 'check_alloc_info...' not in r.out, repr(r)


#: What a discard of an emptied bucket changes, and statistics of the start.
FOLLOWS = ('alloc', 'freespace', 'need_discard', 'lru', 'bucket_gens', 'accounting',
           'backpointers')
KEPT = ('extents', 'inodes', 'dirents', 'xattrs', 'subvolumes', 'snapshots', 'snapshot_trees', 'reflink',
        'quotas', 'stripes', 'deleted_inodes', 'logged_ops', 'subvolume_children')


def keys(devs, btree, stdin):
    r = run.bcachefs('list', '-b', btree, *devs, devices=devs, rc=0, stdin=stdin)
    return re.sub(r'\A(?!u64s).*?(?=^u64s|\Z)', '', r.out, flags=re.S | re.M)


@pytest.mark.parametrize('name', [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ())
                                  for n in CLEAN_138])
def test_clean_filesystems_stay(name, cache, scratch):
    """A sound filesystem of the current version is only started and stopped."""
    stdin = images.PASSPHRASE + '\n' if images.needs_passphrase(name) else None
    devs = cache.copy(name, scratch)
    some = ('inodes', 'extents') if name != 'snaps-138' else KEPT
    before = {b: keys(devs, b, stdin) for b in some}
    for d in devs:
        images.stamp(d)
    r = run.bcachefs('fsck', '-y', *devs, stdin=stdin)
    if r.rc == 8 and 'cannot be written' in r.out:
        assert not any(map(images.touched, devs)), repr(r)
        return
    assert r.rc == 0 and not r.err, repr(r)
    for d in devs:
        images.stamp(d)
    for b in some:
        assert keys(devs, b, stdin) == before[b], b
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0, stdin=stdin)


@pytest.mark.parametrize('name', [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ())
                                  for n in OLDER])
def test_upgrade_says_so(name, cache, scratch):
    """An older filesystem is brought to the current version, which is said; what is about its files
    stays as it is, key by key. Those that were never started are initialised."""
    stdin = images.PASSPHRASE + '\n' if images.needs_passphrase(name) else None
    new = name.startswith('empty-v')
    devs = cache.copy(name, scratch)
    before = {b: keys(devs, b, stdin) for b in KEPT}
    r = run.bcachefs('fsck', '-y', *devs, stdin=stdin, rc=0)
    assert new or re.search(r'version upgrade from .* to .*1\.38', r.out), repr(r)
    for b in KEPT:
        assert new or keys(devs, b, stdin) == before[b], b
    for d in devs:
        images.stamp(d)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0, stdin=stdin)


@pytest.mark.parametrize('name', UNCLEAN_138)
def test_unclean(name, cache, scratch):
    """Replayed, then sound, with every file as the manifest says."""
    devs = cache.copy(name, scratch)
    r = run.bcachefs('fsck', '-y', *devs)
    assert r.rc == 0 and 'recovering from unclean shutdown' in r.out, repr(r)
    for d in devs:
        images.stamp(d)
    r = run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    assert 'recovering from clean shutdown' in r.out, repr(r)
    diff = fscktest.compare_files(name, devs, scratch)
    assert not diff, '\n'.join(diff[:20])
