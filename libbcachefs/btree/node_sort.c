// SPDX-License-Identifier: GPL-2.0
/*
 * The index of a node: live keys of all its bsets in order (spec 20 section 9).
 *
 * The bsets have been checked and each left one ascending run of key offsets,
 * oldest first. Neighbouring runs are merged until one is left; of equal
 * positions the newer run's key stays. Nothing is copied but 16 bit offsets.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/node_check.h"

/**
 * bch2_node_scratch_alloc - room for sorting nodes of up to @node_bytes
 * @node_bytes:	at most BTREE_NODE_SIZE_MAX
 * @block_bytes: smallest distance of two bsets
 *
 * NULL if there is no memory.
 */
struct btree_node_scratch *bch2_node_scratch_alloc(u32 node_bytes, u32 block_bytes)
{
	struct btree_node_scratch *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->words	= node_bytes / sizeof(u64);
	s->max_runs	= node_bytes / block_bytes;
	s->off[0]	= kvmalloc_array(s->words, sizeof(u16), GFP_KERNEL);
	s->off[1]	= kvmalloc_array(s->words, sizeof(u16), GFP_KERNEL);
	s->runs		= kvmalloc_array(s->max_runs + 1, sizeof(u32), GFP_KERNEL);
	if (s->off[0] && s->off[1] && s->runs)
		return s;
	bch2_node_scratch_free(s);
	return NULL;
}

/** bch2_node_scratch_free - free it; NULL is fine */
void bch2_node_scratch_free(struct btree_node_scratch *s)
{
	if (!s)
		return;
	kvfree(s->off[0]);
	kvfree(s->off[1]);
	kvfree(s->runs);
	kfree(s);
}

/* Merge ascending runs @l (older) and @r (newer) to @out; the number of keys left. */
static u32 merge_runs(const struct btree *b, u16 *out, const u16 *l, const u16 *l_end,
		      const u16 *r, const u16 *r_end)
{
	u16 *o = out;

	while (l < l_end && r < r_end) {
		const int cmp = bch2_bkey_cmp_packed(&b->unpack, btree_node_word(b, *l),
						     btree_node_word(b, *r));

		if (cmp < 0) {
			*o++ = *l++;
		} else {
			*o++ = *r++;
			l += !cmp;
		}
	}
	memcpy(o, l, (l_end - l) * sizeof(*l));
	o += l_end - l;
	memcpy(o, r, (r_end - r) * sizeof(*r));
	o += r_end - r;
	return o - out;
}

/* One round: pairs of neighbouring runs become one. */
static void merge_round(const struct btree *b, struct btree_node_scratch *s)
{
	u32 in = 0, out = 0, nr = 0;

	for (; in < s->nr_runs; in += 2, out++) {
		const u16 *src = s->off[0];
		const u32 l = s->runs[in];
		const u32 m = s->runs[in + 1];
		const u32 r = in + 1 < s->nr_runs ? s->runs[in + 2] : m;

		s->runs[out] = nr;
		nr += merge_runs(b, s->off[1] + nr, src + l, src + m, src + m, src + r);
	}
	s->runs[out]	= nr;
	s->nr_runs	= out;
	s->nr		= nr;
	swap(s->off[0], s->off[1]);
}

/* Keep what is not deleted; count words. */
static u32 drop_deleted(struct btree *b, struct btree_node_scratch *s)
{
	u16 *off = s->off[0];
	u32 i, nr = 0;

	b->live_u64s = 0;
	for (i = 0; i < s->nr; i++) {
		const struct bkey_packed *k = btree_node_word(b, off[i]);

		if (k->type == KEY_TYPE_deleted)
			continue;
		off[nr++] = off[i];
		b->live_u64s += k->u64s;
		b->stats.keys_packed += k->format == KEY_FORMAT_LOCAL_BTREE;
		b->stats.keys_unpacked += k->format != KEY_FORMAT_LOCAL_BTREE;
	}
	return nr;
}

/**
 * bch2_btree_node_sort - build the index of @b from the runs collected in @s
 *
 * 0 or -ENOMEM. Replaces b->idx.
 */
int bch2_btree_node_sort(struct btree *b, struct btree_node_scratch *s)
{
	u16 *idx;

	s->runs[s->nr_runs] = s->nr;
	while (s->nr_runs > 1)
		merge_round(b, s);

	b->stats.keys_packed = b->stats.keys_unpacked = 0;
	s->nr = drop_deleted(b, s);
	idx = kvmalloc_array(max(s->nr, 1U), sizeof(*idx), GFP_KERNEL);
	if (!idx)
		return -BCH_ERR_ENOMEM_btree_node_mem;
	memcpy(idx, s->off[0], s->nr * sizeof(*idx));
	kvfree(b->idx);
	b->idx		= idx;
	b->nr_keys	= s->nr;
	return 0;
}

/**
 * bch2_btree_node_search - index of the first live key of @b at or after @pos
 *
 * b->nr_keys if there is none.
 */
u32 bch2_btree_node_search(const struct btree *b, struct bpos pos)
{
	u32 l = 0, r = b->nr_keys;

	while (l < r) {
		const u32 m = l + (r - l) / 2;

		if (bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_key(b, m), pos) < 0)
			l = m + 1;
		else
			r = m;
	}
	return l;
}
