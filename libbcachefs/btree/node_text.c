// SPDX-License-Identifier: GPL-2.0
/*
 * Text of btree nodes, for list (spec 70 section 9.1).
 *
 * Nodes in memory have been checked. What is read raw has not: it is decoded here
 * with the same bounds as when it is checked, and shown whatever it says.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/node_check.h"
#include "btree/node_text.h"
#include "btree/read.h"
#include "util/printbuf.h"

/**
 * bch2_btree_node_to_text - format and fill of a node in memory
 *
 * Bytes count live keys; the header is no part of them.
 */
void bch2_btree_node_to_text(struct printbuf *out, struct bch_fs *c, const struct btree *b)
{
	const u32 total = c->opts.btree_node_size - sizeof(struct btree_node);
	const u32 used = b->live_u64s * sizeof(u64);

	prt_printf(out, "l %u ", b->level);
	bch2_bpos_to_text(out, b->min_key);
	prt_str(out, " - ");
	bch2_bpos_to_text(out, b->max_key);
	prt_str(out, ":\n");
	printbuf_indent_add(out, 2);

	prt_str(out, "ptrs: ");
	if (b->key.k.u64s >= BKEY_U64s)
		bch2_val_to_text(out, c, bkey_i_to_s_c(&b->key));
	prt_str(out, "\nformat: ");
	bch2_bkey_format_to_text(out, &b->format);
	prt_printf(out, "\nbytes used %u/%u (%u%% full)\n", used, total, used * 100 / total);
	prt_printf(out, "nr packed keys %u\n", b->stats.keys_packed);
	prt_printf(out, "nr unpacked keys %u\n", b->stats.keys_unpacked);
	printbuf_indent_sub(out, 2);
}

/* Keys of one bset in the order in which they are stored, damaged ones until the first. */
static void bset_to_text(struct printbuf *out, const struct btree_node_check *n,
			 const struct bset_place *p)
{
	const struct btree *b = n->b;
	u32 word = (p->sector * 512 + p->header) / sizeof(u64);
	const u32 end = word + p->u64s;

	while (word < end) {
		const struct bkey_packed *k = btree_node_word(b, word);
		struct bkey u;

		if (!k->u64s || k->u64s > end - word || k->format > KEY_FORMAT_CURRENT ||
		    !bkey_packed_u64s_valid(b->unpack.key_u64s, k)) {
			prt_printf(out, "(damaged key at byte %zu)\n",
				   (size_t) word * sizeof(u64));
			return;
		}
		bch2_bkey_val_to_text(out, n->c, bkey_disassemble(b, k, &u));
		prt_newline(out);
		word += k->u64s;
	}
}

/* The format decides how every key of the node is read. */
static bool node_format_get(struct printbuf *out, struct btree *b)
{
	b->format = b->data->format;
	if (!bch2_bkey_format_validate(&b->format, out)) {
		prt_newline(out);
		return false;
	}
	bch2_bkey_unpacker_init(&b->unpack, &b->format);
	return true;
}

static void node_log_to_text(struct printbuf *out, struct btree_node_check *n)
{
	const __le64 seq = n->b->data->keys.seq;
	u32 sector = 0;

	while (sector < n->limit) {
		struct bset_place p = bch2_bset_at(n, sector);
		const unsigned version = le16_to_cpu(p.i->version);
		const u32 problems = n->nr_problems;

		if (sector && p.i->seq != seq)
			break;
		if (bch2_bset_unlock(n, &p))
			break;
		prt_printf(out, "offset %u version %u.%u, journal seq %llu%s\n", sector,
			   BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version),
			   (u64) le64_to_cpu(p.i->journal_seq),
			   n->nr_problems != problems ? " (damaged)" : "");
		printbuf_indent_add(out, 2);
		if (sector || node_format_get(out, n->b))
			bset_to_text(out, n, &p);
		printbuf_indent_sub(out, 2);
		if (!n->b->unpack.key_u64s)
			break;
		sector += bch2_bset_sectors(n, &p);
	}
}

/**
 * bch2_btree_node_ondisk_to_text - one copy of a node as it lies on its device
 * @k:		pointer to the node
 * @ptr_idx:	which copy
 *
 * All bsets in stored order, dead keys and whiteouts included. 0, -ENOENT if there
 * is no such copy, or an error of reading, which is in the text too.
 */
int bch2_btree_node_ondisk_to_text(struct printbuf *out, struct bch_fs *c,
				   const struct bkey_i *k, unsigned level, unsigned btree,
				   unsigned ptr_idx)
{
	const u32 bytes = c->opts.btree_node_size;
	struct btree *b = kzalloc(sizeof(*b), GFP_KERNEL);
	struct btree_node_check n = {
		.c		= c,
		.b		= b,
		.mode		= NODE_CHECK_scan,
		.node_sectors	= bytes >> 9,
		.limit		= bytes >> 9,
		.block_sectors	= bch2_block_sectors(c),
	};
	struct printbuf where = PRINTBUF;
	int ret = -BCH_ERR_ENOMEM_btree_node_mem;

	if (b)
		b->data = kvzalloc(PAGE_ALIGN(bytes + sizeof(u64)), GFP_KERNEL);
	if (!b || !b->data)
		goto out;
	b->level	= level;
	b->btree_id	= btree;

	ret = bch2_btree_node_read_copy(c, k, ptr_idx, b->data, &where);
	if (ret == -ENOENT)
		goto out;
	prt_printf(out, "%s:\n", printbuf_str(&where));
	printbuf_indent_add(out, 2);
	if (!ret)
		node_log_to_text(out, &n);
	printbuf_indent_sub(out, 2);
out:
	if (b)
		kvfree(b->data);
	kfree(b);
	printbuf_exit(&where);
	return ret;
}
