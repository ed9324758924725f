// SPDX-License-Identifier: GPL-2.0
/*
 * Writing inodes: packing, new ones, their numbers (spec 60 §3.5, §6, §8).
 *
 * Only the current layout, inode_v3, is written. What follows from a change -
 * counters, the list of deleted inodes - is done by the inode's triggers in the
 * same transaction.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "fs/inode.h"
#include "fs/inode_fields.h"
#include "fs/inode_write.h"
#include "util/varint.h"

/* Largest value of an inode: head, and every number at its longest. */
#define INODE_VAL_BYTES_MAX						\
	(sizeof(struct bch_inode_v3) +					\
	 BCH_VARINT_BYTES_MAX * (BCH_INODE_NR_FIELDS_v3 + 4) + sizeof(u64))

/* --- times --- */

/**
 * bch2_timespec64_to_time - a time as inodes store it
 * @c:	filesystem, for its time base and precision
 * @ts:	time since the epoch
 *
 * Inverse of bch2_time_to_timespec64() (spec 60 §6).
 */
s64 bch2_timespec64_to_time(const struct bch_fs *c, struct timespec64 ts)
{
	const u64 units = max(c->sb.time_units_per_sec, 1U);

	return (u64) ts.tv_sec * units + ts.tv_nsec / max(c->sb.nsec_per_time_unit, 1U) -
		c->sb.time_base_lo;
}

/**
 * bch2_current_time - now, as inodes store it
 * @c:	filesystem
 */
s64 bch2_current_time(const struct bch_fs *c)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	return bch2_timespec64_to_time(c, now);
}

/* --- packing --- */

static u64 field_value(const struct bch_inode_unpacked *inode, const struct inode_field *f)
{
	const void *src = (const void *) inode + f->offset;

	switch (f->bytes) {
	case 1:	 return *(const u8 *) src;
	case 2:	 return *(const u16 *) src;
	case 4:	 return *(const u32 *) src;
	default: return *(const u64 *) src;
	}
}

/* Numbers up to the last one that is not 0. Return: bytes; *nr: how many. */
static unsigned pack_fields(const struct bch_inode_unpacked *inode, u8 *out, unsigned *nr)
{
	unsigned bytes = 0, used = 0;

	*nr = 0;
	for (unsigned i = 0; i < BCH_INODE_NR_FIELDS_v3; i++) {
		const struct inode_field *f = &bch2_inode_fields_v3[i];
		const u64 v = field_value(inode, f);

		bytes += bch2_varint_encode(out + bytes, v);
		if (f->wide)
			bytes += bch2_varint_encode(out + bytes, 0);
		if (v) {
			*nr  = i + 1;
			used = bytes;
		}
	}
	return used;
}

/**
 * bch2_inode_pack - the key of an inode
 * @trans:	transaction whose arena holds the key
 * @inode:	inode; bi_snapshot is not used
 *
 * Return: key of type inode_v3 at (0, bi_inum, 0), or ERR_PTR of -ENOMEM or a
 * restart.
 */
struct bkey_i *bch2_inode_pack(struct btree_trans *trans, const struct bch_inode_unpacked *inode)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(struct bkey) + INODE_VAL_BYTES_MAX);
	struct bch_inode_v3 *v;
	unsigned bytes, nr;

	if (IS_ERR(k))
		return k;

	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_inode_v3;
	k->k.p		= POS(0, inode->bi_inum);
	v = (struct bch_inode_v3 *) &k->v;

	v->bi_journal_seq	= cpu_to_le64(inode->bi_journal_seq);
	v->bi_hash_seed		= inode->bi_hash_seed;
	v->bi_flags		= 0;
	v->bi_sectors		= cpu_to_le64(inode->bi_sectors);
	v->bi_size		= cpu_to_le64(inode->bi_size);
	v->bi_version		= cpu_to_le64(inode->bi_version);
	bytes = pack_fields(inode, v->fields, &nr);

	SET_INODEv3_FLAGS(v, inode->bi_flags);
	SET_INODEv3_STR_HASH(v, inode->bi_str_hash);
	SET_INODEv3_NR_FIELDS(v, nr);
	SET_INODEv3_FIELDS_START(v, INODEv3_FIELDS_START_INITIAL);
	SET_INODEv3_MODE(v, inode->bi_mode);

	/* the arena is zeroed; what was packed behind the last number is not */
	memset(v->fields + bytes, 0, sizeof(u64));
	set_bkey_val_bytes(&k->k, round_up(sizeof(*v) + bytes, sizeof(u64)));
	return k;
}

