#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Who may include whom (Documentation/architecture.md, "Floors").

A file may include headers of its own floor and of lower floors. Headers that only declare data
(bcachefs.h, errcode.h, opts.h, *_types.h, *_format.h) may be included from everywhere; in return
they include nothing but each other and headers that any file of their floor could include, and
have no function bodies beyond trivial accessors. The core includes kernel headers and its own
headers only. Prints one line per offence; exit status 1 if there was any.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLOORS = {'shim': 0, 'util': 1, 'sb': 2, 'journal': 3, 'btree': 3, 'alloc': 4, 'data': 4,
          'snapshots': 4, 'fs': 4, 'check': 5, 'init': 6, 'c_src': 7, 'tests': 8}
NAMES = {v: k for k, v in FLOORS.items()}
KERNEL_DIRS = ('linux/', 'crypto/', 'asm/', 'keys/', 'uapi/')
OPEN_HEADERS = re.compile(r'(^libbcachefs/(bcachefs|errcode|opts)|_types|_format)\.h$')
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
MAX_ACCESSOR_LINES = 12

offences = []


def offence(path, line, text):
    offences.append('%s:%d: %s' % (path, line, text))


def floor(path):
    parts = path.split('/')
    if parts[0] == 'include' or path.startswith('c_src/shim/'):
        return 0
    if parts[0] == 'libbcachefs':
        if len(parts) == 2:
            return FLOORS['util']
        return FLOORS.get(parts[1])
    return FLOORS.get(parts[0])


def resolve(path, name):
    for base in (os.path.dirname(path), 'libbcachefs', 'include', 'c_src', ''):
        p = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(ROOT, p)):
            return p
    return None


def check_include(path, nr, quoted, angled):
    core = path.startswith('libbcachefs/')
    if angled:
        ours = resolve('include/x', angled)
        if core and not angled.startswith(KERNEL_DIRS):
            offence(path, nr, '<%s> is not a kernel header' % angled)
        elif core and not (ours and ours.startswith('include/')):
            offence(path, nr, '<%s> is not one of the shim\'s headers' % angled)
        return
    target = resolve(path, quoted)
    if target is None:
        offence(path, nr, '"%s" does not exist' % quoted)
        return
    mine, theirs = floor(path), floor(target)
    if theirs is None:
        offence(path, nr, '%s is on no floor' % target)
        return
    if core and not target.startswith('libbcachefs/'):
        offence(path, nr, 'the core includes %s' % target)
    if mine == 0 and target.startswith('libbcachefs/'):
        offence(path, nr, 'the shim includes %s' % target)
    elif theirs > mine and not OPEN_HEADERS.search(target):
        offence(path, nr, 'floor %s includes %s of floor %s'
                % (path_floor(path), target, path_floor(target)))


def path_floor(path):
    parts = path.split('/')
    return parts[1] if parts[0] == 'libbcachefs' and len(parts) > 2 else NAMES[floor(path)]


def check_bodies(path, lines):
    """Headers open to everybody: no function longer than a trivial accessor."""
    start = None
    for nr, line in enumerate(lines, 1):
        if line.startswith('{'):
            start = nr
        elif line.startswith('}') and start is not None:
            if nr - start - 1 > MAX_ACCESSOR_LINES:
                offence(path, start, 'function body in a header that may only declare data')
            start = None


def main():
    for top in ('include', 'libbcachefs', 'c_src', 'tests'):
        for d, _, files in os.walk(os.path.join(ROOT, top)):
            for f in sorted(files):
                if not f.endswith(('.c', '.h')):
                    continue
                path = os.path.relpath(os.path.join(d, f), ROOT)
                if floor(path) is None:
                    offence(path, 1, 'this folder is on no floor')
                    continue
                with open(os.path.join(ROOT, path), encoding='utf-8') as fd:
                    lines = fd.read().split('\n')
                for nr, line in enumerate(lines, 1):
                    m = INCLUDE.match(line)
                    if m:
                        check_include(path, nr, *m.groups())
                if OPEN_HEADERS.search(path) and path.startswith('libbcachefs/'):
                    check_bodies(path, lines)
    print('\n'.join(offences) or 'floors hold')
    return bool(offences)


if __name__ == '__main__':
    sys.exit(main())
