// SPDX-License-Identifier: GPL-2.0
/*
 * How far back the journal can be rewound (spec 30 §13, 40 §4.6): buckets emptied
 * since the rewind limit keep their contents. Some of each device's space may be
 * spent on that; what is more is released by moving the limit on.
 *
 * The limit only goes forward. It counts when it is durable, in a flush entry.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/discard.h"
#include "alloc/foreground.h"
#include "alloc/freespace.h"
#include "btree/iter.h"
#include "journal/journal.h"
#include "sb/members.h"

/* Emptied buckets of @ca that are too many to be kept for rewinding. */
static u64 buckets_to_release(struct bch_dev *ca)
{
	const u64 waiting = bch2_dev_buckets(ca, BCH_DATA_need_discard);
	const u64 free = bch2_dev_buckets(ca, BCH_DATA_free);
	const u64 needed = 4 * bch2_dev_buckets_reserved(ca, BCH_WATERMARK_stripe);
	const u64 keep = min(div_u64((ca->mi.nbuckets - ca->mi.first_bucket) *
				     ca->fs->opts.journal_rewind_discard_buffer_percent, 100),
			     free > needed ? free - needed : 0);

	return waiting > keep ? waiting - keep : 0;
}

struct release_state {
	u64			nr[BCH_SB_MEMBERS_MAX];	/* to be released, by device */
	u64			total;
	u64			limit;
};

static void release_entry(struct release_state *s, const struct need_discard_entry *e)
{
	if (e->bucket.inode >= BCH_SB_MEMBERS_MAX || !s->nr[e->bucket.inode])
		return;
	s->nr[e->bucket.inode]--;
	s->total--;
	s->limit = e->journal_seq + 1;
}

static u64 needed_limit(struct btree_trans *trans, struct release_state *s)
{
	for_each_member_device(trans->c, ca) {
		s->nr[ca->dev_idx] = buckets_to_release(ca);
		s->total += s->nr[ca->dev_idx];
	}
	if (!s->total)
		return 0;

	for_each_btree_key(trans, iter, BTREE_ID_need_discard, POS_MIN, BTREE_ITER_prefetch, k, ({
		const struct need_discard_entry e = bch2_need_discard_decode(true, k.k->p);

		release_entry(s, &e);
		!s->total;
	}));
	return s->limit;
}

/**
 * bch2_discards_advance_rewind_limit - give up part of what is kept for rewinding
 * @c:		filesystem
 * @trans:	no locks are held afterwards
 *
 * Return: true: the limit has moved; it takes effect with the next flush entry.
 */
bool bch2_discards_advance_rewind_limit(struct bch_fs *c, struct btree_trans *trans)
{
	struct release_state *s;
	u64 limit;

	if (!bch2_journal_running(c) || !c->opts.journal_rewind_discard_buffer_percent ||
	    !bch2_need_discard_by_seq(c))
		return false;

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return false;
	bch2_trans_begin(trans);
	limit = min(needed_limit(trans, s), bch2_journal_flushed_seq_ondisk(c) + 1);
	bch2_trans_unlock_long(trans);
	kfree(s);

	if (limit <= READ_ONCE(c->journal.w->rewind_limit))
		return false;
	bch2_journal_set_rewind_limit(c, limit);
	return true;
}

/**
 * bch2_discards_start - take up the rewind limit of the last run
 * @c:	filesystem that goes read-write, the journal runs
 *
 * Does nothing for a new filesystem, which cannot be rewound into its making, and
 * if no space is to be kept for rewinding.
 */
void bch2_discards_start(struct bch_fs *c)
{
	u64 limit = c->journal.start.rewind_limit, ondisk;

	if (!c->opts.journal_rewind_discard_buffer_percent || !BCH_SB_INITIALIZED(c->disk_sb.sb) ||
	    !bch2_journal_running(c) || READ_ONCE(c->journal.w->rewind_limit) != U64_MAX)
		return;

	/* A flush entry may have given up the window already. */
	ondisk = bch2_journal_rewind_seq_ondisk(c);
	if (ondisk != U64_MAX)
		limit = max(limit, ondisk);
	bch2_journal_set_rewind_limit(c, limit && limit != U64_MAX
				      ? limit : bch2_journal_cur_seq(c) + 1);
}
