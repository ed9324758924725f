# SPDX-License-Identifier: GPL-2.0
"""set-fs-option: every option and back, all or nothing, devices by identity, targets, features; nothing
but superblocks is written, and a clean filesystem stays clean, unless data has to follow the options;
then the next check is content; power cuts leave one state or the other."""
import fcntl
import os
import re
import struct

import pytest

import damage
import images
import run
import superblocks as sbs

# Every stored option with a value that is not its default, and how show-super prints it.
OPTIONS = {
    'errors': 'ro', 'write_error_timeout': '77', 'metadata_replicas': '2', 'data_replicas': '3',
    'encoded_extent_max': '1M=1.00M', 'metadata_checksum': 'xxhash', 'data_checksum': 'crc64',
    'checksum_err_retry_nr': '9', 'compression': 'zstd:15', 'background_compression': 'gzip',
    'str_hash': 'crc64', 'erasure_code': '1', 'ec_max_data_blocks': '7', 'casefold': '1',
    'inodes_32bit': '1', 'shard_inode_numbers_bits': '8', 'gc_reserve_percent': '20',
    'gc_reserve_bytes': '12M=12.0M', 'root_reserve_percent': '100', 'wide_macs': '1',
    'promote_whole_extents': '0', 'acl': '0', 'usrquota': '1', 'grpquota': '1', 'prjquota': '1',
    'degraded': 'very', 'journal_flush_delay': '4294967295', 'journal_flush_disabled': '1',
    'move_writes_fua': '1', 'journal_reclaim_delay': '5', 'writeback_timeout': '65535',
    'journal_rewind_discard_buffer_percent': '10', 'scrub_recent_journal_entries': 'always',
    'scrub_journal_max_rewind_secs': '3600', 'journal_transaction_names': '0',
    'allocator_stuck_timeout': '1', 'version_upgrade': 'none', 'nocow': '1',
    'reconcile_on_ac_only': '1', 'dev_readahead': '64k=64.0k', 'ec_stripe_buf_limit': '25',
}
# Options that data or nodes are stored by.
SCANNED = {
    'metadata_replicas', 'data_replicas', 'metadata_checksum', 'data_checksum', 'compression',
    'background_compression', 'erasure_code', 'ec_max_data_blocks', 'wide_macs', 'nocow',
}
TARGETS = ('metadata_target', 'foreground_target', 'background_target', 'promote_target')


def split(option):
    given, _, shown = OPTIONS[option].partition('=')
    return given, shown or given


def set_option(*args, **kw):
    return run.bcachefs('set-fs-option', *args, **kw)


def refused(devs, *args, text='', rc=1):
    """The command fails and no byte is written."""
    r = set_option(*args, devices=devs, rc=rc)
    assert text in r.err, repr(r)
    return r


def stored_options(path):
    """All options as show-super prints them."""
    f = sbs.fields(path)
    names = list(OPTIONS) + list(TARGETS)
    missing = [n for n in names if n not in f]
    assert not missing, missing
    return {n: sbs.chosen(f[n]) for n in names}


def test_list_is_complete(cache):
    """The table above names every option that show-super prints."""
    d, = cache.get('small-138')
    text = run.bcachefs('show-super', d, devices=[d], rc=0).out
    shown = {line.split(':')[0].strip() for line in
             text[text.index('\nOptions:'):text.index('\nerrors')].split('\n') if ':' in line}
    assert shown - {'Options', 'Btrees with missing data', 'Errors to silently fix',
                    'Recovery passes required', 'ext (size 104)', 'block_size', 'btree_node_size'} == set(OPTIONS) | set(TARGETS)


@pytest.mark.parametrize('image', ['small-616', 'small-138'])
def test_every_option(image, cache, scratch):
    before = cache.get(image)
    devs = cache.copy(image, scratch)
    set_option('--dev_readahead=2M', '--scrub-journal-max-rewind-secs=10', *devs, rc=0)
    have = stored_options(devs[0])
    for option in OPTIONS:
        given, shown = split(option)
        seq = sbs.newest(devs[0]).seq
        if have[option] == shown:
            other = '0' if shown == '1' else '1'
            set_option('--%s=%s' % (option, other), *devs, rc=0)
            assert stored_options(devs[0])[option] == other, option
            seq += 1
        set_option('--%s=%s' % (option, given), *devs, rc=0)
        now = stored_options(devs[0])
        assert now[option] == shown, option
        have[option] = shown
        assert now == have, 'more than %s has changed' % option
        if image == 'small-616' or option not in SCANNED:
            assert sbs.newest(devs[0]).seq == seq + 1
    assert sbs.newest(devs[0]).clean
    if image != 'small-616':
        # none leaves anything that a check would wonder at, but for another rule about names
        set_option('--casefold=0', *devs, rc=0)
        run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
        return
    for (lo, hi) in sbs.differences(before[0], devs[0]):
        assert any(p <= lo and hi <= q for p, q in sbs.places(before[0]))


