#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Where the rules of Documentation/format/22 are kept: each of them (WB, OV, RP, SY, PC, ND, FC and
a number) has to be cited in libbcachefs by its name, and what is cited has to exist. Prints the
rules that nobody cites and citations of rules that do not exist; exit status 1 if there are any.

  check-rules.py [-v]      -v: every rule with the files that cite it
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = 'Documentation/format/22-write-buffer-and-replay.md'
FAMILIES = 'WB|OV|RP|SY|PC|ND|FC'
RULE = re.compile(r'\b(?:%s)-\d+\b' % FAMILIES)
# A row of a table begins with it, or it stands before a colon, or a paragraph begins with it.
DEFINITION = re.compile(r'^\| (%(r)s) \||^(%(r)s) \(|\b(%(r)s):' % {'r': '(?:%s)-\\d+' % FAMILIES})


def key(rule):
    family, number = rule.split('-')
    return FAMILIES.split('|').index(family), int(number)


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()


def definitions():
    return {next(filter(None, m)) for line in read(PAGE).splitlines()
            for m in DEFINITION.findall(line)}


def citations():
    cited = {}
    for path in sorted(glob.glob(os.path.join(ROOT, 'libbcachefs', '**', '*.[ch]'), recursive=True)):
        path = os.path.relpath(path, ROOT)
        for rule in RULE.findall(read(path)):
            cited.setdefault(rule, []).append(path)
    return cited


def main():
    rules, cited = definitions(), citations()
    if len(rules) < 40:
        print('%s: only %u rules found' % (PAGE, len(rules)))
        return 1
    if '-v' in sys.argv[1:]:
        for rule in sorted(rules, key=key):
            print('%-6s %s' % (rule, ' '.join(dict.fromkeys(cited.get(rule, [])))))
    missing = sorted(rules - set(cited), key=key)
    unknown = sorted(set(cited) - rules, key=key)
    for rule in missing:
        print('%s is cited nowhere' % rule)
    for rule in unknown:
        print('%s: %s does not exist' % (cited[rule][0], rule))
    return 1 if missing or unknown else 0


sys.exit(main())
