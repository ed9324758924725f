/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Room for a copy of a key that must outlive an iterator. Small keys live in the
 * struct itself, so most copies allocate nothing; exit frees what did not fit.
 */
#ifndef _BCACHEFS_BTREE_BKEY_BUF_H
#define _BCACHEFS_BTREE_BKEY_BUF_H

#include <linux/slab.h>

#include "btree/bkey.h"

#define BKEY_BUF_INLINE_U64s	24

struct bkey_buf {
	struct bkey_i		*k;
	u64			onstack[BKEY_BUF_INLINE_U64s];
};

static inline void bch2_bkey_buf_init(struct bkey_buf *s)
{
	s->k = (struct bkey_i *) s->onstack;
	bkey_init(&s->k->k);
}

static inline void bch2_bkey_buf_exit(struct bkey_buf *s)
{
	if ((u64 *) s->k != s->onstack)
		kfree(s->k);
	s->k = NULL;
}

/* Room for @u64s words; the content is kept. 0 or -ENOMEM. */
static inline int bch2_bkey_buf_realloc(struct bkey_buf *s, unsigned int u64s)
{
	struct bkey_i *n;

	if (u64s <= BKEY_BUF_INLINE_U64s || (u64 *) s->k != s->onstack)
		return 0;
	/* a key has at most 255 words: grow once */
	n = kmalloc(BKEY_U64s_MAX * sizeof(u64), GFP_KERNEL);
	if (!n)
		return -ENOMEM;
	memcpy(n, s->onstack, sizeof(s->onstack));
	s->k = n;
	return 0;
}

/* Copy @k. 0 or -ENOMEM. */
static inline int bch2_bkey_buf_reassemble(struct bkey_buf *s, struct bkey_s_c k)
{
	int ret = bch2_bkey_buf_realloc(s, k.k->u64s);

	if (!ret)
		bkey_reassemble(s->k, k);
	return ret;
}

static inline int bch2_bkey_buf_copy(struct bkey_buf *s, const struct bkey_i *k)
{
	return bch2_bkey_buf_reassemble(s, bkey_i_to_s_c(k));
}

#endif /* _BCACHEFS_BTREE_BKEY_BUF_H */
