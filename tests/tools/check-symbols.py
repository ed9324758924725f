#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The core may use what the shim offers, and nothing else.

Links libbcachefs.a alone into one relocatable object and compares its undefined symbols with what
libshim.a defines. A few names are the C library's and the kernel's at once, with the same
meaning: memory and string functions, which compilers call on their own, too.
"""
import os
import subprocess
import sys
import tempfile

SAME_IN_KERNEL = set('''
memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strcasecmp strncasecmp strchr
strrchr strstr strspn strcspn strpbrk strsep snprintf vsnprintf sprintf vsprintf sscanf bsearch
'''.split())
INSTRUMENTATION = ('__asan_', '__ubsan_', '__tsan_', '__sanitizer', '__gcov', '__llvm', '__sancov',
                   '__stack_chk', '_GLOBAL_OFFSET_TABLE_')


def symbols(path, *flags):
    out = subprocess.run(['nm', '-P', *flags, path], stdout=subprocess.PIPE, check=True).stdout
    return {line.split()[0] for line in out.decode().splitlines()
            if line.strip() and not line.endswith(':')}


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else 'build'
    core, shim = (os.path.join(build, n) for n in ('libbcachefs.a', 'libshim.a'))
    with tempfile.TemporaryDirectory() as tmp:
        one = os.path.join(tmp, 'core.o')
        subprocess.run(['ld', '-r', '-o', one, '--whole-archive', core], check=True)
        undefined = symbols(one, '-u')
    offered = symbols(shim, '-g', '--defined-only') | SAME_IN_KERNEL
    leaks = sorted(s for s in undefined - offered if not s.startswith(INSTRUMENTATION))
    for s in leaks:
        print('the core needs %s, which the shim does not offer' % s)
    if not leaks:
        print('%d symbols, all from the shim' % len(undefined))
    return bool(leaks)


if __name__ == '__main__':
    sys.exit(main())
