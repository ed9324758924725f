/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small valid superblock in memory, for tests to break.
 */
#ifndef _SB_COMMON_H
#define _SB_COMMON_H

#include "bcachefs.h"
#include "sb/io.h"

/* Geometry of that filesystem. */
#define SB_TEST_BLOCK		8	/* sectors */
#define SB_TEST_NODE		64
#define SB_TEST_BUCKET		128
#define SB_TEST_NBUCKETS	1024

/* @nr members, all alive; version 1.38; sections members_v2 and ext. */
void sb_make(struct bch_sb_handle *, unsigned nr);

/* Member @idx as it lies in the superblock. */
struct bch_member *sb_member(struct bch_sb_handle *, unsigned idx);

/* Checksum of the type that the superblock names. */
void sb_csum(struct bch_sb *);

/* A section of @bytes payload bytes, which are copied from @data. */
struct bch_sb_field *sb_add(struct bch_sb_handle *, enum bch_sb_field_type, const void *data,
			    size_t bytes);

#endif /* _SB_COMMON_H */
