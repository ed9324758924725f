# SPDX-License-Identifier: GPL-2.0
"""Running the tool on a terminal of its own, with somebody who answers."""
import os
import pty
import select
import signal
import time

import run

PROMPT = '(y,n, or Y,N for all errors of this type) '


def spawn(*args):
    """-> pid, fd of the terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(run.BINARY, [run.BINARY, *map(str, args)], run.environment())
    return pid, fd


def talk(*args, answer, timeout=60):
    """Run the tool; answer(n, text so far) is called for the n-th prompt and says what is typed, or
    a signal number to send instead. -> exit status, output."""
    pid, fd = spawn(*args)
    out, asked, late = '', 0, time.monotonic() + timeout * run.SLOWER
    while True:
        r, _, _ = select.select([fd], [], [], 1)
        if time.monotonic() > late:
            os.kill(pid, signal.SIGKILL)
        if not r:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data.decode('utf-8', 'replace').replace('\r\n', '\n')
        if out.count(PROMPT) > asked and out.endswith(PROMPT):
            asked += 1
            reply = answer(asked, out)
            if isinstance(reply, str):
                os.write(fd, reply.encode())
            else:
                os.kill(pid, reply)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    rc = os.waitstatus_to_exitcode(status)
    assert rc >= 0, 'killed by signal %d after\n%s' % (-rc, out[-3000:])
    return rc, out
