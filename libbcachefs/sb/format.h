/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making a filesystem: geometry, superblock, writing it to the devices (spec
 * 71 sections 5 to 7).
 *
 * What is made is valid and not initialised: there is no journal and no btree
 * yet, whoever starts the filesystem first makes them.
 */
#ifndef _BCACHEFS_SB_FORMAT_H
#define _BCACHEFS_SB_FORMAT_H

#include "bcachefs.h"

/* Smallest device whose journal is large enough for the first start, bytes. */
#define BCH_FORMAT_DEV_BYTES_MIN	(16ULL << 20)

#define BCH_FORMAT_SB_BYTES_DEFAULT	(512U << BCH_SB_MAX_SIZE_BITS_DEFAULT)
#define BCH_FORMAT_SB_BYTES_MAX		(512U << BCH_SB_LAYOUT_SIZE_BITS_MAX)

/* Oldest version that is written. */
#define BCH_FORMAT_VERSION_MIN		bcachefs_metadata_version_major_minor

/* scrypt parameters of a new key box, as base-2 logarithms (spec 13 section 5.2). */
#define BCH_FORMAT_SCRYPT_N		14
#define BCH_FORMAT_SCRYPT_R		3
#define BCH_FORMAT_SCRYPT_P		4

/* Targets, in the order in which they are resolved. */
#define BCH_FORMAT_TARGETS(x)							\
	x(foreground_target)							\
	x(background_target)							\
	x(promote_target)							\
	x(metadata_target)

enum bch_format_target {
#define x(name)		BCH_FORMAT_##name,
	BCH_FORMAT_TARGETS(x)
#undef x
	BCH_FORMAT_TARGET_NR,
};

/* One device to be. Strings are the caller's. */
struct bch_format_dev {
	const char	*path;		/* as given: targets are compared with it */
	const char	*label;		/* path of a label, or NULL */
	struct bch_opts	opts;		/* device options that were given */
	u64		bytes;		/* how much of it is used */
	u32		logical_block;	/* bytes */
	u32		physical_block;	/* bytes */
	bool		rotational;	/* as detected */

	/* Results of bch2_format_geometry(). */
	u32		bucket_bytes;
	u64		nbuckets;
};

struct bch_format {
	unsigned	version;
	__uuid_t	user_uuid;	/* all zero: a random one */
	u8		label[BCH_SB_LABEL_SIZE];
	u32		sb_bytes;	/* room for each copy; a power of two */
	bool		encrypted;
	struct bch_opts	opts;		/* filesystem options that were given */
	const char	*targets[BCH_FORMAT_TARGET_NR];	/* as text, or NULL */

	u64		ram_bytes;	/* of this machine */
	unsigned	nr_cpus;

	struct bch_format_dev	*devs;
	unsigned		nr_devs;

	/* Results of bch2_format_geometry(). */
	u32		block_bytes;
	u32		node_bytes;
	u32		shard_bits;
};

int bch2_format_geometry(struct bch_format *, struct printbuf *err);
int bch2_format_super(struct bch_format *, struct bch_sb_handle *, struct printbuf *err);
int bch2_format_dev_super(const struct bch_format *, struct bch_sb_handle *, unsigned idx,
			  struct printbuf *err);
int bch2_format_write(struct block_device *, struct bch_sb *);

#endif /* _BCACHEFS_SB_FORMAT_H */
