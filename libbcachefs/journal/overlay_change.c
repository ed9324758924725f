// SPDX-License-Identifier: GPL-2.0
/*
 * Changes to the overlay before the filesystem is writable: updates of early
 * passes and of checks that keep their repairs in memory go here instead of
 * into btree nodes (spec 22 §8.3), and accounting deltas are merged.
 *
 * The array is kept with a gap where the last change was, so that a pass that
 * goes through a btree in order inserts in constant time. Only the thread that
 * runs the start may call this, and not after bch2_journal_keys_freeze()
 * (OV-3). Iterators notice changes by keys->gen.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "journal/overlay.h"
#include "journal/overlay_priv.h"
#include "sb/fsck_err.h"

/* Move the gap so that it lies before logical index @idx. */
static void overlay_move_gap(struct journal_keys *keys, size_t idx)
{
	const size_t gap_size = keys->size - keys->nr;

	if (idx < keys->gap)
		memmove(keys->data + idx + gap_size, keys->data + idx,
			(keys->gap - idx) * sizeof(*keys->data));
	else if (idx > keys->gap)
		memmove(keys->data + keys->gap, keys->data + keys->gap + gap_size,
			(idx - keys->gap) * sizeof(*keys->data));
	keys->gap = idx;
}

static int overlay_grow(struct journal_keys *keys)
{
	const size_t size = max_t(size_t, 64, keys->size + keys->size / 2);
	struct journal_key *d = kvmalloc_array(size, sizeof(*d), GFP_KERNEL);

	if (!d)
		return -ENOMEM;

	overlay_move_gap(keys, keys->nr);
	if (keys->nr)
		memcpy(d, keys->data, keys->nr * sizeof(*d));
	kvfree(keys->data);
	keys->data = d;
	keys->size = size;
	return 0;
}

/**
 * bch2_journal_keys_reserve - insertions that will not fail
 * @c:		filesystem, not writable yet
 * @nr:		so many of bch2_journal_key_insert_take() need no memory afterwards
 *
 * Return: 0, -ENOMEM, or -BCH_ERR_journal_keys_frozen.
 */
int bch2_journal_keys_reserve(struct bch_fs *c, size_t nr)
{
	struct journal_keys *keys = &c->journal.keys;

	if (keys->frozen)
		return -BCH_ERR_journal_keys_frozen;
	while (keys->size - keys->nr < nr) {
		int ret = overlay_grow(keys);

		if (ret)
			return ret;
	}
	return 0;
}

static void overlay_key_free(struct journal_key *k)
{
	if (k->allocated)
		kfree(k->k);
	k->allocated = false;
}

/* Remove the logical indexes [start, end). */
static void overlay_remove(struct journal_keys *keys, size_t start, size_t end)
{
	if (start >= end)
		return;
	for (size_t i = start; i < end; i++)
		overlay_key_free(overlay_key(keys, i));
	overlay_move_gap(keys, end);
	keys->nr -= end - start;
	keys->gap = start;
	keys->gen++;
}

/* Add the counters of @src to those of @dst, in place; both are accounting keys. */
static void accounting_add(struct bkey_i *dst, struct bkey_s_c src)
{
	struct bch_accounting *d = (struct bch_accounting *) &dst->v;
	const struct bch_accounting *s = (const struct bch_accounting *) src.v;
	const unsigned nr = min(bkey_val_u64s(&dst->k), bkey_val_u64s(src.k));

	for (unsigned i = 0; i < nr; i++)
		le64_add_cpu(&d->d[i], le64_to_cpu(s->d[i]));
}

/* @k as a new, allocated accounting key with room for the counters of both. */
static struct bkey_i *accounting_dup(struct bkey_s_c k, unsigned val_u64s)
{
	struct bkey_i *n;

	val_u64s = min_t(unsigned, max(val_u64s, bkey_val_u64s(k.k)), BKEY_VAL_U64s_MAX);
	n = kzalloc((BKEY_U64s + val_u64s) * sizeof(u64), GFP_KERNEL);
	if (!n)
		return NULL;
	bkey_reassemble(n, k);
	n->k.u64s = BKEY_U64s + val_u64s;
	return n;
}

/*
 * There are keys at [start, end), all at the position of @n: decide what becomes
 * of them. 0: @n is to be inserted at *at; 1: it has been taken care of.
 */
static int overlay_insert_at_equal(struct journal_keys *keys, size_t start, size_t end,
				   struct journal_key *n, size_t *at)
{
	struct journal_key *last = overlay_key(keys, end - 1);

