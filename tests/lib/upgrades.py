# SPDX-License-Identifier: GPL-2.0
"""Filesystems of older versions, brought to the current one by `fsck -y`."""
import functools
import os
import re
import subprocess
import sys
import tempfile

import fscktest
import images
import run

# Kinds of differences that the witness may find: what passes of their own are for, and empty buckets
# whose sequence numbers older software left.
WITNESS_FINE = re.compile(r'\[(reconcile|bi_sectors|snapshot_tree|dirent|free with)|'
                          r'\[alloc-rule\] \w+ with j|\[accounting\] rebalance_work')


@functools.lru_cache(maxsize=1)
def missing_passes():
    """Passes of the upgrade that this build does not have: left out, they stay required."""
    with tempfile.TemporaryDirectory() as d:
        dev = images.Cache(d).get('small-612')
        r = run.bcachefs('fsck', '-y', *dev)
    m = re.search(r'these passes of the upgrade are not available: (.*)', r.text)
    return m.group(1).split(', ') if m else []


def without(missing):
    return ['-o', 'recovery_passes_exclude=' + ';'.join(missing)] if missing else []


def fsck(how, devs, missing, *args, **kw):
    """-> report of a run that ended without errors; the messages are in report['text']."""
    r, report = fscktest.fsck(how, *args, *without(missing), devs=devs, **kw)
    assert report is not None and r.rc in (0, 1), repr(r)
    ids = {e['id'] for e in report['errors']}
    assert not ids and r.rc == 0, '%s\n%r' % (ids, r)
    report['text'] = r.err
    return report


def versions(dev):
    out = run.bcachefs('show-super', '-f', 'ext', dev, rc=0).out
    get = lambda what: re.search(r'^%s:\s+.*\((\d+\.\d+)\)$' % what, out, re.M).group(1)
    return {'version': get('Version'), 'complete': get('Version upgrade complete'),
            'required': re.search(r'^Recovery passes required:\s*(\S*)$', out, re.M).group(1)}


def witness(devs):
    """What the reference decoder finds wrong with derived metadata: its lines, as a set."""
    script = os.path.join(os.path.dirname(images.HERE), 'reference', 'alloc_check.py')
    p = subprocess.run([sys.executable, '-B', script, *devs], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=120)
    text = p.stdout.decode('utf-8', 'replace')
    assert 'PROBLEMS' in text, text[-2000:]
    return {l.strip() for l in text.split('PROBLEMS', 1)[1].splitlines()[1:]}
