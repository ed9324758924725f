// SPDX-License-Identifier: GPL-2.0
/*
 * Checking the keys of one bset in place (spec 20 sections 9, 11.2): what can be
 * used is collected as a run of offsets, damaged keys are stepped over.
 *
 * Invariant: every collected offset is a key that lies wholly inside its bset,
 * has a size that fits its format, passed the generic checks, is inside the
 * node's range, and comes after the one collected before.
 */
#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/node_check.h"
#include "util/printbuf.h"

struct bset_walk {
	struct btree_node_check		*n;
	unsigned			version;
	u32				start;		/* words from the node's start */
	u32				word;		/* current key */
	u32				end;
	bool				have_prev;
	bool				prev_deleted;
	struct bpos			prev;
};

static struct bkey_validate_context node_context(const struct btree_node_check *n,
						 struct printbuf *err)
{
	return (struct bkey_validate_context) {
		.from	= BKEY_VALIDATE_btree_node,
		.level	= n->b->level,
		.btree	= n->b->btree_id,
		.flags	= BCH_VALIDATE_silent,
		.err	= err,
	};
}

/* Could a key start at @word? Judged silently. */
static bool key_plausible(const struct bset_walk *w, u32 word)
{
	const struct btree *b = w->n->b;
	const struct bkey_packed *k = btree_node_word(b, word);
	struct bkey u;

	if (!k->u64s || k->u64s > w->end - word || k->format > KEY_FORMAT_CURRENT ||
	    !bkey_packed_u64s_valid(b->unpack.key_u64s, k))
		return false;
	return !__bch2_bkey_validate(w->n->c, bkey_disassemble(b, k, &u),
				     node_context(w->n, NULL));
}

/* Where to go on behind a damaged key, whose length may be part of the damage. */
static u32 resync(const struct bset_walk *w)
{
	const struct bkey_packed *k = btree_node_word(w->n->b, w->word);
	const u32 next = w->word + k->u64s;
	u32 word;

	if (k->u64s && next <= w->end &&
	    (next == w->end || bch2_bkey_compat_needed(w->version) || key_plausible(w, next)))
		return next;
	if (bch2_bkey_compat_needed(w->version))
		return w->end;
	for (word = w->word + 1; word < w->end; word++)
		if (key_plausible(w, word))
			break;
	return word;
}

