/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device labels (section disk_groups), and targets, which name a device or a
 * label (spec 10 section 9.6).
 */
#ifndef _BCACHEFS_SB_DISK_GROUPS_H
#define _BCACHEFS_SB_DISK_GROUPS_H

#include "bcachefs.h"

struct bch_sb_text;

/* What a target value stands for. */
enum bch_target_type {
	BCH_TARGET_none,
	BCH_TARGET_dev,
	BCH_TARGET_label,
};

struct bch_target {
	enum bch_target_type	type;
	unsigned		id;	/* member index or label id */
};

static inline struct bch_target bch2_target_decode(unsigned v)
{
	if (v >= BCH_TARGET_GROUP_START)
		return (struct bch_target) { BCH_TARGET_label, v - BCH_TARGET_GROUP_START };
	if (v >= BCH_TARGET_DEV_START)
		return (struct bch_target) { BCH_TARGET_dev, v - BCH_TARGET_DEV_START };
	return (struct bch_target) { BCH_TARGET_none, 0 };
}

static inline unsigned bch2_target_dev(unsigned idx)
{
	return BCH_TARGET_DEV_START + idx;
}

static inline unsigned bch2_target_label(unsigned id)
{
	return BCH_TARGET_GROUP_START + id;
}

int bch2_sb_label_find(const struct bch_sb *, const char *path);
void bch2_sb_label_path_to_text(struct printbuf *, const struct bch_sb *, unsigned id);
unsigned bch2_sb_dev_labels(const struct bch_sb *, unsigned dev, u16 *ids);
bool bch2_dev_has_label(const struct bch_dev *, unsigned id);

void bch2_target_to_text(struct printbuf *, struct bch_fs *, const struct bch_sb *, unsigned v);
int bch2_target_parse(struct bch_fs *, const struct bch_sb *, const char *s, u64 *v,
		      struct printbuf *err);
bool bch2_dev_in_target(struct bch_fs *, unsigned dev, unsigned target);

int bch2_sb_disk_groups_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
				 struct printbuf *);
void bch2_sb_disk_groups_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
				 const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_DISK_GROUPS_H */
