/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Payloads of all superblock sections but the member tables (spec 10 §9).
 *
 * Lengths are those of the section header and must be checked before any
 * element is touched. Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_SB_SECTIONS_FORMAT_H
#define _BCACHEFS_SB_SECTIONS_FORMAT_H

#include "alloc/replicas_format.h"
#include "journal/jset_format.h"
#include "sb/field_format.h"
#include "util/checksum_format.h"
#include "util/le_bits.h"

/* --- journal, journal_v2: buckets of the ring (§9.1, §9.2) --- */

struct bch_sb_field_journal {
	struct bch_sb_field	field;
	__le64			buckets[];
} __packed __aligned(8);

struct bch_sb_field_journal_v2_entry {
	__le64			start;
	__le64			nr;
} __packed __aligned(8);

struct bch_sb_field_journal_v2 {
	struct bch_sb_field	field;
	struct bch_sb_field_journal_v2_entry d[];
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field_journal_v2_entry) == 16);

/* --- crypt (§9.3, spec 13 §5.1) --- */

struct bch_sb_field_crypt {
	struct bch_sb_field	field;
	__le64			flags;
	__le64			kdf_flags;
	struct bch_encrypted_key key;
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field_crypt) == 64);

LE64_BITMASK(BCH_CRYPT_KDF_TYPE,	struct bch_sb_field_crypt, flags, 0, 4)

enum bch_kdf_types {
	BCH_KDF_SCRYPT		= 0,
	BCH_KDF_NR,
};

/* scrypt parameters as base-2 logarithms */
LE64_BITMASK(BCH_KDF_SCRYPT_N,	struct bch_sb_field_crypt, kdf_flags,  0, 16)
LE64_BITMASK(BCH_KDF_SCRYPT_R,	struct bch_sb_field_crypt, kdf_flags, 16, 32)
LE64_BITMASK(BCH_KDF_SCRYPT_P,	struct bch_sb_field_crypt, kdf_flags, 32, 48)

/* --- replicas_v0, replicas (§9.4) --- */

struct bch_sb_field_replicas_v0 {
	struct bch_sb_field	field;
	__u8			entries[];	/* struct bch_replicas_entry_v0, packed */
} __packed __aligned(8);

struct bch_sb_field_replicas {
	struct bch_sb_field	field;
	__u8			entries[];	/* struct bch_replicas_entry_v1, packed */
} __packed __aligned(8);

/* --- quota (§9.5) --- */

struct bch_sb_quota_counter {
	__le32			timelimit;
	__le32			warnlimit;
} __packed;

struct bch_sb_quota_type {
	__le64			flags;
	struct bch_sb_quota_counter c[2];	/* space, inodes */
} __packed __aligned(8);

struct bch_sb_field_quota {
	struct bch_sb_field	field;
	struct bch_sb_quota_type q[3];		/* enum quota_types: user, group, project */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_quota_type) == 24);
static_assert(sizeof(struct bch_sb_field_quota) == 80);

/* --- disk_groups (§9.6) --- */

#define BCH_SB_LABEL_SIZE		32

struct bch_disk_group {
	__u8			label[BCH_SB_LABEL_SIZE];	/* NUL padded, maybe unterminated */
	__le64			flags[2];
} __packed __aligned(8);

static_assert(sizeof(struct bch_disk_group) == 48);

LE64_BITMASK(BCH_GROUP_DELETED,		struct bch_disk_group, flags[0], 0,  1)
LE64_BITMASK(BCH_GROUP_DATA_ALLOWED,	struct bch_disk_group, flags[0], 1,  6)
LE64_BITMASK(BCH_GROUP_PARENT,		struct bch_disk_group, flags[0], 6, 24)

struct bch_sb_field_disk_groups {
	struct bch_sb_field	field;
	struct bch_disk_group	entries[];
} __packed __aligned(8);

/* Encoded targets (§9.6.3): 0 none, then devices, then labels. */
#define BCH_TARGET_NONE			0
#define BCH_TARGET_DEV_START		1
#define BCH_TARGET_GROUP_START		(256 + BCH_TARGET_DEV_START)

/* --- clean (§9.7) --- */

struct bch_sb_field_clean {
	struct bch_sb_field	field;
	__le32			flags;
	__le16			_read_clock;
	__le16			_write_clock;
	__le64			journal_seq;
	__le64			_data[];	/* struct jset_entry, back to back */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field_clean) == 24);

