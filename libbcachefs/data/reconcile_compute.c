// SPDX-License-Identifier: GPL-2.0
/*
 * What is to be done for a key: its options against its pointers (spec 53 §4).
 *
 * The result follows from the key, the options, the members and the stripes, and
 * from nothing else: everybody who writes the key comes to the same one. It is
 * computed from the pointers as they are, before placeholders come or go.
 */
#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/node_format.h"
#include "btree/trans.h"
#include "data/durability.h"
#include "data/extent_drop.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "data/reconcile_compute.h"
#include "data/stripes.h"
#include "sb/disk_groups.h"
#include "sb/versions_format.h"
#include "sb/write.h"
#include "util/checksum.h"

#define NEED(_opt)		BIT(BCH_RECONCILE_OPT_##_opt)

/* Pointers that PTRS_MOVING has bits for. */
#define PTRS_MOVING_NR		5

struct reconcile_scan {
	u8			need;
	u8			moving;
	bool			hipri;
	bool			unwritten;
	bool			incompressible;
	bool			has_ec;
	unsigned int		ec_redundancy;
	unsigned int		placeholders;
	unsigned int		nr_ptrs;
};

/* --- what options mean for a checksum or compression entry --- */

static unsigned int csum_type_wanted(const struct bch_fs *c, const struct bch_io_opts *o)
{
	if (o->nocow)
		return BCH_CSUM_none;
	if (c->sb.encryption_type)
		return c->opts.wide_macs ? BCH_CSUM_chacha20_poly1305_128
					 : BCH_CSUM_chacha20_poly1305_80;
	return bch2_csum_opt_to_type(o->data_checksum, true);
}

static unsigned int compression_type_wanted(const struct bch_io_opts *o)
{
	switch (o->background_compression & 0xf) {
	case BCH_COMPRESSION_OPT_lz4:
		return BCH_COMPRESSION_TYPE_lz4;
	case BCH_COMPRESSION_OPT_gzip:
		return BCH_COMPRESSION_TYPE_gzip;
	case BCH_COMPRESSION_OPT_zstd:
		return BCH_COMPRESSION_TYPE_zstd;
	default:
		return BCH_COMPRESSION_TYPE_none;
	}
}

/* --- step 2: pointers one by one --- */

static void look_at_ptr(struct bch_fs *c, struct bkey_s_c k, const struct bch_io_opts *o,
			bool poisoned, const struct extent_ptr_decoded *p,
			struct reconcile_scan *s)
{
	const unsigned int dev = EXTENT_PTR_DEV(&p->ptr);
	const bool cached = EXTENT_PTR_CACHED(&p->ptr);
	const bool gone = !p->has_ec && !bch2_dev_stays(c, dev);
	bool moves = gone;

	s->nr_ptrs++;
	s->unwritten	  |= EXTENT_PTR_UNWRITTEN(&p->ptr);
	s->incompressible |= p->crc.compression_type == BCH_COMPRESSION_TYPE_incompressible;
	s->placeholders	  += dev == BCH_SB_MEMBER_INVALID && !p->has_ec;
	if (p->has_ec) {
		s->has_ec = true;
		if (o->erasure_code)
			s->ec_redundancy = max_t(unsigned int, s->ec_redundancy,
						 STRIPE_PTR_REDUNDANCY(&p->ec));
	}

	if (!poisoned && !cached && !bch2_bkey_is_btree_ptr(k.k)) {
		if (p->crc.csum_type != csum_type_wanted(c, o))
			s->need |= NEED(data_checksum);
		if (p->crc.compression_type != compression_type_wanted(o))
			s->need |= NEED(background_compression);
	}
	if (!poisoned && !gone && !cached && o->background_target &&
	    (dev == BCH_SB_MEMBER_INVALID ||
	     !bch2_dev_in_target(c, dev, o->background_target))) {
		s->need |= NEED(background_target);
		moves = true;
	}
	if (gone) {
		s->need |= NEED(data_replicas);
		s->hipri = true;
	}
	if (moves && dev != BCH_SB_MEMBER_INVALID && p->idx < PTRS_MOVING_NR)
		s->moving |= BIT(p->idx);
}

/* --- steps 4 to 6 --- */

static void look_at_key(const struct bch_io_opts *o, const struct bch_durability *d,
			struct reconcile_scan *s)
{
	if (s->unwritten || s->incompressible)
		s->need &= ~NEED(background_compression);
	if (s->unwritten)
		s->need &= ~NEED(data_checksum);

	if (max(d->total, s->ec_redundancy + 1) < o->data_replicas) {
		s->need |= NEED(data_replicas);
		s->hipri = true;
	}
	if (d->total >= o->data_replicas + d->min)
		s->need |= NEED(data_replicas);
	if (!s->unwritten && o->erasure_code != s->has_ec)
		s->need |= NEED(erasure_code);
}

