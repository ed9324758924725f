/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sections replicas_v0 and replicas: on which sets of devices data lies, and
 * whether the devices at hand are enough (spec 10 sections 9.4, 13.4).
 */
#ifndef _BCACHEFS_SB_REPLICAS_H
#define _BCACHEFS_SB_REPLICAS_H

#include "bcachefs.h"

struct bch_sb_text;

/* One entry of either section. */
struct bch_sb_replica {
	u8			data_type;
	u8			nr_devs;
	u8			nr_required;
	const u8		*devs;		/* nr_devs member indexes, maybe unsorted */
};

/* A walk over the entries of a section. */
struct bch_sb_replicas_iter {
	const u8		*p;
	const u8		*end;
	bool			v0;
};

struct bch_sb_replicas_iter bch2_sb_replicas_iter(const struct bch_sb *);
bool bch2_sb_replicas_next(struct bch_sb_replicas_iter *, struct bch_sb_replica *);

/* Which data types entries of this superblock put on a device; bit n = type n. */
unsigned long bch2_sb_dev_has_data(const struct bch_sb *, unsigned dev);

/* What the loss of devices means for the data; bits. */
enum bch_replicas_loss {
	BCH_METADATA_DEGRADED	= 1 << 0,
	BCH_METADATA_LOST	= 1 << 1,
	BCH_DATA_DEGRADED	= 1 << 2,
	BCH_DATA_LOST		= 1 << 3,
};

unsigned bch2_replica_loss(const struct bch_sb_replica *, const struct bch_devs_mask *online);
bool bch2_sb_have_enough_devs(const struct bch_sb *, const struct bch_devs_mask *online,
			      unsigned allowed, struct printbuf *err);

void bch2_sb_replica_to_text(struct printbuf *, const struct bch_sb_replica *);

int bch2_sb_replicas_v0_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
				 struct printbuf *);
int bch2_sb_replicas_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
			      struct printbuf *);
void bch2_sb_replicas_v0_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
				 const struct bch_sb_text *);
void bch2_sb_replicas_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			      const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_REPLICAS_H */