static inline struct jset_entry *sb_clean_entries_start(struct bch_sb_field_clean *c)
{
	return (struct jset_entry *) c->_data;
}

/* End of the section. */
static inline struct jset_entry *sb_clean_entries_end(struct bch_sb_field_clean *c)
{
	return (struct jset_entry *) ((__u64 *) c + le32_to_cpu(c->field.u64s));
}

/* --- journal_seq_blacklist (§9.9) --- */

struct journal_seq_blacklist_entry {
	__le64			start;
	__le64			end;		/* exclusive */
} __packed __aligned(8);

struct bch_sb_field_journal_seq_blacklist {
	struct bch_sb_field	field;
	struct journal_seq_blacklist_entry start[];
} __packed __aligned(8);

static_assert(sizeof(struct journal_seq_blacklist_entry) == 16);

/* --- counters (§9.10) --- */

struct bch_sb_field_counters {
	struct bch_sb_field	field;
	__le64			d[];		/* by enum bch_persistent_counters */
} __packed __aligned(8);

/* --- errors (§9.11) --- */

struct bch_sb_field_error_entry {
	__le64			v;
	__le64			last_error_time;	/* seconds since 1970 */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field_error_entry) == 16);

LE64_BITMASK(BCH_SB_ERROR_ENTRY_ID,	struct bch_sb_field_error_entry, v,  0, 16)
LE64_BITMASK(BCH_SB_ERROR_ENTRY_NR,	struct bch_sb_field_error_entry, v, 16, 64)

struct bch_sb_field_errors {
	struct bch_sb_field	field;
	struct bch_sb_field_error_entry entries[];
} __packed __aligned(8);

/* --- ext (§9.12) --- */

struct bch_sb_field_ext {
	struct bch_sb_field	field;
	__le64			recovery_passes_required[2];	/* by stable id */
	__le64			errors_silent[8];		/* by error id */
	__le64			btrees_lost_data;
	__le64			flags0;				/* from 1.38.x */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field_ext) == 104);
static_assert(offsetof(struct bch_sb_field_ext, errors_silent) == 24);
static_assert(offsetof(struct bch_sb_field_ext, btrees_lost_data) == 88);
static_assert(offsetof(struct bch_sb_field_ext, flags0) == 96);

/* Shortest section accepted. */
#define BCH_SB_EXT_BYTES_MIN		88

LE64_BITMASK(BCH_SB_EXT_DEV_READAHEAD,	struct bch_sb_field_ext, flags0,  0, 20)
LE64_BITMASK(BCH_SB_EXT_EC_STRIPE_BUF_LIMIT,
					struct bch_sb_field_ext, flags0, 20, 26)
LE64_BITMASK(BCH_SB_EXT_SCRUB_MAX_REWIND_SECS,
					struct bch_sb_field_ext, flags0, 26, 38)
LE64_BITMASK(BCH_SB_EXT_DISCARD_BUFFER,	struct bch_sb_field_ext, flags0, 38, 42)

/* --- downgrade (§9.13) --- */

struct bch_sb_field_downgrade_entry {
	__le16			version;
	__le64			recovery_passes[2];
	__le16			nr_errors;
	__le16			errors[];
} __packed __aligned(2);

static_assert(sizeof(struct bch_sb_field_downgrade_entry) == 20);

struct bch_sb_field_downgrade {
	struct bch_sb_field	field;
	__u8			entries[];	/* bch_sb_field_downgrade_entry, 2-byte aligned */
} __packed __aligned(8);

/* --- recovery_passes (§9.14) --- */

struct recovery_pass_entry {
	__le64			last_run;	/* seconds since 1970 */
	__le32			last_runtime;	/* seconds */
	__le32			flags;
} __packed __aligned(8);

static_assert(sizeof(struct recovery_pass_entry) == 16);

LE32_BITMASK(BCH_RECOVERY_PASS_NO_RATELIMIT, struct recovery_pass_entry, flags, 0, 1)

struct bch_sb_field_recovery_passes {
	struct bch_sb_field	field;
	struct recovery_pass_entry start[];	/* by stable id */
} __packed __aligned(8);

/* --- extent_type_u64s (§9.15) --- */

struct bch_sb_field_extent_type_u64s {
	struct bch_sb_field	field;
	__u8			d[];		/* words by entry type, ends at the first 0 */
} __packed __aligned(8);

#endif /* _BCACHEFS_SB_SECTIONS_FORMAT_H */
