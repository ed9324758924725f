// SPDX-License-Identifier: GPL-2.0
/*
 * Triggers of keys with pointers, and of reservations (spec 50 §12, 41 §5.1,
 * §5.2, 40 §5.4).
 *
 * A key's effects are computed from the key alone, once with each sign, so that
 * what was added when it came is what is taken away when it goes. The same walk
 * serves transactions, which change alloc keys, backpointers and deltas, and
 * recounts, which change the recount's tables.
 */
#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/backpointers.h"
#include "alloc/buckets.h"
#include "alloc/gc.h"
#include "alloc/index_update.h"
#include "alloc/replicas_live.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/update.h"
#include "data/extents.h"
#include "data/reconcile_trigger.h"
#include "data/stripe_trigger.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/printbuf.h"

/* Sectors of a kind in a bucket are 32 bits wide. */
#define BUCKET_SECTORS_MAX	((s64) U32_MAX)

/* --- one pointer and its bucket, spec 40 §5.4 --- */

/* An inconsistency between a key and a bucket: message, count, check_allocations. */
static __printf(4, 5) void ref_error(struct bch_fs *c, struct bkey_s_c k,
				     enum bch_sb_error_id id, const char *fmt, ...)
{
	CLASS(printbuf, buf)();
	va_list args;

	va_start(args, fmt);
	prt_vprintf(&buf, fmt, args);
	va_end(args);
	prt_str(&buf, "\n  while marking ");
	bch2_bkey_val_to_text(&buf, c, k);
	bch_err(c, "%s", printbuf_str(&buf));

	bch2_count_fsck_err(c, id);
	if (c->up.request_pass && !c->gc)
		c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_allocations);
}

/* Generations: 0 the pointer counts, 1 it does not, -1 it is wrong. */
static int ref_check_gen(struct bch_fs *c, struct bch_dev *ca, struct bkey_s_c k,
			 const struct extent_ptr_decoded *p, u8 bucket_gen)
{
	const u8 gen = EXTENT_PTR_GEN(&p->ptr);
	const u64 bucket = sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p->ptr));
	const bool cached = EXTENT_PTR_CACHED(&p->ptr);

	if (gen == bucket_gen)
		return 0;
	if (gen_after(gen, bucket_gen)) {
		ref_error(c, k, BCH_FSCK_ERR_ptr_gen_newer_than_bucket_gen,
			  "bucket %u:%llu gen %u: pointer has newer gen %u",
			  ca->dev_idx, bucket, bucket_gen, gen);
		return -1;
	}
	if (gen_cmp(bucket_gen, gen) > BUCKET_GC_GEN_MAX) {
		ref_error(c, k, BCH_FSCK_ERR_ptr_too_stale,
			  "bucket %u:%llu gen %u: pointer with gen %u is too old",
			  ca->dev_idx, bucket, bucket_gen, gen);
		return -1;
	}
	if (!cached) {
		ref_error(c, k, BCH_FSCK_ERR_stale_dirty_ptr,
			  "bucket %u:%llu gen %u: stale dirty pointer with gen %u",
			  ca->dev_idx, bucket, bucket_gen, gen);
		return -1;
	}
	if (c->sb.compat & BIT_ULL(BCH_COMPAT_no_stale_ptrs))
		ref_error(c, k, BCH_FSCK_ERR_stale_ptr_with_no_stale_ptrs_feature,
			  "bucket %u:%llu gen %u: stale cached pointer with gen %u, but the "
			  "superblock says there are none", ca->dev_idx, bucket, bucket_gen, gen);
	return 1;
}

static __le32 *ref_counter(struct bch_alloc_v4 *a, const struct extent_ptr_decoded *p)
{
	if (p->has_ec)
		return &a->stripe_sectors;
	return EXTENT_PTR_CACHED(&p->ptr) ? &a->cached_sectors : &a->dirty_sectors;
}

/**
 * bch2_bucket_ref_update - a pointer comes to or leaves a bucket
 * @trans:	transaction
 * @ca:		device of the pointer
 * @k:		its key
 * @p:		pointer, in a valid bucket of @ca
 * @sectors:	on disk; negative when it leaves
 * @ptr_data_type: kind of data
 * @a:		the bucket's value; its counters change
 * @insert:	comes
 *
 * What is wrong is reported. When the pointer comes it is refused - unless it is
 * only of another kind than the bucket, which then holds multiple kinds; when it
 * leaves, deletion always works.
 *
 * Returns 0; 1: stale, counts nowhere; -BCH_ERR_trigger_pointer.
 */
