// SPDX-License-Identifier: GPL-2.0
/*
 * Pending background work: classes, positions of index entries, validation and
 * text of the entries in extents (spec 53).
 *
 * Nothing here decides what work there should be; it says what keys record.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "data/reconcile.h"
#include "data/stripes.h"
#include "sb/disk_groups.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* --- classes and positions --- */

/**
 * bch2_bkey_reconcile - what a key records of its options
 * @c:		filesystem, may be NULL
 * @k:		key of any type
 *
 * Returns the first entry of type reconcile, or NULL.
 */
const struct bch_extent_reconcile *bch2_bkey_reconcile(const struct bch_fs *c, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;

	if (!bkey_type_has_ptrs(k.k->type) || k.k->type == KEY_TYPE_stripe)
		return NULL;
	bkey_extent_entry_for_each(ptrs, e)
		if (extent_entry_type(e) == BCH_EXTENT_ENTRY_reconcile)
			return &e->reconcile;
	return NULL;
}

/**
 * bch2_bkey_reconcile_class - in which queue a key must be entered
 * @c:		filesystem, may be NULL
 * @k:		extent, reflink_v, stripe or node pointer; may be invalid
 *
 * Spec 53 §3.1.
 */
enum bch_reconcile_work_id bch2_bkey_reconcile_class(struct bch_fs *c, struct bkey_s_c k)
{
	const struct bch_extent_reconcile *r;

	if (k.k->type == KEY_TYPE_stripe)
		return bch2_stripe_needs_reconcile(k) ? RECONCILE_WORK_hipri : RECONCILE_WORK_none;

	r = bch2_bkey_reconcile(c, k);
	if (!r || !RECONCILE_NEED_RB(r))
		return RECONCILE_WORK_none;
	if (RECONCILE_PENDING(r))
		return RECONCILE_WORK_pending;
	return RECONCILE_HIPRI(r) ? RECONCILE_WORK_hipri : RECONCILE_WORK_normal;
}

/**
 * bch2_reconcile_class_btree - btree that holds the entries of a class
 * @class:	class of work
 * @phys:	the one ordered by device address, instead of by key
 *
 * Returns a btree id, or -1 if there is none.
 */
int bch2_reconcile_class_btree(enum bch_reconcile_work_id class, bool phys)
{
	switch (class) {
	case RECONCILE_WORK_hipri:
		return phys ? BTREE_ID_reconcile_hipri_phys : BTREE_ID_reconcile_hipri;
	case RECONCILE_WORK_normal:
		return phys ? BTREE_ID_reconcile_work_phys : BTREE_ID_reconcile_work;
	case RECONCILE_WORK_pending:
		return phys ? -1 : BTREE_ID_reconcile_pending;
	default:
		return -1;
	}
}

/**
 * bch2_reconcile_work_pos - position of a data key's entry in a work btree
 * @data_btree:	extents, reflink or stripes
 * @pos:	position of the data key
 *
 * Spec 53 §2.1; not the scheme from before 1.33.
 */
struct bpos bch2_reconcile_work_pos(enum btree_id data_btree, struct bpos pos)
{
	switch (data_btree) {
	case BTREE_ID_stripes:
		return POS(0, pos.offset);
	case BTREE_ID_reflink:
		return POS(pos.inode + 1, pos.offset);
	default:
		return pos;
	}
}

/**
 * bch2_reconcile_work_decode - the data key that an entry of a work btree means
 * @work:	position of the entry
 * @pos:	result: position of the data key
 *
 * Returns the btree that the data key is in.
 */
enum btree_id bch2_reconcile_work_decode(struct bpos work, struct bpos *pos)
{
	*pos = work;
	if (!work.inode)
		return BTREE_ID_stripes;
	if (work.inode >= BLOCKDEV_INODE_MAX)
		return BTREE_ID_extents;

	pos->inode--;
	return BTREE_ID_reflink;
}

/**
 * bch2_reconcile_scan_pos_to_text - what a position of reconcile_scan means
 * @out:	text sink
 * @pos:	position
 */
void bch2_reconcile_scan_pos_to_text(struct printbuf *out, struct bpos pos)
{
	static const char * const cookies[] = { "fs", "metadata", "pending", "stripes" };
	static const char * const classes[] = {
#define x(nr, name)	[nr] = #name,
		BCH_RECONCILE_WORK_IDS(x)
#undef x
	};

	if (pos.inode && pos.inode < ARRAY_SIZE(classes))
		prt_printf(out, "node %s %llu", classes[pos.inode], (u64) pos.offset);
	else if (pos.inode)
		bch2_bpos_to_text(out, pos);
	else if (pos.offset < ARRAY_SIZE(cookies))
		prt_printf(out, "scan %s", cookies[pos.offset]);
	else if (pos.offset >= RECONCILE_SCAN_COOKIE_inum)
		prt_printf(out, "scan inum %llu", (u64) pos.offset);
	else if (pos.offset >= RECONCILE_SCAN_COOKIE_device &&
		 pos.offset < RECONCILE_SCAN_COOKIE_device + BCH_SB_MEMBER_INVALID)
		prt_printf(out, "scan dev %llu",
			   (u64) pos.offset - RECONCILE_SCAN_COOKIE_device);
	else
		prt_str(out, "scan fs");
}

/* --- validation --- */

