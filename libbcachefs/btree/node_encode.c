// SPDX-License-Identifier: GPL-2.0
/*
 * From a node in memory to the bytes of its next bset: what is unwritten, in
 * order, with header, encryption and checksum (spec 20 sections 8, 9, 14).
 *
 * Taking the contents happens with the node read locked, encoding later on a
 * buffer nobody else knows. What the check finds wrong is a bug of this program;
 * such a bset is not written.
 */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/mempool.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/node_check.h"
#include "btree/node_write_types.h"
#include "util/checksum.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- contents --- */

static void buf_alloc(struct bch_fs *c, struct btree_node_write *w, u32 bytes)
{
	w->buf_bytes	= PAGE_ALIGN(bytes + sizeof(u64));
	w->buf		= kvmalloc(w->buf_bytes, GFP_NOWAIT|__GFP_NOWARN);
	w->from_pool	= !w->buf;
	if (!w->buf) {
		/* comes back from writes that need no lock for that */
		w->buf		= mempool_alloc(&c->btree.writes.bounce, GFP_NOFS);
		w->buf_bytes	= PAGE_ALIGN(c->opts.btree_node_size + sizeof(u64));
	}
}

/** bch2_btree_node_write_buf_free - the buffer of @w is not needed any more */
void bch2_btree_node_write_buf_free(struct btree_node_write *w)
{
	if (w->from_pool)
		mempool_free(w->buf, &w->c->btree.writes.bounce);
	else
		kvfree(w->buf);
	w->buf = NULL;
}

static u64 *copy_key(u64 *out, const struct btree *b, u16 off)
{
	const struct bkey_packed *k = btree_node_word(b, off);

	memcpy(out, k, k->u64s * sizeof(u64));
	((struct bkey_packed *) out)->needs_whiteout = 0;
	return out + k->u64s;
}

/*
 * Unwritten live keys and whiteouts in one ascending run. No position is in both
 * indexes; a live key stands for the whiteout of its position (spec 20 section 9).
 */
static u64 *merge_unwritten(const struct btree *b, u64 *out)
{
	u32 i = 0, wh = 0;

	for (i = 0; i < b->nr_keys; i++) {
		const struct bkey_packed *k = btree_node_key(b, i);

		if (b->idx[i] < b->written_words)
			continue;
		while (wh < b->nr_wh &&
		       bch2_bkey_cmp_packed(&b->unpack, btree_node_word(b, b->wh_idx[wh]), k) < 0)
			out = copy_key(out, b, b->wh_idx[wh++]);
		out = copy_key(out, b, b->idx[i]);
	}
	while (wh < b->nr_wh)
		out = copy_key(out, b, b->wh_idx[wh++]);
	return out;
}

static void header_fill(struct bch_fs *c, const struct btree *b, struct btree_node *n)
{
	__le64 uuid;

	memset(n, 0, sizeof(*n));
	memcpy(&uuid, &c->sb.uuid, sizeof(uuid));
	n->magic	= cpu_to_le64(BTREE_NODE_MAGIC_BASE ^ le64_to_cpu(uuid));
	n->min_key	= b->min_key;
	n->max_key	= b->max_key;
	n->format	= b->format;
	SET_BTREE_NODE_ID(n, b->btree_id);
	SET_BTREE_NODE_LEVEL(n, b->level);
	SET_BTREE_NODE_NEW_EXTENT_OVERWRITE(n, 1);
	SET_BTREE_NODE_SEQ(n, b->generation);
}

/**
 * bch2_btree_node_write_collect - take what is unwritten out of a node
 * @c:	filesystem
 * @b:	read locked or private; its write is in flight
 * @w:	gets buffer, place and sizes
 *
 * Afterwards everything in the node counts as written. Guard: NW-4; the first bset
 * has none.
 */
void bch2_btree_node_write_collect(struct bch_fs *c, struct btree *b, struct btree_node_write *w)
{
	const u32 header = b->written ? sizeof(struct btree_node_entry)
				      : sizeof(struct btree_node);
	const u32 bytes = header + b->unwritten_u64s * sizeof(u64);
	u64 *keys, *end;

	w->first	= !b->written;
	w->offset	= b->written;
	w->seq		= b->seq;
	w->guard	= w->first ? 0 : b->unwritten_seq;
	if (!w->first && !b->unwritten_u64s)
		return;

	w->sectors = round_up(bytes, bch2_block_bytes(c)) >> 9;
	buf_alloc(c, w, w->sectors << 9);
	if (w->first)
		header_fill(c, b, (struct btree_node *) w->buf);
	else
		memset(w->buf, 0, header);
	keys	= (u64 *) (w->buf + header);
	end	= merge_unwritten(b, keys);
	w->u64s	= end - keys;
	WARN_ON(w->u64s != b->unwritten_u64s);
	memset(end, 0, w->buf_bytes - ((u8 *) end - w->buf));

	WRITE_ONCE(b->written, b->written + w->sectors);
	b->journal_seq		= max(b->journal_seq, w->guard);
	b->written_words	= b->heap_words;
	b->nr_wh		= 0;
	WRITE_ONCE(b->unwritten_u64s, 0);
	b->unwritten_seq	= 0;
}

/* --- encoding --- */

static struct bset *write_bset(const struct btree_node_write *w)
{
	return w->first ? &((struct btree_node *) w->buf)->keys
			: &((struct btree_node_entry *) w->buf)->keys;
}