/* Key errors are repaired as if their ids were autofix (section 11.3). */
#define __key_problem(_w, _id, _flags, _fmt, ...)					\
	bch2_node_problem((_w)->n, _id, FSCK_CAN_FIX|(_flags), "bset byte offset %u: " _fmt, \
			  (unsigned) (((_w)->word - (_w)->start) * sizeof(u64)), ##__VA_ARGS__)
#define key_problem(_w, _id, _fmt, ...)							\
	__key_problem(_w, BCH_FSCK_ERR_##_id, 0, _fmt, ##__VA_ARGS__)
#define key_problem_autofix(_w, _id, _fmt, ...)						\
	__key_problem(_w, BCH_FSCK_ERR_##_id, FSCK_AUTOFIX, _fmt, ##__VA_ARGS__)

/* Structure of the key: 0 sound, 1 damaged and tolerated, negative: give up. */
static int key_frame_check(struct bset_walk *w, const struct bkey_packed *k)
{
	const unsigned key_u64s = w->n->b->unpack.key_u64s;

	if (k->format > KEY_FORMAT_CURRENT)
		return key_problem(w, btree_node_bkey_bad_format, "invalid key format %u",
				   k->format) ?: 1;
	if (!k->u64s || !bkey_packed_u64s_valid(key_u64s, k))
		return key_problem(w, btree_node_bkey_bad_u64s, "key of format %u has %u words",
				   k->format, k->u64s) ?: 1;
	return 0;
}

static int key_generic_check(struct bset_walk *w, struct bkey_s_c k)
{
	struct printbuf reason = PRINTBUF;
	struct bkey_validate_context from = node_context(w->n, NULL);
	u16 id = 0;
	int ret;

	ret = __bch2_bkey_validate(w->n->c, k, from);
	if (likely(!ret))
		return 0;
	/* Again, for the reason. */
	from.err	= &reason;
	from.err_id	= &id;
	__bch2_bkey_validate(w->n->c, k, from);
	prt_str(&reason, ": ");
	bch2_bkey_to_text(&reason, k.k);
	ret = __key_problem(w, id, FSCK_AUTOFIX, "invalid key: %s", printbuf_str(&reason)) ?: 1;
	printbuf_exit(&reason);
	return ret;
}

static int key_range_check(struct bset_walk *w, const struct bkey *k)
{
	const struct btree *b = w->n->b;

	if (w->n->ptr.range_updated)
		return 0;
	if (unlikely(bpos_lt(k->p, b->min_key)))
		return key_problem_autofix(w, bkey_before_start_of_btree_node,
				   "key at %llu:%llu:%u before start of node",
				   (u64) k->p.inode, (u64) k->p.offset, k->p.snapshot) ?: 1;
	if (unlikely(bpos_gt(k->p, b->max_key)))
		return key_problem_autofix(w, bkey_after_end_of_btree_node,
				   "key at %llu:%llu:%u past end of node",
				   (u64) k->p.inode, (u64) k->p.offset, k->p.snapshot) ?: 1;
	return 0;
}

/* Strictly ascending, except that a deleted key may precede a live one (section 9). */
static int key_order_check(struct bset_walk *w, const struct bkey *k)
{
	int cmp;

	if (!w->have_prev)
		return 0;
	cmp = bpos_cmp(w->prev, k->p);
	if (likely(cmp < 0) || (!cmp && w->prev_deleted && k->type != KEY_TYPE_deleted))
		return 0;
	return key_problem(w, btree_node_bkey_out_of_order,
			   "key at %llu:%llu:%u out of order after %llu:%llu:%u",
			   (u64) k->p.inode, (u64) k->p.offset, k->p.snapshot,
			   (u64) w->prev.inode, (u64) w->prev.offset, w->prev.snapshot) ?: 1;
}

/* Remember the current key, instead of a deleted one at the same place before it. */
static void key_collect(struct bset_walk *w, const struct bkey *k)
{
	struct btree_node_scratch *s = w->n->scratch;

	if (w->have_prev && bpos_eq(w->prev, k->p))
		s->nr--;
	s->off[0][s->nr++] = w->word;
	w->have_prev	= true;
	w->prev		= k->p;
	w->prev_deleted	= k->type == KEY_TYPE_deleted;
}

/* 0: good and collected; 1: to be stepped over; negative: give up. */
static int key_check(struct bset_walk *w)
{
	struct btree *b = w->n->b;
	struct bkey_packed *k = btree_node_word(b, w->word);
	struct bkey u;
	int ret;

	ret = key_frame_check(w, k);
	if (ret)
		return ret;
	if (unlikely(bch2_bkey_compat_needed(w->version)))
		bch2_bkey_packed_compat_read(b->level, b->btree_id, w->version, &b->format, k);

	ret =   key_generic_check(w, bkey_disassemble(b, k, &u)) ?:
		key_range_check(w, &u) ?:
		key_order_check(w, &u);
	if (!ret)
		key_collect(w, &u);
	return ret;
}

/**
 * bch2_bset_keys_check - check the keys of one bset and collect the good ones
 * @n:		check in progress; the node's format is valid
 * @version:	of the bset
 * @start:	first word of the keys, from the start of the node
 * @end:	word behind the last one; inside the buffer
 * @use:	false: the bset is to be ignored, nothing is collected
 *
 * 0, or the error that rejects the copy. Spec 20 section 11.2.
 */
int bch2_bset_keys_check(struct btree_node_check *n, unsigned version, u32 start, u32 end,
			 bool use)
{
	struct bset_walk w = { .n = n, .version = version, .start = start,
		.word = start, .end = end };
	struct btree_node_scratch *s = n->scratch;
	const u32 nr_before = s->nr;
	int ret;

	while (w.word < w.end) {
		const struct bkey_packed *k = btree_node_word(n->b, w.word);

		if (unlikely(k->u64s > w.end - w.word)) {
			ret = key_problem(&w, btree_node_bkey_past_bset_end,
					  "key of %u words extends past end of bset", k->u64s);
			if (ret)
				return ret;
			break;
		}
		ret = key_check(&w);
		if (unlikely(ret < 0))
			return ret;
		if (unlikely(ret)) {
			n->b->stats.keys_dropped++;
			w.word = resync(&w);
		} else {
			w.word += k->u64s;
		}
	}

	if (!use)
		s->nr = nr_before;
	else if (s->nr > nr_before)
		s->runs[s->nr_runs++] = nr_before;
	return 0;
}