/**
 * bch2_extent_reconcile_validate - check a reconcile entry (spec 53 §3.2)
 * @c:		filesystem, may be NULL
 * @k:		key that the entry is in
 * @from:	where the key is from
 * @r:		entry
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_extent_reconcile_validate(struct bch_fs *c, struct bkey_s_c k,
				   struct bkey_validate_context from,
				   const struct bch_extent_reconcile *r)
{
	int ret = 0;

	bkey_fsck_err_on(RECONCILE_PENDING(r) && !RECONCILE_NEED_RB(r), c,
			 extent_reconcile_bad_pending, "pending, but there is nothing to do");
	bkey_fsck_err_on(RECONCILE_HIPRI(r) &&
			 !(RECONCILE_NEED_RB(r) & (1U << BCH_RECONCILE_OPT_data_replicas)), c,
			 extent_reconcile_bad_hipri, "hipri without work on data_replicas");
	bkey_fsck_err_on(!RECONCILE_DATA_REPLICAS(r), c, extent_reconcile_bad_replicas,
			 "data_replicas is 0");
fsck_err:
	return ret;
}

/* --- text --- */

static const char * const csum_opt_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_CSUM_OPTS(x)
#undef x
};

static const char * const compression_opt_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_COMPRESSION_OPTS(x)
#undef x
};

static const char * const reconcile_opt_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_RECONCILE_OPTS(x)
#undef x
	NULL
};

/* Options as both kinds of entries record them. */
struct recorded_opt {
	unsigned int		v;
	bool			from_inode;
};

struct recorded_opts {
	struct recorded_opt	replicas;
	struct recorded_opt	checksum;
	struct recorded_opt	compression;
	struct recorded_opt	background_target;
	struct recorded_opt	promote_target;
	struct recorded_opt	ec;
};

static void from_inode_to_text(struct printbuf *out, const struct recorded_opt *o)
{
	if (o->from_inode)
		prt_str(out, " (inode)");
}

static void target_opt_to_text(struct printbuf *out, struct bch_fs *c, const char *name,
			       const struct recorded_opt *o)
{
	if (!o->v && !o->from_inode)
		return;

	prt_printf(out, " %s=", name);
	if (c && c->disk_sb.sb)
		bch2_target_to_text(out, c, c->disk_sb.sb, o->v);
	else
		prt_printf(out, "%u", o->v);
	from_inode_to_text(out, o);
}

static void recorded_opts_to_text(struct printbuf *out, struct bch_fs *c,
				  const struct recorded_opts *o)
{
	prt_printf(out, "replicas=%u", o->replicas.v);
	from_inode_to_text(out, &o->replicas);

	prt_str(out, " checksum=");
	prt_value_name(out, csum_opt_names, ARRAY_SIZE(csum_opt_names), o->checksum.v);
	from_inode_to_text(out, &o->checksum);

	if (o->compression.v || o->compression.from_inode) {
		prt_str(out, " background_compression=");
		prt_value_name(out, compression_opt_names, ARRAY_SIZE(compression_opt_names),
			       o->compression.v & 0xf);
		if (o->compression.v >> 4)
			prt_printf(out, ":%u", o->compression.v >> 4);
		from_inode_to_text(out, &o->compression);
	}

	target_opt_to_text(out, c, "background_target", &o->background_target);
	target_opt_to_text(out, c, "promote_target", &o->promote_target);

	if (o->ec.v || o->ec.from_inode) {
		prt_printf(out, " ec=%u", o->ec.v);
		from_inode_to_text(out, &o->ec);
	}
}

/**
 * bch2_extent_reconcile_to_text - text of a reconcile entry (spec 53 §3.4)
 * @out:	text sink
 * @c:		filesystem, may be NULL: targets are then numbers
 * @r:		entry
 */
void bch2_extent_reconcile_to_text(struct printbuf *out, struct bch_fs *c,
				   const struct bch_extent_reconcile *r)
{
#define OPT(NAME)	{ RECONCILE_##NAME(r), RECONCILE_##NAME##_FROM_INODE(r) }
	const struct recorded_opts o = {
		.replicas		= OPT(DATA_REPLICAS),
		.checksum		= OPT(DATA_CHECKSUM),
		.compression		= OPT(BACKGROUND_COMPRESSION),
		.background_target	= OPT(BACKGROUND_TARGET),
		.promote_target		= OPT(PROMOTE_TARGET),
		.ec			= OPT(ERASURE_CODE),
	};
#undef OPT

	prt_str(out, "need_rb=");
	prt_bitflags(out, reconcile_opt_names, RECONCILE_NEED_RB(r));
	if (RECONCILE_HIPRI(r))
		prt_str(out, " hipri");
	if (RECONCILE_PENDING(r))
		prt_str(out, " pending");
	prt_str(out, " ");
	recorded_opts_to_text(out, c, &o);
}

/**
 * bch2_extent_rebalance_v1_to_text - text of a rebalance entry (spec 53 §3.4)
 * @out:	text sink
 * @c:		filesystem, may be NULL: targets are then numbers
 * @r:		entry
 */
void bch2_extent_rebalance_v1_to_text(struct printbuf *out, struct bch_fs *c,
				      const struct bch_extent_rebalance_v1 *r)
{
#define OPT(NAME)	{ REBALANCE_V1_##NAME(r), REBALANCE_V1_##NAME##_FROM_INODE(r) }
	const struct recorded_opts o = {
		.replicas		= OPT(DATA_REPLICAS),
		.checksum		= OPT(DATA_CHECKSUM),
		.compression		= OPT(BACKGROUND_COMPRESSION),
		.background_target	= OPT(BACKGROUND_TARGET),
		.promote_target		= OPT(PROMOTE_TARGET),
		.ec			= OPT(ERASURE_CODE),
	};
#undef OPT

	recorded_opts_to_text(out, c, &o);
}