/**
 * bch2_inode_write - queue an inode as it is to be
 * @trans:	transaction
 * @inode:	inode, complete
 * @snapshot:	where it is written
 *
 * Return: 0, a restart, or an error of the btree.
 */
int bch2_inode_write(struct btree_trans *trans, const struct bch_inode_unpacked *inode,
		     u32 snapshot)
{
	struct bkey_i *k = bch2_inode_pack(trans, inode);
	struct btree_iter iter;
	int ret;

	if (IS_ERR(k))
		return PTR_ERR(k);
	k->k.p.snapshot = snapshot;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_inodes, k->k.p,
			     BTREE_ITER_intent|BTREE_ITER_cached);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(trans, &iter, k, 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- new inodes --- */

static u8 new_hash_type(const struct bch_fs *c)
{
	switch (c->opts.str_hash) {
	case BCH_STR_HASH_OPT_crc32c:
		return BCH_STR_HASH_crc32c;
	case BCH_STR_HASH_OPT_crc64:
		return BCH_STR_HASH_crc64;
	default:
		return c->sb.features & BCH_FEATURE_BIT(new_siphash)
			? BCH_STR_HASH_siphash : BCH_STR_HASH_siphash_old;
	}
}

/* Options that were set on a directory are those of what is made in it. */
static void inherit_options(struct bch_inode_unpacked *inode,
			    const struct bch_inode_unpacked *parent)
{
	inode->bi_data_checksum		  = parent->bi_data_checksum;
	inode->bi_compression		  = parent->bi_compression;
	inode->bi_project		  = parent->bi_project;
	inode->bi_background_compression  = parent->bi_background_compression;
	inode->bi_data_replicas		  = parent->bi_data_replicas;
	inode->bi_promote_target	  = parent->bi_promote_target;
	inode->bi_foreground_target	  = parent->bi_foreground_target;
	inode->bi_background_target	  = parent->bi_background_target;
	inode->bi_erasure_code		  = parent->bi_erasure_code;
	inode->bi_nocow			  = parent->bi_nocow;
	inode->bi_inodes_32bit		  = parent->bi_inodes_32bit;
	inode->bi_casefold		  = parent->bi_casefold;
}

/**
 * bch2_inode_init - an inode without a number yet
 * @c:		filesystem
 * @inode:	result
 * @uid:	owner
 * @gid:	group; @parent's if that has the setgid bit
 * @mode:	type and permissions
 * @dev:	device number of device nodes, major << 20 | minor
 * @now:	its four times
 * @parent:	directory whose options it inherits, or NULL
 *
 * Spec 60 §18, create, step 1.
 */
void bch2_inode_init(struct bch_fs *c, struct bch_inode_unpacked *inode, u32 uid, u32 gid,
		     u16 mode, u32 dev, s64 now, const struct bch_inode_unpacked *parent)
{
	memset(inode, 0, sizeof(*inode));
	inode->unpack_failed_at = -1;
	inode->bi_str_hash	= new_hash_type(c);
	inode->bi_hash_seed	= cpu_to_le64(get_random_u64());
	inode->bi_mode		= mode;
	inode->bi_uid		= uid;
	inode->bi_gid		= gid;
	inode->bi_dev		= dev;
	inode->bi_atime		= now;
	inode->bi_ctime		= now;
	inode->bi_mtime		= now;
	inode->bi_otime		= now;

	if (parent && (parent->bi_mode & S_ISGID)) {
		inode->bi_gid = parent->bi_gid;
		if (S_ISDIR(mode))
			inode->bi_mode |= S_ISGID;
	}
	if (parent)
		inherit_options(inode, parent);
	if (bch2_inode_casefold(c, inode))
		inode->bi_flags |= BCH_INODE_has_case_insensitive;
}

/* --- numbers (spec 60 §8) --- */

struct inum_pool {
	u64		min;
	u64		max;		/* itself not handed out */
	unsigned	cursor;
	u8		bits;
};

static struct inum_pool number_pool(const struct bch_fs *c, bool inode_32bit)
{
	/* any shard will do: the first one */
	const unsigned bits = c->opts.shard_inode_numbers_bits;

	if (inode_32bit)
		return (struct inum_pool) {
			.min	= BLOCKDEV_INODE_MAX,
			.max	= S32_MAX,
			.bits	= bits,
		};
	return (struct inum_pool) {
		.min	= 1ULL << 31,
		.max	= (1ULL << (63 - bits)) - 1,
		/* shard number + 1, in as many bits as number the shards */
		.cursor	= 1 & ((1U << bits) - 1),
		.bits	= bits,
	};
}

/* First number at or above @from without any key; S64_MAX if there is none below @max. */
static int number_find(struct btree_trans *trans, u64 from, u64 max, u64 *found)
{
	struct btree_iter iter;
	int ret = 0;

	*found = from;
	bch2_trans_iter_init(trans, &iter, BTREE_ID_inodes, POS(0, from),
			     BTREE_ITER_all_snapshots|BTREE_ITER_intent);
	while (*found < max) {
		const struct bkey_s_c k = bch2_btree_iter_peek_max(&iter, SPOS(0, *found, U32_MAX));

		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		(*found)++;
		bch2_btree_iter_set_pos(&iter, POS(0, *found));
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int number_from_cursor(struct btree_trans *trans, const struct inum_pool *pool,
			      struct bch_inode_alloc_cursor *cursor,
			      struct bch_inode_unpacked *inode)
{
	u64 idx = max(le64_to_cpu(cursor->idx), pool->min);
	u32 gen = le32_to_cpu(cursor->gen);
	u64 found;
	int ret;

	if (idx >= pool->max) {
		idx = pool->min;
		gen++;
	}
	ret = number_find(trans, idx, pool->max, &found);
	if (!ret && found >= pool->max && idx != pool->min) {
		gen++;
		ret = number_find(trans, pool->min, pool->max, &found);
	}
	if (!ret && found >= pool->max)
		ret = -BCH_ERR_ENOSPC_inode_create;
	if (ret)
		return ret;

	inode->bi_inum		= found;
	inode->bi_generation	= gen;
	cursor->bits		= pool->bits;
	cursor->gen		= cpu_to_le32(gen);
	cursor->idx		= cpu_to_le64(found + 1);
	return 0;
}

/**
 * bch2_inode_number_alloc - give a new inode its number and generation
 * @trans:	transaction
 * @inode:	new inode
 * @snapshot:	snapshot it will be written in
 * @inode_32bit: from the pool of small numbers
 *
 * The cursor is part of the transaction (spec 60 §8.3).
 *
 * Return: 0, a restart, -BCH_ERR_ENOSPC_inode_create, or an error of the btree.
 */
int bch2_inode_number_alloc(struct btree_trans *trans, struct bch_inode_unpacked *inode,
			    u32 snapshot, bool inode_32bit)
{
	const struct inum_pool pool = number_pool(trans->c, inode_32bit);
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(struct bkey) +
					      sizeof(struct bch_inode_alloc_cursor));
	struct bch_inode_alloc_cursor *cursor;
	struct btree_iter iter;
	struct bkey_s_c old;
	int ret;

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type = KEY_TYPE_inode_alloc_cursor;
	k->k.p = POS(LOGGED_OPS_INUM_inode_cursors, pool.cursor);
	set_bkey_val_bytes(&k->k, sizeof(*cursor));
	cursor = (struct bch_inode_alloc_cursor *) &k->v;
	memset(cursor, 0, sizeof(*cursor));

	bch2_trans_iter_init(trans, &iter, BTREE_ID_logged_ops, k->k.p,
			     BTREE_ITER_intent|BTREE_ITER_cached);
	old = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(old);
	if (!ret && old.k->type == KEY_TYPE_inode_alloc_cursor)
		memcpy(cursor, old.v, min(sizeof(*cursor), (size_t) bkey_val_bytes(old.k)));
	ret = ret ?:
		number_from_cursor(trans, &pool, cursor, inode) ?:
		bch2_trans_update(trans, &iter, k, 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}
