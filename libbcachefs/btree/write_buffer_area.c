// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of the write buffer at rest: the two areas of a btree's buffer, sorting and
 * collapsing (spec 22 sections 3.4, 4.2).
 *
 * Invariant: an area holds its keys in the order in which they were journalled
 * (WB-1); its pin is on the oldest number among them, or on an older one. The
 * caller holds the lock of the area.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "journal/pins.h"

#define AREA_MIN_U64s	(1U << 12)

/* --- areas --- */

/* Room for @u64s more words. Waits for memory: what was journalled must get in. */
static void area_reserve(struct wb_area *a, u32 u64s)
{
	u32 want;
	u64 *n;

	if (likely(a->size - a->nr >= u64s))
		return;
	want = max(a->nr + u64s, max(a->size + a->size / 2, AREA_MIN_U64s));
	n = kvmalloc_array(want, sizeof(*n), GFP_NOFS|__GFP_NOFAIL);
	if (a->nr)
		memcpy(n, a->d, a->nr * sizeof(*n));
	kvfree(a->d);
	a->d	= n;
	a->size	= want;
}

/** bch2_wb_area_append - add a copy of @k, made by journal entry @seq */
void bch2_wb_area_append(struct btree_write_buffer *wb, struct wb_area *a, u64 seq,
			 const struct bkey_i *k)
{
	const u32 u64s = WB_KEY_HEADER_U64s + k->k.u64s;
	struct wb_key *w;

	area_reserve(a, u64s);
	w = wb_key_at(a, a->nr);
	w->seq		= seq;
	w->guard	= seq;
	w->u64s		= u64s;
	w->accumulated	= false;
	bkey_copy(&w->k, k);
	WRITE_ONCE(a->nr, a->nr + u64s);
	atomic_long_add(u64s, &wb->c->btree.wb.words_used);
}

static void area_shrink(struct btree_write_buffer *wb, struct wb_area *a, u32 nr)
{
	atomic_long_sub(a->nr - nr, &wb->c->btree.wb.words_used);
	WRITE_ONCE(a->nr, nr);
}

/** bch2_wb_area_clear - all keys are where they belong: forget them, drop the pin */
void bch2_wb_area_clear(struct btree_write_buffer *wb, struct wb_area *a)
{
	area_shrink(wb, a, 0);
	bch2_journal_pin_drop(wb->c, &a->pin);
}

/**
 * bch2_wb_area_keep_unfinished - keep the keys that could not be applied
 *
 * The pin goes forward to the oldest of them; it stays if that is where it is.
 */
void bch2_wb_area_keep_unfinished(struct btree_write_buffer *wb, struct wb_area *a)
{
	u64 oldest = U64_MAX;
	u32 at = 0, out = 0;

	while (at < a->nr) {
		struct wb_key *w = wb_key_at(a, at);
		const u32 u64s = w->u64s;

		at += u64s;
		if (!w->seq)
			continue;
		oldest = min(oldest, w->seq);
		memmove(a->d + out, w, u64s * sizeof(u64));
		out += u64s;
	}
	if (!out) {
		bch2_wb_area_clear(wb, a);
		return;
	}
	area_shrink(wb, a, out);
	bch2_journal_pin_update(wb->c, oldest, &a->pin, JOURNAL_PIN_TYPE_other,
				bch2_wb_pin_flush);
}

/**
 * bch2_wb_move_incoming - what was taken in becomes what is flushed
 * @wb:	both areas locked
 *
 * The new pin is set before the old one is dropped (PC-6); who looks without locks
 * looks at the incoming one first.
 */
void bch2_wb_move_incoming(struct btree_write_buffer *wb)
{
	struct wb_area *in = &wb->incoming, *fl = &wb->flushing;

	if (!in->nr)
		return;
	bch2_journal_pin_copy(wb->c, &fl->pin, &in->pin, bch2_wb_pin_flush);
	if (!fl->nr) {
		swap(fl->d, in->d);
		swap(fl->size, in->size);
	} else {
		area_reserve(fl, in->nr);
		memcpy(fl->d + fl->nr, in->d, in->nr * sizeof(u64));
	}
	WRITE_ONCE(fl->nr, fl->nr + in->nr);
	WRITE_ONCE(in->nr, 0);
	bch2_journal_pin_drop(wb->c, &in->pin);
}

