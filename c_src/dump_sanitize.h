/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Taking what users wrote out of journal buckets and btree nodes
 * (Documentation/format/73, section 1.4).
 */
#ifndef _BCACHEFS_DUMP_SANITIZE_H
#define _BCACHEFS_DUMP_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bch_fs;

/* How much goes; each includes the ones before. */
enum dump_sanitize_level {
	DUMP_SANITIZE_none,
	DUMP_SANITIZE_data,		/* inline data, direct and shared */
	DUMP_SANITIZE_filenames,	/* names in directories */
	DUMP_SANITIZE_xattrs,		/* values of extended attributes */
};

struct dump_sanitizer {
	const struct bch_fs		*c;
	enum dump_sanitize_level	level;

	/* Blocks whose content could not be understood: they become zeros. */
	uint64_t			blocks_dropped;
	/* Entries and sets left encrypted for want of a key. */
	uint64_t			nr_encrypted;
};

/* One whole journal bucket; @len is a multiple of the block size. */
void dump_sanitize_journal(struct dump_sanitizer *, void *buf, size_t len);
/* One whole btree node. */
void dump_sanitize_node(struct dump_sanitizer *, void *buf, size_t len);

#endif /* _BCACHEFS_DUMP_SANITIZE_H */