static unsigned write_header_bytes(const struct btree_node_write *w)
{
	return w->first ? sizeof(struct btree_node) : sizeof(struct btree_node_entry);
}

/* Spec 13 section 1.3. */
static unsigned write_csum_type(const struct bch_fs *c)
{
	return c->sb.encryption_type ? BCH_CSUM_chacha20_poly1305_128
		: bch2_csum_opt_to_type(c->opts.metadata_checksum, false);
}

static void write_key_error(struct btree_node_write *w, struct bkey_s_c k, const char *why)
{
	struct printbuf buf = PRINTBUF;

	prt_str(&buf, "btree node write: ");
	bch2_btree_id_level_to_text(&buf, w->b->btree_id, w->b->level);
	prt_printf(&buf, ": %s: ", why);
	bch2_bkey_to_text(&buf, k.k);
	bch_err(w->c, "%s", printbuf_str(&buf));
	printbuf_exit(&buf);
}

/* One key: valid, and behind the one before. */
static int write_key_check(struct btree_node_write *w, struct bkey_s_c k, const struct bpos *prev)
{
	const struct btree *b = w->b;
	const struct bkey_validate_context from = {
		.from	= BKEY_VALIDATE_btree_node,
		.level	= b->level,
		.btree	= b->btree_id,
		.flags	= BCH_VALIDATE_write,
	};

	if (prev && bpos_ge(*prev, k.k->p)) {
		write_key_error(w, k, "keys out of order");
		return -BCH_ERR_btree_node_write_invalid;
	}
	if (w->first && k.k->type == KEY_TYPE_deleted) {
		write_key_error(w, k, "deleted key in a new node");
		return -BCH_ERR_btree_node_write_invalid;
	}
	if (bch2_bkey_validate(w->c, k, from)) {
		write_key_error(w, k, "invalid key");
		return -BCH_ERR_btree_node_write_invalid;
	}
	return 0;
}

/* The keys of the buffer, before they are encrypted. */
static int write_keys_check(struct btree_node_write *w, const struct bkey_unpacker *u)
{
	const u64 *keys = write_bset(w)->_data;
	struct bpos prev;
	u32 at = 0;

	while (at < w->u64s) {
		const struct bkey_packed *p = (const struct bkey_packed *) (keys + at);
		struct bkey_s_c k;
		struct bkey unpacked;
		int ret;

		if (!p->u64s || p->u64s > w->u64s - at || p->format > KEY_FORMAT_CURRENT ||
		    p->needs_whiteout || !bkey_packed_u64s_valid(u->key_u64s, p)) {
			bch_err(w->c, "btree node write: malformed key at word %u", at);
			return -BCH_ERR_btree_node_write_invalid;
		}
		bch2_bkey_unpack(u, p, &unpacked);
		k = (struct bkey_s_c) { &unpacked, bkey_packed_val(u->key_u64s, p) };
		ret = write_key_check(w, k, at ? &prev : NULL);
		if (ret)
			return ret;
		prev = unpacked.p;
		at += p->u64s;
	}
	return 0;
}

static struct nonce write_nonce(const struct btree_node_write *w)
{
	return bch2_btree_nonce(w->offset * 512, w->seq, w->guard);
}

static int write_encrypt(struct btree_node_write *w, unsigned type)
{
	struct nonce nonce = write_nonce(w);
	int ret;

	if (!bch2_csum_type_is_encryption(type))
		return 0;
	if (!w->c->has_key)
		return -BCH_ERR_no_encryption_key;
	if (w->first) {
		ret = bch2_encrypt(type, nonce, &w->c->chacha20_key,
				   w->buf + BTREE_NODE_CRYPT_OFFSET, BTREE_NODE_CRYPT_BYTES);
		if (ret)
			return ret;
		nonce = nonce_add(nonce, round_up(BTREE_NODE_CRYPT_BYTES, 64));
	}
	return bch2_encrypt(type, nonce, &w->c->chacha20_key, write_bset(w)->_data,
			    w->u64s * sizeof(u64));
}

/**
 * bch2_btree_node_write_encode - make the bytes that go to disk
 * @w:	with the keys in its buffer
 *
 * Header, check, encryption, checksum, in this order; the padding is zero. 0, or
 * why the bset must not be written. Spec 20 sections 8.3 to 8.6.
 */
int bch2_btree_node_write_encode(struct btree_node_write *w)
{
	const unsigned type = write_csum_type(w->c);
	const unsigned header = write_header_bytes(w);
	struct bch_csum *csum = (struct bch_csum *) w->buf;
	struct bset *i = write_bset(w);
	int ret;

	i->seq		= cpu_to_le64(w->seq);
	i->journal_seq	= cpu_to_le64(w->guard);
	i->version	= cpu_to_le16(w->c->sb.version);
	i->u64s		= cpu_to_le16(w->u64s);
	i->flags	= 0;
	SET_BSET_CSUM_TYPE(i, type);
	SET_BSET_OFFSET(i, w->offset);

	ret =   write_keys_check(w, &w->b->unpack) ?:
		write_encrypt(w, type);
	if (ret)
		return ret;
	*csum = bch2_checksum(type, write_nonce(w), &w->c->chacha20_key, csum + 1,
			      header - sizeof(*csum) + w->u64s * sizeof(u64));
	return 0;
}
