// SPDX-License-Identifier: GPL-2.0
/*
 * Overlay keys that have been superseded, and scanning past long stretches of
 * them (spec 22 section 8.5).
 *
 * Invariant: a key that is marked stays marked. Marking is serialised by
 * c->journal.keys.overwrite_lock (OV-4); readers take no lock. They find the next
 * key that counts in a hierarchy of bitmaps, where a bit above is set only after
 * the 64 below it: what a reader sees may be out of date, and then it looks at
 * keys one by one that it could have skipped, but it never skips a key that is
 * not overwritten. Nothing is allocated or freed while readers are about.
 *
 * Marking is for commits (btree/commit_overlay.c), interior updates and replay.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "journal/overlay.h"
#include "journal/overlay_priv.h"

#define SKIP_BITS	64

static size_t skip_words(const struct journal_keys *keys, unsigned level)
{
	size_t nr = keys->nr;

	for (unsigned i = 0; i <= level; i++)
		nr = DIV_ROUND_UP(nr, SKIP_BITS);
	return nr;
}

/**
 * overlay_skip_free - forget the bitmaps; nobody reads any more
 * @keys:	overlay
 */
void overlay_skip_free(struct journal_keys *keys)
{
	for (unsigned i = 0; i < keys->nr_skip; i++) {
		kvfree(keys->skip[i]);
		keys->skip[i] = NULL;
	}
	keys->nr_skip = 0;
}

/* Set bit @i of level 0 and what follows from it. */
static void skip_set(struct journal_keys *keys, size_t i)
{
	for (unsigned l = 0; l < keys->nr_skip; l++) {
		u64 *w = keys->skip[l] + i / SKIP_BITS;

		WRITE_ONCE(*w, *w | 1ULL << (i % SKIP_BITS));
		if (~*w)
			break;
		i /= SKIP_BITS;
	}
}

/**
 * overlay_skip_init - begin to keep bitmaps, for the number of keys there is now
 * @keys:	overlay, about to be frozen; nobody else looks at it
 *
 * Without memory there are none, and scans are slower.
 */
void overlay_skip_init(struct journal_keys *keys)
{
	overlay_skip_free(keys);
	if (!keys->nr)
		return;

	for (unsigned l = 0; l < JOURNAL_KEYS_SKIP_LEVELS; l++) {
		const size_t words = skip_words(keys, l);
		const size_t bits = l ? skip_words(keys, l - 1) : keys->nr;

		keys->skip[l] = kvcalloc(words, sizeof(u64), GFP_KERNEL);
		if (!keys->skip[l]) {
			overlay_skip_free(keys);
			return;
		}
		/* bits behind the end are as good as overwritten */
		if (bits % SKIP_BITS)
			keys->skip[l][words - 1] = ~0ULL << (bits % SKIP_BITS);
		keys->nr_skip = l + 1;
		if (words == 1)
			break;
	}

	for (size_t i = 0; i < keys->nr; i++)
		if (overlay_key(keys, i)->overwritten)
			skip_set(keys, i);
}

/**
 * overlay_next_live - first key from an index on that is not overwritten
 * @keys:	overlay
 * @idx:	first index to look at
 *
 * Return: index, keys->nr if there is none.
 */
size_t overlay_next_live(const struct journal_keys *keys, size_t idx)
{
	unsigned l = 0;

	if (idx >= keys->nr || !READ_ONCE(overlay_key(keys, idx)->overwritten))
		return min(idx, keys->nr);
	if (!keys->nr_skip) {
		while (idx < keys->nr && READ_ONCE(overlay_key(keys, idx)->overwritten))
			idx++;
		return idx;
	}

	while (l < keys->nr_skip) {
		const size_t word = idx / SKIP_BITS;
		u64 w;

		if (word >= skip_words(keys, l))
			break;
		w = ~READ_ONCE(keys->skip[l][word]) & (~0ULL << (idx % SKIP_BITS));
		if (!w) {
			idx = word + 1;
			l++;
			continue;
		}
		idx = word * SKIP_BITS + __ffs64(w);
		if (!l)
			return min(idx, keys->nr);
		l--;
		idx *= SKIP_BITS;
	}
	return keys->nr;
}

/**
 * overlay_prev_live - last key before an index that is not overwritten
 * @keys:	overlay
 * @idx:	keys from here on do not count
 *
 * Return: 1 + its index, 0 if there is none.
 */
size_t overlay_prev_live(const struct journal_keys *keys, size_t idx)
{
	unsigned l = 0;

	if (!idx || !READ_ONCE(overlay_key(keys, idx - 1)->overwritten))
		return idx;
	if (!keys->nr_skip) {
		while (idx && READ_ONCE(overlay_key(keys, idx - 1)->overwritten))
			idx--;
		return idx;
	}

	/* idx: number of bits of level l that may be looked at */
	while (idx && l < keys->nr_skip) {
		const size_t word = (idx - 1) / SKIP_BITS;
		const u64 w = ~READ_ONCE(keys->skip[l][word]) &
			(~0ULL >> (SKIP_BITS - 1 - (idx - 1) % SKIP_BITS));

		if (!w) {
			idx = word;
			l++;
			continue;
		}
		idx = word * SKIP_BITS + fls64(w);
		if (!l)
			return idx;
		l--;
		idx *= SKIP_BITS;
	}
	return 0;
}

/**
 * bch2_journal_keys_find - the key at a place, overwritten or not
 * @c:		filesystem
 * @btree:	btree
 * @level:	level of the key
 * @pos:	position
 *
 * Accounting deltas are not found: they do not stand for their place (RP-2).
 *
 * Return: the key, NULL if there is none.
 */
struct journal_key *bch2_journal_keys_find(struct bch_fs *c, unsigned btree, unsigned level,
					   struct bpos pos)
{
	const struct journal_keys *keys = &c->journal.keys;
	const size_t i = overlay_search(keys, btree, level, pos, false);
	struct journal_key *k;

	if (i == keys->nr)
		return NULL;
	k = overlay_key(keys, i);
	return overlay_place_cmp(k, btree, level, pos) || overlay_is_delta(k) ? NULL : k;
}

/**
 * bch2_journal_key_mark_overwritten - one key is superseded from now on
 * @c:		filesystem; overwrite lock held
 * @k:		key of the overlay
 */
void bch2_journal_key_mark_overwritten(struct bch_fs *c, struct journal_key *k)
{
	struct journal_keys *keys = &c->journal.keys;
	size_t i = k - keys->data;

	lockdep_assert_held(&keys->overwrite_lock);
	if (k->overwritten)
		return;
	if (i >= keys->gap)
		i -= keys->size - keys->nr;
	WRITE_ONCE(k->overwritten, true);
	skip_set(keys, i);
}

/**
 * bch2_journal_keys_mark_overwritten - what the overlay has at a place is superseded
 * @c:		filesystem; overwrite lock held
 * @btree:	btree
 * @level:	level of the key
 * @pos:	position
 *
 * The caller commits, or has in memory, an update of the same place and still
 * holds what protects that place (SY-2).
 *
 * Return: journal sequence number of the key that was marked now; 0 if there was
 * none, it was marked before, or comes from no journal entry.
 */
u64 bch2_journal_keys_mark_overwritten(struct bch_fs *c, unsigned btree, unsigned level,
				       struct bpos pos)
{
	struct journal_key *k = bch2_journal_keys_find(c, btree, level, pos);

	if (!k || k->overwritten)
		return 0;
	bch2_journal_key_mark_overwritten(c, k);
	return k->journal_seq;
}