/** bch2_wb_area_keys - number of keys in an area, finished ones too */
u32 bch2_wb_area_keys(const struct wb_area *a)
{
	u32 nr = 0;

	wb_for_each_key(a, w)
		nr++;
	return nr;
}

/* --- sorting and collapsing --- */

static int ref_cmp(const void *_l, const void *_r)
{
	const struct wb_ref *l = _l, *r = _r;

	return bpos_cmp(l->p, r->p) ?: (l->idx > r->idx) - (l->idx < r->idx);
}

/**
 * bch2_wb_refs_sorted - references to all keys, by position, then arrival
 * @a:		area
 * @refs:	room for bch2_wb_area_keys() entries
 *
 * Their number.
 */
u32 bch2_wb_refs_sorted(const struct wb_area *a, struct wb_ref *refs)
{
	bool sorted = true;
	u32 nr = 0;

	wb_for_each_key(a, w) {
		refs[nr] = (struct wb_ref) { w->k.k.p, (u64 *) w - a->d };
		if (nr && ref_cmp(&refs[nr - 1], &refs[nr]) > 0)
			sorted = false;
		nr++;
	}
	if (!sorted)
		sort(refs, nr, sizeof(*refs), ref_cmp, NULL);
	return nr;
}

/**
 * bch2_wb_key_add_counters - add the counters of an accounting key to a buffered one
 * @w:		buffered accounting key
 * @add:	accounting key of the same position; more counters than @w are ignored
 *
 * The version becomes the newer one.
 */
void bch2_wb_key_add_counters(struct wb_key *w, struct bkey_s_c add)
{
	const __le64 *from = (const __le64 *) add.v;
	__le64 *to = (__le64 *) wb_counters(&w->k);
	const unsigned nr = min(bkey_val_u64s(&w->k.k), bkey_val_u64s(add.k));
	unsigned i;

	for (i = 0; i < nr; i++)
		le64_add_cpu(&to[i], le64_to_cpu(from[i]));
	if (bversion_cmp(w->k.k.bversion, add.k->bversion) < 0)
		w->k.k.bversion = add.k->bversion;
}

/*
 * @l is superseded by @r, the next one of the same position. A sum is pinned by its
 * oldest part and guarded by its newest (WB-5).
 */
static void collapse_pair(struct wb_key *l, struct wb_key *r)
{
	const bool r_acc = r->k.k.type == KEY_TYPE_accounting;

	if (r_acc && l->k.k.type == KEY_TYPE_accounting) {
		bch2_wb_key_add_counters(r, bkey_i_to_s_c(&l->k));
		r->seq		= min(r->seq, l->seq);
		r->guard	= max(r->guard, l->guard);
		r->accumulated |= l->accumulated;
	} else if (r_acc) {
		/* counts from zero: what the btree has is deleted */
		r->accumulated = true;
	}
	l->seq = 0;
}

/**
 * bch2_wb_collapse - one key per position, the last one (WB-2, WB-3)
 * @a:		area; superseded keys get number 0
 * @refs:	all its keys, sorted; superseded ones are removed
 * @nr:		their number
 *
 * The number that is left.
 */
u32 bch2_wb_collapse(struct wb_area *a, struct wb_ref *refs, u32 nr)
{
	u32 i, out = 0;

	for (i = 0; i < nr; i++) {
		if (i + 1 < nr && bpos_eq(refs[i].p, refs[i + 1].p))
			collapse_pair(wb_key_at(a, refs[i].idx), wb_key_at(a, refs[i + 1].idx));
		else
			refs[out++] = refs[i];
	}
	return out;
}
