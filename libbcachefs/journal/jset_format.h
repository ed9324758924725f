/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal entries on disk: the jset header and the records inside, which the
 * superblock's clean section uses as well (spec 30 §3, §5).
 *
 * Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_JOURNAL_JSET_FORMAT_H
#define _BCACHEFS_JOURNAL_JSET_FORMAT_H

#include "alloc/replicas_format.h"
#include "btree/bkey_format.h"
#include "util/checksum_format.h"
#include "util/le_bits.h"

#define JSET_MAGIC_BASE			0x245235c1a3625032ULL

#define BCH_JOURNAL_BUCKETS_MIN		8
#define JOURNAL_ENTRY_SIZE_MAX		(4U << 20)	/* bytes, written by us */

/* Largest sequence number that may be used (spec 30 §2). */
#define JOURNAL_SEQ_MAX			((1ULL << 56) - 2)

/* --- records (spec 30 §5.1) --- */

struct jset_entry {
	__le16			u64s;		/* words of payload */
	__u8			btree_id;
	__u8			level;
	__u8			type;		/* enum bch_jset_entry_type */
	__u8			pad[3];
	/* payload follows: jset_entry_data() */
} __packed __aligned(8);

static_assert(sizeof(struct jset_entry) == 8);

/* x(number, name) */
#define BCH_JSET_ENTRY_TYPES(x)							\
	x( 0, btree_keys)							\
	x( 1, btree_root)							\
	x( 2, prio_ptrs)							\
	x( 3, blacklist)							\
	x( 4, blacklist_v2)							\
	x( 5, usage)								\
	x( 6, data_usage)							\
	x( 7, clock)								\
	x( 8, dev_usage)							\
	x( 9, log)								\
	x(10, overwrite)							\
	x(11, write_buffer_keys)						\
	x(12, datetime)								\
	x(13, log_bkey)								\
	x(14, rewind_limit)							\
	x(15, rewind)

enum bch_jset_entry_type {
#define x(nr, name)		BCH_JSET_ENTRY_##name = nr,
	BCH_JSET_ENTRY_TYPES(x)
#undef x
	BCH_JSET_ENTRY_NR,
};

/* Payload of types that consist of whole unpacked keys. */
static inline bool jset_entry_type_has_keys(unsigned int type)
{
	return type == BCH_JSET_ENTRY_btree_keys ||
		type == BCH_JSET_ENTRY_btree_root ||
		type == BCH_JSET_ENTRY_overwrite ||
		type == BCH_JSET_ENTRY_write_buffer_keys ||
		type == BCH_JSET_ENTRY_log_bkey;
}

/* level of a log record */
enum bch_jset_log_level {
	BCH_JSET_LOG_transaction	= 0,	/* name of the function */
	BCH_JSET_LOG_text		= 1,
};

struct jset_entry_blacklist {
	struct jset_entry	entry;
	__le64			seq;
} __packed __aligned(8);

struct jset_entry_blacklist_v2 {
	struct jset_entry	entry;
	__le64			start;
	__le64			end;		/* inclusive */
} __packed __aligned(8);

/* btree_id of a usage record */
#define BCH_FS_USAGE_TYPES(x)							\
	x(0, reserved)								\
	x(1, inodes)								\
	x(2, key_version)

enum bch_fs_usage_type {
#define x(nr, name)		BCH_FS_USAGE_##name = nr,
	BCH_FS_USAGE_TYPES(x)
#undef x
	BCH_FS_USAGE_NR,
};

struct jset_entry_usage {
	struct jset_entry	entry;
	__le64			v;
} __packed __aligned(8);

struct jset_entry_data_usage {
	struct jset_entry	entry;
	__le64			v;
	struct bch_replicas_entry_v1 r;
} __packed __aligned(8);

struct jset_entry_clock {
	struct jset_entry	entry;
	__u8			rw;		/* 0 read, 1 write */
	__u8			pad[7];
	__le64			time;		/* sectors */
} __packed __aligned(8);

struct jset_entry_dev_usage_type {
	__le64			buckets;
	__le64			sectors;
	__le64			fragmented;
} __packed __aligned(8);

