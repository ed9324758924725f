# SPDX-License-Identifier: GPL-2.0
"""set-passphrase, remove-passphrase: the new one opens the filesystem, the old one does not, nothing but
superblocks is written, and a wrong passphrase changes nothing."""
import os
import pty
import re
import select
import subprocess

import pytest

import images
import run
import superblocks as sbs

OLD = images.PASSPHRASE


def opens(devs, passphrase):
    """Can the filesystem be read with this passphrase (None: without any)?"""
    stdin = '' if passphrase is None else passphrase + '\n'
    r = run.bcachefs('list', '-b', 'inodes', *devs, devices=devs, stdin=stdin)
    assert r.rc in (0, 1)
    return r.rc == 0 and len(re.findall(r'^u64s \d+ type inode', r.out, re.M)) > 3


def box(path):
    """(scrypt parameters, is the key in plain text?)"""
    raw = sbs.newest(path).sections[2]
    return tuple(int.from_bytes(raw[o:o + 2], 'little') for o in (16, 18, 20)), \
        raw[24:32] == b'bch**key'


@pytest.mark.parametrize('image', ['encrypted-616', 'encrypted-138', 'enc-zstd-wide-138'])
def test_change(image, cache, scratch):
    before, devs = cache.get(image), cache.copy(image, scratch)
    kdf, plain = box(devs[0])
    assert not plain
    r = run.bcachefs('set-passphrase', *devs, stdin=OLD + '\n new one \n', rc=0)
    assert r.out == ''
    sbs.only_superblocks_changed(before, devs)
    assert opens(devs, ' new one ')
    assert not opens(devs, OLD) and not opens(devs, None) and not opens(devs, 'new one')
    assert box(devs[0]) == (kdf, False)
    assert sbs.newest(devs[0]).clean
    # the old one does not change it again
    for d in devs:
        images.stamp(d)
    r = run.bcachefs('set-passphrase', *devs, stdin=OLD + '\nx\n', devices=devs, rc=1)
    assert 'incorrect passphrase' in r.err


def test_contents_are_the_same(cache, scratch, passfile):
    before, devs = cache.get('encrypted-138'), cache.copy('encrypted-138', scratch)
    run.bcachefs('set-passphrase', *devs, stdin=OLD + '\nother\n', rc=0)
    other = scratch + '/other'
    with open(other, 'w') as f:
        f.write('other\n')
    a = run.bcachefs('restore', '--list', '--json', '--passphrase-file', passfile, *before, rc=0)
    b = run.bcachefs('restore', '--list', '--json', '--passphrase-file', other, *devs, rc=0)
    assert a.out == b.out and a.out.count('\n') > 50


def test_remove_and_set(cache, scratch):
    before, devs = cache.get('encrypted-616'), cache.copy('encrypted-616', scratch)
    run.bcachefs('remove-passphrase', *devs, stdin='wrong\n', devices=devs, rc=1)
    run.bcachefs('remove-passphrase', *devs, stdin=OLD + '\n', rc=0)
    sbs.only_superblocks_changed(before, devs)
    assert box(devs[0])[1] and opens(devs, None)
    assert sbs.newest(devs[0]).flags[1] >> 10 & 15 == 1, 'data is still encrypted'
    run.bcachefs('unlock', '-c', *devs, rc=1)

    # nothing left to remove
    for d in devs:
        images.stamp(d)
    r = run.bcachefs('remove-passphrase', *devs, devices=devs, rc=0)
    assert 'no passphrase' in r.out

    # and again one
    run.bcachefs('set-passphrase', *devs, stdin='third\n', rc=0)
    assert opens(devs, 'third') and not opens(devs, None) and not opens(devs, OLD)
    assert box(devs[0]) == ((14, 3, 4), False)


def test_first_passphrase(cache, scratch):
    """Formatted without one: there are no parameters yet to derive a key with."""
    before, devs = cache.get('encrypted-nopass-616'), cache.copy('encrypted-nopass-616', scratch)
    assert box(devs[0]) == ((0, 0, 0), True)
    run.bcachefs('set-passphrase', *devs, stdin='first\n', rc=0)
    sbs.only_superblocks_changed(before, devs)
    assert box(devs[0]) == ((14, 3, 4), False)
    assert opens(devs, 'first') and not opens(devs, None)