@pytest.mark.parametrize('image', ['small-616', 'small-138', 'small-612', 'native128-616', 'multi2-616',
                                   'multi3-ec-138', 'snaps-138', 'block512-616', 'casefold-616'])
def test_only_superblocks(image, cache, scratch):
    """One update of clean filesystems: they stay clean, and what is in them is the same."""
    before, devs = cache.get(image), cache.copy(image, scratch)
    r = set_option('--gc_reserve_percent=11', *devs, rc=0)
    assert r.out == r.err == ''
    sbs.only_superblocks_changed(before, devs)
    for d in devs:
        sb = sbs.newest(d)
        assert sb.clean and 2 not in data_types(sb), 'a journal is needed'
        assert sbs.fields(d)['gc_reserve_percent'] == '11'
    a = run.bcachefs('fsck', '-n', *before, devices=before)
    b = run.bcachefs('fsck', '-n', *devs, devices=devs)
    assert a.rc == b.rc == 0 and 'clean shutdown' in b.out, repr(b)


def data_types(sb):
    v1, out = 7 in sb.sections, set()
    raw = sb.sections.get(7) or sb.sections.get(3) or bytes(8)
    o = 8
    while o + 2 < len(raw) and raw[o]:
        out.add(raw[o])
        o += (3 if v1 else 2) + raw[o + 1]
    return out


@pytest.mark.parametrize('image', ['unclean-616-2', 'unclean-138-1'])
def test_unclean_stays_unclean(image, cache, scratch):
    before, devs = cache.get(image), cache.copy(image, scratch)
    set_option('--gc_reserve_percent=9', *devs, rc=0)
    sbs.only_superblocks_changed(before, devs)
    sb = sbs.newest(devs[0])
    assert not sb.clean and 2 in data_types(sb)
    a = run.bcachefs('list', '-b', 'inodes', *before, devices=before, rc=0)
    b = run.bcachefs('list', '-b', 'inodes', *devs, devices=devs, rc=0)
    assert [x for x in a.out.split('\n') if x.startswith('u64s')] == \
        [x for x in b.out.split('\n') if x.startswith('u64s')]


def test_never_mounted(cache, scratch):
    """A filesystem that was only formatted stays that, with another option."""
    before, devs = cache.get('empty-v128-138'), cache.copy('empty-v128-138', scratch)
    set_option('--compression=zstd', *devs, rc=0)
    sbs.only_superblocks_changed(before, devs)
    sb = sbs.newest(devs[0])
    assert not sb.initialized and not sb.clean
    assert sbs.fields(devs[0])['compression'] == 'zstd'


def test_spellings(cache, scratch):
    devs = cache.copy('small-138', scratch)
    set_option('--quota', '--nocow', '--noacl', '--no-promote-whole-extents', '--degraded',
               '--journal-flush-delay', '7', '--journal_flush_delay=8', *devs, rc=0)
    f = stored_options(devs[0])
    assert [f[n] for n in ('usrquota', 'nocow', 'acl', 'promote_whole_extents', 'degraded',
                           'journal_flush_delay')] == ['1', '1', '0', '0', 'yes', '8']
    run.bcachefs('set-option', '--nonocow', '--no_quota', '--acl=1', *devs, rc=0)
    f = stored_options(devs[0])
    assert [f[n] for n in ('usrquota', 'nocow', 'acl')] == ['0', '0', '1']
    refused(devs, '--noacl=1', devs[0], rc=2)


WRONG = [
    '--errors=explode', '--compression=rar', '--compression=zstd:16', '--compression=none:3',
    '--data_replicas=0', '--data_replicas=5', '--data_replicas=-1', '--data_replicas=two',
    '--gc_reserve_percent=4', '--gc_reserve_bytes=1000', '--encoded_extent_max=5000',
    '--encoded_extent_max=300k', '--acl=2', '--degraded=maybe', '--foreground_target=nowhere',
    '--foreground_target=/nonexistent', '--write_error_timeout=301', '--durability=3',
    '--data_allowed=cached', '--data_allowed=,nonsense', '--state=failed', '--dev_readahead=513',
    '--journal_flush_delay=0', '--journal_reclaim_delay=0', '--dev_readahead=0', '--shard_inode_numbers_bits=9',
]


