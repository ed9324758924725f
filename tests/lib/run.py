# SPDX-License-Identifier: GPL-2.0
"""Running the program under test: time and memory limits, no crashes, no changed devices."""
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import images

BUILD = os.environ.get('BUILD') or os.path.join(os.path.dirname(os.path.dirname(images.HERE)), 'build')
BINARY = os.environ.get('BCACHEFS', os.path.join(BUILD, 'bcachefs'))
SAN = os.environ.get('SAN', '')
VALGRIND = bool(os.environ.get('BCACHEFS_VALGRIND'))
SLOWER = 20 if VALGRIND else 6 if SAN else 1
MAX_RSS_KB = (1 << 20) * (4 if VALGRIND or SAN else 1)

SANITIZER = re.compile(rb'(ERROR: (Address|Leak|Thread|Undefined)|WARNING: ThreadSanitizer|'
                       rb'runtime error: |==\d+==ERROR)')


class Result:
    def __init__(self, argv, rc, out, err, wall, rss_kb):
        self.argv, self.rc, self.wall, self.rss_kb = argv, rc, wall, rss_kb
        self.raw_out, self.raw_err = out, err
        self.out = out.decode('utf-8', 'surrogateescape')
        self.err = err.decode('utf-8', 'surrogateescape')

    @property
    def text(self):
        return self.out + self.err

    def __repr__(self):
        return '$ %s\n[exit %s, %.2fs, %d kB]\n%s\n--- stderr\n%s' % (
            ' '.join(self.argv), self.rc, self.wall, self.rss_kb, self.out[-6000:], self.err[-6000:])


def environment():
    env = dict(os.environ, TZ='UTC', LC_ALL='C.UTF-8')
    supp = os.path.join(os.path.dirname(images.HERE), 'tools', 'tsan.supp')
    env['ASAN_OPTIONS'] = 'exitcode=99:abort_on_error=0:detect_leaks=1:allocator_may_return_null=1'
    env['UBSAN_OPTIONS'] = 'print_stacktrace=1:exitcode=99'
    env['TSAN_OPTIONS'] = 'exitcode=99:halt_on_error=0' + \
        (':suppressions=' + supp if os.path.exists(supp) else '')
    return env


def wrap(argv, rss_file):
    # The peak memory that wait4() reports starts with what this process had when it forked;
    # GNU time forks from something small.
    argv = ['/usr/bin/time', '-q', '-o', rss_file, '-f', '%M'] + argv
    if VALGRIND:
        return ['valgrind', '-q', '--error-exitcode=99', '--leak-check=full', '--trace-children=yes',
                '--trace-children-skip=/usr/bin/time', '--errors-for-leak-kinds=definite',
                '--child-silent-after-fork=yes'] + argv
    return argv


def read_rss(path):
    try:
        with open(path) as f:
            return int(f.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def execute(argv, stdin=None, timeout=120, stdout=None):
    """Run argv; -> Result. A death by signal, a timeout, a sanitizer report and too much memory
    are failures of the test, whatever it expected."""
    timeout *= SLOWER
    rss = tempfile.NamedTemporaryFile()
    argv = wrap([str(a) for a in argv], rss.name)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        feed = subprocess.DEVNULL
        if stdin is not None:
            feed = tempfile.TemporaryFile()
            feed.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            feed.seek(0)
        start = time.monotonic()
        p = subprocess.Popen(argv, stdin=feed, stdout=stdout or out, stderr=err, env=environment(),
                             start_new_session=True)
        late = []

        def expire():
            late.append(1)
            os.killpg(p.pid, signal.SIGKILL)
        timer = threading.Timer(timeout, expire)
        timer.start()
        try:
            rc = p.wait()
        finally:
            timer.cancel()
        wall = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        r = Result(argv[6:], rc, out.read(), err.read(), wall, read_rss(rss.name))
    assert not late, 'timed out after %d s\n%r' % (timeout, r)
    assert 0 <= rc < 128, 'died by signal %d\n%r' % (rc & 127, r)
    assert rc != 99 and not SANITIZER.search(r.raw_err), repr(r)
    assert r.rss_kb < MAX_RSS_KB, 'used %d kB of memory\n%r' % (r.rss_kb, r)
    return r


def bcachefs(*args, devices=(), rc=None, **kw):
    """Run the tool. `devices` are the image files it is given: they must not change. `rc` is the
    expected exit status (None: any)."""
    before = {d: os.stat(d) for d in devices}
    r = execute([BINARY, *args], **kw)
    for d, st in before.items():
        now = os.stat(d)
        assert (now.st_mtime_ns, now.st_size) == (st.st_mtime_ns, st.st_size), \
            '%s was written to by\n%r' % (d, r)
    if rc is not None:
        assert r.rc == rc, 'exit status %d, expected %d\n%r' % (r.rc, rc, r)
    return r


def commands():
    """Names of the commands that the built binary knows."""
    try:
        out = subprocess.run([BINARY, 'help'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             timeout=30, env=environment()).stdout.decode()
    except OSError:
        return set()
    return set(re.findall(r'^  (\S+)', out, re.M))
