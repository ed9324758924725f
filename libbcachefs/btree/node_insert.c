// SPDX-License-Identifier: GPL-2.0
/*
 * Inserting and deleting keys of a node in memory, and the room there is for them
 * (spec 21 sections 9.1, 9.2).
 *
 * A node is a heap of words and two sorted indexes into it: idx names the live
 * keys, wh_idx the positions that bsets on disk have and the node has not any
 * more. Invariants, outside of the functions here:
 *  - no position is named twice, neither in one index nor in both;
 *  - an offset below written_words is a key that is on disk as it stands;
 *  - a live key behind written_words has needs_whiteout set if and only if a
 *    bset on disk has its position too;
 *  - unwritten_u64s words are what the next bset will contain.
 * Everything that changes a node holds its write lock, or is alone with it.
 */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/cache.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"

/* Free words that prep_insert() keeps, if the node has room for that much. */
#define HEAP_SPARE_U64s		1024U

/* --- room --- */

/**
 * bch2_btree_node_room_u64s - words of keys that still fit @b on disk
 *
 * That is into the bset that the next write makes. One word is left free, for
 * decoders that look at whole words. Spec 21 section 9.2. Exact under the write
 * lock, otherwise a hint.
 */
unsigned bch2_btree_node_room_u64s(const struct bch_fs *c, const struct btree *b)
{
	const u32 node = c->opts.btree_node_size;
	const u32 written = READ_ONCE(b->written) * 512U;
	const u32 header = written ? sizeof(struct btree_node_entry) : sizeof(struct btree_node);
	const u32 used = written + header + sizeof(u64);
	const u32 pending = READ_ONCE(b->unwritten_u64s);
	u32 words;

	if (used >= node)
		return 0;
	words = min((node - used) / (u32) sizeof(u64), (u32) U16_MAX);
	return words > pending ? words - pending : 0;
}

/**
 * bch2_btree_node_has_room - may keys of @u64s words be inserted into @b?
 *
 * @u64s counts unpacked keys; a deletion is five words. A node that was read with
 * errors, or by a pointer that does not tell what was written, is full: so it gets
 * rewritten (NW-5).
 */
bool bch2_btree_node_has_room(const struct bch_fs *c, const struct btree *b, unsigned u64s)
{
	return !test_bit(BTREE_NODE_need_rewrite, &b->flags) &&
		u64s <= bch2_btree_node_room_u64s(c, b);
}

/* --- the heap --- */

static u32 heap_capacity(const struct btree *b)
{
	if (b->buf_bytes < sizeof(u64))
		return 0;
	return min(b->buf_bytes / (u32) sizeof(u64) - 1, (u32) U16_MAX + 1);
}

static u32 heap_free(const struct btree *b)
{
	return heap_capacity(b) - min(heap_capacity(b), b->heap_words);
}

/* Words that are left when everything dead is gone. */
static u32 heap_needed(const struct btree *b)
{
	u32 words = BTREE_NODE_HEADER_U64s + b->live_u64s, i;

	for (i = 0; i < b->nr_wh; i++)
		words += btree_node_word(b, b->wh_idx[i])->u64s;
	return words;
}

/*
 * Make room for @u64s words behind the heap's end. A quarter more than needed, so
 * that removing dead keys remains rare; offsets are 16 bits wide.
 */
static void heap_reserve(struct btree *b, u32 u64s)
{
	const u32 max_words = (u32) U16_MAX + 1;
	u32 want;

	if (likely(heap_free(b) >= u64s))
		return;
	want = heap_needed(b) + u64s;
	want = min(max_words, max(want + want / 4 + HEAP_SPARE_U64s, heap_capacity(b)));
	bch2_btree_node_compact(b, want);
	/* What is on disk and in the next bset is less than a node: it always fits. */
	BUG_ON(heap_free(b) < u64s);
}

/**
 * bch2_btree_node_prep_insert - make memory ready for insertions
 * @c:	filesystem
 * @b:	write locked, or private
 *
 * After this, insertions of up to 8 KiB move no key; larger ones may. Does nothing
 * for a node that has no room.
 */
void bch2_btree_node_prep_insert(struct bch_fs *c, struct btree *b)
{
	const u32 room = bch2_btree_node_room_u64s(c, b);
	const u32 buf_bytes = b->buf_bytes;

	if (test_bit(BTREE_NODE_fake, &b->flags) || test_bit(BTREE_NODE_need_rewrite, &b->flags))
		return;
	heap_reserve(b, min(room, HEAP_SPARE_U64s));
	if (unlikely(b->buf_bytes != buf_bytes))
		bch2_btree_node_mem_changed(c, b);
}

/* Nothing is known of siblings yet; at the ends of the btree there are none (10.3). */
static void sib_estimates_init(struct btree *b)
{
	b->sib_u64s[0] = bpos_eq(b->min_key, POS_MIN) ? U32_MAX : b->live_u64s;
	b->sib_u64s[1] = bpos_eq(b->max_key, SPOS_MAX) ? U32_MAX : b->live_u64s;
}

