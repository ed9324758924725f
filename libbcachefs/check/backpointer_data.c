// SPDX-License-Identifier: GPL-2.0
/*
 * Is the data that a pointer leads to that of its key? (Spec 43 §8.4.) And what is
 * done when the same data belongs to two keys.
 *
 * Called with keys that are copies; the transaction's locks are dropped to read.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/extent_cut.h"
#include "btree/extent_entries.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/read.h"
#include "btree/update.h"
#include "check/backpointer_conflict.h"
#include "data/decode.h"
#include "data/read_io.h"
#include "data/reflink.h"
#include "sb/write.h"
#include "util/bpos.h"
#include "util/checksum.h"
#include "util/printbuf.h"

/* --- data --- */

static int extent_is_bad(struct bp_check *x, struct bkey_s_c k, const struct extent_ptr_decoded *p)
{
	struct bch_fs *c = x->c;
	struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(&p->ptr));
	const unsigned type = p->crc.csum_type;
	void *buf;
	int ret;

	if (!bch2_dev_online(c, EXTENT_PTR_DEV(&p->ptr)) || EXTENT_PTR_UNWRITTEN(&p->ptr) ||
	    !type || !bch2_checksum_type_usable(type, c->has_key))
		return 0;

	buf = kvmalloc((size_t) p->crc.compressed_size << 9, GFP_KERNEL);
	if (!buf)
		return -BCH_ERR_ENOMEM_gc;
	ret = bch2_read_io_sync(ca, EXTENT_PTR_OFFSET(&p->ptr), buf, p->crc.compressed_size);
	if (!ret && bch2_checksum_verify(type, bch2_extent_nonce(k.k->bversion, &p->crc),
					 &c->chacha20_key, buf,
					 (size_t) p->crc.compressed_size << 9, p->crc.csum))
		ret = 1;
	kvfree(buf);
	return ret;
}

/* --- nodes --- */

static bool node_is_bad(struct bch_fs *c, const struct bkey_i *k, const struct btree_node *n)
{
	const struct btree_ptr_info ptr = bch2_btree_ptr_info(k);
	const u64 seq = le64_to_cpu(n->keys.seq);
	const unsigned type = BSET_CSUM_TYPE(&n->keys);
	const size_t bytes = btree_node_first_bytes(n);
	struct nonce nonce;
	struct bch_csum csum;

	if (le64_to_cpu(n->magic) != bch2_sb_bset_magic(c->disk_sb.sb) ||
	    bytes > c->opts.btree_node_size)
		return true;
	if (ptr.v2 && seq != ptr.seq)
		return true;
	if (!bch2_checksum_type_usable(type, c->has_key))
		return false;
	nonce = bch2_btree_nonce(0, seq, le64_to_cpu(n->keys.journal_seq));
	csum = bch2_checksum(type, nonce, &c->chacha20_key, &n->csum + 1,
			     bytes - sizeof(n->csum));
	return !bch2_csum_eq(csum, n->csum);
}

static int node_ptr_is_bad(struct bp_check *x, const struct bkey_i *k, unsigned idx)
{
	struct bch_fs *c = x->c;
	CLASS(printbuf, where)();
	void *buf = kvzalloc(PAGE_ALIGN(c->opts.btree_node_size + sizeof(u64)), GFP_KERNEL);
	int ret;

	if (!buf)
		return -BCH_ERR_ENOMEM_gc;
	ret = bch2_btree_node_read_copy(c, k, idx, buf, &where);
	if (!ret)
		ret = node_is_bad(c, k, buf);
	else if (ret == -BCH_ERR_btree_node_read_err_device_offline)
		ret = 0;
	kvfree(buf);
	return ret;
}

/**
 * bch2_bp_claim_is_bad - is what the pointer leads to not what the key says?
 * @x:		check
 * @cl:		key and device; its pointers there are looked at
 *
 * Drops the transaction's locks and takes them again. What has no checksum, and
 * what is on devices that are not there, is believed.
 *
 * Return: 1: it is not; 0; a restart, or why it cannot be read.
 */