static bool may_use(const struct bch_fs *c, unsigned int version)
{
	return version <= c->sb.version_incompat ||
		(version <= c->sb.version_incompat_allowed &&
		 (c->sb.features & BCH_FEATURE_BIT(incompat_version_field)));
}

static int placeholders_wanted(const struct bch_fs *c, const struct bch_io_opts *o,
			       const struct bch_durability *d, const struct reconcile_scan *s)
{
	const int have = s->placeholders;
	const int surplus = min_t(int, (int) max(d->acct, s->ec_redundancy + 1) + have -
				  o->data_replicas, have);

	if (surplus >= 0)
		return -surplus;
	if (!may_use(c, bcachefs_metadata_version_reconcile))
		return 0;
	return min_t(int, -surplus, max_t(int, BCH_BKEY_PTRS_MAX - (int) s->nr_ptrs, 0));
}

/* --- the entry --- */

static void entry_fill(struct bch_extent_reconcile *r, const struct bch_io_opts *o,
		       const struct reconcile_scan *s)
{
	r->w = 0;
	SET_RECONCILE_TYPE(r, BCH_EXTENT_ENTRY_MARK(reconcile));
	SET_RECONCILE_PTRS_MOVING(r, s->moving);
	SET_RECONCILE_HIPRI(r, s->hipri);
	SET_RECONCILE_NEED_RB(r, s->need);
	SET_RECONCILE_DATA_REPLICAS(r, o->data_replicas);
	SET_RECONCILE_DATA_CHECKSUM(r, o->data_checksum);
	SET_RECONCILE_ERASURE_CODE(r, o->erasure_code);
	SET_RECONCILE_BACKGROUND_COMPRESSION(r, o->background_compression);
	SET_RECONCILE_BACKGROUND_TARGET(r, o->background_target);
	SET_RECONCILE_PROMOTE_TARGET(r, o->promote_target);

#define from_inode(_bit, _FIELD)						\
	SET_RECONCILE_##_FIELD##_FROM_INODE(r, !!(o->from_inode & BIT(_bit)))

	from_inode(BCH_RECONCILE_OPT_data_replicas,	 DATA_REPLICAS);
	from_inode(BCH_RECONCILE_OPT_data_checksum,	 DATA_CHECKSUM);
	from_inode(BCH_RECONCILE_OPT_erasure_code,	 ERASURE_CODE);
	from_inode(BCH_RECONCILE_OPT_background_compression, BACKGROUND_COMPRESSION);
	from_inode(BCH_RECONCILE_OPT_background_target,	 BACKGROUND_TARGET);
	from_inode(BCH_IO_OPT_promote_target,		 PROMOTE_TARGET);
#undef from_inode
}

/* Step 7: work that cannot be done does not become possible by being looked at. */
static void entry_keep_pending(struct bch_extent_reconcile *r,
			       const struct bch_extent_reconcile *old)
{
	if (!old || (RECONCILE_NEED_RB(r) & ~RECONCILE_NEED_RB(old)) ||
	    (RECONCILE_HIPRI(r) && !RECONCILE_HIPRI(old)))
		return;
	SET_RECONCILE_PENDING(r, RECONCILE_PENDING(old) && RECONCILE_NEED_RB(r));
}

/**
 * bch2_reconcile_compute - what a key should carry (spec 53 §4)
 * @trans:	transaction
 * @level:	that the key lives at; 0: data
 * @k:		key
 * @opts:	options that apply to it
 * @w:		result
 *
 * Nothing is to be changed for keys that carry no entry: all but extents,
 * reflink_v and pointers to nodes. Returns 0, a restart, or an error.
 */
int bch2_reconcile_compute(struct btree_trans *trans, unsigned int level, struct bkey_s_c k,
			   const struct bch_io_opts *opts, struct bch_reconcile_want *w)
{
	struct bch_fs *c = trans->c;
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const struct bch_extent_reconcile *old;
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	struct reconcile_scan s = {};
	struct bch_durability d;
	bool poisoned;
	int ret;

	memset(w, 0, sizeof(*w));
	if (!bch2_bkey_is_direct_data(k.k))
		return 0;
	ret = bch2_bkey_durability(trans, k, &d);
	if (ret)
		return ret;

	poisoned = bch2_bkey_is_poisoned(c, k);
	bkey_for_each_ptr_decode(k.k, ptrs, p, entry)
		look_at_ptr(c, k, opts, poisoned, &p, &s);
	look_at_key(opts, &d, &s);

	old = bch2_bkey_reconcile(c, k);
	entry_fill(&w->entry, opts, &s);
	entry_keep_pending(&w->entry, old);
	w->placeholders	= placeholders_wanted(c, opts, &d, &s);
	w->has_ec	= s.has_ec;
	w->new_need	= s.need & ~(old ? RECONCILE_NEED_RB(old) : 0);
	w->has_entry	= s.need || (k.k->type == KEY_TYPE_reflink_v && opts->from_inode);
	w->changes	= w->placeholders || w->has_entry != !!old ||
		(old && w->entry.w != old->w);

	if (!may_use(c, level ? bcachefs_metadata_version_reconcile
			      : bcachefs_metadata_version_sb_field_extent_type_u64s))
		w->changes = false;
	return 0;
}