/* The live keys became @u64s words less (or more, if negative) than they were. */
static void sib_estimates_shrink(struct btree *b, s32 u64s)
{
	unsigned i;

	for (i = 0; u64s > 0 && i < ARRAY_SIZE(b->sib_u64s); i++)
		if (b->sib_u64s[i] != U32_MAX)
			WRITE_ONCE(b->sib_u64s[i],
				   max(b->live_u64s, b->sib_u64s[i] - min(b->sib_u64s[i],
									   (u32) u64s)));
}

/**
 * bch2_btree_node_live_init - a node as it was read becomes one that can change
 * @b:		checked and indexed, nobody else uses it yet
 * @bytes:	of the buffer that are in use
 */
void bch2_btree_node_live_init(struct btree *b, u32 bytes)
{
	b->heap_words		= bytes / sizeof(u64);
	b->written_words	= b->heap_words;
	b->idx_size		= b->nr_keys;
	b->nr_wh		= 0;
	b->unwritten_u64s	= 0;
	b->unwritten_seq	= 0;
	sib_estimates_init(b);
}

/* --- indexes --- */

/* Room for one more entry; grows by half. */
static void index_reserve(u16 **idx, u32 *size, u32 nr)
{
	u32 want;
	u16 *n;

	if (likely(nr < *size))
		return;
	want = *size + *size / 2 + 64;
	n = kvmalloc_array(want, sizeof(*n), GFP_NOFS|__GFP_NOFAIL);
	if (nr)
		memcpy(n, *idx, nr * sizeof(*n));
	kvfree(*idx);
	*idx	= n;
	*size	= want;
}

static void index_insert(u16 **idx, u32 *size, u32 *nr, u32 at, u16 off)
{
	index_reserve(idx, size, *nr);
	memmove(*idx + at + 1, *idx + at, (*nr - at) * sizeof(**idx));
	(*idx)[at] = off;
	(*nr)++;
}

static void index_remove(u16 *idx, u32 *nr, u32 at)
{
	(*nr)--;
	memmove(idx + at, idx + at + 1, (*nr - at) * sizeof(*idx));
}

/* First whiteout not before @pos. */
static u32 wh_search(const struct btree *b, struct bpos pos)
{
	u32 l = 0, r = b->nr_wh;

	while (l < r) {
		const u32 m = l + (r - l) / 2;

		if (bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_word(b, b->wh_idx[m]), pos) < 0)
			l = m + 1;
		else
			r = m;
	}
	return l;
}

static bool is_written(const struct btree *b, u32 off)
{
	return off < b->written_words;
}

/* --- one key --- */

/* Put a key at the heap's end, packed if possible; its offset. There is room. */
static u16 heap_append(struct btree *b, const struct bkey *k, const struct bch_val *v)
{
	struct bkey_packed *p = btree_node_word(b, b->heap_words);
	const u32 off = b->heap_words;

	if (!bch2_bkey_pack_key(p, k, &b->format)) {
		memcpy(p, k, sizeof(*k));
		p->format = KEY_FORMAT_CURRENT;
	}
	if (bkey_val_u64s(k))
		memcpy((void *) bkey_packed_val(b->unpack.key_u64s, p), v, bkey_val_bytes(k));
	b->heap_words += p->u64s;
	return off;
}

/*
 * The position of @k, which bsets on disk have, is empty from now on. The version
 * of a whiteout means nothing: one that can be packed is taken.
 */
static void whiteout_add(struct btree *b, const struct bkey *k)
{
	struct bkey wh = bkey_deleted_at(k->p);
	struct bkey_packed packed;
	u16 off;

	if (!bch2_bkey_pack_key(&packed, &wh, &b->format))
		wh.bversion = k->bversion;
	heap_reserve(b, BKEY_U64s);
	off = heap_append(b, &wh, NULL);
	b->unwritten_u64s += btree_node_word(b, off)->u64s;
	index_insert(&b->wh_idx, &b->wh_size, &b->nr_wh, wh_search(b, k->p), off);
}

/* A live key takes the place of the whiteout at @pos, if there is one. */
static bool whiteout_take(struct btree *b, struct bpos pos)
{
	const u32 at = wh_search(b, pos);

	if (at >= b->nr_wh ||
	    bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_word(b, b->wh_idx[at]), pos))
		return false;
	b->unwritten_u64s -= btree_node_word(b, b->wh_idx[at])->u64s;
	index_remove(b->wh_idx, &b->nr_wh, at);
	return true;
}

/* Key @at of the index is no longer live. Is its position in bsets on disk? */
static bool live_forget(struct btree *b, u32 at)
{
	const struct bkey_packed *old = btree_node_key(b, at);
	const bool written = is_written(b, b->idx[at]);

	b->live_u64s -= old->u64s;
	if (!written)
		b->unwritten_u64s -= old->u64s;
	return written || old->needs_whiteout;
}

static void delete_at(struct btree *b, u32 at)
{
	struct bkey old;

	bch2_bkey_unpack(&b->unpack, btree_node_key(b, at), &old);
	if (live_forget(b, at))
		whiteout_add(b, &old);
	index_remove(b->idx, &b->nr_keys, at);
}