int bch2_bp_claim_is_bad(struct bp_check *x, const struct bp_claim *cl)
{
	const struct bkey_s_c k = bkey_i_to_s_c(cl->k.k);
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	int ret = 0;

	bch2_trans_unlock_long(x->trans);
	bkey_for_each_ptr_decode(k.k, ptrs, p, entry)
		if (!ret && EXTENT_PTR_DEV(&p.ptr) == cl->dev)
			ret = cl->level ? node_ptr_is_bad(x, cl->k.k, p.idx)
					: extent_is_bad(x, k, &p);
	return ret < 0 ? ret : bch2_trans_relock(x->trans) ?: ret;
}

/* --- both are right --- */

static bool claim_ptr(struct bp_check *x, const struct bp_claim *cl, struct extent_ptr_decoded *p)
{
	const struct bkey_s_c k = bkey_i_to_s_c(cl->k.k);
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	const union bch_extent_entry *entry;

	bkey_for_each_ptr_decode(k.k, ptrs, *p, entry)
		if (EXTENT_PTR_DEV(&p->ptr) == cl->dev)
			return true;
	return false;
}

/*
 * Sectors that both show, from their beginnings on: they begin at the same place, as
 * they call for the same backpointer. 0: there is no telling.
 */
static u32 shared_sectors(struct bp_check *x, const struct bp_claim *k, const struct bp_claim *o)
{
	struct extent_ptr_decoded pk, po;

	if (!claim_ptr(x, k, &pk) || !claim_ptr(x, o, &po) || pk.has_ec || po.has_ec ||
	    EXTENT_PTR_UNWRITTEN(&pk.ptr) || EXTENT_PTR_UNWRITTEN(&po.ptr))
		return 0;
	if ((crc_is_compressed(&pk.crc) || crc_is_compressed(&po.crc)) &&
	    (pk.crc.compression_type != po.crc.compression_type ||
	     pk.crc.compressed_size != po.crc.compressed_size ||
	     pk.crc.uncompressed_size != po.crc.uncompressed_size ||
	     pk.crc.offset != po.crc.offset || EXTENT_PTR_OFFSET(&pk.ptr) !=
	     EXTENT_PTR_OFFSET(&po.ptr)))
		return 0;
	return min(k->k.k->k.size, o->k.k->k.size);
}

/* Where the next indirect extent goes: behind the last (spec 51 §1). */
static int next_idx(struct bp_check *x, u32 sectors, u64 *idx)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_reflink, POS(0, REFLINK_P_IDX_MAX),
			     BTREE_ITER_intent);
	k = bch2_btree_iter_peek_prev(&iter);
	ret = bkey_err(k);
	*idx = !ret && k.k && !k.k->p.inode ? k.k->p.offset : 0;
	bch2_trans_iter_exit(&iter);
	if (!ret && *idx + sectors > REFLINK_P_IDX_MAX)
		ret = -BCH_ERR_fsck_repair_impossible;
	return ret;
}

/* The first @sectors of @cl become an indirect extent at @idx; references come later. */
static int queue_indirect(struct bp_check *x, const struct bp_claim *cl, u64 idx, u32 sectors)
{
	const struct bpos end = POS(cl->k.k->k.p.inode,
				    bkey_start_offset(&cl->k.k->k) + sectors);
	struct bkey_i *part, *n;
	unsigned u64s;

	part = bch2_bkey_copy_to_arena(x->trans, bkey_i_to_s_c(cl->k.k), 0);
	if (IS_ERR(part))
		return PTR_ERR(part);
	bch2_cut_back(end, part);
	u64s = bkey_val_u64s(&part->k);
	if (u64s + 1 > BKEY_VAL_U64s_MAX)
		return 1;

	n = bch2_trans_kmalloc(x->trans, bkey_bytes(&part->k) + sizeof(u64));
	if (IS_ERR(n))
		return PTR_ERR(n);
	bkey_init(&n->k);
	n->k.type	= KEY_TYPE_reflink_v;
	n->k.p		= POS(0, idx + sectors);
	n->k.size	= sectors;
	n->k.bversion	= part->k.bversion;
	set_bkey_val_u64s(&n->k, u64s + 1);
	memcpy((u64 *) &n->v + 1, &part->v, u64s * sizeof(u64));
	return bch2_trans_update_exact(x->trans, NULL, BTREE_ID_reflink, 0, n, 0);
}

