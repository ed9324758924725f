# SPDX-License-Identifier: GPL-2.0
"""show-super: agrees with the reference tools' text, field by field; flags; exit codes; JSON."""
import json
import re

import pytest

import images
import manifest
import run

# Where the reference (1.38.0) prints something else, and why:
#  - Device N: it cannot find image files; we print the path we were given.
#  - Options that came after 1.38.0.
#  - Options that live in the section ext behind the 96 bytes that filesystems before 1.38 have
#    there: it reads on into the next section; we print the defaults.
NEWER = ('ec_max_data_blocks', 'move_writes_fua')
IN_LONG_EXT = ('dev_readahead', 'ec_stripe_buf_limit', 'scrub_journal_max_rewind_secs',
               'journal_rewind_discard_buffer_percent')

HAVE = [n for n in images.NAMES if 'show_super_138' in manifest.load(n)]


def normal(text):
    """Lines with their blanks collapsed (the reference pads with blanks), without known
    differences and without empty lines."""
    out, short_ext = [], any(re.match(r'ext \(size (\d|\d\d)\):', x) for x in text)
    for line in text:
        if line.startswith(('WARNING: kernel does not', '         please alert')):
            continue
        indent = len(line) - len(line.lstrip())
        line = ' ' * indent + re.sub(r'\s+', ' ', line.strip())
        line = re.sub(r'^(Device \d+:).*', r'\1', line)
        name = line.strip().split(':')[0]
        if not line.strip() or name in NEWER or short_ext and name in IN_LONG_EXT:
            continue
        out.append(line)
    return out


@pytest.mark.parametrize('name', HAVE)
def test_like_reference(name, cache):
    devs = cache.get(name)
    r = run.bcachefs('show-super', devs[0], devices=devs, rc=0)
    want, got = normal(manifest.load(name)['show_super_138']), normal(r.out.split('\n'))
    missing = [x for x in want if x not in got]
    extra = [x for x in got if x not in want]
    assert not missing and not extra, 'missing:\n%s\nextra:\n%s' % ('\n'.join(missing), '\n'.join(extra))
    assert got == want, 'other order:\n' + r.out
    assert r.err == ''


@pytest.mark.parametrize('name', images.NAMES)
def test_every_member_and_section(name, cache):
    """Every device of every image prints, with all sections and the layout."""
    devs = cache.get(name)
    for i, d in enumerate(devs):
        r = run.bcachefs('show-super', '-f', 'all', '-l', d, devices=devs, rc=0)
        assert re.search(r'^External UUID:\s+[0-9a-f-]{36}$', r.out.split('\n')[0])
        assert re.search(r'^Device index:\s+\d+$', r.out, re.M)
        assert re.search(r'^layout:$', r.out, re.M | re.I)
        assert re.search(r'^  Offsets:\s+8, ', r.out, re.M)
        assert d in r.out, 'the member that was given is named by its path'


@pytest.mark.valgrind
def test_header_columns(cache):
    d, = cache.get('small-616')
    r = run.bcachefs('show-super', d, devices=[d], rc=0)
    head = r.out.split('\n')[:19]
    want = manifest.load('small-616')['show_super_138'][:19]
    assert [x.rstrip() for x in head] == [x.rstrip() for x in want]


@pytest.mark.valgrind
def test_fields(cache):
    d, = cache.get('small-616')
    r = run.bcachefs('show-super', '-f', 'clean,journal_v2', d, devices=[d], rc=0)
    assert re.search(r'^clean \(size \d+\):$', r.out, re.M)
    assert re.search(r'^journal_v2 \(size \d+\):$', r.out, re.M)
    assert not re.search(r'^errors \(size', r.out, re.M)
    assert re.search(r'^\s*Buckets:\s+\d+-\d+', r.out, re.M)


def test_field_only(cache):
    d, = cache.get('small-616')
    r = run.bcachefs('show-super', '-F', 'journal_v2', d, devices=[d], rc=0)
    assert 'External UUID' not in r.out and 'journal_v2' not in r.out and 'Buckets:' in r.out
    r = run.bcachefs('show-super', '-F', 'quota', d, devices=[d], rc=0)
    assert r.out == '', 'an absent section prints nothing'


def test_clean_section_names_roots(cache):
    d, = cache.get('small-616')
    r = run.bcachefs('show-super', '-F', 'clean', d, devices=[d], rc=0)
    for btree in ('extents', 'inodes', 'dirents'):
        assert re.search(r'btree_root: btree=%s level=\d' % btree, r.out), r.out


def test_crypt_section(cache):
    d, = cache.get('encrypted-616')
    r = run.bcachefs('show-super', '-F', 'crypt', d, devices=[d], rc=0)
    assert re.search(r'scrypt n:\s+\d+', r.out)


def test_errors(cache, scratch):
    d, = cache.get('empty-32m-138')
    assert run.bcachefs('show-super', '-f', 'nonsense', d, rc=1).text.count('nonsense')
    run.bcachefs('show-super', '--nonsense', d, rc=2)
    run.bcachefs('show-super', rc=2)
    run.bcachefs('show-super', d, d, rc=2)
    r = run.bcachefs('show-super', scratch + '/missing', rc=1)
    assert re.search('No such file|ENOENT', r.err) and 'missing' in r.err
    blank = scratch + '/blank'
    with open(blank, 'wb') as f:
        f.truncate(1 << 20)
    r = run.bcachefs('show-super', blank, rc=1)
    assert re.search(r'[Nn]ot a bcachefs superblock|magic', r.err) and blank in r.err
    assert run.bcachefs('show-super', '--help', rc=0).out


@pytest.mark.parametrize('name', ['small-138', 'multi3-ec-138', 'empty-v113-138', 'snaps-612'])
def test_json(name, cache):
    """--json says the same as the text."""
    devs = cache.get(name)
    r = run.bcachefs('show-super', '--json', devs[0], devices=devs, rc=0)
    j = json.loads(r.out)
    text = run.bcachefs('show-super', devs[0], devices=devs, rc=0).out
    flat = json.dumps(j)
    for label in ('External UUID', 'Internal UUID', 'Sequence number'):
        value = re.search(r'^%s:\s+(\S+)$' % label, text, re.M).group(1)
        assert value in flat, '%s %s is not in the JSON' % (label, value)
    for uuid in re.findall(r'^  UUID:\s+(\S+)$', text, re.M):
        assert uuid in flat
