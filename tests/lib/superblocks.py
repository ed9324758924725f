# SPDX-License-Identifier: GPL-2.0
"""What the tests of commands that write superblocks share: where superblocks are, what changed on
a device, and the states that a power cut may leave behind."""
import os
import re

import bcr
import run

CHUNK = 1 << 20


def copies(path):
    """The valid superblock copies of a device, in layout order."""
    return bcr.Device(path).copies


def newest(path):
    return bcr.Device(path).sb


def places(path):
    """[(first byte, end)] that superblock copies of a device may use."""
    lay = bcr.Device(path).sb.layout
    return [(o * 512, (o + (1 << lay.bits)) * 512) for o in lay.offsets]


def differences(a, b):
    """[(first byte, end)] of the 512-byte sectors in which two files of one size differ."""
    out = []
    assert os.stat(a).st_size == os.stat(b).st_size
    with open(a, 'rb') as fa, open(b, 'rb') as fb:
        pos = 0
        while True:
            x, y = fa.read(CHUNK), fb.read(CHUNK)
            if not x:
                return out
            if x != y:
                for i in range(0, len(x), 512):
                    if x[i:i + 512] != y[i:i + 512]:
                        if out and out[-1][1] == pos + i:
                            out[-1] = (out[-1][0], pos + i + 512)
                        else:
                            out.append((pos + i, pos + i + 512))
            pos += len(x)


def only_superblocks_changed(before, after):
    """Nothing but the places of superblock copies may differ; every copy is valid, of one seq, and
    the next one."""
    for a, b in zip(before, after):
        where = places(a)
        assert places(b) == where
        for lo, hi in differences(a, b):
            assert any(p <= lo and hi <= q for p, q in where), \
                '%s: bytes %d to %d changed' % (b, lo, hi)
        new = copies(b)
        assert len(new) == len(where)
        assert {c.seq for c in new} == {max(newest(x).seq for x in before) + 1}
        assert newest(b).members[newest(b).dev_idx]['seq'] == newest(b).seq


def fields(path, *args):
    """The lines of show-super as {name: value}; the first of a name counts."""
    out = {}
    for line in run.bcachefs('show-super', *args, path, devices=[path], rc=0).out.split('\n'):
        m = re.match(r'\s*([^:]+):\s+(.*?)\s*$', line)
        if m:
            out.setdefault(m.group(1), m.group(2))
    return out


def chosen(value):
    """The current one of a list of choices."""
    m = re.search(r'\[(\w+)\]', value)
    return m.group(1) if m else value


def power_cuts(before, after):
    """Yields after making `after` what a power cut in the middle of its update leaves: copies up to
    some round are new, later ones old; of the round's own, some are new, some old, some torn. The
    last state is the complete update."""
    where = [[(lo, len(c.raw) + 511 & ~511) for (lo, _), c in zip(places(b), copies(b))]
             for b in after]
    new = [[read(b, at, n) for at, n in w] for b, w in zip(after, where)]
    old = [[read(b, at, n) for at, n in w] for b, w in zip(before, where)]
    rounds = max(len(w) for w in where)
    for k in range(rounds):
        for state in range(3 ** len(after)):
            done = []
            for i, path in enumerate(after):
                how = state // 3 ** i % 3
                done.append(k > 0 or how == 2)
                for j, (at, n) in enumerate(where[i]):
                    data = new[i][j] if j < k else old[i][j]
                    if j == k and how:
                        data = new[i][j] if how == 2 else new[i][j][:512] + old[i][j][512:]
                    write(path, at, data)
            yield any(done)


def read(path, at, n):
    with open(path, 'rb') as f:
        f.seek(at)
        return f.read(n)


def write(path, at, data):
    with open(path, 'r+b') as f:
        f.seek(at)
        f.write(data)
