// SPDX-License-Identifier: GPL-2.0
/*
 * Which options apply to a key (spec 53 §4, first part). Every function returns
 * them complete: what an option leaves to another one is filled in already.
 */
#include <linux/bits.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"
#include "data/io_opts.h"
#include "data/reconcile.h"
#include "fs/inode.h"

/* Erasure coded data has at most two parity blocks. */
#define EC_REPLICAS_MAX		3

static void fill_in(struct bch_io_opts *o)
{
	if (!o->background_target)
		o->background_target = o->foreground_target;
	if (!o->background_compression)
		o->background_compression = o->compression;
	if (o->data_replicas == 1)
		o->erasure_code = false;
	if (o->nocow) {
		o->compression			= 0;
		o->background_compression	= 0;
		o->data_checksum		= 0;
		o->erasure_code			= false;
	}
	if (o->erasure_code)
		o->data_replicas = min_t(u8, o->data_replicas, EC_REPLICAS_MAX);
}

static struct bch_io_opts of_fs(const struct bch_fs *c)
{
	return (struct bch_io_opts) {
		.promote_target		= c->opts.promote_target,
		.foreground_target	= c->opts.foreground_target,
		.background_target	= c->opts.background_target,
		.data_replicas		= c->opts.data_replicas,
		.data_checksum		= c->opts.data_checksum,
		.compression		= c->opts.compression,
		.background_compression	= c->opts.background_compression,
		.erasure_code		= c->opts.erasure_code,
		.nocow			= c->opts.nocow,
	};
}

/**
 * bch2_io_opts_metadata - how nodes of btrees should be stored
 * @c:	filesystem
 */
struct bch_io_opts bch2_io_opts_metadata(const struct bch_fs *c)
{
	return (struct bch_io_opts) {
		.data_replicas		= c->opts.metadata_replicas,
		.data_checksum		= c->opts.metadata_checksum,
		.background_target	= c->opts.metadata_target ?: c->opts.foreground_target,
	};
}

/**
 * bch2_io_opts_fs - how data should be stored that no inode says anything about
 * @c:	filesystem
 */
struct bch_io_opts bch2_io_opts_fs(const struct bch_fs *c)
{
	struct bch_io_opts o = of_fs(c);

	fill_in(&o);
	return o;
}

/**
 * bch2_io_opts_inode - how data of an inode should be stored
 * @c:		filesystem
 * @inode:	inode
 */
struct bch_io_opts bch2_io_opts_inode(const struct bch_fs *c,
				      const struct bch_inode_unpacked *inode)
{
	struct bch_io_opts o = of_fs(c);

#define take(_bit, _field)							\
	do {									\
		if (inode->bi_##_field) {					\
			o._field = inode->bi_##_field - 1;			\
			o.from_inode |= (_bit);					\
		}								\
	} while (0)

	take(BIT(BCH_RECONCILE_OPT_data_replicas),	    data_replicas);
	take(BIT(BCH_RECONCILE_OPT_data_checksum),	    data_checksum);
	take(BIT(BCH_RECONCILE_OPT_erasure_code),	    erasure_code);
	take(BIT(BCH_RECONCILE_OPT_background_compression), background_compression);
	take(BIT(BCH_RECONCILE_OPT_background_target),	    background_target);
	take(BIT(BCH_IO_OPT_promote_target),		    promote_target);
	take(0, foreground_target);
	take(0, compression);
	take(0, nocow);
#undef take

	fill_in(&o);
	return o;
}

/**
 * bch2_io_opts_indirect - how an indirect extent should be stored
 * @c:	filesystem
 * @k:	extent; remembers what the inode asked for that it was made by
 */
struct bch_io_opts bch2_io_opts_indirect(const struct bch_fs *c, struct bkey_s_c k)
{
	const struct bch_extent_reconcile *r = bch2_bkey_reconcile(c, k);
	struct bch_io_opts o = of_fs(c);

	if (!r)
		goto out;

#define take(_bit, _field, _FIELD)						\
	do {									\
		if (RECONCILE_##_FIELD##_FROM_INODE(r)) {			\
			o._field = RECONCILE_##_FIELD(r);			\
			o.from_inode |= BIT(_bit);				\
		}								\
	} while (0)

	take(BCH_RECONCILE_OPT_data_replicas, data_replicas, DATA_REPLICAS);
	take(BCH_RECONCILE_OPT_data_checksum, data_checksum, DATA_CHECKSUM);
	take(BCH_RECONCILE_OPT_erasure_code, erasure_code, ERASURE_CODE);
	take(BCH_RECONCILE_OPT_background_compression, background_compression,
	     BACKGROUND_COMPRESSION);
	take(BCH_RECONCILE_OPT_background_target, background_target, BACKGROUND_TARGET);
	take(BCH_IO_OPT_promote_target, promote_target, PROMOTE_TARGET);
#undef take
out:
	fill_in(&o);
	return o;
}
