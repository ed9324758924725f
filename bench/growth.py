# SPDX-License-Identifier: GPL-2.0
"""Filesystems of many extents: what fsck needs as they grow, and how fast a journal is replayed.

The extents are made with the hidden debug-edit, without any allocation information; the first "fsck -y"
has to make all of that, which is measured too. Parts of bench.py.
"""
import os
import re
import signal
import subprocess
import time

import run

SIZES = (100000, 300000, 1000000)
SECTORS, PER_BUCKET, BUCKET = 8, 32, 256
FIRST_BUCKET = 2000
PER_INODE = 4096


def extents(n):
    """Lines for debug-edit: extents of 4 KiB, bucket after bucket, with holes between them."""
    for i in range(n):
        sector = (FIRST_BUCKET + i // PER_BUCKET) * BUCKET + i % PER_BUCKET * SECTORS
        ptr = 1 | sector << 4
        yield 'insert extents %d:%d:4294967295 extent size=%d hex=%s\n' % (
            4096 + i // PER_INODE, (i % PER_INODE + 1) * 2 * SECTORS, SECTORS,
            ptr.to_bytes(8, 'little').hex())


def make(path, n, script):
    with open(path, 'wb') as f:
        f.truncate(8 << 30)
    run.bcachefs('format', '-q', '-f', '--bucket_size=128k', '--data_checksum=none', path, rc=0)
    with open(script, 'w', encoding='ascii') as f:
        f.writelines(extents(n))


def bytes_read(argv):
    """Of the image: what the process asked of block devices and O_DIRECT files."""
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = 0
    while p.poll() is None:
        try:
            with open('/proc/%d/io' % p.pid, encoding='ascii') as f:
                seen = max(seen, int(re.search(r'^read_bytes: (\d+)', f.read(), re.M).group(1)))
        except (OSError, AttributeError):
            pass
        time.sleep(0.002)
    return seen


def extents_table(a, work, measure):
    path, script = os.path.join(work, 'extents.img'), os.path.join(work, 'script')
    lines = ['| extents | keys | -y, all allocation information lost: wall s | CPU s | peak MB '
             '| -n: wall s | CPU s | peak MB | MB read | CPU us per extent, -y | -n |',
             '|---|---|---|---|---|---|---|---|---|---|---|']
    for n in SIZES:
        make(path, n, script)
        run.bcachefs('debug-edit', path, script, rc=0, timeout=600)
        os.sync()
        repair = measure().add([run.BINARY, 'fsck', '-y', path], ok=(1,))
        os.sync()
        check = min((measure().add([run.BINARY, 'fsck', '-n', path]) for _ in range(a.runs)),
                    key=lambda m: m.wall)
        keys = re.search(r'(\d+) keys,', run.bcachefs('fsck', '-n', path, rc=0).out).group(1)
        mb = bytes_read([run.BINARY, 'fsck', '-n', path]) / 1e6
        lines.append('| %d | %s | %.2f | %.2f | %.0f | %.2f | %.2f | %.0f | %.0f | %.2f | %.2f |' % (
            n, keys, repair.wall, repair.cpu, repair.rss / 1024, check.wall, check.cpu,
            check.rss / 1024, mb, repair.cpu / n * 1e6, check.cpu / n * 1e6))
    os.unlink(path)
    return '\n'.join(lines) + '\n'


def killed_while_editing(path, script, seconds):
    p = subprocess.Popen([run.BINARY, 'debug-edit', path, script], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    p.send_signal(signal.SIGKILL)
    return p.wait() == -signal.SIGKILL


def replay_table(a, work, measure):
    """Keys per second of a start that replays, next to those of who put them there."""
    path, script = os.path.join(work, 'replay.img'), os.path.join(work, 'script')
    start = os.path.join(run.BUILD, 'tests', 'kernel', 'start_fs')
    n = 400000
    make(path, n, script)
    live = measure().add([run.BINARY, 'debug-edit', path, script])
    lines = ['| keys to replay | wall s of the start | of a clean one | keys/s | '
             'of inserting them one by one, %d/s |' % (n / live.wall), '|---|---|---|---|---|']
    for part in (0.5, 0.7, 0.9):
        make(path, n, script)
        if not killed_while_editing(path, script, live.wall * part):
            continue
        copy = path + '.copy'
        best = None
        for _ in range(a.runs):
            subprocess.run(['cp', '--sparse=always', path, copy], check=True)
            os.sync()
            t = time.monotonic()
            r = run.execute([start, copy], timeout=300)
            t = time.monotonic() - t
            keys = int(re.search(r'starting journal replay, (\d+) keys', r.out + r.err).group(1))
            t2 = time.monotonic()
            run.execute([start, copy], timeout=300)
            t2 = time.monotonic() - t2
            if best is None or t < best[1]:
                best = (keys, t, t2)
        os.unlink(copy)
        rate = best[0] / max(best[1] - best[2], 1e-3)
        lines.append('| %d | %.2f | %.2f | %d | %.1f times |' % (*best, rate, rate / (n / live.wall)))
    os.unlink(path)
    return '\n'.join(lines) + '\n'