@pytest.mark.parametrize('arg', WRONG)
def test_wrong_values(arg, cache):
    """Refused with the option's name, and what stands beside them is not stored either."""
    devs = cache.get('small-138')
    refused(devs, '--nocow', arg, '--usrquota', *devs, text=arg[2:].split('=')[0])


@pytest.mark.parametrize('arg', ['--block_size=512', '--btree_node_size=128k', '--bucket_size=1M',
                                 '--encoded_extent_max=64k'])
def test_geometry(arg, cache):
    devs = cache.get('small-138')
    refused(devs, arg, *devs, text='can')


def test_usage(cache, scratch):
    devs = cache.get('small-138')
    refused(devs, *devs, text='no options')
    refused(devs, '--no-such-option=1', *devs, rc=2)
    refused(devs, '--verbose', *devs, rc=2)
    refused(devs, '--nocow', rc=2)
    refused(devs, '--nocow', scratch + '/missing')
    refused(devs, '-d', '0', '--nocow', *devs, text='device option')


# --- devices

def durability(path, idx):
    return sbs.newest(path).members[idx]['flags'] >> 28 & 3


def test_device_by_identity(cache, scratch):
    """Under any name it is the same device."""
    d, = cache.copy('small-138', scratch)
    os.symlink(d, scratch + '/link')
    os.link(d, scratch + '/hard')
    names = [d, os.path.relpath(d), scratch + '/link', scratch + '/./' + os.path.basename(d),
             scratch + '/hard']
    for i, name in enumerate(names):
        want = i % 2 + 1
        set_option('--durability=%d' % want, name, rc=0)
        assert durability(d, 0) == want + 1


def test_one_device_of_several(cache, scratch):
    devs = cache.copy('multi3-ec-138', scratch)
    before = [durability(devs[0], i) for i in range(3)]
    set_option('-d', '1', '--durability=2', *devs, rc=0)
    for d in devs:
        assert [durability(d, i) for i in range(3)] == [before[0], 3, before[2]]
    # without -d: all that are named
    set_option('--durability=1', '--nodiscard', ':'.join(devs), rc=0)
    for d in devs:
        assert [durability(d, i) for i in range(3)] == [2, 2, 2]
        assert not any(m['flags'] >> 14 & 1 for m in sbs.newest(d).members)
    set_option('-d0', '-d', '2', '--state=evacuating', '--data_allowed=-btree', *devs, rc=0)
    for d in devs:
        assert [m['state'] for m in sbs.newest(d).members] == [2, 0, 2]
        assert [m['flags'] >> 15 & 31 for m in sbs.newest(d).members][::2] == [0x14, 0x14]
    for bad in ('3', '255', '256', '99999999999999999999', 'x', '-1', ''):
        refused(devs, '-d', bad, '--durability=1', *devs)


def test_somewhere_to_write(cache, scratch):
    """Options that leave no device to write to are refused; others of the kind are not."""
    d, = cache.get('small-138')
    for arg in ('--state=ro', '--durability=0', '--data_allowed=btree,user', '--state=spare'):
        refused([d], arg, d, text='no device would be left')
    devs = cache.copy('multi2-138', scratch)
    set_option('--state=ro', '-d', '0', *devs, rc=0)
    refused_args = ['--state=ro', '-d', '1']
    for x in devs:
        images.stamp(x)
    refused(devs, *refused_args, *devs, text='no device would be left')
    set_option('--state=rw', '-d', '0', *devs, rc=0)


def test_missing_device(cache, scratch):
    """Members that are not there would keep the old options, so they must be; unless the filesystem
    itself may be used without them."""
    devs = cache.copy('multi2-138', scratch)
    uuid = os.urandom(16)       # nothing like it among this machine's block devices
    for d in devs:
        damage.edit_superblocks(d, lambda raw: struct.pack_into('<16s', raw, 56, uuid))
    r = refused(devs, '--nocow', devs[0], text='missing')
    assert 'device 1' in r.err or ' 1 ' in r.err, repr(r)
    set_option('--degraded=yes', *devs, rc=0)
    r = set_option('--nocow', devs[0], rc=0)
    assert 'a device is missing' in r.err, 'nothing is started without it'
    assert sbs.newest(devs[0]).seq == sbs.newest(devs[1]).seq + 1
    set_option('--noacl', *devs, rc=0)
    for d in devs:
        f = sbs.fields(d)
        assert (f['nocow'], f['acl']) == ('1', '0')


