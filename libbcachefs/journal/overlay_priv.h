/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of the overlay: how logical indexes map to the array, and searching.
 * For journal/overlay*.c only.
 */
#ifndef _BCACHEFS_JOURNAL_OVERLAY_PRIV_H
#define _BCACHEFS_JOURNAL_OVERLAY_PRIV_H

#include "bcachefs.h"
#include "util/bpos.h"

/* The @idx-th key, idx < keys->nr. */
static inline struct journal_key *overlay_key(const struct journal_keys *keys, size_t idx)
{
	return keys->data + idx + (idx >= keys->gap ? keys->size - keys->nr : 0);
}

/* Order of two places: level descending, btree, position (spec 22 §8.1). */
static inline int overlay_place_cmp(const struct journal_key *l, unsigned btree, unsigned level,
				    struct bpos pos)
{
	if (l->level != level)
		return l->level > level ? -1 : 1;
	if (l->btree_id != btree)
		return l->btree_id < btree ? -1 : 1;
	return bpos_cmp(l->k->k.p, pos);
}

static inline int overlay_key_place_cmp(const struct journal_key *l, const struct journal_key *r)
{
	return overlay_place_cmp(l, r->btree_id, r->level, r->k->k.p);
}

/* Does @k belong to this level of this btree? */
static inline bool overlay_same_tree(const struct journal_key *k, unsigned btree, unsigned level)
{
	return k->level == level && k->btree_id == btree;
}

/* Accounting values are deltas: they do not hide each other. */
static inline bool overlay_is_delta(const struct journal_key *k)
{
	return k->btree_id == BTREE_ID_accounting && !k->level &&
		k->k->k.type == KEY_TYPE_accounting;
}

/* First index whose key is at or behind the place; with @after: strictly behind. */
size_t overlay_search(const struct journal_keys *keys, unsigned btree, unsigned level,
		      struct bpos pos, bool after);

/* --- overlay_overwrite.c --- */

void overlay_skip_init(struct journal_keys *keys);
void overlay_skip_free(struct journal_keys *keys);
/* First index from @idx on whose key is not overwritten; keys->nr if none. */
size_t overlay_next_live(const struct journal_keys *keys, size_t idx);
/* 1 + the last index before @idx whose key is not overwritten; 0 if none. */
size_t overlay_prev_live(const struct journal_keys *keys, size_t idx);

#endif /* _BCACHEFS_JOURNAL_OVERLAY_PRIV_H */
