/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Options that say how data and nodes should be stored: those of the filesystem,
 * with those of an inode over them (spec 53 §4, 60 §7).
 */
#ifndef _BCACHEFS_DATA_IO_OPTS_H
#define _BCACHEFS_DATA_IO_OPTS_H

#include "bcachefs_format.h"

struct bch_fs;
struct bch_inode_unpacked;

/* Bits of from_inode: those of enum bch_reconcile_opt, and one more. */
#define BCH_IO_OPT_promote_target	5

struct bch_io_opts {
	u16			promote_target;
	u16			foreground_target;
	u16			background_target;
	u8			data_replicas;
	u8			data_checksum;		/* option numbering */
	u8			compression;		/* option type, level << 4 */
	u8			background_compression;
	bool			erasure_code;
	bool			nocow;
	u8			from_inode;		/* which were set by an inode */
};

struct bch_io_opts bch2_io_opts_metadata(const struct bch_fs *c);
struct bch_io_opts bch2_io_opts_fs(const struct bch_fs *c);
struct bch_io_opts bch2_io_opts_inode(const struct bch_fs *c,
				      const struct bch_inode_unpacked *inode);
struct bch_io_opts bch2_io_opts_indirect(const struct bch_fs *c, struct bkey_s_c k);

#endif /* _BCACHEFS_DATA_IO_OPTS_H */