struct jset_entry_dev_usage {
	struct jset_entry	entry;
	__le32			dev;
	__le32			pad;
	__le64			_buckets_ec;
	__le64			_buckets_unavailable;
	struct jset_entry_dev_usage_type d[];	/* by data type */
} __packed __aligned(8);

struct jset_entry_log {
	struct jset_entry	entry;
	__u8			d[];		/* NUL padded, maybe unterminated */
} __packed __aligned(8);

struct jset_entry_datetime {
	struct jset_entry	entry;
	__le64			seconds;	/* since 1970 */
} __packed __aligned(8);

struct jset_entry_rewind_limit {
	struct jset_entry	entry;
	__le64			seq;
} __packed __aligned(8);

struct jset_entry_rewind {
	struct jset_entry	entry;
	__le64			from;
	__le64			to;
} __packed __aligned(8);

static_assert(sizeof(struct jset_entry_blacklist) == 16);
static_assert(sizeof(struct jset_entry_blacklist_v2) == 24);
static_assert(sizeof(struct jset_entry_usage) == 16);
static_assert(sizeof(struct jset_entry_clock) == 24);
static_assert(sizeof(struct jset_entry_dev_usage) == 32);
static_assert(sizeof(struct jset_entry_dev_usage_type) == 24);
static_assert(sizeof(struct jset_entry_datetime) == 16);
static_assert(sizeof(struct jset_entry_rewind) == 24);

/* Bytes of one record with its header; the length field is not checked here. */
static inline size_t jset_entry_bytes(const struct jset_entry *e)
{
	return sizeof(*e) + le16_to_cpu(e->u64s) * sizeof(__u64);
}

/* Payload; for types with keys the first of them. */
static inline void *jset_entry_data(const struct jset_entry *e)
{
	return (void *) (e + 1);
}

static inline struct bkey_i *jset_entry_keys_start(const struct jset_entry *e)
{
	return jset_entry_data(e);
}

/* First byte behind the record, which is where the next one starts. */
static inline void *jset_entry_end(const struct jset_entry *e)
{
	return (char *) e + jset_entry_bytes(e);
}

/* --- the entry (spec 30 §3) --- */

struct jset {
	struct bch_csum		csum;
	__le64			magic;
	__le64			seq;
	__le32			version;
	__le32			flags;
	__le32			u64s;		/* everything behind the header */
	__le16			_read_clock;	/* first encrypted byte */
	__le16			_write_clock;
	__le64			last_seq;	/* flush entries only */
	__le64			_data[];
} __packed __aligned(8);

static_assert(sizeof(struct jset) == 56);
static_assert(offsetof(struct jset, seq) == 24);
static_assert(offsetof(struct jset, flags) == 36);
static_assert(offsetof(struct jset, u64s) == 40);
static_assert(offsetof(struct jset, _read_clock) == 44);
static_assert(offsetof(struct jset, last_seq) == 48);

LE32_BITMASK(JSET_CSUM_TYPE,		struct jset, flags, 0, 4)
LE32_BITMASK(JSET_BIG_ENDIAN,		struct jset, flags, 4, 5)
LE32_BITMASK(JSET_NO_FLUSH,		struct jset, flags, 5, 6)
LE32_BITMASK(JSET_HAS_OVERWRITES,	struct jset, flags, 6, 7)

#define JSET_CRYPT_OFFSET		offsetof(struct jset, _read_clock)

/* Bytes of an entry without padding, as its header says; up to 32 GiB, check first. */
static inline __u64 jset_bytes(const struct jset *j)
{
	return sizeof(*j) + (__u64) le32_to_cpu(j->u64s) * sizeof(__u64);
}

static inline struct jset_entry *jset_entries_start(struct jset *j)
{
	return (struct jset_entry *) j->_data;
}

/* End of the records; only for entries whose length was checked. */
static inline struct jset_entry *jset_entries_end(struct jset *j)
{
	return (struct jset_entry *) (j->_data + le32_to_cpu(j->u64s));
}

#endif /* _BCACHEFS_JOURNAL_JSET_FORMAT_H */
