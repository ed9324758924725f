// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing which journal entries a start replays (spec 30 §9).
 *
 *	 last_seq ........ seq_read_end | noflush, torn ... | cur_seq
 *	       replay                   |      ignore       | next number to write
 *
 * Afterwards every record says by its ignore field whether it takes part, and
 * those that do are loaded and have passed validation. Called by
 * bch2_journal_read() only, on sorted records.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/read.h"
#include "journal/read_priv.h"
#include "journal/seq_blacklist.h"
#include "journal/validate.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/printbuf.h"

#define for_each_record(_c, _i, _r)						\
	for (size_t _i = 0; _i < (_c)->journal.entries.nr; _i++)		\
		for (struct journal_replay *_r = (_c)->journal.entries.d[_i]; _r; _r = NULL)

/* --- the newest flush entry --- */

/* Usual after a crash, but perhaps it was complete once. */
static void report_torn(struct bch_fs *c, const struct journal_replay *r)
{
	const struct journal_ptr *p = &r->ptrs[0];

	bch_notice(c, "%s bucket %llu sector %llu: newest journal entry %llu has a bad checksum: "
		   "ignoring it as an incomplete write", bch2_dev(c, p->dev)->name, p->bucket,
		   p->sector, r->seq);
}

/*
 * The newest record that can end the window. A flush entry with a bad checksum
 * is taken for the write that the crash tore - but only the first one met, since
 * a flush is only written when everything before it has arrived.
 */
static struct journal_replay *window_find_newest(struct bch_fs *c)
{
	struct journal_entries *e = &c->journal.entries;
	bool torn = false;

	for (size_t i = e->nr; i; i--) {
		struct journal_replay *r = e->d[i - 1];

		if (!r->flush) {
			r->ignore = JOURNAL_IGNORE_noflush;
		} else if (!r->csum_good && !torn) {
			r->ignore = JOURNAL_IGNORE_torn;
			torn = true;
			report_torn(c, r);
		} else {
			return r;
		}
	}
	return NULL;
}

/* Decide where the window begins and ends, from its newest entry. */
static int window_set(struct bch_fs *c, struct journal_start_info *info,
		      struct journal_replay *newest)
{
	u64 last_seq;
	int ret;

	ret = bch2_journal_entry_load(c, newest);
	if (ret)
		return ret;

	last_seq = le64_to_cpu(newest->j->last_seq);
	if (mustfix_fsck_err_on(last_seq > newest->seq, c, jset_last_seq_newer_than_seq,
				"invalid journal entry, version=%u.%u seq=%llu: last_seq %llu > "
				"seq",
				BCH_VERSION_MAJOR(newest->version),
				BCH_VERSION_MINOR(newest->version), newest->seq, last_seq)) {
		last_seq = newest->seq;
		newest->j->last_seq = cpu_to_le64(last_seq);
	}

	newest->last_seq	= last_seq;
	info->seq_read_start	= last_seq;
	info->seq_read_end	= newest->seq;
	info->clean		= last_seq == newest->seq && bch2_jset_is_empty(newest->j);
fsck_err:
	return ret;
}

/* --- rewinding (spec 30 §13) --- */

/* The limit that the newest entry which has one puts on rewinding, or 0. */
static u64 jset_rewind_limit(const struct journal_replay *r, u64 limit)
{
	for_each_jset_entry(e, r->j)
		if (e->type == BCH_JSET_ENTRY_rewind_limit && le16_to_cpu(e->u64s))
			limit = le64_to_cpu(((struct jset_entry_rewind_limit *) e)->seq);
	return limit;
}

/* Remember the rewinds that were in progress when @r was written. */
static int window_collect_rewinds(struct bch_fs *c, const struct journal_replay *r)
{
	for_each_jset_entry(e, r->j) {
		const struct jset_entry_rewind *w = (struct jset_entry_rewind *) e;
		struct journal_rewind_range n;

		if (e->type != BCH_JSET_ENTRY_rewind || le16_to_cpu(e->u64s) < 2)
			continue;

		n.from	= le64_to_cpu(w->from);
		n.to	= le64_to_cpu(w->to);
		if (n.to >= n.from) {
			bch_err(c, "journal entry %llu: ignoring impossible rewind from %llu to "
				   "%llu",
				r->seq, n.from, n.to);
			continue;
		}
		if (c->journal.nr_rewinds == JOURNAL_REWINDS_MAX) {
			bch_err(c, "journal entry %llu: too many rewinds", r->seq);
			return -BCH_ERR_journal_seq_range;
		}
		bch_notice(c, "journal rewind from %llu to %llu was in progress", n.from, n.to);
		c->journal.rewinds[c->journal.nr_rewinds++] = n;
	}
	return 0;
}

