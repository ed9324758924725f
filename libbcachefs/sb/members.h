/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Member devices: the sections members_v1 and members_v2, and the struct
 * bch_dev made from an entry (spec 10 section 9.8).
 *
 * On the read side c->devs[] never changes after open, so lookups take no
 * reference and no lock.
 */
#ifndef _BCACHEFS_SB_MEMBERS_H
#define _BCACHEFS_SB_MEMBERS_H

#include <linux/math64.h>

#include "bcachefs.h"

struct bch_sb_text;

/* --- entries in a superblock --- */

struct bch_member bch2_sb_member_get(const struct bch_sb *, unsigned idx);
bool bch2_sb_has_member(const struct bch_sb *, unsigned idx);
unsigned bch2_sb_nr_alive(const struct bch_sb *);
int bch2_sb_members_upgrade(struct bch_sb_handle *);

/* Slots that are neither empty nor deleted (spec 10 section 9.8.5). */
bool bch2_member_alive(const struct bch_member *);
bool bch2_member_deleted(const struct bch_member *);

struct bch_member_cpu bch2_mi_to_cpu(const struct bch_member *);
void bch2_mi_update(struct bch_member_cpu *, const struct bch_member *);

/* --- devices of an open filesystem --- */

/* Member @idx, online or not; NULL if there is no such member. */
static inline struct bch_dev *bch2_dev(const struct bch_fs *c, unsigned idx)
{
	return idx < BCH_SB_MEMBERS_MAX ? c->devs[idx] : NULL;
}

static inline bool bch2_dev_exists(const struct bch_fs *c, unsigned idx)
{
	return bch2_dev(c, idx) != NULL;
}

static inline bool bch2_dev_have(const struct bch_fs *c, unsigned idx)
{
	return bch2_dev(c, idx) != NULL;
}

/* Is the device open? */
static inline bool bch2_dev_is_online(const struct bch_dev *ca)
{
	return ca->disk_sb.bdev != NULL;
}

static inline bool bch2_dev_online(const struct bch_fs *c, unsigned idx)
{
	const struct bch_dev *ca = bch2_dev(c, idx);

	return ca && bch2_dev_is_online(ca);
}

static inline struct bch_dev *bch2_next_dev(const struct bch_fs *c, unsigned idx, bool online)
{
	for (; idx < BCH_SB_MEMBERS_MAX; idx++)
		if (c->devs[idx] && (!online || bch2_dev_is_online(c->devs[idx])))
			return c->devs[idx];
	return NULL;
}

#define for_each_member_device(_c, _ca)						\
	for (struct bch_dev *_ca = bch2_next_dev(_c, 0, false);			\
	     _ca;								\
	     _ca = bch2_next_dev(_c, _ca->dev_idx + 1, false))

#define for_each_online_member(_c, _ca)						\
	for (struct bch_dev *_ca = bch2_next_dev(_c, 0, true);			\
	     _ca;								\
	     _ca = bch2_next_dev(_c, _ca->dev_idx + 1, true))

/* Bucket that holds @sector. */
static inline u64 sector_to_bucket(const struct bch_dev *ca, u64 sector)
{
	return div_u64(sector, ca->mi.bucket_size);
}

/* The same; *offset becomes the sector inside the bucket. */
static inline u64 sector_to_bucket_and_offset(const struct bch_dev *ca, u64 sector, u32 *offset)
{
	return div_u64_rem(sector, ca->mi.bucket_size, offset);
}

/* First sector of @bucket. */
static inline u64 bucket_to_sector(const struct bch_dev *ca, u64 bucket)
{
	return bucket * ca->mi.bucket_size;
}

static inline bool bucket_valid(const struct bch_dev *ca, u64 bucket)
{
	return bucket >= ca->mi.first_bucket && bucket < ca->mi.nbuckets;
}

void bch2_dev_io_error(struct bch_dev *, enum bch_member_error_type);

struct bch_dev *bch2_dev_alloc(struct bch_fs *, unsigned idx);
void bch2_dev_free(struct bch_dev *);

/* "device 1 (/dev/sdb)", or what is known of a device that is missing. */
void bch2_dev_to_text(struct printbuf *, const struct bch_sb *, unsigned idx, const char *path);

/* --- texts and the sections' methods (sb/sections.c) --- */

void bch2_member_to_text(struct printbuf *, struct bch_sb *, unsigned idx,
			 const struct bch_sb_text *);

int bch2_sb_members_v1_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
				struct printbuf *);
int bch2_sb_members_v2_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
				struct printbuf *);
void bch2_sb_members_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			     const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_MEMBERS_H */