@pytest.mark.parametrize('stdin,text', [('', 'no passphrase'), (OLD + '\n', 'no passphrase'),
                                        (OLD + '\n\n', 'empty'), ('wrong\nnew\n', 'incorrect')])
def test_refused(stdin, text, cache):
    devs = cache.get('encrypted-616')
    r = run.bcachefs('set-passphrase', *devs, stdin=stdin, devices=devs, rc=1)
    assert text in r.err, repr(r)


@pytest.mark.parametrize('command', ['set-passphrase', 'remove-passphrase'])
def test_not_encrypted(command, cache):
    devs = cache.get('small-616')
    r = run.bcachefs(command, *devs, stdin='a\nb\n', devices=devs, rc=1)
    assert 'does not have encryption' in r.err


def on_terminal(argv, answers):
    """Runs argv on a terminal, answering each prompt; -> (status, what the terminal showed)."""
    master, slave = pty.openpty()
    p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                         env=run.environment())
    os.close(slave)
    shown, answers = b'', list(answers)
    while True:
        if not select.select([master], [], [], 60 * run.SLOWER)[0]:
            p.kill()
            break
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
        if answers and shown.rstrip(b' ').endswith(answers[0][0].encode()):
            os.write(master, answers.pop(0)[1].encode() + b'\n')
    os.close(master)
    return p.wait(), shown.decode()


def test_terminal(cache, scratch):
    """Asked twice, without echo; what differs is not set."""
    devs = cache.copy('encrypted-616', scratch)
    argv = [run.BINARY, 'set-passphrase', *devs]
    rc, text = on_terminal(argv, [('Enter passphrase:', OLD), ('Enter new passphrase:', 'seven'),
                                  ('Enter same passphrase again:', 'eleven')])
    assert rc == 1 and 'do not match' in text and 'seven' not in text, text
    assert not images.touched(devs[0])
    rc, text = on_terminal(argv, [('Enter passphrase:', OLD), ('Enter new passphrase:', 'seven'),
                                  ('Enter same passphrase again:', 'seven')])
    assert rc == 0 and 'seven' not in text and OLD not in text, text
    assert opens(devs, 'seven')


def test_key_leaves_the_keyring(cache, scratch, passfile):
    """A key in a keyring is not asked for its opinion, and is gone when it does not fit any more."""
    if subprocess.run(['keyctl', 'session', '-', 'true'], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip('no kernel keyrings here')
    d, = cache.copy('encrypted-616', scratch)
    script = '''set -e
%(b)s unlock -k session -f %(p)s %(d)s
%(b)s list -b subvolumes %(d)s < /dev/null > /dev/null
printf 'wrong\\nnew\\n' | %(b)s set-passphrase %(d)s && exit 50
%(b)s list -b subvolumes %(d)s < /dev/null > /dev/null
printf 'oracle-pass\\nnew\\n' | %(b)s set-passphrase %(d)s
printf 'new\\n' | %(b)s list -b subvolumes %(d)s > /dev/null
keyctl search @s user bcachefs:$(%(b)s show-super %(d)s | sed -n 's/^External UUID: *//p') && exit 51
exit 0
''' % {'b': run.BINARY, 'p': passfile, 'd': d}
    r = run.execute(['keyctl', 'session', '-', 'sh', '-c', script])
    assert r.rc == 0, repr(r)


@pytest.mark.slow
def test_power_cuts(cache, scratch):
    """At any moment exactly one of the two passphrases opens the filesystem."""
    before, devs = cache.get('encrypted-616'), cache.copy('encrypted-616', scratch)
    run.bcachefs('set-passphrase', *devs, stdin=OLD + '\nnew\n', rc=0)
    for new in sbs.power_cuts(before, devs):
        assert (opens(devs, OLD), opens(devs, 'new')) == (not new, new)
