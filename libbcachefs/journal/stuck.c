// SPDX-License-Identifier: GPL-2.0
/*
 * A journal that is full and stays so (spec 30 section 16.6).
 *
 * Whoever waits for room looks now and then whether anything moves: entries that
 * end, pins that go, buckets that are discarded. If nothing has for long, nothing
 * will: the journal ends with an error and a report, instead of waiting for ever.
 * What is in it is replayed by the next start.
 */
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/spinlock.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/members.h"
#include "util/log.h"

/* Changes with everything that can lead to room. */
static u64 progress(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	u64 ret;

	spin_lock(&w->lock);
	ret = w->written + w->prepared + w->last_ondisk;
	for_each_online_member(c, ca)
		ret = ret * 31 + ca->journal.discard_idx;
	spin_lock(&w->pins.lock);
	ret = (ret * 31 + w->pins.front) * 31 + w->pins.nr;
	ret = ret * 31 + w->pins.replay_next;
	spin_unlock(&w->pins.lock);
	spin_unlock(&w->lock);
	return ret;
}

/* Entries are on their way to a device: that ends, sooner or later. */
static bool entries_under_way(struct journal_writer *w)
{
	bool ret;

	spin_lock(&w->lock);
	ret = w->written != w->prepared;
	spin_unlock(&w->lock);
	return ret;
}

static void report_ring(struct bch_fs *c, struct bch_dev *ca)
{
	struct journal_writer *w = c->journal.w;
	struct journal_device ja;

	spin_lock(&w->lock);
	ja = ca->journal;
	spin_unlock(&w->lock);
	bch_err_dev(ca, "journal: %u buckets, writing %u (%u sectors left), needed from %u, "
		    "on disk from %u, discarded up to %u",
		    ja.nr, ja.cur_idx, ja.sectors_free, ja.dirty_idx, ja.dirty_idx_ondisk,
		    ja.discard_idx);
}

/* What is pinned, by type, of the oldest number. */
static void report_oldest(struct bch_fs *c)
{
	struct journal_pins *p = &c->journal.w->pins;
	unsigned nr[JOURNAL_PIN_TYPE_NR] = {}, flushed = 0, count = 0;
	struct journal_entry_pin *pin;
	u64 front;

	spin_lock(&p->lock);
	front = p->front;
	if (front < p->back) {
		const struct journal_entry_pin_list *l = &p->d[front & p->mask];

		count = l->count;
		for (unsigned type = 0; type < JOURNAL_PIN_TYPE_NR; type++)
			list_for_each_entry(pin, &l->unflushed[type], list)
				nr[type]++;
		list_for_each_entry(pin, &l->flushed, list)
			flushed++;
	}
	spin_unlock(&p->lock);
	bch_err(c, "journal: entry %llu is kept %u times: by %u cached keys, %u leaves, "
		"%u interior nodes, %u others; %u are being flushed", front, count,
		nr[JOURNAL_PIN_TYPE_key_cache], nr[JOURNAL_PIN_TYPE_btree0],
		nr[JOURNAL_PIN_TYPE_btree1] + nr[JOURNAL_PIN_TYPE_btree2] +
		nr[JOURNAL_PIN_TYPE_btree3], nr[JOURNAL_PIN_TYPE_other], flushed);
}

/**
 * journal_report - what room there is, and what stands in its way
 * @c:	filesystem
 */
void journal_report(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	bch_err(c, "journal: newest entry %llu, written %llu, flushed %llu, needed from %llu "
		"(on disk %llu), %llu of %llu sectors clean, next entry %u, %u without reserve, "
		"watermark %u", READ_ONCE(w->seq), READ_ONCE(w->written),
		READ_ONCE(w->flushed_ondisk), journal_pins_last_seq(&w->pins),
		READ_ONCE(w->last_ondisk), READ_ONCE(w->space.clean), READ_ONCE(w->space.total),
		READ_ONCE(w->space.next_entry), READ_ONCE(w->space.next_ordinary),
		bch2_journal_watermark(c));
	report_oldest(c);
	for_each_online_member(c, ca)
		if (ca->journal.nr)
			report_ring(c, ca);
}

/**
 * journal_check_stuck - has a wait for room become pointless?
 * @c:	filesystem; no locks held
 * @p:	zeroed before the first call of one wait
 *
 * To be called every now and then while waiting. Ends the journal if nothing has
 * moved for journal_writer.stuck_after.
 */
void journal_check_stuck(struct bch_fs *c, struct journal_patience *p)
{
	struct journal_writer *w = c->journal.w;
	const u64 now = progress(c);

	if (!p->since || now != p->progress || entries_under_way(w) || READ_ONCE(w->blocked)) {
		p->progress = now;
		p->since = jiffies ?: 1;
		return;
	}
	if (time_before(jiffies, p->since + w->stuck_after) || bch2_journal_error(c))
		return;
	journal_report(c);
	journal_fatal(c, -BCH_ERR_journal_stuck);
}