/* What the rewinds found need of the ring: lower the window's beginning. */
static int window_lower_for_rewinds(struct bch_fs *c, u64 *start, bool *lowered)
{
	*lowered = false;

	for (unsigned i = 0; i < c->journal.nr_rewinds; i++) {
		const u64 to = c->journal.rewinds[i].to;
		const struct journal_replay *r = bch2_journal_entry_find(c, to);

		if (!r || !r->csum_good) {
			bch_err(c, "cannot finish journal rewind to %llu: entry is not in the "
				   "journal",
				to);
			return -BCH_ERR_journal_entries_missing;
		}

		const u64 want = r->flush && r->last_seq <= to ? r->last_seq : to;

		if (want < *start) {
			*start = want;
			*lowered = true;
		}
	}
	return 0;
}

/* --- what takes part --- */

/* Mark records outside [@start, end] and blacklisted ones as ignored. */
static int window_mark(struct bch_fs *c, const struct journal_start_info *info, u64 start)
{
	int ret = 0;

	for_each_record(c, i, r) {
		if (r->seq > info->seq_read_end)
			continue;
		if (r->seq < start) {
			r->ignore = JOURNAL_IGNORE_not_dirty;
			continue;
		}
		if (r->ignore == JOURNAL_IGNORE_not_dirty)
			r->ignore = JOURNAL_USED;
		if (r->ignore != JOURNAL_USED ||
		    !bch2_journal_seq_is_blacklisted(c, r->seq, true))
			continue;

		r->ignore = JOURNAL_IGNORE_blacklisted;
		/* one that was torn then is why the number was blacklisted */
		fsck_err_on(r->flush && r->csum_good, c, jset_seq_blacklisted,
			    "found blacklisted journal entry %llu", r->seq);
	}

	/* newer than the window, and ignored already: noflush or torn */
	for_each_record(c, i, r)
		if (r->seq > info->seq_read_end &&
		    bch2_journal_seq_is_blacklisted(c, r->seq, true))
			r->ignore = JOURNAL_IGNORE_blacklisted;
fsck_err:
	return ret;
}

/* Where the neighbours of a gap are, for its message. */
static void neighbour_to_text(struct printbuf *out, struct bch_fs *c, const char *what,
			      const struct journal_replay *r)
{
	prt_printf(out, "\n%s ", what);
	if (!r) {
		prt_str(out, "(none)");
		return;
	}
	prt_printf(out, "seq %llu at ", r->seq);
	bch2_journal_ptrs_to_text(out, c, r);
}

static int window_report_gap(struct bch_fs *c, const struct journal_start_info *info, u64 start,
			     u64 end, const struct journal_replay *prev,
			     const struct journal_replay *next)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	c->journal.nr_missing += end - start + 1;
	neighbour_to_text(&buf, c, "prev", prev);
	neighbour_to_text(&buf, c, "next", next);

	fsck_err(c, journal_entries_missing,
		 "journal entries %llu-%llu missing! (replaying %llu-%llu)%s, continue?",
		 start, end, info->seq_read_start, info->seq_read_end, printbuf_str(&buf));
fsck_err:
	return ret;
}

/* Report the numbers of [start, end) that neither exist nor are blacklisted. */
static int window_check_range(struct bch_fs *c, const struct journal_start_info *info, u64 start,
			      u64 end, const struct journal_replay *prev,
			      const struct journal_replay *next)
{
	u64 s = bch2_journal_seq_next_nonblacklisted(c, start);
	int ret = 0;

	while (s < end && !ret) {
		const u64 e = min(bch2_journal_seq_next_blacklisted(c, s), end);

		ret = window_report_gap(c, info, s, e - 1, prev, next);
		s = bch2_journal_seq_next_nonblacklisted(c, e);
	}
	return ret;
}

/* Every number of the window must be there (spec 30 §9.2 step 8). */
static int window_check_missing(struct bch_fs *c, const struct journal_start_info *info, u64 start)
{
	const struct journal_replay *prev = NULL;
	u64 expect = start;
	int ret = 0;

	for_each_record(c, i, r) {
		/* bad ones have been reported already */
		if (journal_replay_ignore(r) && r->ignore != JOURNAL_IGNORE_bad)
			continue;
		if (r->seq > expect)
			ret = window_check_range(c, info, expect, r->seq, prev, r);
		if (ret)
			return ret;
		expect = r->seq + 1;
		prev = r;
	}
	return window_check_range(c, info, expect, info->seq_read_end + 1, prev, NULL);
}