# --- what data has to follow

def cookies(devs):
    """{offset: value} of the scan cookies."""
    out = run.bcachefs('list', '-b', 'reconcile_scan', *devs, devices=devs, rc=0).out
    found = re.findall(r'type cookie (?:0:(\d+):0|POS_MIN) len 0 ver 0 *: (\d+)', out)
    return {int(c or 0): int(v) for c, v in found}


FS, METADATA, PENDING, STRIPES, DEVICE = 0, 1, 2, 3, 32


@pytest.mark.parametrize('image,args,expected', [
    ('small-138', ['--data_checksum=xxhash'], {FS}),
    ('small-138', ['--compression=lz4', '--metadata_checksum=crc64'], {FS, METADATA}),
    ('small-138', ['--nocow'], {FS}),
    ('small-138', ['--metadata_replicas=2'], {METADATA}),
    ('small-138', ['--durability=2'], {DEVICE, PENDING}),
    ('small-138', ['--ec_max_data_blocks=5'], {STRIPES}),
    ('multi3-ec-138', ['-d', '1', '--state=evacuating'], {DEVICE + 1, STRIPES}),
    ('multi3-ec-138', ['-d', '2', '--durability=0'], {DEVICE + 2}),
    ('cached-138', ['--foreground_target=slow', '--metadata_target=fast.a'], {FS, METADATA}),
    ('unclean-138-1', ['--data_replicas=2'], {FS})])
def test_scans(image, args, expected, cache, scratch):
    """What is there already is looked at again: a check finds no fault in what it does not record."""
    devs = cache.copy(image, scratch)
    had = cookies(devs)
    r = set_option(*args, *devs, rc=0)
    assert not r.err and sbs.newest(devs[0]).clean, repr(r)
    have = cookies(devs)
    assert {c for c in have if have[c] != had.get(c)} == expected, have
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    # the same value once more is no change
    seq = sbs.newest(devs[0]).seq
    r = set_option(*args, *devs, rc=0)
    assert not r.out and sbs.newest(devs[0]).seq == seq + 1 and cookies(devs) == have
    run.bcachefs('fsck', '-y', *devs)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)


def test_scans_with_a_bad_copy(cache, scratch):
    """Errors that the start repairs are not those of the command."""
    devs = cache.copy('multi2-138', scratch)
    run.bcachefs('kill_btree_node', '-n', 'subvolumes', '-d', '1', *devs, rc=0)
    r = set_option('--data_replicas=1', *devs, rc=0)
    assert 'retry success' in r.out and not r.err, repr(r)


def test_scans_of_encrypted(cache, scratch, passfile):
    devs = cache.copy('encrypted-138', scratch)
    r = set_option('--data_replicas=2', *devs, rc=0)
    assert r.err.count('\n') == 1 and 'no passphrase' in r.err, repr(r)
    set_option('--data_replicas=1', '--passphrase-file', passfile, *devs, rc=0)
    r = run.bcachefs('list', '-b', 'reconcile_scan', *devs, stdin=images.PASSPHRASE + '\n', rc=0)
    assert 'type cookie' in r.out
    r = set_option('--data_replicas=2', *devs, stdin=images.PASSPHRASE + '\n', rc=0)
    assert not r.err
    run.bcachefs('fsck', '-n', *devs, stdin=images.PASSPHRASE + '\n', rc=0)


@pytest.mark.parametrize('image', ['small-616', 'small-612', 'empty-v128-138'])
def test_no_scans_of_older(image, cache, scratch):
    """Software of before 1.33 does not know them."""
    before, devs = cache.get(image), cache.copy(image, scratch)
    r = set_option('--data_replicas=2', '--compression=zstd', *devs, rc=0)
    assert r.out == r.err == ''
    sbs.only_superblocks_changed(before, devs)


# --- targets, features

def test_targets(cache, scratch):
    devs = cache.copy('cached-138', scratch)
    os.symlink(devs[1], scratch + '/other-name')
    set_option('--foreground_target=slow', '--metadata-target=fast.a', '--background_target=none',
               '--promote_target=' + scratch + '/other-name', *devs, rc=0)
    sb = sbs.newest(devs[0])
    assert [sb.opt('foreground_target'), sb.flags[3] >> 16 & 4095, sb.opt('background_target'),
            sb.opt('promote_target')] == [257 + 2, 257 + 1, 0, 1 + 1]
    set_option('--foreground_target=' + os.path.basename(devs[0]), *devs, rc=0)
    assert sbs.newest(devs[1]).opt('foreground_target') == 1