	if (overlay_is_delta(n) && overlay_is_delta(last)) {
		if (!last->journal_seq && !last->overwritten &&
		    bkey_val_u64s(&last->k->k) == bkey_val_u64s(&n->k->k)) {
			accounting_add(last->k, bkey_i_to_s_c(n->k));
			overlay_key_free(n);
			return 1;
		}
		*at = end;
		return 0;
	}

	/* everything else hides what was there */
	overlay_remove(keys, start + 1, end);
	last = overlay_key(keys, start);
	overlay_key_free(last);
	*last = *n;
	return 1;
}

/**
 * bch2_journal_key_insert_take - put a key into the overlay, giving it away
 * @c:		filesystem, not writable yet
 * @btree:	btree
 * @level:	level of the node that the key belongs in
 * @k:		kmalloc'd; belongs to the overlay afterwards, also on error
 *
 * Replaces what is at the position; an accounting delta is added to one that
 * was inserted before, and stands next to those of the journal (spec 22 §8.3).
 *
 * Return: 0, -ENOMEM, or -BCH_ERR_journal_keys_frozen (OV-3).
 */
int bch2_journal_key_insert_take(struct bch_fs *c, enum btree_id btree, unsigned level,
				 struct bkey_i *k)
{
	struct journal_keys *keys = &c->journal.keys;
	struct journal_key n = {
		.btree_id	= btree,
		.level		= level,
		.allocated	= true,
		.k		= k,
	};
	size_t start, end;
	int ret;

	if (keys->frozen) {
		kfree(k);
		return -BCH_ERR_journal_keys_frozen;
	}

	start	= overlay_search(keys, btree, level, k->k.p, false);
	end	= overlay_search(keys, btree, level, k->k.p, true);
	if (start != end && overlay_insert_at_equal(keys, start, end, &n, &start))
		return 0;

	if (keys->nr == keys->size) {
		ret = overlay_grow(keys);
		if (ret) {
			kfree(k);
			return ret;
		}
	}
	overlay_move_gap(keys, start);
	keys->data[keys->gap++] = n;
	keys->nr++;
	keys->gen++;
	return 0;
}

/**
 * bch2_journal_key_insert - put a copy of a key into the overlay
 * @c:		filesystem, not writable yet
 * @btree:	btree
 * @level:	level of the node that the key belongs in
 * @k:		key, copied
 *
 * Return: as bch2_journal_key_insert_take().
 */
int bch2_journal_key_insert(struct bch_fs *c, enum btree_id btree, unsigned level,
			    const struct bkey_i *k)
{
	struct bkey_i *n = kmalloc(bkey_bytes(&k->k), GFP_KERNEL);

	if (!n)
		return -ENOMEM;
	bkey_copy(n, k);
	return bch2_journal_key_insert_take(c, btree, level, n);
}

/**
 * bch2_journal_key_delete - hide whatever is at a position
 * @c:		filesystem, not writable yet
 * @btree:	btree
 * @level:	level of the node that the key belongs in
 * @pos:	position
 *
 * Return: as bch2_journal_key_insert_take().
 */
int bch2_journal_key_delete(struct bch_fs *c, enum btree_id btree, unsigned level,
			    struct bpos pos)
{
	struct bkey_i *n = kmalloc(sizeof(*n), GFP_KERNEL);

	if (!n)
		return -ENOMEM;
	bkey_init(&n->k);
	n->k.p = pos;
	return bch2_journal_key_insert_take(c, btree, level, n);
}

/**
 * bch2_journal_keys_delete_range - forget a range of the overlay
 * @c:		filesystem, not writable yet
 * @btree:	btree
 * @level_min:	lowest level
 * @level_max:	highest level
 * @start:	first position
 * @end:	last position, inclusive
 *
 * For btrees that are thrown away, or whose interior levels are made anew
 * (spec 22 §8.3). The btree's own keys show again.
 */
void bch2_journal_keys_delete_range(struct bch_fs *c, enum btree_id btree, unsigned level_min,
				    unsigned level_max, struct bpos start, struct bpos end)
{
	struct journal_keys *keys = &c->journal.keys;

	if (WARN_ON(keys->frozen))
		return;

	for (unsigned level = level_min; level <= level_max; level++)
		overlay_remove(keys, overlay_search(keys, btree, level, start, false),
			       overlay_search(keys, btree, level, end, true));
}

/**
 * bch2_journal_keys_freeze - from now on nothing is inserted or moved (OV-3)
 * @c:	filesystem
 */
void bch2_journal_keys_freeze(struct bch_fs *c)
{
	struct journal_keys *keys = &c->journal.keys;

	overlay_move_gap(keys, keys->nr);
	overlay_skip_init(keys);
	keys->frozen = true;
}