int bch2_bucket_ref_update(struct btree_trans *trans, struct bch_dev *ca, struct bkey_s_c k,
			   const struct extent_ptr_decoded *p, s64 sectors,
			   unsigned int ptr_data_type, struct bch_alloc_v4 *a, bool insert)
{
	struct bch_fs *c = trans->c;
	__le32 *counter = ref_counter(a, p);
	s64 n = (s64) le32_to_cpu(*counter) + sectors;
	int ret = ref_check_gen(c, ca, k, p, a->gen);

	if (ret < 0)
		return insert ? -BCH_ERR_trigger_pointer : EXTENT_PTR_CACHED(&p->ptr) ? 1 : 0;
	if (ret)
		return ret;

	if (bch2_bucket_data_type_mismatch(a->data_type, ptr_data_type)) {
		ref_error(c, k, BCH_FSCK_ERR_ptr_bucket_data_type_mismatch,
			  "bucket %u:%llu holds data of type %u, pointer is of type %u",
			  ca->dev_idx, sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p->ptr)),
			  a->data_type, ptr_data_type);
		a->data_type = BCH_DATA_multiple;
	}

	if (n < 0 || n > BUCKET_SECTORS_MAX) {
		ref_error(c, k, BCH_FSCK_ERR_bucket_sector_count_overflow,
			  "bucket %u:%llu: %u sectors and %lli more are out of range",
			  ca->dev_idx, sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p->ptr)),
			  le32_to_cpu(*counter), (long long) sectors);
		if (insert)
			return -BCH_ERR_trigger_pointer;
		n = clamp_t(s64, n, 0, BUCKET_SECTORS_MAX);
	}
	*counter = cpu_to_le32(n);
	if (insert)
		bch2_alloc_data_type_set(a, ptr_data_type);
	return 0;
}

/* --- the walk over the pointers of a key --- */

struct ptr_walk {
	struct btree_trans	*trans;
	enum btree_id		btree;
	unsigned int		level;
	struct bkey_s_c		k;
	bool			insert;
	bool			gc;
	unsigned int		flags;

	/* Replicas that are neither cached nor striped: devices, sectors (spec 41 §5.1). */
	struct bch_replicas_padded plain;
	s64			plain_sectors;
	/* Run of pointers of one compression type. */
	unsigned int		compression_type;
	s64			compression[3];
};

static int walk_account(struct ptr_walk *w, const struct disk_accounting_pos *acc,
			const s64 *d, unsigned int nr)
{
	s64 v[BCH_ACCOUNTING_MAX_COUNTERS];

	for (unsigned int i = 0; i < nr; i++)
		v[i] = w->insert ? d[i] : -d[i];
	return bch2_accounting_mod(w->trans, w->gc, acc, v, nr);
}

static int walk_account_replicas(struct ptr_walk *w, const struct bch_replicas_entry_v1 *r,
				 s64 sectors)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_replicas };

	memcpy(&acc.replicas, r, replicas_entry_bytes(r));
	return walk_account(w, &acc, &sectors, 1);
}

static void report_missing_device(struct bch_fs *c, struct bkey_s_c k, unsigned int dev)
{
	bool deleted = false;

	if (mutex_trylock(&c->sb_lock)) {
		if (dev < c->disk_sb.sb->nr_devices) {
			const struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, dev);

			deleted = bch2_member_deleted(&m);
		}
		mutex_unlock(&c->sb_lock);
	}
	ref_error(c, k, deleted ? BCH_FSCK_ERR_ptr_to_removed_device
				: BCH_FSCK_ERR_ptr_to_invalid_device,
		  "pointer to %s device %u", deleted ? "removed" : "invalid", dev);
}

static int walk_backpointer(struct ptr_walk *w, const struct extent_ptr_decoded *p)
{
	struct bch_fs *c = w->trans->c;
	const struct backpointer_key bp =
		bch2_ptr_to_backpointer(c, w->btree, w->level, w->k, p,
					bch2_backpointer_shift(c));

	return bch2_bucket_backpointer_mod(w->trans, &bp, w->insert);
}

/* The bucket of a pointer, and its backpointer. 0; 1: stale; or an error. */
static int walk_bucket(struct ptr_walk *w, const struct extent_ptr_decoded *p, s64 sectors)
{
	struct bch_fs *c = w->trans->c;
	const unsigned int dev = EXTENT_PTR_DEV(&p->ptr);
	const unsigned int type = bch2_ptr_data_type(w->k.k, p);
	struct bch_dev *ca = bch2_dev(c, dev);
	struct bkey_i_alloc_v4 *a;
	struct bpos bucket;
	int ret;

	if (dev == BCH_SB_MEMBER_INVALID)
		return p->has_ec && !w->gc ? walk_backpointer(w, p) : 0;
	if (!ca) {
		if (!w->gc)
			report_missing_device(c, w->k, dev);
		return 0;
	}

	bucket = POS(dev, sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p->ptr)));
	if (!bucket_valid(ca, bucket.offset))
		return w->insert ? -BCH_ERR_trigger_pointer : 0;

	if (!w->insert)
		sectors = -sectors;
	if (w->gc)
		return bch2_gc_bucket_ref(w->trans, ca, bucket.offset, w->k, p, sectors, type,
					  w->insert);

	a = bch2_trans_start_alloc_update(w->trans, bucket, 0);
	if (IS_ERR(a))
		return PTR_ERR(a);
	ret = bch2_bucket_ref_update(w->trans, ca, w->k, p, sectors, type, &a->v, w->insert);
	return ret ?: walk_backpointer(w, p);
}

