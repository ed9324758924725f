/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Superblocks: reading them from devices, and what is decoded from them.
 *
 * A handle owns one copy of one device's superblock in memory. Nothing here
 * writes. Sections are looked up with sb/field.h, checked by sb/validate.h and
 * printed by sb/text.h; all three are included for convenience.
 */
#ifndef _BCACHEFS_SB_IO_H
#define _BCACHEFS_SB_IO_H

#include "bcachefs.h"
#include "sb/field.h"
#include "sb/text.h"
#include "sb/validate.h"

int bch2_bdev_read(struct block_device *, u64 sector, void *buf, size_t bytes);

int bch2_sb_handle_alloc(struct bch_sb_handle *, size_t bytes);
int bch2_sb_handle_copy(struct bch_sb_handle *dst, const struct bch_sb *src);
int bch2_sb_handle_open(struct bch_sb_handle *, const char *path,
			const struct bch_opts *, struct printbuf *err);

int bch2_sb_read_copy(struct bch_sb_handle *, u64 sector, struct printbuf *err);

int bch2_read_super(const char *path, struct bch_opts *opts, struct bch_sb_handle *sb);
int bch2_read_super_err(const char *path, struct bch_opts *opts, struct bch_sb_handle *sb,
			struct printbuf *err);
void bch2_free_super(struct bch_sb_handle *);

int bch2_sb_to_cpu(struct bch_fs *);

#endif /* _BCACHEFS_SB_IO_H */