/**
 * bch2_journal_keys_put - drop a reference; the last one frees the overlay
 * @c:	filesystem
 *
 * The entries of the journal are not touched: they are freed after this, by
 * bch2_journal_entries_free().
 */
void bch2_journal_keys_put(struct bch_fs *c)
{
	struct journal_keys *keys = &c->journal.keys;

	if (!atomic_dec_and_test(&keys->ref))
		return;

	for (size_t i = 0; i < keys->nr; i++)
		overlay_key_free(overlay_key(keys, i));
	overlay_skip_free(keys);
	kvfree(keys->data);
	keys->data = NULL;
	keys->nr = keys->size = keys->gap = 0;
	keys->gen++;
}

/* --- accounting --- */

/* Fold the delta at @idx into *sum, which starts as a copy of the first one. */
static int accounting_fold(struct bch_fs *c, struct journal_key *k, struct bkey_i **sum,
			   unsigned val_u64s)
{
	int ret = 0;

	if (!*sum) {
		*sum = accounting_dup(bkey_i_to_s_c(k->k), val_u64s);
		return *sum ? 0 : -ENOMEM;
	}

	/* deltas made in memory have no version yet */
	log_fsck_err_on(k->journal_seq &&
			bversion_cmp(k->k->k.bversion, (*sum)->k.bversion) <= 0,
			c, accounting_key_version_out_of_order,
			"accounting deltas out of order at %llu:%llu:%u: version %u:%llu follows "
			"%u:%llu, continue?",
			k->k->k.p.inode, k->k->k.p.offset, k->k->k.p.snapshot,
			k->k->k.bversion.hi, k->k->k.bversion.lo,
			(*sum)->k.bversion.hi, (*sum)->k.bversion.lo);
	accounting_add(*sum, bkey_i_to_s_c(k->k));
	if (bversion_cmp(k->k->k.bversion, (*sum)->k.bversion) > 0)
		(*sum)->k.bversion = k->k->k.bversion;
fsck_err:
	return ret;
}

/* Widest value among the deltas of one position: nothing is cut off when summing. */
static unsigned accounting_val_u64s(const struct journal_keys *keys, size_t start, size_t end)
{
	unsigned ret = 0;

	for (size_t i = start; i < end; i++)
		ret = max(ret, bkey_val_u64s(&overlay_key(keys, i)->k->k));
	return ret;
}

/**
 * bch2_journal_accounting_merge - bring the deltas of one counter together
 * @c:		filesystem, not writable yet
 * @pos:	position of the counter
 * @btree_k:	what the accounting btree itself holds there; k NULL: nothing
 * @want_total:	the remaining key becomes the counter's value, btree included,
 *		so that lookups see what replay would leave; for starts that
 *		never replay. Otherwise it stays a delta, for replay.
 *
 * Deltas whose version is not newer than the btree's are in it already: they
 * are marked overwritten. The others are summed into one (spec 41 §3.3).
 *
 * Return: 0, -ENOMEM, or the decision on error
 * accounting_key_version_out_of_order.
 */
int bch2_journal_accounting_merge(struct bch_fs *c, struct bpos pos, struct bkey_s_c btree_k,
				  bool want_total)
{
	struct journal_keys *keys = &c->journal.keys;
	const size_t start = overlay_search(keys, BTREE_ID_accounting, 0, pos, false);
	const size_t end = overlay_search(keys, BTREE_ID_accounting, 0, pos, true);
	const bool have = btree_k.k && btree_k.k->type == KEY_TYPE_accounting;
	unsigned val_u64s = accounting_val_u64s(keys, start, end);
	struct journal_key *first = NULL;
	struct bkey_i *sum = NULL;
	int ret = 0;

	if (have)
		val_u64s = max(val_u64s, bkey_val_u64s(btree_k.k));

	for (size_t i = start; i < end; i++) {
		struct journal_key *k = overlay_key(keys, i);

		if (k->overwritten || !overlay_is_delta(k))
			continue;
		if (k->journal_seq && have &&
		    bversion_cmp(k->k->k.bversion, btree_k.k->bversion) <= 0) {
			k->overwritten = true;
			continue;
		}

		ret = accounting_fold(c, k, &sum, val_u64s);
		if (ret) {
			kfree(sum);
			return ret;
		}
		if (!first)
			first = k;
		else
			k->overwritten = true;
	}

	if (!first)
		return 0;
	if (want_total && have)
		accounting_add(sum, btree_k);

	overlay_key_free(first);
	first->k = sum;
	first->allocated = true;
	return 0;
}