/* Words @k will take in the heap: it is packed to find out. */
static unsigned packed_u64s(const struct btree *b, const struct bkey *k, struct bkey_packed *tmp)
{
	return bch2_bkey_pack_key(tmp, k, &b->format) ? tmp->u64s : k->u64s;
}

/*
 * Write @k where key @at, which is not on disk, stands, if it is not larger. The
 * rest of the old one's space is lost until the heap is compacted.
 */
static bool overwrite_in_place(struct btree *b, u32 at, const struct bkey_i *k)
{
	struct bkey_packed *old = btree_node_key(b, at);
	const bool whiteout = old->needs_whiteout;
	struct bkey_packed packed;
	const u32 old_u64s = old->u64s;
	const u32 new_u64s = packed_u64s(b, &k->k, &packed);
	const u32 end = b->heap_words;

	if (is_written(b, b->idx[at]) || new_u64s > old_u64s)
		return false;
	b->heap_words = b->idx[at];
	heap_append(b, &k->k, &k->v);
	b->heap_words = end;
	old->needs_whiteout = whiteout;
	b->live_u64s		-= old_u64s - new_u64s;
	b->unwritten_u64s	-= old_u64s - new_u64s;
	return true;
}

static void insert_live(struct btree *b, u32 at, bool replace, const struct bkey_i *k)
{
	struct bkey_packed *p;
	bool whiteout;
	u16 off;

	if (replace && overwrite_in_place(b, at, k))
		return;
	heap_reserve(b, k->k.u64s);
	whiteout = replace ? live_forget(b, at) : whiteout_take(b, k->k.p);
	off = heap_append(b, &k->k, &k->v);
	p = btree_node_word(b, off);
	p->needs_whiteout = whiteout;
	b->live_u64s		+= p->u64s;
	b->unwritten_u64s	+= p->u64s;
	if (replace)
		b->idx[at] = off;
	else
		index_insert(&b->idx, &b->idx_size, &b->nr_keys, at, off);
}

/**
 * bch2_btree_node_insert_mem - put @k into the contents of @b, or delete there
 * @b:	write locked or private, with room
 * @k:	unpacked key outside the node; type deleted: delete what is at its position
 *
 * False if nothing changed: nothing was there to delete (WB-8). Neither dirties
 * nor pins: bch2_btree_node_insert_key() does. Spec 21 section 9.1.
 */
bool bch2_btree_node_insert_mem(struct btree *b, const struct bkey_i *k)
{
	const u32 at = bch2_btree_node_search(b, k->k.p);
	const bool found = at < b->nr_keys &&
		!bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_key(b, at), k->k.p);
	const u32 live_before = b->live_u64s;

	if (k->k.type != KEY_TYPE_deleted)
		insert_live(b, at, found, k);
	else if (found)
		delete_at(b, at);
	else
		return false;
	sib_estimates_shrink(b, live_before - b->live_u64s);
	return true;
}

/* --- new nodes --- */

/**
 * bch2_btree_node_init_new - make @b an empty node
 * @b:		private, with a buffer; what it held is lost
 * @btree:	id
 * @level:	0: leaf
 * @min:	first position, inclusive
 * @max:	last position, inclusive: position of the pointer to it
 * @fmt:	valid format
 * @seq:	identity, not 0; as in the pointer
 * @generation:	spec 21 section 10.2
 *
 * The rest of the header is filled in when it is written.
 */
void bch2_btree_node_init_new(struct btree *b, enum btree_id btree, unsigned level,
			      struct bpos min, struct bpos max, struct bkey_format fmt, u64 seq,
			      u32 generation)
{
	b->btree_id	= btree;
	b->level	= level;
	b->min_key	= min;
	b->max_key	= max;
	b->format	= fmt;
	bch2_bkey_unpacker_init(&b->unpack, &b->format);
	b->seq		= seq;
	b->generation	= generation;
	b->nr_keys	= 0;
	b->live_u64s	= 0;
	b->journal_seq	= 0;
	b->written	= 0;
	memset(&b->stats, 0, sizeof(b->stats));

	b->written_words	= BTREE_NODE_HEADER_U64s;
	b->heap_words		= BTREE_NODE_HEADER_U64s;
	b->nr_wh		= 0;
	b->unwritten_u64s	= 0;
	b->unwritten_seq	= 0;
	sib_estimates_init(b);
	heap_reserve(b, HEAP_SPARE_U64s);
}

/**
 * bch2_btree_node_append_sorted - add @k behind all keys of a node being built
 * @b:	private
 * @k:	live key, behind the last one
 *
 * The caller has made sure that a node can hold it.
 */
void bch2_btree_node_append_sorted(struct btree *b, struct bkey_s_c k)
{
	u32 u64s;
	u16 off;

	heap_reserve(b, k.k->u64s);
	off = heap_append(b, k.k, k.v);
	u64s = btree_node_word(b, off)->u64s;
	b->live_u64s		+= u64s;
	b->unwritten_u64s	+= u64s;
	index_insert(&b->idx, &b->idx_size, &b->nr_keys, b->nr_keys, off);
	sib_estimates_init(b);
}