/* --- contents --- */

static int window_report_bad_copies(struct bch_fs *c, const struct journal_start_info *info,
				    struct journal_replay *r)
{
	int ret = 0;

	for (unsigned i = 0; i < r->nr_ptrs; i++) {
		const struct journal_ptr *p = &r->ptrs[i];

		if (!p->csum_good)
			bch_err(c, "%s bucket %llu sector %llu: journal entry %llu has a bad "
				   "checksum%s",
				bch2_dev(c, p->dev)->name, p->bucket, p->sector, r->seq,
				r->csum_good ? ", another copy is good" : "");
	}

	if (!r->csum_good && !bch2_version_compatible(r->version)) {
		/* damaged beyond use: not even its version can be understood */
		r->ignore = JOURNAL_IGNORE_bad;
		return window_report_gap(c, info, r->seq, r->seq, NULL, r);
	}

	/* what is answered with no is as good as missing */
	if (!r->csum_good &&
	    !fsck_err(c, journal_entries_missing,
		      "journal entry %llu has a bad checksum and no good copy, use?", r->seq))
		r->ignore = JOURNAL_IGNORE_bad;
fsck_err:
	return ret;
}

static int window_validate_one(struct bch_fs *c, const struct journal_start_info *info,
			       struct journal_replay *r)
{
	const struct journal_ptr *p = &r->ptrs[0];
	int ret;

	ret = window_report_bad_copies(c, info, r);
	if (ret || journal_replay_ignore(r))
		return ret;

	ret = bch2_journal_entry_load(c, r);
	if (ret) {
		/* the device has just given this out: it is failing now */
		r->ignore = JOURNAL_IGNORE_bad;
		return window_report_gap(c, info, r->seq, r->seq, NULL, NULL);
	}

	if (mustfix_fsck_err_on(r->cut, c, jset_past_bucket_end,
				"%s bucket %llu sector %llu: journal entry %llu of %llu bytes past "
				"end of its bucket",
				bch2_dev(c, p->dev)->name, p->bucket, p->sector, r->seq,
				sizeof(*r->j) + (u64) r->disk_u64s * sizeof(u64)))
		r->j->u64s = cpu_to_le32((r->bytes - sizeof(*r->j)) / sizeof(u64));

	ret = bch2_jset_validate(c, bch2_dev(c, p->dev), r->j, p->sector, 0);
fsck_err:
	return ret;
}

/* Load and validate all that takes part; learn what it says about rewinding. */
static int window_validate(struct bch_fs *c, struct journal_start_info *info)
{
	int ret = 0;

	for_each_record(c, i, r) {
		if (journal_replay_ignore(r) || r->validated)
			continue;
		ret = window_validate_one(c, info, r);
		if (ret)
			return ret;
		if (journal_replay_ignore(r))
			continue;
		r->validated = true;

		info->rewind_limit = jset_rewind_limit(r, info->rewind_limit);
		ret = window_collect_rewinds(c, r);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * journal_choose_window - decide what is replayed, and check it
 * @c:		filesystem; all records are there, sorted
 * @info:	result, zeroed
 *
 * Return: 0 - also when nothing usable was found, then seq_read_end is 0 - or
 * what the error policy said.
 */
int journal_choose_window(struct bch_fs *c, struct journal_start_info *info)
{
	struct journal_entries *e = &c->journal.entries;
	struct journal_replay *newest;
	bool lowered = false;
	u64 start;
	int ret;

	if (!e->nr)
		return 0;

	info->cur_seq = e->d[e->nr - 1]->seq + 1;
	newest = window_find_newest(c);
	if (!newest) {
		fsck_err(c, dirty_but_no_journal_entries_post_drop_nonflushes,
			 "journal read done, but no usable entries: none of %zu found is a "
			 "complete flush entry, continue?",
			 e->nr);
		return 0;
	}

	ret = window_set(c, info, newest);
	if (ret)
		return ret;

	/* a second round if an interrupted rewind needs older entries */
	start = info->seq_read_start;
	do {
		ret =   window_mark(c, info, start) ?:
			window_validate(c, info) ?:
			window_lower_for_rewinds(c, &start, &lowered);
	} while (!ret && lowered);

	return ret ?: window_check_missing(c, info, start);
fsck_err:
	return ret;
}
