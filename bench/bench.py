#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Time and memory of the reading commands on big-616 (200,000 files), next to fio in the same run;
making filesystems next to mkfs.ext4 and mkfs.xfs; writing the journal; fsck of up to a million
extents; replay.

    make bench              prints the tables and stores them in bench/last.md
    bench.py --runs N       best of N runs (default 3)
    bench.py --only WHAT    read, format, journal, commits, extents or replay: prints, stores
                            nothing

Measured: `fsck -n`, `list` of every btree, `restore` into a directory, and a sequential O_DIRECT
read of the same image by fio. The last column of `list` is what matters most: bytes of metadata
per second on one core, as a part of fio's rate.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(ROOT, 'tests', 'lib'), os.path.join(ROOT, 'tests', 'reference')]
sys.dont_write_bytecode = True

import growth       # noqa: E402
import images       # noqa: E402
import run          # noqa: E402

BTREES = '''extents inodes dirents xattrs alloc quotas stripes reflink subvolumes snapshots lru
freespace need_discard backpointers bucket_gens snapshot_trees deleted_inodes logged_ops
reconcile_work subvolume_children accounting'''.split()


def drop_caches(path):
    """Forget the file's pages: O_DIRECT does not need it, a buffered fallback would profit."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


class Measure:
    def __init__(self):
        self.wall = self.cpu = 0.0
        self.rss = 0
        self.out = 0

    def add(self, argv, ok=(0,)):
        """Run argv, output counted and thrown away."""
        r, w = os.pipe()
        rss = tempfile.NamedTemporaryFile()
        start = time.monotonic()
        p = subprocess.Popen(['/usr/bin/time', '-o', rss.name, '-f', '%M'] + argv, stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.DEVNULL,
                             env=run.environment())
        os.close(w)
        while True:
            b = os.read(r, 1 << 20)
            if not b:
                break
            self.out += len(b)
        os.close(r)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        self.wall += time.monotonic() - start
        self.cpu += usage.ru_utime + usage.ru_stime
        self.rss = max(self.rss, run.read_rss(rss.name))
        if p.returncode not in ok:
            sys.exit('%s: exit status %d' % (' '.join(argv), p.returncode))
        return self


def best(n, once):
    return min((once() for _ in range(n)), key=lambda m: m.wall)


def node_bytes(path):
    """Bytes of btree nodes that a listing of everything has to read: what each pointer says was
    written, from the independent decoder."""
    import bcr
    fs, total, count = bcr.FS([path]), 0, 0
    for b in sorted(fs.roots):
        def visit(k, lvl):
            nonlocal total, count
            total += bcr.le(k.val, 16, 2) * 512
            count += 1
            if lvl:
                d = fs.node_contents(k, b, lvl)
                for p in d:
                    if lvl > 1:
                        visit(d[p], lvl - 1)
                    else:
                        total += bcr.le(d[p].val, 16, 2) * 512
                        count += 1
        top, root = fs.roots[b]
        visit(root, top)
    return total, count


def fio_rate(path, depth):
    """-> (bytes per second, seconds) of one sequential O_DIRECT pass, 128k blocks."""
    drop_caches(path)
    out = subprocess.run(['fio', '--name=read', '--filename=' + path, '--rw=read', '--bs=128k',
                          '--direct=1', '--ioengine=libaio', '--iodepth=%d' % depth, '--readonly',
                          '--output-format=json'], stdout=subprocess.PIPE, check=True,
                         cwd=tempfile.gettempdir()).stdout
    job = json.loads(out[out.index(b'{'):])['jobs'][0]['read']
    return job['bw_bytes'], job['runtime'] / 1000


def machine():
    model = 'unknown processor'
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                model = line.split(':')[1].strip()
                break
    return '%s, %d cores, Linux %s' % (model, os.cpu_count(), platform.release())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--runs', type=int, default=3)
    ap.add_argument('--dir', default=None, help='where to unpack the image')
    ap.add_argument('--only', choices=sorted(PARTS))
    a = ap.parse_args()
    work = tempfile.mkdtemp(prefix='bench-', dir=a.dir or run.BUILD)
    text = '# Last measurement\n\n%s. Best of %d runs.\n' % (machine(), a.runs)
    try:
        for name, part in PARTS.items():
            if a.only in (None, name):
                text += '\n' + part(a, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(text)
    if not a.only:
        with open(os.path.join(HERE, 'last.md'), 'w') as f:
            f.write(text)


def format_table(a, work):
    """Making a filesystem on the same sparse file, until everything is durable."""
    path = os.path.join(work, 'format.img')
    makers = [('bcachefs format', [run.BINARY, 'format', '-q', '-f']),
              ('mkfs.ext4', ['mkfs.ext4', '-q', '-F']),
              ('mkfs.xfs', ['mkfs.xfs', '-q', '-f'])]
    lines = ['| device | ' + ' | '.join('%s, s | MB allocated' % name for name, _ in makers) + ' |',
             '|---|' + '---|---|' * len(makers)]
    for gib in (1, 64, 1024):
        cells = []
        for _, argv in makers:
            def once():
                if os.path.exists(path):
                    os.unlink(path)
                with open(path, 'wb') as f:
                    f.truncate(gib << 30)
                os.sync()
                m = Measure()
                m.add(argv + [path])
                fd = os.open(path, os.O_RDONLY)
                start = time.monotonic()
                os.fsync(fd)
                m.wall += time.monotonic() - start
                os.close(fd)
                return m
            m = best(a.runs, once)
            cells += ['%.3f' % m.wall, '%.1f' % (os.stat(path).st_blocks * 512 / 1e6)]
        lines.append('| %d GiB | %s |' % (gib, ' | '.join(cells)))
    os.unlink(path)
    return '\n'.join(lines) + '\n'


def journal_table(a, work):
    """What the journal's own benchmark prints: reservations, bandwidth, durable commits."""
    test = os.path.join(run.BUILD, 'tests', 'unit', 'test_journal_write')
    out = subprocess.run([test], env=dict(os.environ, JTEST_BENCH='1', TMPDIR=work), check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return '```\n%s```\n' % ''.join(i + '\n' for i in out.splitlines() if 'threads' in i)


def commits_table(a, work):
    """Whole transactions per second, from 1, 2 and 4 threads."""
    test = os.path.join(run.BUILD, 'tests', 'unit', 'test_live_commits')
    out = subprocess.run([test], env=dict(os.environ, COMMIT_BENCH='1', TEST_TMPDIR=work),
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True).stdout
    return '```\n%s```\n' % ''.join(i + '\n' for i in out.splitlines() if 'threads:' in i)


def table(a, work):
    path, = images.Cache(work).get('big-616')
    # fio must not be measured on holes: give every byte a block, as on a real device
    allocated = os.path.join(work, 'allocated.img')
    subprocess.run(['cp', '--sparse=never', path, allocated], check=True)
    os.sync()
    b, lines = run.BINARY, []
    meta, nodes = node_bytes(path)

    def measured(argv, ok=(0,)):
        def once():
            drop_caches(allocated)
            return Measure().add(argv, ok)
        return best(a.runs, once)

    def listing():
        drop_caches(allocated)
        m = Measure()
        for t in BTREES:
            m.add([b, 'list', '-b', t, allocated])
        return m

    def restore():
        out = os.path.join(work, 'tree')
        drop_caches(allocated)
        m = Measure().add([b, 'restore', '-q', allocated, out])
        shutil.rmtree(out)
        return m

    fio_bw, fio_s = max(fio_rate(allocated, 32) for _ in range(a.runs))
    rows = [('fsck -n', measured([b, 'fsck', '-n', allocated]), meta),
            ('list, every btree', best(a.runs, listing), meta),
            ('restore', best(max(1, a.runs - 2), restore), None)]
    lines.append('| what | wall s | CPU s | peak MB | output MB | metadata MB/s wall | '
                 'MB/s per CPU s | of fio |')
    lines.append('|---|---|---|---|---|---|---|---|')
    for name, m, nbytes in rows:
        rate = nbytes / m.wall if nbytes else 0
        core = nbytes / m.cpu if nbytes else 0
        lines.append('| %s | %.2f | %.2f | %.0f | %.0f | %s | %s | %s |' % (
            name, m.wall, m.cpu, m.rss / 1024, m.out / 1e6, '%.0f' % (rate / 1e6) if rate else '',
            '%.0f' % (core / 1e6) if core else '', '%.0f%%' % (100 * rate / fio_bw) if rate else ''))
    lines.append('| fio, sequential O_DIRECT read | %.2f | | | | %.0f | | 100%% |'
                 % (fio_s, fio_bw / 1e6))
    os.unlink(allocated)
    head = ['big-616: %d btree nodes, %.0f MB allocated in them; image of %.0f MB, fully allocated.'
            % (nodes, meta / 1e6, os.path.getsize(path) / 1e6), '']
    return '\n'.join(head + lines) + '\n'


PARTS = {'read': table, 'format': format_table, 'journal': journal_table, 'commits': commits_table,
         'extents': lambda a, work: growth.extents_table(a, work, Measure),
         'replay': lambda a, work: growth.replay_table(a, work, Measure)}


if __name__ == '__main__':
    main()