@pytest.mark.parametrize('arg,bit', [('--compression=lz4', 0), ('--background_compression=gzip:9', 1),
                                     ('--compression=zstd', 2), ('--erasure_code', 4)])
def test_features(arg, bit, cache, scratch):
    devs = cache.copy('cached-138', scratch)
    assert not sbs.newest(devs[0]).features[0] >> bit & 1
    set_option(arg, *devs, rc=0)
    assert all(sbs.newest(d).features[0] >> bit & 1 for d in devs)


# --- who may not be written

def test_encrypted_needs_no_passphrase(cache, scratch):
    before, devs = cache.get('encrypted-616'), cache.copy('encrypted-616', scratch)
    set_option('--compression=lz4', *devs, rc=0)
    sbs.only_superblocks_changed(before, devs)
    run.bcachefs('fsck', '-n', *devs, stdin=images.PASSPHRASE + '\n', rc=0)


@pytest.mark.parametrize('bit,word', [(22, 'small_image'), (23, 'no_default_sb')])
def test_read_only_filesystems(bit, word, cache, scratch):
    d, = cache.copy('small-138', scratch)
    damage.edit_superblocks(d, lambda raw: struct.pack_into(
        '<Q', raw, 208, struct.unpack_from('<Q', raw, 208)[0] | 1 << bit))
    refused([d], '--nocow', d, text=word)


def test_newer_version(cache, scratch):
    d, = cache.copy('small-138', scratch)
    damage.edit_superblocks(d, lambda raw: struct.pack_into('<H', raw, 16, 1063))
    refused([d], '--nocow', d, text='newer version')


def test_unknown_feature(cache, scratch):
    d, = cache.copy('small-138', scratch)
    damage.edit_superblocks(d, lambda raw: struct.pack_into('<Q', raw, 208, 1 << 40))
    refused([d], '--nocow', d)


def test_in_use(cache, scratch):
    d, = cache.copy('small-138', scratch)
    with open(d, 'rb') as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        refused([d], '--nocow', d, text='cannot open')


def test_damaged_copies_are_repaired(cache, scratch):
    d, = cache.copy('small-138', scratch)
    for place in damage.superblocks([d])[:2]:
        damage.harm([d], place, 'flip')
    set_option('--nocow', d, rc=0)
    assert len({c.seq for c in sbs.copies(d)}) == 1 and len(sbs.copies(d)) == 3


# --- power cuts

@pytest.mark.slow
@pytest.mark.parametrize('image', ['small-616', 'multi2-138'])
def test_power_cuts(image, cache, scratch):
    """In every state show-super and fsck -n find one of the two states, on all devices."""
    before, devs = cache.get(image), cache.copy(image, scratch)
    set_option('--gc_reserve_percent=13', *devs, rc=0)
    n = 0
    for new in sbs.power_cuts(before, devs):
        seen = {sbs.fields(d)['gc_reserve_percent'] for d in devs}
        assert seen <= {'8', '13'} and (not new or '13' in seen), (n, new, seen)
        r = run.bcachefs('fsck', '-n', *devs)
        assert r.rc in (0, 4) and 'clean shutdown' in r.out, repr(r)
        n += 1
    assert n == 3 * 3 ** len(devs)
    sbs.only_superblocks_changed(before, devs)


def test_scans_from_permission_on(cache, scratch):
    """Once newer features are allowed, what options ask for is found without a request."""
    devs = cache.copy('small-616', scratch)
    start = [os.path.join(run.BUILD, 'tests/kernel/start_fs'), '-o']
    assert run.execute(start + ['version_upgrade=compatible'] + devs).rc == 0
    r = set_option('--compression=zstd', *devs, rc=0)
    assert not r.out
    r = run.execute(start + ['version_upgrade=incompatible'] + devs)
    assert r.rc == 0 and 'check_reconcile_work... done' in r.out, repr(r)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
    assert 'type set' in run.bcachefs('list', '-b', 'reconcile_work', *devs, devices=devs, rc=0).out
    # now that there are requests
    set_option('--compression=lz4', *devs, rc=0)
    assert cookies(devs) == {FS: 1}
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)
