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

/**
 * sb_make() - a valid superblock: version 1.38, sections members_v2 and ext
 * @h:		result
 * @nr:		members, all alive
 */
void sb_make(struct bch_sb_handle *h, unsigned nr);

/**
 * sb_member() - a member as it lies in the superblock
 * @h:		superblock
 * @idx:	which
 */
struct bch_member *sb_member(struct bch_sb_handle *h, unsigned idx);

/**
 * sb_csum() - set the checksum, of the type that the superblock names
 * @sb:		superblock
 */
void sb_csum(struct bch_sb *sb);

/**
 * sb_add() - add a section
 * @h:		superblock
 * @type:	of the section
 * @data:	payload
 * @bytes:	of the payload
 */
struct bch_sb_field *sb_add(struct bch_sb_handle *h, enum bch_sb_field_type type,
			    const void *data, size_t bytes);

#endif /* _SB_COMMON_H */
