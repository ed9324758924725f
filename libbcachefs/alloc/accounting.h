/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys of the accounting btree: named sets of up to three counters (spec 41).
 * The name is spread over the whole position; struct disk_accounting_pos is the
 * same 20 bytes in the order in which they are read.
 */
#ifndef _BCACHEFS_ALLOC_ACCOUNTING_H
#define _BCACHEFS_ALLOC_ACCOUNTING_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

bool bch2_accounting_pos_reversed(const struct bch_fs *c);
bool bch2_accounting_pos_is_old(struct bpos pos);
void bch2_accounting_pos_decode(struct disk_accounting_pos *acc, struct bpos pos, bool reversed);
struct bpos bch2_accounting_pos_encode(const struct disk_accounting_pos *acc);
unsigned int bch2_accounting_type_nr_counters(unsigned int type);
void bch2_accounting_name_to_text(struct printbuf *out, struct bch_fs *c,
				  const struct disk_accounting_pos *acc);

u64 bch2_accounting_counter(struct bkey_s_c k, unsigned int idx);
bool bch2_accounting_key_is_zero(struct bkey_s_c k);

int bch2_accounting_validate(struct bch_fs *c, struct bkey_s_c k,
			     struct bkey_validate_context from);
void bch2_accounting_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_accounting ((struct bkey_ops) {		\
	.key_validate	= bch2_accounting_validate,		\
	.val_to_text	= bch2_accounting_to_text,		\
	.min_val_size	= 8,					\
})

#endif /* _BCACHEFS_ALLOC_ACCOUNTING_H */
