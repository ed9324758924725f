/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps between "devices are open" and "started" (spec 31 sections 3 to 6,
 * 16).
 */
#ifndef _BCACHEFS_INIT_RECOVERY_H
#define _BCACHEFS_INIT_RECOVERY_H

#include "bcachefs.h"

int bch2_fs_recovery(struct bch_fs *c);

/* init/initialize.c */
int bch2_fs_initialize_in_memory(struct bch_fs *c);

/* init/first_start.c */
int bch2_fs_first_start(struct bch_fs *c);
int bch2_initialize_subvolumes(struct bch_fs *c);

/* init/versions.c */
void bch2_fs_members_mounted(struct bch_fs *c);
int bch2_fs_version_init(struct bch_fs *c);

/* init/clean.c */
int bch2_read_clean_section(struct bch_fs *c);
int bch2_clean_section_compare(struct bch_fs *c);
void bch2_clean_section_drop(struct bch_fs *c);
void bch2_clean_flag_clear(struct bch_fs *c);

/* init/roots.c */
int bch2_roots_from_entries(struct bch_fs *c);
int bch2_read_btree_roots(struct bch_fs *c);
void bch2_fs_btree_lost_data(struct bch_fs *c, unsigned btree);

/* reconstruct_alloc.c: before any root is read. */
int bch2_fs_reconstruct_alloc(struct bch_fs *c);

#endif /* _BCACHEFS_INIT_RECOVERY_H */
