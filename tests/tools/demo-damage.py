#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""demo-damage.py IMAGE: overwrite the first superblock copy, one leaf of the dirents btree, and a
part of the file large/8m, and say where."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'lib'), os.path.join(HERE, '..', 'reference')]

import damage       # noqa: E402


def main():
    devs = [sys.argv[1]]
    node = damage.nodes(devs, 'dirents', level=0)[1]
    start, data = damage.file_extents(devs, 'large/8m')[3]
    sb = damage.superblocks(devs)[0]
    damage.harm(devs, data, 'flip')
    print('one bit of large/8m at sector %d (file sector %d)' % (data.sector, start))
    damage.zero(devs[0], node.sector * 512, 4096)
    print('4096 bytes of a node of btree dirents at sector %d' % node.sector)
    damage.harm(devs, sb, 'zero')
    print('the superblock at sector %d' % sb.sector)


if __name__ == '__main__':
    main()
