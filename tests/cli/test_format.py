# SPDX-License-Identifier: GPL-2.0
"""`format`: the same bytes as the reference's where it formatted only, the same geometry and options
where it went on; the command line, questions, old contents, refusals."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import time

import pytest

import bcr
import images
import run

MiB = 1 << 20
SB = 4096


def image(scratch, name='a.img', size=64 * MiB):
    path = os.path.join(scratch, name)
    with open(path, 'wb') as f:
        f.truncate(size)
    return path


def fmt(*args, **kw):
    return run.bcachefs('format', *args, **kw)


def show(path, *args):
    return run.bcachefs('show-super', *args, path, rc=0).out


def value(path, name):
    return re.search(r'^\s*%s:\s*(.*?)\s*$' % re.escape(name), show(path), re.M).group(1)


def sb_bytes(path, sector=8):
    with open(path, 'rb') as f:
        f.seek(sector * 512)
        head = f.read(752)
        return head + f.read(8 * struct.unpack_from('<I', head, 124)[0])


def section(sb, wanted):
    """Offset of the section of this type."""
    at = 752
    while at < len(sb):
        u64s, kind = struct.unpack_from('<II', sb, at)
        if kind == wanted:
            return at
        at += 8 * u64s
    return None


# --- next to the reference ---

# Bytes that may differ, and why. Members' uuids are added below.
EXPLAINED = [
    (0, 16, 'checksum: the reference stores none until the first start'),
    (40, 72, 'uuids are random'),
    (128, 136, 'time of formatting'),
]
CSUM_TYPE = 144         # bits 2..8 of flags[0]: the reference leaves 0, here it is crc32c
BP_SHIFT = 197          # bits 40..48 of flags[6]: 16, but no software of these versions uses it


@pytest.mark.parametrize('name,version', [('empty-v113-138', '1.13'), ('empty-v116-138', '1.16'),
                                          ('empty-v125-138', '1.25'), ('empty-v128-138', '1.28')])
def test_bytes_of_the_reference(name, version, cache, scratch):
    """Formatted only: everything is equal but what has to differ. (The reference of that time left
    the number of shard bits to the first start.)"""
    ref = cache.get(name)[0]
    path = image(scratch, size=os.path.getsize(ref))
    fmt('-q', '--version=' + version, '-L', name, '--shard_inode_numbers_bits=0', path, rc=0)
    a, b = bytearray(sb_bytes(ref)), bytearray(sb_bytes(path))
    assert len(a) == len(b)

    assert (a[CSUM_TYPE] >> 2, b[CSUM_TYPE] >> 2) == (0, 1)
    a[CSUM_TYPE], b[CSUM_TYPE] = a[CSUM_TYPE] & 3, b[CSUM_TYPE] & 3
    assert (a[BP_SHIFT], b[BP_SHIFT]) == (16, 10)
    a[BP_SHIFT] = b[BP_SHIFT]
    v2, v1 = section(a, 11), section(a, 1)
    for start, end, _ in EXPLAINED + [(v2 + 16, v2 + 32, 'random'), (v1 + 8, v1 + 24, 'random')]:
        a[start:end] = b[start:end]
    assert a == b

    # the layout sector, and nothing in front of it
    with open(ref, 'rb') as f, open(path, 'rb') as g:
        assert f.read(4096) == g.read(4096)
    # all copies
    for sector in struct.unpack_from('<3Q', b, 264):
        copy = bytearray(sb_bytes(path, sector))
        assert struct.unpack_from('<Q', copy, 104)[0] == sector
    run.bcachefs('fsck', '-n', path, devices=[path], rc=0)


def settings(path):
    """What format decides, of a filesystem that lives on."""
    out = {}
    for line in show(path, '-l').splitlines():
        m = re.match(r'^\s*([^:]+):\s*(.*?)\s*$', line)
        if m:
            out[m.group(1)] = m.group(2)
    text = show(path)
    opts = re.search(r'^Options:\n((?:  .*\n)+)', text, re.M).group(1)
    keep = ['Label', 'Devices', 'Bucket size', 'First bucket', 'Buckets', 'State', 'Data allowed',
            'Rotational', 'Durability', 'Discard', 'Size', 'Device index']
    got = {'options': [l for l in opts.splitlines() if 'shard_inode' not in l]}
    for k in keep:
        got[k] = re.findall(r'^\s*%s:\s*(.*?)\s*$' % k, text, re.M)
    sb = sb_bytes(path)
    got['layout'] = sb[240:752]
    return got


@pytest.mark.parametrize('name,options', [
    ('empty-16g-138', '@0'), ('empty-256m-138', '@0'), ('empty-32m-138', '@0'),
    ('btree64k-138', '--btree_node_size=64k @0'),
    ('comp-138', '--compression=lz4 --background_compression=zstd @0'),
    ('cached-138', '--foreground_target=fast --background_target=slow --promote_target=fast '
                   '--label=fast.a @0 --label=slow.b @1'),
    ('multi2-138', '--replicas=2 @0 @1'), ('multi3-ec-138', '--replicas=2 --erasure_code @0 @1 @2'),
    ('nocow-falloc-138', '--nocow @0'), ('strhash-crc32c-138', '--str_hash=crc32c @0'),
    ('enc-zstd-wide-138', '--encrypted --no_passphrase --compression=zstd --wide_macs '
                          '--encoded_extent_max=256k @0'),
])
def test_settings_of_the_reference(name, options, cache, scratch):
    """Geometry, options, labels, targets, layout: as in filesystems that the reference made and
    started. Numbers of shard bits depend on the machine."""
    refs = cache.get(name)
    paths = [image(scratch, 'd%d.img' % i, os.path.getsize(r)) for i, r in enumerate(refs)]
    argv = [re.sub('^@(.)$', lambda m: paths[int(m.group(1))], w) for w in options.split()]
    fmt('-q', '-L', name, *argv, rc=0)
    for ref, path in zip(refs, paths):
        a, b = settings(ref), settings(path)
        for k in a:
            assert a[k] == b[k], k


# --- the command line ---

def test_options_reach_the_superblock(scratch):
    path = image(scratch, size=256 * MiB)
    uuid = '01234567-89ab-cdef-0123-456789abcdef'
    r = fmt('--no_initialize', '--replicas=2', '--metadata-replicas', '3', '--no-acl', '--nocow', '--usrquota=1',
            '--errors=ro', '--gc_reserve_bytes', '16M', '--compression=zstd:5', '-Lmine', '-U', uuid,
            '--journal_flush_delay=500', '--verbose', '--nochanges', '--superblock-size=768k',
            '--block_size=4k', '--discard=0', '--durability=2', '--rotational=0', '--data_allowed',
            'journal,btree', '--state=ro', path, rc=0)
    assert r.out.rstrip().endswith('the first mount initialises it.')
    text = show(path, '-l')
    for want in [r'External UUID: +' + uuid, r'^Label: +mine$', r'metadata_replicas: +3',
                 r'  data_replicas: +2', r'acl: +0', r'nocow: +1', r'usrquota: +1',
                 r'errors: .*\[ro\]', r'gc_reserve_bytes: +16\.0M', r'compression: +zstd:5',
                 r'journal_flush_delay: +500', r'block_size: +4\.00k', r'Discard: +0',
                 r'Durability: +2', r'Rotational: +0', r'Data allowed: +journal,btree$',
                 r'State: +ro', r'/512k\b', r'Clean: +0']:
        assert re.search(want, text, re.M), '%s\n%s' % (want, text)
    # what was printed is what is stored, but for the name of the device
    printed = r.out.split('\n\nThe filesystem')[0].splitlines()
    stored = show(path, '-f', 'members_v2').splitlines()
    assert printed == stored


def test_device_options_are_sticky(scratch):
    a, b, c = (image(scratch, n) for n in 'abc')
    fmt('-q', '--label=x.a', '--durability=2', a, '-l', 'x.b', b, '--durability=0', '--nodiscard',
        '--fs-size=32M', c, rc=0)
    text = show(a)
    assert re.findall(r'^  Label: +(\S+)', text, re.M) == ['x.a', 'x.b', 'x.b']
    assert re.findall(r'^  Durability: +(\d)', text, re.M) == ['2', '2', '0']
    assert re.findall(r'^  Discard: +(\d)', text, re.M) == ['1', '1', '0']
    assert re.findall(r'^  Size: +(\S+)', text, re.M) == ['64.0M', '64.0M', '32.0M']
    assert [value(p, 'Device index') for p in (a, b, c)] == ['0', '1', '2']
    assert len({value(p, 'Internal UUID') for p in (a, b, c)}) == 1
    run.bcachefs('fsck', '-n', a, b, c, rc=0)


def test_fs_size_lets_a_file_grow(scratch):
    path = image(scratch)
    fmt('-q', '--fs_size=128M', path, rc=0)
    assert os.path.getsize(path) == 128 * MiB
    assert value(path, 'Buckets') == '2048'
    run.bcachefs('fsck', '-n', path, rc=0)


def test_double_dash_and_names(scratch):
    path = image(scratch, '-v')
    cwd = os.getcwd()
    os.chdir(scratch)
    try:
        fmt('-q', '--', '-v', rc=0)
    finally:
        os.chdir(cwd)
    assert value(path, 'Devices') == '1'
    link = os.path.join(scratch, 'mkfs.bcachefs')
    os.symlink(run.BINARY, link)
    b = image(scratch, 'b.img')
    r = run.execute([link, '-q', b])
    assert r.rc == 0, repr(r)
    run.bcachefs('mkfs', '-q', '-f', b, rc=0)


@pytest.mark.parametrize('args,message', [
    ([], 'no device given'),
    (['--replicas=5', '@'], 'invalid replicas'),
    (['--replicas=0', '@'], 'invalid replicas'),
    (['@', '--durability=2'], 'got a device option with no device'),
    (['@', '--label=x'], 'got a device option with no device'),
    (['--passphrase_file=x', '@'], 'requires --encrypted'),
    (['--encrypted', '--no_passphrase', '--passphrase_file=x', '@'], 'exclude each other'),
    (['--source=.', '--no_initialize', '@'], 'exclude each other'),
    (['--source=.', '@'], 'not possible in this release'),
    (['-L', 'x' * 32, '@'], 'label too long'),
    (['-U', '123', '@'], 'invalid uuid'),
    (['--version=0.29', '@'], 'not one of 1.0 to 1.38'),
    (['--version=1.39', '@'], 'not one of 1.0 to 1.38'),
    (['--version=2.0', '@'], 'not one of 1.0 to 1.38'),
    (['--version=1.x', '@'], 'invalid version'),
    (['--frobnicate', '@'], 'unknown option'),
    (['--project=3', '@'], 'unknown option'),
    (['-z', '@'], 'unknown option'),
    (['--noblock_size', '@'], 'unknown option'),
    (['@', '--block_size'], 'a value is required'),
    (['--block_size=3k', '@'], 'must be a power of two'),
    (['--block_size=256', '@'], 'too small'),
    (['--block_size=64k', '@'], 'too big'),
    (['--durability=3', '@'], 'too big'),
    (['--bucket_size=100', '@'], 'not a multiple of 512'),
    (['--compression=lzo', '@'], 'invalid compression type'),
    (['--acl=maybe', '@'], 'must be bool'),
    (['--quiet=1', '@'], 'takes no value'),
    (['--superblock_size=64M', '@'], 'superblock_size'),
    (['--superblock_size=512', '@'], 'superblock_size 512 too small'),
    (['--foreground_target=nowhere', '@'], 'Invalid target nowhere'),
    (['--label=a..b', '@'], 'invalid label'),
    (['--btree_node_size=1M', '@'], 'too big'),
    (['--btree_node_size=256k', '@'], 'too small'),
    (['--bucket_size=1M', '@'], 'Not enough buckets: 64, need 512'),
    (['@', '@'], 'Error opening'),
    (['/nonexistent/device'], 'Error opening /nonexistent/device: No such file'),
    (['/tmp'], 'Error opening /tmp'),
    (['/dev/null'], 'Error opening /dev/null'),
])
def test_refused(args, message, scratch):
    """Status 1, a message, and no byte of the device changes."""
    path = image(scratch)
    images.stamp(path)
    r = fmt(*[path if a == '@' else a for a in args], devices=[path], rc=1)
    assert message in r.err and r.err.startswith('Error'), repr(r)


def test_everything_is_checked_before_anything_is_written(scratch):
    a, b = image(scratch), image(scratch, 'b.img', 2 * MiB)
    fake_swap(a)
    images.stamp(a)
    fmt('-f', a, b, devices=[a, b], rc=1)
    fmt('-f', a, os.path.join(scratch, 'missing'), devices=[a], rc=1)
    # a question about the second one, answered with no, saves the first one
    b = image(scratch, 'b.img')
    fake_swap(b)
    fmt(a, b, stdin='y\nn\n', devices=[a, b], rc=1)
    assert not images.touched(a)


def test_small_devices(scratch):
    path = image(scratch, size=8 * MiB)
    r = fmt(path, rc=1)
    assert 'min 16777216' in r.err and '--no_initialize' in r.err, repr(r)
    fmt('-q', '--no_initialize', path, rc=0)
    fmt('-q', image(scratch, 'b.img', 16 * MiB), rc=0)
    r = fmt('--no_initialize', image(scratch, 'c.img', 3 * MiB), rc=1)
    assert 'insufficient space for superblocks' in r.err, repr(r)


def test_help(scratch):
    r = fmt('--help', rc=0)
    for want in ('--replicas=#', '--encrypted', '-L, --fs_label=', '--str_hash=(crc32c|crc64|siphash)',
                 '--durability=', '--label=', 'first mount initialises it', '--source=DIR'):
        assert want in r.out, want
    assert '--discard' not in r.out and '--verbose' in r.out
    assert fmt('-h', rc=0).out == r.out
    assert 'Usage:' in fmt(rc=1).out


# --- old contents ---

def fake_swap(path, label=b'old'):
    """The signature of a swap area, which needs no program to make."""
    with open(path, 'r+b') as f:
        f.seek(1024)
        f.write(struct.pack('<III', 1, 1000, 0) + b'\x11' * 16 + label.ljust(16, b'\0'))
        f.seek(4086)
        f.write(b'SWAPSPACE2')


def fake_dos_table(path):
    """A DOS partition table with one partition."""
    with open(path, 'r+b') as f:
        f.seek(446)
        f.write(bytes([0, 0, 2, 0, 0x83, 0, 0, 0]) + struct.pack('<II', 2048, 4096))
        f.seek(510)
        f.write(b'\x55\xaa')


def test_question(scratch):
    path = image(scratch)
    fake_swap(path)
    images.stamp(path)
    r = fmt(path, stdin='n\n', devices=[path], rc=1)
    assert "%s contains a swap filesystem labelled 'old'" % path in r.out
    assert r.out.endswith('Proceed anyway (existing signatures will be wiped)? (y,n) ')
    r = fmt(path, stdin='', devices=[path], rc=1)
    assert 'error reading from standard input' in r.err
    r = fmt(path, stdin='yes\n', rc=0)
    assert 'initializing new filesystem' in r.out
    with open(path, 'rb') as f:
        assert b'SWAPSPACE2' not in f.read(1 << 16)
    # what is there now is found, too
    r = fmt('-L', 'two', path, stdin='y', rc=0)
    assert '%s contains a bcachefs filesystem\n' % path in r.out
    r = fmt(path, stdin='n\n', rc=1)
    assert "contains a bcachefs filesystem labelled 'two'" in r.out


def test_all_old_signatures_go(scratch):
    path = image(scratch)
    fake_dos_table(path)
    r = fmt('-f', '-L', 'x', path, rc=0)
    assert '%s contains a dos partition table' % path in r.out and '(y,n)' not in r.out
    fmt('-f', '-q', path, rc=0)
    # an old copy at a place that the new filesystem does not have
    fmt('-q', '-f', '--superblock_size=2M', path, rc=0)
    places = struct.unpack_from('<3Q', sb_bytes(path), 264)
    fmt('-q', '-f', path, rc=0)
    now = struct.unpack_from('<3Q', sb_bytes(path), 264)
    for sector in set(places) - set(now):
        assert sb_bytes_or_none(path, sector) is None
    assert set(places) - set(now)


def sb_bytes_or_none(path, sector):
    with open(path, 'rb') as f:
        f.seek(sector * 512)
        return None if not f.read(512).strip(b'\0') else True


def test_old_filesystem_leaves_no_copy_behind_a_lost_one(scratch):
    """The first copy was destroyed; the others are found through the layout, and told."""
    path = image(scratch)
    fmt('-q', '-L', 'lost', path, rc=0)
    with open(path, 'r+b') as f:
        f.seek(SB)
        f.write(b'\0' * 4096)
    r = fmt(path, stdin='n\n', rc=1)
    assert "contains a bcachefs filesystem" in r.out


def test_busy(scratch):
    path = image(scratch)
    images.stamp(path)
    with open(path, 'rb') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        r = fmt('-f', path, devices=[path], rc=1)
    assert re.search(r'Error opening .*busy', r.err), repr(r)


def test_read_only_file(scratch):
    if os.geteuid() == 0:
        pytest.skip('root may write to everything')
    path = image(scratch)
    os.chmod(path, 0o400)
    r = fmt(path, rc=1)
    assert 'Permission denied' in r.err


def test_trim(scratch):
    """--trim: old blocks are given back; not where the device shall not discard."""
    for args, left in (([], True), (['--trim'], False), (['--trim', '--nodiscard'], True)):
        path = image(scratch)
        with open(path, 'r+b') as f:
            f.seek(20 * MiB)
            f.write(b'x' * MiB)
        fmt('-q', *args, path, rc=0)
        with open(path, 'rb') as f:
            f.seek(20 * MiB)
            assert (f.read(4) == b'xxxx') == left
        assert value(path, 'Buckets') == '2048'


def test_little_is_written(scratch):
    """A few blocks are written, whatever the size of the device."""
    path = image(scratch, size=1 << 40)
    fmt('-q', path, rc=0)
    assert os.stat(path).st_blocks * 512 < 16 * MiB
    assert value(path, 'Buckets') == str(1 << 20)
    assert value(path, 'Size') == '1.00T'


# --- encryption ---

def crypt_box(path):
    sb = sb_bytes(path)
    at = section(sb, 2)
    return sb[at + 16:at + 24], sb[at + 24:at + 64]


def test_encrypted(scratch, passfile):
    a, b, c = (image(scratch, n) for n in 'abc')
    fmt('-q', '--encrypted', '--passphrase_file', passfile, a, rc=0)
    fmt('-q', '--encrypted', b, stdin=images.PASSPHRASE + '\n', rc=0)
    fmt('-q', '--encrypted', '--no_passphrase', c, rc=0)
    for path in (a, b):
        kdf, box = crypt_box(path)
        assert kdf == struct.pack('<Q', 0x000000040003000e)
        assert not box.startswith(b'bch**key')
        r = run.bcachefs('unlock', '-c', path, devices=[path], rc=0)
        assert 'encrypted and locked' in r.out
    kdf, box = crypt_box(c)
    assert box.startswith(b'bch**key') and box[8:].strip(b'\0')
    assert kdf == struct.pack('<Q', 0x000000040003000e)
    # the right passphrase opens it, another does not
    for path in (a, b):
        out = os.path.join(scratch, 'out')
        run.bcachefs('restore', '--passphrase-file', passfile, path, out, devices=[path], rc=0)
        wrong = os.path.join(scratch, 'wrong')
        with open(wrong, 'w') as f:
            f.write('not it\n')
        assert run.bcachefs('restore', '--passphrase-file', wrong, path, out,
                            devices=[path]).rc != 0
    run.bcachefs('fsck', '-n', c, rc=0)


def test_passphrase_file_without_newlines(scratch):
    import hashlib
    path = image(scratch)
    f = os.path.join(scratch, 'pw')
    with open(f, 'wb') as out:
        out.write(b' two words \n\n\n')
    fmt('-q', '--encrypted', '--passphrase_file=' + f, path, rc=0)
    key = hashlib.scrypt(b' two words ', salt=b'bcache\0', n=1 << 14, r=8, p=16, dklen=32,
                         maxmem=1 << 26)
    _, box = crypt_box(path)
    uuid = sb_bytes(path)[40:56]
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    nonce = b'\0' * 8 + uuid[:8]
    plain = Cipher(algorithms.ChaCha20(key, nonce), None).decryptor().update(box)
    assert plain.startswith(b'bch**key')


def terminal(argv, answers):
    """Run with a terminal as standard input; answers are typed when asked. -> (status, text)."""
    pid, fd = pty.fork()
    if not pid:
        os.execv(argv[0], argv)
    text, answers, end = b'', list(answers), time.time() + 60
    while time.time() < end:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            got = os.read(fd, 4096)
        except OSError:
            got = b''
        if not got:
            break
        text += got
        if answers and text.endswith(b': '):
            time.sleep(.1)
            os.write(fd, answers.pop(0).encode() + b'\n')
            text += b'<typed>'
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()


def test_asked_twice_on_a_terminal(scratch, passfile):
    if run.VALGRIND:
        pytest.skip('no terminal under valgrind')
    path = image(scratch)
    images.stamp(path)
    rc, text = terminal([run.BINARY, 'format', '-q', '--encrypted', path], ['one', 'other'])
    assert rc == 1 and 'do not match' in text, text
    assert not images.touched(path)
    rc, text = terminal([run.BINARY, 'format', '-q', '--encrypted', path], [images.PASSPHRASE] * 2)
    assert rc == 0, text
    assert 'Enter new passphrase: ' in text and 'Enter same passphrase again: ' in text
    assert images.PASSPHRASE not in text
    run.bcachefs('restore', '--passphrase-file', passfile, path, os.path.join(scratch, 'out'), rc=0)


# --- versions ---

@pytest.mark.parametrize('version', ['1.0', '1.9', '1.15', '1.16', '1.28', '1.32', '1.33', '1.37',
                                     '1.38'])
def test_versions(version, scratch):
    path = image(scratch)
    r = fmt('--version=' + version, path, rc=0)
    assert ('version mismatch, not initializing' in r.out) == (version != '1.38')
    for name in ('Version', 'Oldest version on disk', 'Incompatible features allowed'):
        assert value(path, name).endswith('(%s)' % version)
    minor = int(version.split('.')[1])
    assert ('new_varint' in value(path, 'Features')) == (minor > 15)
    run.bcachefs('fsck', '-n', path, devices=[path], rc=0)


# --- what others see ---

def test_readable_by_another_decoder(scratch):
    paths = [image(scratch, n) for n in ('a', 'b')]
    fmt('-q', '-L', 'pair', '--replicas=2', '--label=x.y', *paths, rc=0)
    for i, path in enumerate(paths):
        sb = bcr.Device(path).sb
        assert sb.dev_idx == i and len(sb.members) == 2


def test_json(scratch):
    path = image(scratch)
    fmt('-q', '-L', 'j', path, rc=0)
    o = json.loads(show(path, '--json'))
    assert o['label'] == 'j'


def test_first_start(scratch):
    """What format has initialised is clean, and complete."""
    path = image(scratch, size=256 * MiB)
    fmt('-q', path, rc=0)
    text = show(path)
    assert re.search(r'^Clean: +1$', text, re.M)
    r = run.bcachefs('fsck', '-n', path)
    assert r.rc == 0, r
    assert 'unreadable' not in r.out
    r = run.bcachefs('restore', '--list', path)
    assert r.rc == 0 and 'lost+found' in r.out


@pytest.mark.parametrize('args, nr', [
    ((), 2), (('--replicas=2',), 3), (('--encrypted', '--no_passphrase'), 1),
    (('--block_size=4k',), 1), (('--block_size=512', '--bucket_size=64k'), 1),
    (('--btree_node_size=32k',), 1), (('--metadata_checksum=xxhash',), 1),
    (('--metadata_checksum=none',), 1), (('--casefold',), 1), (('--compression=zstd',), 1),
    (('--erasure_code',), 1), (('--discard',), 1)], ids=lambda v: ' '.join(v) if v != () and
    isinstance(v, tuple) else None)
def test_first_start_matrix(scratch, args, nr):
    """Every geometry and option that changes what is written."""
    paths = [image(scratch, name='%d.img' % i, size=96 * MiB) for i in range(nr)]
    fmt('-q', *args, *paths, rc=0)
    r = run.bcachefs('fsck', '-n', *paths)
    assert r.rc == 0, r
    r = run.bcachefs('restore', '--list', ':'.join(paths))
    assert r.rc == 0 and 'lost+found' in r.out, r
