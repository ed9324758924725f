// SPDX-License-Identifier: GPL-2.0
/*
 * The overlay: building it from the entries of the replay window, and looking
 * things up in it.
 *
 * Invariant: the keys are sorted by (level descending, btree, position); every
 * position occurs once, except that accounting deltas of one position stand
 * next to each other, oldest first (spec 22 §8.1). Keys point into the journal
 * entries, which therefore live as long as the overlay, or are allocated.
 *
 * Lookups are for anybody who reads btrees: btree iterators merge what they
 * return over the nodes (OV-1, OV-2). They take no lock; see overlay.h for who
 * may change what when.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/overlay.h"
#include "journal/overlay_priv.h"
#include "journal/read.h"
#include "journal/validate.h"
#include "util/log.h"

/* --- searching --- */

/**
 * overlay_search - binary search
 * @keys:	overlay
 * @btree:	btree
 * @level:	level of the keys
 * @pos:	position
 * @after:	look for keys strictly behind the place
 *
 * Return: index of the first key at or behind the place, keys->nr if none.
 */
size_t overlay_search(const struct journal_keys *keys, unsigned btree, unsigned level,
		      struct bpos pos, bool after)
{
	size_t l = 0, r = keys->nr;

	while (l < r) {
		const size_t m = l + (r - l) / 2;
		const int cmp = overlay_place_cmp(overlay_key(keys, m), btree, level, pos);

		if (cmp < 0 || (after && !cmp))
			l = m + 1;
		else
			r = m;
	}
	return l;
}

/* How far a hint is followed before searching is cheaper. */
#define OVERLAY_HINT_STEPS	8

/*
 * overlay_search(), starting from @hint. Scans come back with slowly rising
 * positions, so the answer is usually the hint itself or a few keys behind it.
 */
static size_t overlay_search_hint(const struct journal_keys *keys, unsigned btree,
				  unsigned level, struct bpos pos, bool after, size_t hint)
{
	if (hint > keys->nr)
		goto search;
	if (hint) {
		const int cmp = overlay_place_cmp(overlay_key(keys, hint - 1), btree, level, pos);

		if (cmp > 0 || (!cmp && !after))
			goto search;
	}

	for (size_t i = hint; i < keys->nr && i < hint + OVERLAY_HINT_STEPS; i++) {
		const int cmp = overlay_place_cmp(overlay_key(keys, i), btree, level, pos);

		if (cmp > 0 || (!cmp && !after))
			return i;
	}
	if (keys->nr <= hint + OVERLAY_HINT_STEPS)
		return keys->nr;
search:
	return overlay_search(keys, btree, level, pos, after);
}

/**
 * bch2_journal_keys_peek_max - first overlay key of a range
 * @c:		filesystem
 * @btree:	btree
 * @level:	0 for leaf keys; n: pointers to nodes of level n - 1
 * @pos:	first position of the range
 * @end:	last position of the range, inclusive
 * @idx:	hint: any value at first, afterwards what the last call left
 *
 * Keys of type deleted are returned too: they hide the btree's key. Positions
 * are compared literally, extents by their end (spec 22 §8.2). Accounting
 * deltas: the oldest one of the position.
 *
 * Return: the key, or NULL. Valid as long as nothing is inserted.
 */
struct bkey_i *bch2_journal_keys_peek_max(struct bch_fs *c, enum btree_id btree, unsigned level,
					  struct bpos pos, struct bpos end, size_t *idx)
{
	const struct journal_keys *keys = &c->journal.keys;
	size_t i;

	if (!keys->nr)
		return NULL;

	i = overlay_search_hint(keys, btree, level, pos, false, *idx);
	*idx = i;
	i = overlay_next_live(keys, i);
	if (i < keys->nr) {
		const struct journal_key *k = overlay_key(keys, i);

		if (overlay_same_tree(k, btree, level) && bpos_le(k->k->k.p, end)) {
			*idx = i;
			return k->k;
		}
	}
	return NULL;
}

/**
 * bch2_journal_keys_peek_prev_min - last overlay key of a range
 * @c:		filesystem
 * @btree:	btree
 * @level:	level of the key
 * @pos:	last position of the range
 * @end:	first position of the range, inclusive
 * @idx:	hint as for bch2_journal_keys_peek_max()
 *
 * Return: the key, or NULL.
 */
