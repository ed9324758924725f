#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Is every error that a check can report the business of a test?

    check-damage.py [-v]

Looks for the error ids that the code of the allocation-side checks asks about (libbcachefs/check, the
passes of libbcachefs/init, the counters' check in libbcachefs/alloc) and compares them with the ids
that the directories of tests/fsck expect. An id without a directory has to be in ELSEWHERE below, with
the test that is about it, or in WITHOUT, with the reason; an entry of ELSEWHERE that is not needed, or whose test is gone, is an error
as well. So is a directory whose number and expected ids do not belong together.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = os.path.join(TOP, 'libbcachefs')
FSCK = os.path.join(TOP, 'tests', 'fsck')

#: files and directories of the core whose reports are looked at
SOURCES = ['check', 'init', 'alloc/accounting_check.c', 'alloc/freespace_update.c']
#: ids are named there, but not reported: lists of what is repaired silently
LISTS = ('init/reconstruct_alloc.c', 'init/upgrade.c', 'init/versions.c')

#: id -> (file, text in it): the test that is about it, where a directory cannot be
ELSEWHERE = {
    'clean_but_journal_not_empty':
        ('tests/unit/test_journal_start.c', 'clean_but_journal_not_empty'),
    'dirty_but_no_journal_entries':
        ('tests/unit/test_journal_start.c', 'dirty_but_no_journal_entries'),
    'sb_clean_journal_seq_mismatch':
        ('tests/unit/test_journal_start.c', 'sb_clean_journal_seq_mismatch'),
    'sb_clean_btree_root_mismatch':
        ('tests/unit/test_journal_start.c', 'sb_clean_btree_root_mismatch'),
    'sb_clean_missing':
        ('tests/unit/test_journal_start.c', 'sb_clean_missing'),
    'btree_root_bkey_invalid':
        ('tests/unit/test_journal_start.c', 'btree_root_bkey_invalid'),
    'invalid_btree_id':
        ('tests/unit/test_journal_start.c', 'invalid_btree_id'),
    'btree_node_topology_bad_root_min_key':
        ('tests/cli/test_topology.py', 'btree_node_topology_bad_root_min_key'),
    'btree_node_topology_bad_root_max_key':
        ('tests/cli/test_topology.py', 'btree_node_topology_bad_root_max_key'),
}

#: id -> why nothing makes this damage yet
WITHOUT = {
    'journal_entry_replicas_not_marked': 'replicas of a superblock cannot be edited',
    'accounting_replicas_not_marked': 'replicas of a superblock cannot be edited',
    'ptr_to_removed_device': 'members of a superblock cannot be removed',
}


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as f:
        return f.read()


def stable_numbers():
    """-> {name: number}"""
    text = read(CORE, 'sb', 'errors_format.h')
    return {name: int(n) for n, name in re.findall(r'\bx\(\s*(\d+),\s*(\w+),', text)}


def sources():
    for s in SOURCES:
        path = os.path.join(CORE, s)
        if not os.path.isdir(path):
            yield s
            continue
        for f in sorted(os.listdir(path)):
            if f.endswith('.c') and s + '/' + f not in LISTS:
                yield s + '/' + f


def reported(numbers):
    """-> {name: {file, ...}}: every id that is a word of the code outside of comments, strings and
    lists of silent ids. Ids are often the arguments of helpers, so macros are not looked for."""
    out = {}
    for s in sources():
        text = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', ' ', read(CORE, s), flags=re.S)
        text = re.sub(r'static const u16 \w+\[\] = \{.*?\};', ' ', text, flags=re.S)
        text = re.sub(r'__set_bit\(BCH_FSCK_ERR_\w+', ' ', text)
        for word in set(re.findall(r'\w+', text)):
            name = word[len('BCH_FSCK_ERR_'):] if word.startswith('BCH_FSCK_ERR_') else word
            if name in numbers:
                out.setdefault(name, set()).add(s)
    return out


def expected():
    """-> {name: [directory, ...]}: those whose number it is first."""
    out = {}
    for d in sorted(os.listdir(FSCK)):
        if os.path.isdir(os.path.join(FSCK, d)):
            for name in re.findall(r'^id (\w+)', read(FSCK, d, 'expect'), re.M):
                out.setdefault(name, []).append(d)
    return out


def problems():
    numbers = stable_numbers()
    code, tests = reported(numbers), expected()
    for name, files in sorted(code.items(), key=lambda x: numbers[x[0]]):
        if name in WITHOUT and (name in tests or name in ELSEWHERE):
            yield '%s: has a test, and is in WITHOUT' % name
        if name not in tests and name not in ELSEWHERE and name not in WITHOUT:
            yield '%03d %s (%s): no test' % (numbers[name], name, ', '.join(sorted(files)))
    for name, where in ELSEWHERE.items():
        if name not in numbers:
            yield '%s: no such id' % name
        elif name in tests:
            yield '%s: has a directory, %s' % (name, tests[name][0])
        elif name not in code:
            yield '%s: is not reported any more' % name
        elif not os.path.exists(os.path.join(TOP, where[0])):
            yield '%s: no file %s' % (name, where[0])
        elif where[1] not in read(TOP, where[0]):
            yield '%s: no "%s" in %s' % (name, where[1], where[0])
    for name in tests:
        if name not in numbers:
            yield '%s: unknown id in %s' % (name, tests[name][0])


def main():
    if '-v' in sys.argv[1:]:
        numbers, tests = stable_numbers(), expected()
        for name, files in sorted(reported(numbers).items(), key=lambda x: numbers[x[0]]):
            print('%03d %s: %s' % (numbers[name], name, ' '.join(tests.get(name) or
                                                             ELSEWHERE.get(name, ['-']))))
    bad = list(problems())
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
