/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of show-super that recover-super shares.
 */
#ifndef _BCACHEFS_SHOW_SUPER_H
#define _BCACHEFS_SHOW_SUPER_H

#include <jansson.h>

struct bch_sb;
struct bch_sb_handle;
struct bch_sb_text;

/**
 * show_super_print() - print a superblock on standard output
 * @sb:		superblock
 * @t:		what to print
 */
void show_super_print(struct bch_sb *sb, const struct bch_sb_text *t);

/**
 * show_super_json() - everything in a superblock, for programs
 * @sb:		superblock
 *
 * bcachefs(8) has the schema.
 */
json_t *show_super_json(struct bch_sb *sb);

#endif /* _BCACHEFS_SHOW_SUPER_H */
