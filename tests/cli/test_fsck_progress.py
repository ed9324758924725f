# SPDX-License-Identifier: GPL-2.0
"""fsck on a terminal tells how far it is; not elsewhere, and not while it asks."""
import re

import run
import terminal

LINE = re.compile(r'^\w+: (?:\d+%, done \d+/\d+|done \d+) nodes, at (\w+):\S+$', re.M)


def test_on_a_terminal(cache, monkeypatch):
    monkeypatch.setenv('BCACHEFS_PROGRESS_MS', '1')
    d, = cache.get('big-616')
    rc, out = terminal.talk('fsck', '-n', d, answer=None)
    assert rc == 0
    seen = LINE.findall(out)
    assert len(seen) > 3 and {'extents', 'dirents'} & set(seen), out
    for x in re.findall(r'(\d+)%', out):
        assert int(x) <= 100
    # every pass says that it is done, on a line of its own if it was interrupted
    assert len(re.findall(r' done \(\d+ seconds\)$', out, re.M)) > 5
    r = run.bcachefs('fsck', '-n', d, devices=[d], rc=0)
    assert not LINE.search(r.out) and not r.err
