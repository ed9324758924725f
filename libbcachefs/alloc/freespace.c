// SPDX-License-Identifier: GPL-2.0
/*
 * Positions in the freespace and need_discard btrees.
 *
 * need_discard exists in two layouts that look alike: by device and bucket up to
 * 1.37, by journal sequence number from 1.38. Which one applies is a property of
 * the filesystem, never guessed from a key.
 */
#include <linux/compiler.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/freespace.h"

/**
 * bch2_freespace_pos - where a free bucket is entered in the freespace btree
 * @bucket:	device and bucket number
 * @a:		its alloc value
 *
 * Returns the first position covered by the entry; as in all extent btrees the
 * key itself is at this offset + 1 (spec 42 §2).
 */
struct bpos bch2_freespace_pos(struct bpos bucket, const struct bch_alloc_v4 *a)
{
	u64 genbits = alloc_gc_gen(a) >> 4;

	return POS(bucket.inode, bucket.offset | genbits << FREESPACE_GENBITS_SHIFT);
}

/**
 * bch2_need_discard_by_seq - which layout the need_discard btree has
 * @c:		filesystem
 *
 * Returns true for positions by journal sequence number: version 1.38 or later
 * (spec 42 §3). That is what is written from the moment on that the version says
 * so; what an upgrade finds of the old layout is removed by check_alloc_info, and
 * harmless until then, because the alloc key decides (spec 22 §12.7). A start that
 * only looks, without recovery, finds what the last complete upgrade left.
 */
bool bch2_need_discard_by_seq(const struct bch_fs *c)
{
	return READ_ONCE(c->sb.version_upgrade_complete) >= BCH_VERSION(1, 38) ||
		(READ_ONCE(c->sb.version) >= BCH_VERSION(1, 38) && !c->opts.norecovery);
}

/**
 * bch2_need_discard_pos - where a bucket is entered in the need_discard btree
 * @by_seq:		layout, bch2_need_discard_by_seq()
 * @bucket:		device and bucket number
 * @journal_seq:	the alloc key's journal_seq_empty
 */
struct bpos bch2_need_discard_pos(bool by_seq, struct bpos bucket, u64 journal_seq)
{
	return by_seq ? POS(journal_seq, bucket_to_u64(bucket)) : bucket;
}

/**
 * bch2_need_discard_decode - the bucket that an entry of need_discard names
 * @by_seq:	layout, bch2_need_discard_by_seq()
 * @pos:	position of the entry
 */
struct need_discard_entry bch2_need_discard_decode(bool by_seq, struct bpos pos)
{
	if (!by_seq)
		return (struct need_discard_entry) { .bucket = pos };

	return (struct need_discard_entry) {
		.bucket		= u64_to_bucket(pos.offset),
		.journal_seq	= pos.inode,
	};
}
