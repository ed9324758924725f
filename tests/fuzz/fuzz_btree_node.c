// SPDX-License-Identifier: GPL-2.0
/*
 * Btree nodes. Input: 8 bytes - btree id, level, mode, log2 of the node's blocks,
 * sectors_written of the pointer (le16), 2 unused - then the node as on a device.
 * What is accepted is walked and printed.
 *
 * Seeds have checksum type none, so that the keys are reached.
 */
#include "fuzz.h"

#include "btree/bkey_methods.h"
#include "btree/node_check.h"
#include "util/bpos.h"

struct input {
	uint8_t		btree;
	uint8_t		level;
	uint8_t		mode;
	uint8_t		blocks_bits;
	__le16		sectors_written;
	__le16		unused;
};

static void walk(struct bch_fs *c, const struct btree *b)
{
	struct printbuf out = PRINTBUF;

	for (u32 i = 0; i < b->nr_keys; i++) {
		struct bkey u;
		struct bkey_s_c k = bkey_disassemble(b, btree_node_key(b, i), &u);

		if (i && bpos_le(u.p, POS_MIN) && bpos_gt(u.p, b->max_key))
			abort();
		if (i < 64)
			bch2_bkey_val_to_text(&out, c, k);
	}
	bch2_btree_node_search(b, b->min_key);
	bch2_btree_node_search(b, SPOS_MAX);
	fuzz_use_text(&out);
}

static void check(struct bch_fs *c, const struct input *in, const uint8_t *data, size_t size)
{
	size_t bytes = 4096UL << (in->blocks_bits & 3);
	struct btree *b = calloc(1, sizeof(*b));
	struct printbuf err = PRINTBUF;
	struct btree_node_check n = {
		.c		= c,
		.b		= b,
		.mode		= in->mode % 3,
		.err		= &err,
		.node_sectors	= bytes >> 9,
		.block_sectors	= 8,
		.ptr		= { .sectors_written = le16_to_cpu(in->sectors_written) },
	};

	if (size > bytes)
		size = bytes;
	b->data		= calloc(1, bytes + 8);
	b->buf_bytes	= bytes + 8;
	b->bytes	= bytes;
	memcpy(b->data, data, size);

	b->btree_id	= in->btree;
	b->level	= in->level & 3;
	n.ptr.seq	= le64_to_cpu(b->data->keys.seq);
	n.ptr.v2	= in->mode & 0x80;
	n.ptr.min_key	= b->data->min_key;
	n.ptr_pos	= b->data->max_key;
	bkey_init(&b->key.k);
	b->key.k.type	= KEY_TYPE_btree_ptr_v2;
	b->key.k.p	= n.ptr_pos;

	if (!bch2_btree_node_check(&n))
		walk(c, b);

	kvfree(b->idx);
	free(b->data);
	free(b);
	fuzz_use_text(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bch_fs *c = fuzz_fs();

	if (size < sizeof(struct input) + sizeof(struct btree_node))
		return 0;
	check(c, (const struct input *) data, data + sizeof(struct input),
	      size - sizeof(struct input));
	return 0;
}
