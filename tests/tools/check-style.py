#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""House rules that a machine can check.

Every C file: an SPDX line and an opening paragraph; at most 1000 lines of at most 100 columns, no
trailing blanks; functions of at most 120 lines; a kernel-doc comment on every function that is not
static (above its definition or above its declaration in a header). Every text file: no mark
of unfinished work, no path of somebody's machine. Prints one line per offence; exit status 1 if any.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAX_LINES, MAX_FUNCTION, MAX_COLUMNS = 1000, 120, 100
SPDX = re.compile(r'^(// SPDX-License-Identifier: GPL-2\.0|'
                  r'/\* SPDX-License-Identifier: GPL-2\.0( WITH [\w-]+)? \*/)')
NO_DOC = {'main', 'LLVMFuzzerTestOneInput', 'LLVMFuzzerInitialize'}

# Unfinished work and paths of somebody's machine. (Written so that this file does not offend.)
WORDS = [r'\b(TO' r'DO|FIX' r'ME|X' r'XX)\b', r'/wo' r'rk/\w']
FORBIDDEN = re.compile('|'.join(WORDS))

offences = []


def offence(path, line, text):
    offences.append('%s:%d: %s' % (path, line, text))


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read().split('\n')


def text_files():
    """Everything git tracks or would track, except images and licence text."""
    out = []
    if shutil.which('git'):
        out = subprocess.run(['git', '-C', ROOT, 'ls-files', '-co', '--exclude-standard'],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             check=False).stdout.decode().split('\n')
    if not any(out):
        out = [os.path.relpath(os.path.join(d, f), ROOT) for d, _, fs in os.walk(ROOT) for f in fs]
    for p in sorted(set(out)):
        skip = p.endswith(('.zst', '.bin', '.pyc')) or '/corpus/' in p or p == 'COPYING' or \
            p.startswith(('build', '.git/', 'debian/bcachefs-tools/', 'debian/.debhelper/'))
        if p and not skip and os.path.isfile(os.path.join(ROOT, p)):
            yield p


def check_opening(path, lines):
    if not SPDX.match(lines[0]):
        offence(path, 1, 'no SPDX line')
    text, inside = '', False
    for line in lines[1:]:
        s = line.strip()
        if s.startswith('/*'):
            inside = True
        if inside or s.startswith('//'):
            text += s
        elif s:
            break
        if s.endswith('*/'):
            inside = False
    shim = path.startswith(('include/', 'c_src/shim/'))
    if len(text) < (10 if shim else 40 if path.endswith('.h') else 60):
        offence(path, 2, 'no opening paragraph: what lives here, its invariant, who may call it')


def comment_above(lines, nr):
    """The comment that ends directly above line index nr, or ''."""
    i = nr - 1
    if i < 0 or not lines[i].strip().endswith('*/'):
        return ''
    j = i
    while j >= 0 and '/*' not in lines[j]:
        j -= 1
    return '\n'.join(lines[j:i + 1]) if j >= 0 else ''


def functions(lines):
    """-> (name, first line index, index of the closing brace, signature) of every function."""
    for nr, line in enumerate(lines):
        if line != '{':
            continue
        first = nr - 1
        while first > 0 and lines[first - 1].strip() and lines[first - 1][0] not in '#}/' and \
                not lines[first - 1].rstrip().endswith((';', '*/')):
            first -= 1
        sig = re.sub(r'__attribute__\s*\(\(.*?\)\)', '', ' '.join(lines[first:nr]))
        m = re.search(r'(\w+)\s*\(', sig)
        if not m or '=' in sig.split('(')[0] or sig.startswith(('struct {', 'enum', 'union')):
            continue
        end = nr
        while end < len(lines) and not lines[end].startswith('}'):
            end += 1
        yield m.group(1), first, end, sig


def prototypes(lines):
    """Names of functions whose declaration has a kernel-doc comment above it."""
    for nr, line in enumerate(lines):
        m = re.match(r'^(?!static|#|\s|/|typedef).*?(\w+)\s*\(', line)
        if m and comment_above(lines, nr).startswith('/**'):
            yield m.group(1)


def check_c(path, lines, documented):
    check_opening(path, lines)
    if len(lines) > MAX_LINES + 1:
        offence(path, len(lines), 'file has %d lines, more than %d' % (len(lines) - 1, MAX_LINES))
    for nr, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > MAX_COLUMNS:
            offence(path, nr, 'wider than %d columns' % MAX_COLUMNS)
        if line != line.rstrip():
            offence(path, nr, 'trailing blanks')
        if re.match(r'^ {8}', line):
            offence(path, nr, 'indented with blanks')
    for name, first, end, sig in functions(lines):
        if end - first + 1 > MAX_FUNCTION:
            offence(path, first + 1, '%s() has %d lines, more than %d'
                    % (name, end - first + 1, MAX_FUNCTION))
        if not re.search(r'\bstatic\b', sig.split('(')[0]) and name not in NO_DOC and \
                not name.startswith('cmd_') and \
                name not in documented and not comment_above(lines, first).startswith('/**'):
            offence(path, first + 1, '%s() has no kernel-doc comment' % name)


def main():
    files = list(text_files())
    sources = {p: read(p) for p in files if p.endswith(('.c', '.h'))}
    documented = {n for p, lines in sources.items() if p.endswith('.h') for n in prototypes(lines)}
    for p, lines in sources.items():
        check_c(p, lines, documented)
    for p in files:
        try:
            lines = sources.get(p) or read(p)
        except UnicodeDecodeError:
            continue
        for nr, line in enumerate(lines, 1):
            m = FORBIDDEN.search(line)
            if m:
                offence(p, nr, 'forbidden word "%s"' % m.group(0))
    print('\n'.join(offences) or 'style holds')
    return bool(offences)


if __name__ == '__main__':
    sys.exit(main())