/**
 * bch2_reconcile_permitted - may keys record work, and btrees list it?
 * @c:	filesystem
 */
bool bch2_reconcile_permitted(const struct bch_fs *c)
{
	return may_use(c, bcachefs_metadata_version_reconcile);
}

/**
 * bch2_reconcile_permit - before bch2_reconcile_apply(): make its result legal
 * @trans:	transaction
 * @level:	that the key lives at
 *
 * Entries and placeholders need incompatible versions; what
 * bch2_reconcile_compute() counted on is entered in the superblock here. Returns 0,
 * a restart, or an error.
 */
int bch2_reconcile_permit(struct btree_trans *trans, unsigned int level)
{
	const unsigned int version = may_use(trans->c, bcachefs_metadata_version_reconcile)
		? bcachefs_metadata_version_reconcile
		: bcachefs_metadata_version_sb_field_extent_type_u64s;
	struct bch_fs *c = trans->c;
	int ret = 0;

	if (version <= c->sb.version_incompat || c->opts.nochanges)
		return 0;

	bch2_trans_unlock_long(trans);
	mutex_lock(&c->sb_lock);
	if (bch2_sb_request_incompat(c, version))
		ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret ?: bch2_trans_relock(trans);
}

/* --- changing a key --- */

/**
 * bch2_reconcile_apply_u64s - how much longer a key may get
 * @w:	what it should carry
 *
 * Returns words.
 */
unsigned int bch2_reconcile_apply_u64s(const struct bch_reconcile_want *w)
{
	return w->has_entry + max(w->placeholders, 0);
}

static void entry_remove(struct bkey_i *k, union bch_extent_entry *e)
{
	u64 *next = (u64 *) e + 1, *end = (u64 *) k + k->k.u64s;

	memmove(e, next, (u8 *) end - (u8 *) next);
	k->k.u64s--;
}

static void word_append(struct bkey_i *k, __le64 w)
{
	*(__le64 *) ((u64 *) k + k->k.u64s) = w;
	k->k.u64s++;
}

static void entry_set(struct bch_fs *c, struct bkey_i *k, const struct bch_reconcile_want *w)
{
	struct bch_extent_reconcile *old =
		(struct bch_extent_reconcile *) bch2_bkey_reconcile(c, bkey_i_to_s_c(k));

	if (old && w->has_entry)
		*old = w->entry;
	else if (old)
		entry_remove(k, (union bch_extent_entry *) old);
	else if (w->has_entry)
		word_append(k, w->entry.w);
}

static bool drop_placeholder(const struct extent_ptr_decoded *p, void *arg)
{
	int *left = arg;

	if (*left <= 0 || p->has_ec || EXTENT_PTR_DEV(&p->ptr) != BCH_SB_MEMBER_INVALID)
		return false;
	--*left;
	return true;
}

/**
 * bch2_reconcile_apply - make a key carry what it should
 * @c:	filesystem
 * @k:	copy of the key; has room for bch2_reconcile_apply_u64s()
 * @w:	result of bch2_reconcile_compute() for this key
 *
 * Returns 0, or -BCH_ERR_trigger if the key would become too large.
 */
int bch2_reconcile_apply(struct bch_fs *c, struct bkey_i *k, const struct bch_reconcile_want *w)
{
	const unsigned int limit = k->k.type == KEY_TYPE_btree_ptr_v2
		? BKEY_BTREE_PTR_U64s_MAX : BKEY_U64s_MAX;
	struct bch_extent_ptr ptr = {};
	int left = -w->placeholders;

	if (k->k.u64s + bch2_reconcile_apply_u64s(w) > limit)
		return -BCH_ERR_trigger;

	entry_set(c, k, w);
	bch2_bkey_drop_ptrs(c, k, drop_placeholder, &left);

	SET_EXTENT_PTR_TYPE(&ptr, BCH_EXTENT_ENTRY_MARK(ptr));
	SET_EXTENT_PTR_DEV(&ptr, BCH_SB_MEMBER_INVALID);
	for (int i = 0; i < w->placeholders; i++)
		word_append(k, ptr.w);
	return 0;
}

/* --- stripes --- */

/**
 * bch2_stripe_wants_reconcile - is a block of a stripe on no device that stays?
 * @c:	filesystem
 * @k:	stripe
 *
 * Step 3 of spec 53 §4.
 */
bool bch2_stripe_wants_reconcile(struct bch_fs *c, struct bkey_s_c k)
{
	struct stripe_geometry g;

	if (k.k->type != KEY_TYPE_stripe || bch2_stripe_geometry(k, &g))
		return false;
	for (unsigned int i = 0; i < g.nr_blocks; i++)
		if (!bch2_dev_stays(c, EXTENT_PTR_DEV(bch2_stripe_ptr(k, &g, i))))
			return true;
	return false;
}
