/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Directory entries (spec 60 §11) and the hash functions that place them and
 * extended attributes (§10.1). Data declarations only.
 */
#ifndef _BCACHEFS_FS_DIRENT_FORMAT_H
#define _BCACHEFS_FS_DIRENT_FORMAT_H

#include "btree/bkey_format.h"

#define BCH_NAME_MAX			512

/* d_type of a subvolume root; other types are those of readdir. */
#define DT_SUBVOL			16

struct bch_dirent_cf_name_block {
	__u8			pad[2];
	__u8			d_name_len[2];		/* little-endian, unaligned */
	__u8			d_cf_name_len[2];
	__u8			d_names[];		/* the name, then its folded form */
} __packed;

struct bch_dirent {
	struct bch_val		v;
	union {
		__le64		d_inum;
		struct {
			__le32	d_child_subvol;		/* d_type DT_SUBVOL */
			__le32	d_parent_subvol;
		};
	};
	__u8			d_type_flags;		/* below */
	union {
		struct bch_dirent_cf_name_block d_cf_name_block;
		__u8		d_name[0];		/* d_casefold 0; NUL padded */
	} __packed;
} __packed __aligned(8);

static_assert(offsetof(struct bch_dirent, d_type_flags) == 8);
static_assert(offsetof(struct bch_dirent, d_name) == 9);
static_assert(offsetof(struct bch_dirent, d_cf_name_block.d_name_len) == 11);
static_assert(offsetof(struct bch_dirent, d_cf_name_block.d_names) == 15);

/* d_type_flags: bits 0..4 type, bit 7 casefolded */
#define DIRENT_D_TYPE(d)		((d)->d_type_flags & 0x1f)
#define DIRENT_D_CASEFOLD(d)		((d)->d_type_flags >> 7)

/* x(number, name): hash types as inodes store them (§10.1) */
#define BCH_STR_HASH_TYPES(x)							\
	x(0, crc32c)								\
	x(1, crc64)								\
	x(2, siphash_old)							\
	x(3, siphash)

enum bch_str_hash_type {
#define x(nr, name)		BCH_STR_HASH_##name = nr,
	BCH_STR_HASH_TYPES(x)
#undef x
	BCH_STR_HASH_NR,
};

/* x(number, name): values of the option str_hash */
#define BCH_STR_HASH_OPTS(x)							\
	x(0, crc32c)								\
	x(1, crc64)								\
	x(2, siphash)

enum bch_str_hash_opts {
#define x(nr, name)		BCH_STR_HASH_OPT_##name = nr,
	BCH_STR_HASH_OPTS(x)
#undef x
	BCH_STR_HASH_OPT_NR,
};

#endif /* _BCACHEFS_FS_DIRENT_FORMAT_H */
