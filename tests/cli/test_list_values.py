# SPDX-License-Identifier: GPL-2.0
"""list: every key of every image, value and all, as an independent decoder reads it.

That also shows that no key of an undamaged image fails validation: it would be left out.
"""
import pytest

import images
import keytext
import run
from damage import bcr

# Between them these have every layout that occurs in an image, merged with a journal or not.
QUICK = ('cached-138', 'casefold-138', 'comp-138', 'comp-gzip-616', 'multi3-ec-138', 'nocow-falloc-138',
         'quota-616', 'small-612', 'snaps-138', 'unclean-612-1', 'unclean-616-2')
# 700,000 keys are too many for a decoder in Python; test_list.py counts them.
NAMES = [n for n in images.NAMES if n != 'big-616']


def blocks(out):
    """The keys in the output, each with the lines that belong to it."""
    at = (b'\n' + out).find(b'\nu64s ')
    return [b'u64s ' + b for b in (b'\n' + out)[at + len(b'\nu64s '):].split(b'\nu64s ')] \
        if at >= 0 else []


@pytest.mark.parametrize('name', [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow)
                                  for n in NAMES])
def test_values(name, cache):
    devs = cache.get(name)
    secret = images.needs_passphrase(name)
    fs = bcr.FS(devs, images.PASSPHRASE if secret else None)
    if not fs.sb.initialized:
        pytest.skip('only formatted: no keys yet')
    text = keytext.KeyText(fs, devs)

    for btree in bcr.BTREES:
        want = [text.key_text(k) for k in fs.keys(bcr.B[btree])]
        r = run.bcachefs('list', '-b', btree, *devs, devices=devs, rc=0,
                         stdin=images.PASSPHRASE + '\n' if secret else None)
        assert 'invalid bkey' not in r.text
        got = blocks(r.raw_out)
        for g, w in zip(got, want):
            assert g.rstrip(b'\n ') == w.rstrip(b'\n '), btree
        assert len(got) == len(want), btree
