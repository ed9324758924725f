/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pass accounting_read: counters of the btree and deltas of the journal come
 * together (spec 41 section 3.3).
 */
#ifndef _BCACHEFS_INIT_ACCOUNTING_READ_H
#define _BCACHEFS_INIT_ACCOUNTING_READ_H

struct bch_fs;

int bch2_accounting_read(struct bch_fs *c);

#endif /* _BCACHEFS_INIT_ACCOUNTING_READ_H */