/* The first @sectors of @cl become a pointer to the indirect extent at @idx. */
static int queue_pointer(struct bp_check *x, const struct bp_claim *cl, u64 idx, u32 sectors)
{
	struct bpos start = bkey_start_pos(&cl->k.k->k);
	struct bkey_i_reflink_p *n = bch2_trans_kmalloc(x->trans, sizeof(*n));
	struct btree_iter iter;
	int ret;

	if (IS_ERR(n))
		return PTR_ERR(n);
	start.snapshot = cl->k.k->k.p.snapshot;
	bkey_init(&n->k);
	bkey_reflink_p_init(&n->k_i);
	n->k.p		= start;
	n->k.p.offset	+= sectors;
	n->k.size	= sectors;
	SET_REFLINK_P_IDX(&n->v, idx);

	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_extents, start, BTREE_ITER_intent);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(x->trans, &iter, &n->k_i, BTREE_UPDATE_internal_snapshot_node);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* Older software must not touch a filesystem with indirect extents (spec 51 §1). */
static int need_reflink(struct bp_check *x)
{
	struct bch_fs *c = x->c;
	const __le64 bit = cpu_to_le64(BCH_FEATURE_BIT(reflink));
	int ret = 0;

	bch2_trans_unlock_long(x->trans);
	mutex_lock(&c->sb_lock);
	if (!(c->disk_sb.sb->features[0] & bit)) {
		c->disk_sb.sb->features[0] |= bit;
		ret = bch2_write_super(c);
	}
	mutex_unlock(&c->sb_lock);
	return ret;
}

static int queue_share(struct bp_check *x, const struct bp_claim *k, const struct bp_claim *o,
		       u32 sectors)
{
	u64 idx;

	return  next_idx(x, sectors, &idx) ?:
		queue_indirect(x, k, idx, sectors) ?:
		queue_pointer(x, k, idx, sectors) ?:
		queue_pointer(x, o, idx, sectors);
}

/**
 * bch2_bp_claims_share - make the space that two extents share an indirect extent
 * @x:	check
 * @k:	one extent, of the extents btree
 * @o:	the other
 *
 * Return: a restart when that was done; 1: it cannot be done; 0: it may not; or an
 * error.
 */
int bch2_bp_claims_share(struct bp_check *x, const struct bp_claim *k, const struct bp_claim *o)
{
	const u32 sectors = shared_sectors(x, k, o);
	CLASS(printbuf, buf)();
	int ret = 0;

	if (!sectors)
		return 1;
	bch2_bkey_val_to_text(&buf, x->c, bkey_i_to_s_c(k->k.k));
	prt_str(&buf, "\n  and ");
	bch2_bkey_val_to_text(&buf, x->c, bkey_i_to_s_c(o->k.k));
	if (fsck_err_trans(x->trans, dup_extents_to_reflink,
			   "extents pointing to same space, with good checksums: "
			   "%u sectors become an indirect extent:\n  %s", sectors,
			   printbuf_str(&buf))) {
		ret   = need_reflink(x) ?:
			nested_commit_do(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					 queue_share(x, k, o, sectors));
		ret   = ret ?: bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_nested);
	}
fsck_err:
	return ret;
}