struct bkey_i *bch2_journal_keys_peek_prev_min(struct bch_fs *c, enum btree_id btree,
					       unsigned level, struct bpos pos, struct bpos end,
					       size_t *idx)
{
	const struct journal_keys *keys = &c->journal.keys;
	size_t i;

	if (!keys->nr)
		return NULL;

	i = overlay_search_hint(keys, btree, level, pos, true, *idx);
	*idx = i;
	i = overlay_prev_live(keys, i);
	if (i) {
		const struct journal_key *k = overlay_key(keys, i - 1);

		if (overlay_same_tree(k, btree, level) && bpos_ge(k->k->k.p, end)) {
			*idx = i - 1;
			return k->k;
		}
	}
	return NULL;
}

/**
 * bch2_journal_keys_peek_slot - the overlay key at exactly one position
 * @c:		filesystem
 * @btree:	btree
 * @level:	level of the key
 * @pos:	position
 *
 * Return: the key, which may be of type deleted, or NULL: the btree decides.
 */
struct bkey_i *bch2_journal_keys_peek_slot(struct bch_fs *c, enum btree_id btree, unsigned level,
					   struct bpos pos)
{
	size_t idx = SIZE_MAX;

	return bch2_journal_keys_peek_max(c, btree, level, pos, pos, &idx);
}

/**
 * bch2_journal_keys_nr_above - number of keys of a btree above a level
 * @c:		filesystem
 * @btree:	btree
 * @level:	keys of this level and below are not counted
 */
u64 bch2_journal_keys_nr_above(struct bch_fs *c, unsigned btree, unsigned level)
{
	const struct journal_keys *keys = &c->journal.keys;
	u64 nr = 0;

	/* interior levels come first, and are few */
	for (size_t i = 0; i < keys->nr && overlay_key(keys, i)->level > level; i++)
		nr += overlay_key(keys, i)->btree_id == btree;
	return nr;
}

/* --- iterator --- */

/**
 * bch2_journal_iter_init - stand at the first key at or behind a position
 * @c:		filesystem
 * @iter:	iterator; needs no exit
 * @btree:	btree
 * @level:	level of the keys
 * @pos:	first position
 */
void bch2_journal_iter_init(struct bch_fs *c, struct journal_iter *iter, enum btree_id btree,
			    unsigned level, struct bpos pos)
{
	struct journal_keys *keys = &c->journal.keys;

	*iter = (struct journal_iter) {
		.keys		= keys,
		.pos		= pos,
		.idx		= overlay_search(keys, btree, level, pos, false),
		.gen		= keys->gen,
		.btree_id	= btree,
		.level		= level,
	};
}

/* Insertions and deletions have moved things: find the place again. */
static void journal_iter_refresh(struct journal_iter *iter)
{
	if (likely(iter->gen == iter->keys->gen))
		return;

	iter->idx = overlay_search(iter->keys, iter->btree_id, iter->level, iter->pos, iter->after);
	iter->gen = iter->keys->gen;
}

/**
 * bch2_journal_iter_peek - the key the iterator stands at
 * @iter:	iterator
 *
 * Skips overwritten keys. Insertions and deletions since the last call are
 * taken into account: a key put behind the current position is met, one put
 * before it is not.
 *
 * Return: the key, NULL behind the last one of this level of the btree.
 */
struct bkey_i *bch2_journal_iter_peek(struct journal_iter *iter)
{
	journal_iter_refresh(iter);

	iter->idx = overlay_next_live(iter->keys, iter->idx);
	if (iter->idx < iter->keys->nr) {
		const struct journal_key *k = overlay_key(iter->keys, iter->idx);

		if (overlay_same_tree(k, iter->btree_id, iter->level))
			return k->k;
	}
	return NULL;
}

/**
 * bch2_journal_iter_advance - step behind the key that peek returned
 * @iter:	iterator
 */
void bch2_journal_iter_advance(struct journal_iter *iter)
{
	const struct bkey_i *k = bch2_journal_iter_peek(iter);

	if (!k)
		return;
	iter->pos = k->k.p;
	iter->after = true;
	iter->idx++;
}

/**
 * bch2_journal_iter_next - advance, then peek
 * @iter:	iterator
 *
 * Return: as bch2_journal_iter_peek().
 */