/* Replicas counter of a pointer that has one of its own, or its part in the key's. */
static int walk_replicas(struct ptr_walk *w, const struct extent_ptr_decoded *p, s64 sectors)
{
	const unsigned int dev = EXTENT_PTR_DEV(&p->ptr);
	struct bch_replicas_padded r = {};
	int ret;

	if (EXTENT_PTR_CACHED(&p->ptr)) {
		r.e.data_type	= BCH_DATA_cached;
		r.e.nr_required	= 1;
		r.e.nr_devs	= 1;
		r.e.devs[0]	= dev;
		return walk_account_replicas(w, &r.e, sectors);
	}

	if (!p->has_ec) {
		w->plain_sectors += sectors;
		if (w->plain.e.nr_devs < sizeof(w->plain.pad))
			w->plain.e.devs[w->plain.e.nr_devs++] = dev;
		return 0;
	}

	w->plain.e.nr_required = 0;
	ret = bch2_trigger_stripe_ptr(w->trans, w->k, p,
				      w->level ? BCH_DATA_btree : BCH_DATA_user,
				      w->insert ? sectors : -sectors, w->flags, &r);
	if (ret)
		return ret < 0 ? ret : 0;
	return walk_account_replicas(w, &r.e, sectors);
}

static int walk_compression_emit(struct ptr_walk *w)
{
	const struct disk_accounting_pos acc = {
		.type			= BCH_DISK_ACCOUNTING_compression,
		.compression.type	= w->compression_type,
	};

	return w->compression_type
		? walk_account(w, &acc, w->compression, ARRAY_SIZE(w->compression)) : 0;
}

/* Sizes are those of the original extent, not of the live part. */
static int walk_compression(struct ptr_walk *w, const struct extent_ptr_decoded *p)
{
	int ret = 0;

	if (w->compression_type && w->compression_type != p->crc.compression_type) {
		ret = walk_compression_emit(w);
		w->compression[0] = 1;
		w->compression[1] = 0;
		w->compression[2] = 0;
	}
	w->compression_type = p->crc.compression_type;
	if (w->compression_type) {
		w->compression[1] += p->crc.uncompressed_size;
		w->compression[2] += p->crc.compressed_size;
	}
	return ret;
}

static int walk_ptr(struct ptr_walk *w, const struct extent_ptr_decoded *p)
{
	const s64 sectors = bch2_ptr_disk_sectors(w->trans->c, w->k.k, p);
	int ret = walk_bucket(w, p, sectors);

	if (ret)
		return ret < 0 ? ret : 0;
	return walk_replicas(w, p, sectors) ?: walk_compression(w, p);
}

/* What the key counts for as a whole (spec 41 §5.1, steps 8 to 11). */
static int walk_totals(struct ptr_walk *w)
{
	struct disk_accounting_pos acc = {};
	s64 d[BCH_ACCOUNTING_MAX_COUNTERS] = { w->plain_sectors };
	int ret = 0;

	if (w->plain.e.nr_devs)
		ret = walk_account_replicas(w, &w->plain.e, w->plain_sectors);
	if (!ret && w->plain.e.nr_devs && !w->level && w->k.k->p.snapshot) {
		acc.type = BCH_DISK_ACCOUNTING_snapshot;
		acc.snapshot.id = cpu_to_le32(w->k.k->p.snapshot);
		ret = walk_account(w, &acc, d, 1);
	}
	ret = ret ?: walk_compression_emit(w);
	if (ret)
		return ret;

	memset(&acc, 0, sizeof(acc));
	if (w->level) {
		acc.type = BCH_DISK_ACCOUNTING_btree;
		acc.btree.id = cpu_to_le32(w->btree);
		d[1] = 1;
		d[2] = w->level > 1;
	} else {
		acc.type = BCH_DISK_ACCOUNTING_inum;
		acc.inum.inum = cpu_to_le64(w->k.k->p.inode);
		d[0] = 1;
		d[1] = w->k.k->size;
		d[2] = w->plain_sectors;
	}
	return walk_account(w, &acc, d, ARRAY_SIZE(d));
}

