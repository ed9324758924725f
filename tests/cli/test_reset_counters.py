# SPDX-License-Identifier: GPL-2.0
"""reset-counters: all or the named counters become 0 on all members; everything else stays."""
import struct

import damage
import images
import run
import superblocks as sbs


def counters(path):
    raw = sbs.newest(path).sections[10]
    return list(struct.unpack_from('<%dQ' % (len(raw) // 8 - 1), raw, 8))


def others(path):
    """Sections that have nothing to do with it: by type."""
    sb = sbs.newest(path)
    return {t: s for t, s in sb.sections.items() if t in (0, 2, 4, 5, 6, 8, 9, 12, 15)}


def test_all(cache, scratch):
    before, devs = cache.get('multi2-616'), cache.copy('multi2-616', scratch)
    errors = [run.bcachefs('show-super', '-F', 'errors', d, rc=0).out for d in devs]
    run.bcachefs('reset-counters', ':'.join(devs), rc=0)
    sbs.only_superblocks_changed(before, devs)
    for a, b, text in zip(before, devs, errors):
        assert any(counters(a)) and not any(counters(b))
        assert others(a) == others(b) and sbs.newest(b).clean
        assert run.bcachefs('show-super', '-F', 'errors', b, rc=0).out == text


def test_named(cache, scratch):
    d, = cache.copy('small-138', scratch)
    old = counters(d)
    assert old[1] and old[13] and old[29]
    run.bcachefs('reset-counters', '-c', 'data_write,journal_write', d, rc=0)
    want = [0 if i in (1, 29) else v for i, v in enumerate(old)]
    assert counters(d) == want
    run.bcachefs('reset-counters', '--counter=btree_node_write', d, rc=0)
    want[13] = 0
    assert counters(d) == want


def test_nothing_to_reset(cache, scratch):
    """Without a change there is no update."""
    devs = cache.copy('small-138', scratch)
    run.bcachefs('reset-counters', *devs, rc=0)
    for d in devs:
        images.stamp(d)
    run.bcachefs('reset-counters', *devs, devices=devs, rc=0)


def test_counters_of_newer_versions_stay(cache, scratch):
    d, = cache.copy('small-138', scratch)
    at, length = damage.sections(d)[10]
    more = 8 + 137 * 8 - length
    assert more > 0

    def lengthen(raw):          # a 137th counter, behind those that have a name
        raw[at + length:at + length] = bytes(more - 8) + struct.pack('<Q', 4711)
        struct.pack_into('<I', raw, at, (length + more) // 8)
        struct.pack_into('<I', raw, 124, struct.unpack_from('<I', raw, 124)[0] + more // 8)
    damage.edit_superblocks(d, lengthen)
    assert counters(d)[136] == 4711 and any(counters(d)[:136])
    run.bcachefs('reset-counters', d, rc=0)
    assert counters(d)[136] == 4711 and not any(counters(d)[:136])


def test_refused(cache, scratch):
    devs = cache.get('small-138')
    for names in ('nonsense', 'data_write,nonsense', '', ',', 'data_writ'):
        r = run.bcachefs('reset-counters', '-c', names, *devs, devices=devs, rc=1)
        assert 'counter' in r.err
    run.bcachefs('reset-counters', '-c', 'nonsense', scratch + '/missing', rc=1)
    run.bcachefs('reset-counters', scratch + '/missing', rc=1)
    run.bcachefs('reset-counters', rc=2)


def test_without_a_member(cache, scratch):
    """A missing member is no obstacle; it learns of it later."""
    devs = cache.copy('multi2-138', scratch)
    run.bcachefs('reset-counters', devs[0] + ':' + devs[0] + '.missing', rc=1)
    lone = devs[0]
    # taken as complete: nothing is searched for
    run.bcachefs('reset-counters', lone + ':', rc=0)
    assert not any(counters(lone)) and any(counters(devs[1]))
    r = run.bcachefs('fsck', '-n', *devs)
    assert r.rc in (0, 4) and 'behind' in r.out and 'split' not in r.out, repr(r)