struct bkey_i *bch2_journal_iter_next(struct journal_iter *iter)
{
	bch2_journal_iter_advance(iter);
	return bch2_journal_iter_peek(iter);
}

/* --- building --- */

/**
 * bch2_journal_keys_add - append a key; order does not matter yet
 * @keys:	overlay being built, without a gap in use
 * @k:		key, copied; what it points to must stay
 *
 * Callers append in ascending age, or sort by journal_seq and journal_offset
 * decides (bch2_journal_keys_sort_dedup()).
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_journal_keys_add(struct journal_keys *keys, const struct journal_key *k)
{
	if (keys->nr == keys->size) {
		const size_t size = max_t(size_t, 64, keys->size * 2);
		struct journal_key *d = kvmalloc_array(size, sizeof(*d), GFP_KERNEL);

		if (!d)
			return -ENOMEM;
		if (keys->nr)
			memcpy(d, keys->data, keys->nr * sizeof(*d));
		kvfree(keys->data);
		keys->data = d;
		keys->size = size;
	}
	keys->data[keys->nr++] = *k;
	keys->gap = keys->nr;
	return 0;
}

/*
 * Full order: place, then age. Keys without a journal sequence number were made
 * in memory and are the newest (spec 30 §12). Of two keys taken back by the same
 * rewind the older one comes last, so that it is the one that stays.
 */
static int overlay_key_cmp(const struct journal_key *l, const struct journal_key *r)
{
	const int cmp = overlay_key_place_cmp(l, r);
	int age;

	if (cmp)
		return cmp;
	if (!l->journal_seq != !r->journal_seq)
		return l->journal_seq ? -1 : 1;
	age = l->journal_seq != r->journal_seq
		? (l->journal_seq < r->journal_seq ? -1 : 1)
		: (int) (l->journal_offset > r->journal_offset) -
		  (int) (l->journal_offset < r->journal_offset);
	return l->rewind && l->rewind == r->rewind ? -age : age;
}

static int overlay_sort_cmp(const void *l, const void *r)
{
	return overlay_key_cmp(l, r);
}

/* Merge the sorted runs src[l, m) and src[m, r) into dst[l, r). */
static void overlay_merge_runs(struct journal_key *dst, const struct journal_key *src,
			       size_t l, size_t m, size_t r)
{
	size_t i = l, j = m, o = l;

	/* runs that do not overlap: common, most transactions go forward */
	if (m >= r || overlay_key_cmp(&src[m - 1], &src[m]) <= 0) {
		memcpy(dst + l, src + l, (r - l) * sizeof(*dst));
		return;
	}
	while (i < m && j < r)
		dst[o++] = overlay_key_cmp(&src[i], &src[j]) <= 0 ? src[i++] : src[j++];
	memcpy(dst + o, src + i, (m - i) * sizeof(*dst));
	o += m - i;
	memcpy(dst + o, src + j, (r - j) * sizeof(*dst));
}

/* Bottom-up merge sort: linear memory, no recursion, few cache misses. */
static void overlay_sort(struct journal_keys *keys)
{
	struct journal_key *src = keys->data, *dst;

	dst = kvmalloc_array(max_t(size_t, keys->size, 1), sizeof(*dst), GFP_KERNEL);
	if (!dst) {
		sort(keys->data, keys->nr, sizeof(*keys->data), overlay_sort_cmp, NULL);
		return;
	}

	for (size_t run = 1; run < keys->nr; run *= 2) {
		for (size_t l = 0; l < keys->nr; l += 2 * run)
			overlay_merge_runs(dst, src, l, min(l + run, keys->nr),
					   min(l + 2 * run, keys->nr));
		swap(src, dst);
	}
	keys->data = src;
	kvfree(dst);
}

/**
 * bch2_journal_keys_sort_dedup - make an overlay of appended keys
 * @keys:	what bch2_journal_keys_add() has collected
 *
 * Sorts, and keeps the newest key of each position; accounting deltas are all
 * kept, unless something that is no delta came after them (spec 22 §8.1).
 * Allocated keys that lose are freed.
 */
