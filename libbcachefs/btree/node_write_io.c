// SPDX-License-Identifier: GPL-2.0
/*
 * Carrying out node writes: the last check, encryption, checksum, and one bio per
 * copy (spec 20 sections 8, 14).
 *
 * Runs on workers, on buffers nobody else knows: no node lock is held here. What a
 * check finds wrong is a bug of this program; such a bset is not written.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "btree/read.h"
#include "journal/journal.h"
#include "sb/members.h"
#include "util/checksum.h"
#include "util/log.h"
#include "util/printbuf.h"

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

/* --- I/O --- */

/* One copy has ended, or all were submitted. */
static void write_put(struct btree_node_write *w)
{
	if (!atomic_dec_and_test(&w->pending))
		return;
	INIT_WORK(&w->work, bch2_btree_node_write_done);
	queue_work(w->c->btree.writes.complete_wq, &w->work);
}

static void copy_failed(struct btree_node_write_copy *copy)
{
	set_bit(copy->dev, copy->w->failed.d);
	if (copy->ca)
		bch2_dev_io_error(copy->ca, BCH_MEMBER_ERROR_write);
}

static void copy_endio(struct bio *bio)
{
	struct btree_node_write_copy *copy = bio->bi_private;
	struct btree_node_write *w = copy->w;

	if (bio->bi_status)
		copy_failed(copy);
	else
		atomic_inc(&w->nr_good);
	bio_put(bio);
	write_put(w);
}

/* Pointers were validated, but may name a device that is not there. */
static bool copy_possible(const struct btree_node_write_copy *copy)
{
	const struct bch_dev *ca = copy->ca;
	const u64 end = copy->sector + copy->w->sectors;

	return ca && bch2_dev_is_online(ca) && end > copy->sector &&
		end <= ca->mi.nbuckets * ca->mi.bucket_size;
}

static void copy_submit(struct btree_node_write_copy *copy)
{
	struct btree_node_write *w = copy->w;
	struct bio *bio = NULL;

	if (copy_possible(copy))
		bio = bch2_btree_node_bio(copy->ca, REQ_OP_WRITE|REQ_META, copy->sector, w->buf,
					  (size_t) w->sectors << 9);
	if (!bio) {
		copy_failed(copy);
		return;
	}
	bio->bi_end_io	= copy_endio;
	bio->bi_private	= copy;
	atomic_inc(&w->pending);
	submit_bio(bio);
}

/* Nothing is written once the journal is dead (NW-2), nor what fails its check. */
static int write_prepare(struct btree_node_write *w)
{
	int ret;

	if (bch2_journal_error(w->c))
		return -BCH_ERR_erofs_journal_err;
	if (w->c->opts.nochanges)
		return -BCH_ERR_erofs_nochanges;
	ret = bch2_btree_node_write_encode(w);
	if (ret) {
		bch_err(w->c, "btree node write: %s: going read-only", bch2_err_str(ret));
		if (w->c->up.emergency_ro)
			w->c->up.emergency_ro(w->c);
	}
	return ret;
}

/**
 * bch2_btree_node_write_submit - encode a write and send it to all copies
 * @work:	of a struct btree_node_write
 */
void bch2_btree_node_write_submit(struct work_struct *work)
{
	struct btree_node_write *w = container_of(work, struct btree_node_write, work);
	unsigned i;

	atomic_set(&w->pending, 1);
	w->error = write_prepare(w);
	for (i = 0; !w->error && i < w->nr_copies; i++)
		copy_submit(&w->copies[i]);
	write_put(w);
}