static int walk_key(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		    struct bkey_s_c k, bool insert, unsigned int flags)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(trans->c, k);
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	struct ptr_walk w = {
		.trans		= trans,
		.btree		= btree,
		.level		= level,
		.k		= k,
		.insert		= insert,
		.gc		= flags & BTREE_TRIGGER_gc,
		.flags		= flags,
		.plain.e.data_type = level ? BCH_DATA_btree : BCH_DATA_user,
		.plain.e.nr_required = 1,
		.compression	= { 1 },
	};
	int ret;

	bkey_for_each_ptr_decode(k.k, ptrs, p, entry) {
		ret = walk_ptr(&w, &p);
		if (ret)
			return ret;
	}
	return walk_totals(&w);
}

/* --- triggers --- */

static bool has_ptrs(struct bkey_s_c k)
{
	return bkey_type_has_ptrs(k.k->type) && k.k->type != KEY_TYPE_stripe;
}

/* Nothing that is counted differs. */
static bool same_entries(struct bch_fs *c, struct bkey_s_c l, struct bkey_s_c r)
{
	const struct bkey_ptrs_c a = bch2_bkey_ptrs_c_fs(c, l);
	const struct bkey_ptrs_c b = bch2_bkey_ptrs_c_fs(c, r);
	const size_t bytes = (const u8 *) a.end - (const u8 *) a.start;

	return has_ptrs(l) && has_ptrs(r) && l.k->size == r.k->size &&
		bytes == (size_t) ((const u8 *) b.end - (const u8 *) b.start) &&
		!memcmp(a.start, b.start, bytes);
}

/**
 * bch2_trigger_extent - what follows from a change of a key with pointers
 * @trans:	transaction
 * @btree:	btree of the key
 * @level:	level that the key lives at: 0 for data, root level + 1 for roots
 * @old:	key before
 * @new_key:	key after; pointers to nodes may get a reconcile_bp entry
 * @flags:	transactional or gc; insert, overwrite
 *
 * For extent, reflink_v, btree_ptr and btree_ptr_v2; other types have no pointers
 * and no effect. The old key goes before the new one comes, so that a backpointer
 * at the same place ends up there. Returns 0, a restart, or an error.
 */
int bch2_trigger_extent(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	struct bkey_s_c new_c = bkey_s_to_s_c(new_key);
	int ret = 0;

	if (!(flags & (BTREE_TRIGGER_transactional|BTREE_TRIGGER_gc)) ||
	    same_entries(trans->c, old, new_c))
		return 0;

	if ((flags & BTREE_TRIGGER_overwrite) && has_ptrs(old))
		ret = walk_key(trans, btree, level, old, false, flags);
	if (!ret && (flags & BTREE_TRIGGER_insert) && has_ptrs(new_c))
		ret = walk_key(trans, btree, level, new_c, true, flags);
	return ret ?: bch2_trigger_reconcile(trans, btree, level, old, new_key, flags);
}

static int reservation_mod(struct btree_trans *trans, struct bkey_s_c k, s64 sign,
			   unsigned int flags)
{
	const struct bch_reservation *v = bkey_val(k, reservation);
	const struct disk_accounting_pos acc = {
		.type = BCH_DISK_ACCOUNTING_persistent_reserved,
		.persistent_reserved.nr_replicas = v->nr_replicas,
	};
	const s64 sectors = sign * (s64) k.k->size;

	if (!v->nr_replicas || v->nr_replicas > BCH_REPLICAS_MAX)
		return sign > 0 ? -BCH_ERR_trigger_reservation : 0;
	return bch2_accounting_mod(trans, flags & BTREE_TRIGGER_gc, &acc, &sectors, 1);
}

/**
 * bch2_trigger_reservation - what follows from a change of a reservation
 * @trans:	transaction
 * @btree:	extents
 * @level:	0
 * @old:	key before
 * @new_key:	key after
 * @flags:	transactional or gc; insert, overwrite
 *
 * Spec 41 §5.2. Returns 0, a restart, or an error.
 */
int bch2_trigger_reservation(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			     struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	int ret = 0;

	if (!(flags & (BTREE_TRIGGER_transactional|BTREE_TRIGGER_gc)))
		return 0;
	if ((flags & BTREE_TRIGGER_overwrite) && old.k->type == KEY_TYPE_reservation)
		ret = reservation_mod(trans, old, -1, flags);
	if (!ret && (flags & BTREE_TRIGGER_insert) && new_key.k->type == KEY_TYPE_reservation)
		ret = reservation_mod(trans, bkey_s_to_s_c(new_key), 1, flags);
	return ret;
}
