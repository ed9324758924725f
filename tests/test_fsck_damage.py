# SPDX-License-Identifier: GPL-2.0
"""Damage of every kind a check knows: found, exactly, repaired, and gone afterwards.

Each directory below tests/fsck/ is one test (tests/fsck/README.md). The first run repairs and must
report what is expected and nothing else; the second finds nothing; -n agrees and writes nothing.
"""
import fcntl

import pytest

import fscktest
import run


def first(x, n=20):
    return '\n'.join(x[:n])


def told(r, report):
    """What fsck said, without the figures of the report."""
    return 'exit %d\n%s\n%s' % (r.rc, '\n'.join('%s: %s' % (e['id'], e['message'])
                                                 for e in report['errors']), r.err[-4000:])


def check_only(case, devs):
    """What is left of the test when the build cannot repair."""
    r, report = fscktest.fsck('-n', *case.args, devs=devs, devices=devs)
    assert report is not None, repr(r)
    wrong = case.wrong_ids(report)
    assert not wrong, '%s\n%s' % (first(wrong), told(r, report))
    pytest.skip('found what is expected; this build cannot repair')


@pytest.mark.parametrize('name', fscktest.NAMES)
def test_damage(name, cache, scratch):
    case = fscktest.Case(name)
    devs = case.make(cache, scratch)
    case.hurt(devs)

    r, report = fscktest.fsck('-n', *case.args, devs=devs, devices=devs)
    assert report is not None, repr(r)
    missing = [p for p in case.needs if p in report.get('not_checked', [])]
    if missing:
        pytest.skip('this build does not have %s' % ', '.join(missing))
    if not fscktest.can_repair():
        check_only(case, devs)

    r, report = fscktest.fsck('-y', *case.args, devs=devs)
    assert report is not None, repr(r)
    wrong = case.wrong_ids(report)
    assert not wrong, '%s\n%s' % (first(wrong), told(r, report))
    assert r.rc == case.rc1, told(r, report)

    r, report = fscktest.fsck('-y', *case.args, devs=devs)
    assert report is not None, repr(r)
    assert r.rc == case.rc2 and not (report['errors'] and not case.rc2), told(r, report)
    r, report = fscktest.fsck('-n', *case.args, devs=devs, devices=devs)
    assert report is not None, repr(r)
    assert r.rc == case.rc2 and not (report['errors'] and not case.rc2), told(r, report)

    if case.files_same:
        diff = case.compare_files(devs, scratch)
        assert not diff, first(diff)


def test_refuses_busy(cache, scratch):
    """Nothing is edited below somebody who has the image."""
    devs = cache.copy('small-138', scratch)
    with open(devs[0], 'rb') as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        r = run.bcachefs('debug-edit', *devs, '-', stdin='delete alloc first\n', devices=devs, rc=1)
        assert 'busy' in r.text, repr(r)
    run.bcachefs('debug-edit', *devs, '-', stdin='delete alloc first\n', rc=0)


@pytest.mark.parametrize('line,text', [
    ('nonsense', 'unknown command'), ('delete alloc', 'delete BTREE KEY'),
    ('delete nonsense 0:1', 'not a btree'), ('delete alloc 0:4000000', 'has no key'),
    ('print alloc first:data_type=nonsense', 'bad condition'),
    ('set alloc first nonsense=1', 'cannot be done'), ('print alloc $NONE', 'unknown variable'),
    ('set backpointers first level=9', 'would not be valid'),
    ('insert alloc 0:100 nonsense', 'not a position and a type')])
def test_script_errors(line, text, cache, scratch):
    """A bad line ends the script with a message; the filesystem is whole."""
    devs = cache.copy('small-138', scratch)
    r = run.bcachefs('debug-edit', *devs, '-', stdin='print alloc first\n' + line + '\n', rc=1)
    assert text in r.err and 'line 2' in r.err, repr(r)
    run.bcachefs('fsck', '-n', *devs, devices=devs, rc=0)


def test_edits(cache, scratch):
    """What a script changes is there afterwards, in plain and in buffered btrees."""
    devs = cache.copy('small-138', scratch)
    script = '''
        let B alloc first:data_type=user,gen=0 offset
        set alloc 0:$B dirty_sectors=77 gen+=3      # through the key cache
        set backpointers first:bucket=$B bucket_len=78
        insert lru 5:6 set
        set extents first:type=extent ptr[0].gen^=1
        overwrite freespace 0:1901 deleted size=3
        unchecked set bucket_gens first gens[255]=9
        sb has_errors=1
        member 0 last_journal_bucket=12
    '''
    run.bcachefs('debug-edit', *devs, '-', stdin=script, rc=0)
    r = run.bcachefs('debug-edit', *devs, '-', rc=0, stdin='''
        print alloc first:dirty_sectors=77,gen=3
        print backpointers first:bucket_len=78
        print lru 5:6
        print freespace last
        print bucket_gens first:gens[255]=9
        print freespace 0:1898
    ''')
    assert r.out.count('\nu64s') + r.out.startswith('u64s') == 6, repr(r)
    run.bcachefs('debug-edit', *devs, '-', stdin='delete lru 5:6\n', rc=0)
    run.bcachefs('debug-edit', *devs, '-', stdin='print lru 5:6\n', rc=1)
