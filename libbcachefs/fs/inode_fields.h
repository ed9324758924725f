/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The numbers behind the fixed part of an inode, as a table: shared by reading
 * (inode.c) and writing (inode_write.c) and nobody else (spec 60 section 3.3).
 */
#ifndef _BCACHEFS_FS_INODE_FIELDS_H
#define _BCACHEFS_FS_INODE_FIELDS_H

#include <linux/types.h>

#define BCH_INODE_NR_FIELDS_v3	28

/* Where a stored number goes. */
struct inode_field {
	u16		offset;		/* in struct bch_inode_unpacked */
	u8		bytes;		/* size there: what does not fit is an error */
	bool		wide;		/* 96 bits on disk: two numbers, the second 0 */
	const char	*name;
};

extern const struct inode_field bch2_inode_fields_v3[BCH_INODE_NR_FIELDS_v3];

#endif /* _BCACHEFS_FS_INODE_FIELDS_H */