void bch2_journal_keys_sort_dedup(struct journal_keys *keys)
{
	struct journal_key *dst = keys->data;

	if (!keys->nr)
		return;
	overlay_sort(keys);

	dst = keys->data;
	for (size_t i = 0; i < keys->nr; i++) {
		const struct journal_key k = keys->data[i];

		while (dst > keys->data && !overlay_key_place_cmp(dst - 1, &k) &&
		       !(overlay_is_delta(dst - 1) && overlay_is_delta(&k))) {
			dst--;
			if (dst->allocated)
				kfree(dst->k);
		}
		*dst++ = k;
	}
	keys->nr = dst - keys->data;
	keys->gap = keys->nr;
	keys->gen++;
}

/* 1 + index of the rewind that takes @seq back, the one that goes furthest; or 0. */
static unsigned journal_seq_rewind(const struct bch_fs *c, u64 seq)
{
	unsigned ret = 0;

	for (unsigned i = 0; i < c->journal.nr_rewinds; i++) {
		const struct journal_rewind_range *r = &c->journal.rewinds[i];

		if (seq > r->to && seq <= r->from &&
		    (!ret || r->to < c->journal.rewinds[ret - 1].to))
			ret = i + 1;
	}
	return ret;
}

/* Which sub-entries of a record are collected (spec 22 §8.1 step 1). */
static bool overlay_wants(const struct jset_entry *e, unsigned rewound)
{
	if (rewound && !e->level && !btree_id_is_alloc(e->btree_id))
		return e->type == BCH_JSET_ENTRY_overwrite;
	return jset_entry_is_replayed(e);
}

static int overlay_collect_entry(struct bch_fs *c, const struct journal_replay *r)
{
	struct journal_keys *keys = &c->journal.keys;
	const unsigned rewound = journal_seq_rewind(c, r->seq);
	int ret;

	if (rewound && !JSET_HAS_OVERWRITES(r->j)) {
		bch_err(c, "journal entry %llu cannot be taken back: it does not say what it "
			   "overwrote",
			r->seq);
		return -BCH_ERR_journal_rewind_no_overwrites;
	}

	for_each_jset_entry(e, r->j) {
		if (!overlay_wants(e, rewound))
			continue;

		jset_entry_for_each_key(e, k) {
			struct journal_key n = {
				.journal_seq	= r->seq,
				.journal_offset	= (u64 *) k - (u64 *) r->j->_data,
				.btree_id	= e->btree_id,
				.level		= e->level,
				.rewind		= e->type == BCH_JSET_ENTRY_overwrite ? rewound : 0,
				.k		= k,
			};

			/* meant for the memory of whoever wrote it (spec 30 §12) */
			if (k->k.type == KEY_TYPE_btree_ptr_v2 &&
			    bkey_val_bytes(&k->k) >= sizeof(struct bch_btree_ptr_v2))
				((struct bch_btree_ptr_v2 *) &k->v)->mem_ptr = 0;

			ret = bch2_journal_keys_add(keys, &n);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * bch2_journal_keys_sort - build the overlay from the replay window
 * @c:	filesystem; bch2_journal_read() has succeeded
 *
 * Keys of entries that are ignored, or older than the window, do not take part;
 * entries in a rewind range give what they overwrote (spec 22 §8.1, spec 30
 * §12, §13). Keys inserted before are kept as the newest. c->journal.keys_read
 * counts what was collected.
 *
 * Return: 0, -ENOMEM, or -BCH_ERR_journal_rewind_no_overwrites.
 */
int bch2_journal_keys_sort(struct bch_fs *c)
{
	struct journal_keys *keys = &c->journal.keys;
	const struct journal_start_info *info = &c->journal.start;
	int ret;

	/* without a window an entry may be in use, but only for its roots */
	for (size_t i = 0; info->seq_read_end && i < c->journal.entries.nr; i++) {
		const struct journal_replay *r = c->journal.entries.d[i];

		if (journal_replay_ignore(r) || !r->j)
			continue;
		if (r->seq < info->seq_read_start && !journal_seq_rewind(c, r->seq))
			continue;

		ret = overlay_collect_entry(c, r);
		if (ret)
			return ret;
	}

	c->journal.keys_read = keys->nr;
	bch2_journal_keys_sort_dedup(keys);
	bch_info(c, "Journal keys: %llu read, %zu after sorting and compacting",
		 c->journal.keys_read, keys->nr);
	return 0;
}
