// SPDX-License-Identifier: GPL-2.0
/*
 * The blacklist of sequence numbers in the superblock (spec 30 sections 11.2,
 * 11.3, 11.5).
 *
 * Invariant: what c->journal.blacklist holds is durable in the superblock before
 * the journal writes its first entry: the gap it leaves is covered then.
 */
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/blacklist_write.h"
#include "journal/journal.h"
#include "journal/seq_blacklist.h"
#include "sb/field.h"
#include "sb/write.h"
#include "util/printbuf.h"

/* Does the superblock say what memory says? */
static bool section_matches(struct bch_fs *c)
{
	const struct seq_blacklist *bl = &c->journal.blacklist;
	const struct bch_sb_field_journal_seq_blacklist *f =
		bch2_sb_field_get(c->disk_sb.sb, journal_seq_blacklist);
	const size_t nr = f ? (bch2_sb_field_bytes(&f->field) - sizeof(f->field)) /
			      sizeof(f->start[0]) : 0;

	if (nr != bl->nr)
		return false;
	for (size_t i = 0; i < nr; i++)
		if (le64_to_cpu(f->start[i].start) != bl->d[i].start ||
		    le64_to_cpu(f->start[i].end) != bl->d[i].end)
			return false;
	return true;
}

/* Bring a list to c->disk_sb. */
static int section_set(struct bch_fs *c, const struct seq_blacklist *bl)
{
	struct bch_sb_field_journal_seq_blacklist *f;

	if (!bl->nr) {
		bch2_sb_field_resize(&c->disk_sb, journal_seq_blacklist, 0);
		return 0;
	}

	f = bch2_sb_field_resize(&c->disk_sb, journal_seq_blacklist,
				 (sizeof(*f) + bl->nr * sizeof(f->start[0])) / sizeof(u64));
	if (IS_ERR(f))
		return PTR_ERR(f) == -BCH_ERR_ENOSPC_sb ? -BCH_ERR_ENOSPC_sb_journal_seq_blacklist
							: PTR_ERR(f);
	for (size_t i = 0; i < bl->nr; i++) {
		f->start[i].start = cpu_to_le64(bl->d[i].start);
		f->start[i].end = cpu_to_le64(bl->d[i].end);
	}
	c->disk_sb.sb->features[0] |= cpu_to_le64(BCH_FEATURE_BIT(journal_seq_blacklist_v3));
	return 0;
}

/* Text for the first entry: what this start has added. */
static int blacklist_log(struct bch_fs *c)
{
	const u64 start = c->journal.start.seq_read_end + 1;
	const u64 end = c->journal.start.cur_seq;
	CLASS(printbuf, buf)();

	if (!c->journal.w || start >= end)
		return 0;
	prt_printf(&buf, "blacklisting entries %llu-%llu", start, end - 1);
	return bch2_journal_early_text(c, printbuf_str(&buf));
}

/**
 * bch2_journal_blacklist_write - make the blacklist durable
 * @c:	filesystem, not writing yet
 *
 * Return: 0, or why the superblock could not be changed or written.
 */
int bch2_journal_blacklist_write(struct bch_fs *c)
{
	int ret = 0;

	mutex_lock(&c->sb_lock);
	if (!section_matches(c))
		ret = section_set(c, &c->journal.blacklist) ?:
			bch2_write_super(c) ?:
			blacklist_log(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

static bool range_needed(const struct bch_fs *c, const struct seq_blacklist_range *r)
{
	return READ_ONCE(r->dirty) || r->end >= c->journal.oldest_seq_found;
}

/**
 * bch2_journal_blacklist_gc - forget ranges that nothing refers to
 * @c:	filesystem; the start is over, c->sb_lock held
 *
 * A range goes if nothing that was looked at carries such a number and the
 * journal has nothing as old. Without having read the journal nothing is known.
 * The table in memory stays: queries are made without a lock.
 *
 * Return: did the section change?
 */
bool bch2_journal_blacklist_gc(struct bch_fs *c)
{
	const struct seq_blacklist *bl = &c->journal.blacklist;
	struct seq_blacklist kept = {};
	bool ret = false;

	lockdep_assert_held(&c->sb_lock);

	if (!bl->nr)
		return false;
	kept.d = kvmalloc_array(bl->nr, sizeof(*kept.d), GFP_KERNEL);
	if (!kept.d)
		return false;

	for (size_t i = 0; i < bl->nr; i++)
		if (range_needed(c, &bl->d[i]))
			kept.d[kept.nr++] = bl->d[i];
	if (kept.nr != bl->nr)
		ret = !section_set(c, &kept);
	kvfree(kept.d);
	return ret;
}
