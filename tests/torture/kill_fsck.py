#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Kill a repair at random moments, and repair again.

    kill_fsck.py [--seed N] [--kills N] [--work DIR]

An image is damaged, repaired once without disturbance, and then again and again from the same damage
with SIGKILL after a random part of the time that took; sometimes the repair after that is killed as
well. Each time the next "fsck -y" has to end with everything repaired, "fsck -n" to find nothing, and
all files to be what the fixture's manifest says, as after the undisturbed run. The seed is printed
first; with it the moments are the same as far as the machine's speed is.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), 'lib'),
                os.path.join(os.path.dirname(HERE), 'reference')]
sys.dont_write_bytecode = True

import fscktest     # noqa: E402
import images       # noqa: E402
import run          # noqa: E402

BASE = 'small-138'
#: name, what is done to the image: a script for debug-edit; behind "!", another command; None: it
#: is stripped, all of its allocation information is made anew.
DAMAGES = [
    ('indexes', 'drop-btree backpointers\ndrop-btree lru\ndrop-btree need_discard\n'
                'drop-btree bucket_gens\n'),
    ('freespace', 'drop-btree freespace\n' + ''.join(
        'set alloc first:data_type=user,dirty_sectors=256 dirty_sectors=%d\n' % n
        for n in range(100, 140))),
    ('everything', 'drop-btree freespace\ndrop-btree backpointers\ndrop-btree lru\n'
                   'drop-btree need_discard\ndrop-btree bucket_gens\n'),
    ('stripped', None),
    ('pointers', 'delete inodes:1 0:2147484871:U32_MAX\ndelete inodes:1 last\n'
                 'delete dirents:1 first\ndelete dirents:1 first\n'),
    ('roots', '!kill_btree_node -n inodes:1 -n dirents:1 -n alloc -n backpointers'),
]


class Failed(Exception):
    pass


def expect(cond, what, r):
    if not cond:
        raise Failed('%s\n%r' % (what, r))


class Target:
    """One damaged image and how long its repair takes."""

    def __init__(self, name, script, cache, work):
        self.name, self.work = name, os.path.join(work, name)
        os.makedirs(self.work)
        self.damaged = cache.copy(BASE, self.work)[0]
        if script and script.startswith('!'):
            run.bcachefs(*script[1:].split(), self.damaged, rc=0)
        elif script:
            run.bcachefs('debug-edit', self.damaged, '-', stdin=script, rc=0)
        else:
            run.bcachefs('strip-alloc', self.damaged, rc=0)
        self.image = self.damaged + '.now'
        self.fresh()
        start = time.monotonic()
        r = run.bcachefs('fsck', '-y', self.image, timeout=60)
        self.seconds = time.monotonic() - start
        expect(r.rc in (0, 1), '%s: undisturbed repair' % name, r)
        self.check()

    def fresh(self):
        subprocess.run(['cp', '--sparse=always', self.damaged, self.image], check=True)

    def killed_after(self, seconds):
        """-> was it killed before it ended?"""
        p = subprocess.Popen([run.BINARY, 'fsck', '-y', self.image], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                             env=run.environment())
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
        return p.returncode == -signal.SIGKILL

    def check(self):
        r = run.bcachefs('fsck', '-n', self.image, rc=0, timeout=60)
        diff = fscktest.compare_files(BASE, [self.image], self.work)
        expect(not diff, '%s: files differ: %s' % (self.name, '; '.join(diff[:5])), r)

    def round(self, rng):
        """-> number of kills that hit"""
        self.fresh()
        hits = self.killed_after(rng.uniform(0.01, 1.05 * self.seconds))
        while rng.random() < 0.3:
            hits += self.killed_after(rng.uniform(0.01, 1.05 * self.seconds))
        r = run.bcachefs('fsck', '-y', self.image, timeout=60)
        expect(r.rc in (0, 1), '%s: the repair after the kill' % self.name, r)
        self.check()
        return hits


def main():
    p = argparse.ArgumentParser(description='Kill repairs at random moments.')
    p.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument('--kills', type=int, default=200)
    p.add_argument('--work', help='directory for images; those of a failure are left in it')
    a = p.parse_args()
    rng = random.Random(a.seed)
    work = tempfile.mkdtemp(prefix='kill-fsck-', dir=a.work)
    print('seed %d' % a.seed, flush=True)

    cache = images.Cache(os.path.join(work, 'images'))
    hits = rounds = 0
    try:
        targets = [Target(name, script, cache, work) for name, script in DAMAGES]
        while hits < a.kills:
            hits += rng.choice(targets).round(rng)
            rounds += 1
            if rounds > 3 * a.kills + 10:
                raise Failed('the repairs are over before they can be killed')
            if rounds % 20 == 0:
                print('%d repairs, %d kills' % (rounds, hits), flush=True)
    except (Failed, AssertionError) as e:
        print('FAILED with seed %d in round %d, images are in %s\n%s' % (a.seed, rounds, work, e))
        return 1
    shutil.rmtree(work)
    print('%d repairs, %d kills, nothing lost' % (rounds, hits))
    return 0


if __name__ == '__main__':
    sys.exit(main())
