// SPDX-License-Identifier: GPL-2.0
/*
 * Removing what is dead from a node in memory, and what is needed to copy its
 * live keys to another one: formats and sizes (spec 20 section 6.3, 21 section
 * 10.2).
 *
 * Compacting keeps the order of the heap that insertion relies on: keys that are
 * on disk in front of written_words, keys and whiteouts that are not behind it.
 */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"

/* Copy the key at @off of @b to the end of @buf; its new offset. */
static u16 copy_key(const struct btree *b, u64 *buf, u32 *words, u16 off)
{
	const struct bkey_packed *k = btree_node_word(b, off);
	const u16 at = *words;

	memcpy(buf + at, k, k->u64s * sizeof(u64));
	*words += k->u64s;
	return at;
}

/*
 * The live keys that are on disk, or those that are not. Written keys only move
 * to the front, so an offset still tells which of the two a key is.
 */
static void copy_live(struct btree *b, u64 *buf, u32 *words, bool written)
{
	u32 i;

	for (i = 0; i < b->nr_keys; i++)
		if ((b->idx[i] < b->written_words) == written)
			b->idx[i] = copy_key(b, buf, words, b->idx[i]);
}

/**
 * bch2_btree_node_compact - move what is live to a new buffer
 * @b:		write locked or private
 * @words:	size of the new buffer; at least what is live, at most 65536
 *
 * The indexes name the same keys in the same order afterwards. Does not fail: it
 * waits for memory.
 */
void bch2_btree_node_compact(struct btree *b, u32 words)
{
	const u32 bytes = PAGE_ALIGN((words + 1) * sizeof(u64));
	u64 *buf = kvmalloc(bytes, GFP_NOFS|__GFP_NOFAIL);
	u32 used = BTREE_NODE_HEADER_U64s, written, i;

	if (b->data && b->buf_bytes >= sizeof(struct btree_node))
		memcpy(buf, b->data, sizeof(struct btree_node));
	else
		memset(buf, 0, sizeof(struct btree_node));
	copy_live(b, buf, &used, true);
	written = used;
	copy_live(b, buf, &used, false);
	for (i = 0; i < b->nr_wh; i++)
		b->wh_idx[i] = copy_key(b, buf, &used, b->wh_idx[i]);
	memset(buf + used, 0, bytes - used * sizeof(u64));

	kvfree(b->data);
	b->data			= (struct btree_node *) buf;
	b->buf_bytes		= bytes;
	b->heap_words		= used;
	b->written_words	= written;
}

/* --- formats and sizes --- */

/* Leaves with data extents get room for sizes up to this, as other writers do. */
#define EXTENT_SIZE_FORMAT	U16_MAX

/**
 * bch2_btree_node_format_add - make a format able to hold keys of @b
 * @s:		collects
 * @b:		node
 * @first:	keys from here on
 * @last:	to here, inclusive
 */
void bch2_btree_node_format_add(struct bkey_format_state *s, const struct btree *b,
				struct bpos first, struct bpos last)
{
	u32 i;

	for (i = bch2_btree_node_search(b, first); i < b->nr_keys; i++) {
		struct bkey k;

		bch2_bkey_unpack(&b->unpack, btree_node_key(b, i), &k);
		if (bpos_gt(k.p, last))
			break;
		bch2_bkey_format_add_key(s, &k);
		if (k.type == KEY_TYPE_extent && !b->level)
			s->max[BKEY_FIELD_SIZE] = max(s->max[BKEY_FIELD_SIZE],
						      (u64) EXTENT_SIZE_FORMAT);
	}
}

/**
 * bch2_btree_calc_format - the format for a copy of @b: its range and its keys
 *
 * Spec 20 section 6.3. Whether the keys fit a node with it is another question:
 * bch2_btree_node_u64s_with_format().
 */
struct bkey_format bch2_btree_calc_format(const struct btree *b)
{
	struct bkey_format_state s;

	bch2_bkey_format_init(&s);
	bch2_bkey_format_add_pos(&s, b->min_key);
	bch2_bkey_format_add_pos(&s, b->max_key);
	bch2_btree_node_format_add(&s, b, b->min_key, b->max_key);
	return bch2_bkey_format_done(&s);
}

/**
 * bch2_btree_node_u64s_with_format - words of the live keys of @b, packed anew
 * @b:		node
 * @fmt:	format that was made for these keys
 *
 * Spec 20 section 6.3.
 */
unsigned bch2_btree_node_u64s_with_format(const struct btree *b, const struct bkey_format *fmt)
{
	int words = b->live_u64s;
	u32 i;

	for (i = 0; i < b->nr_keys; i++) {
		const struct bkey_packed *k = btree_node_key(b, i);

		words += fmt->key_u64s;
		words -= bkey_packed_key_u64s(&b->format, k);
	}
	return words;
}

/**
 * bch2_btree_node_u64s_fit - do keys of @u64s words make a first write?
 *
 * Strictly less than a node with its header. Spec 20 section 6.3.
 */
bool bch2_btree_node_u64s_fit(const struct bch_fs *c, unsigned u64s)
{
	return sizeof(struct btree_node) + (u64) u64s * sizeof(u64) < c->opts.btree_node_size;
}

/**
 * bch2_btree_node_first_write_sectors - what sectors_written will be
 * @c:	filesystem
 * @b:	node that was never written
 */
unsigned bch2_btree_node_first_write_sectors(const struct bch_fs *c, const struct btree *b)
{
	return round_up(sizeof(struct btree_node) + b->live_u64s * sizeof(u64),
			bch2_block_bytes(c)) >> 9;
}
