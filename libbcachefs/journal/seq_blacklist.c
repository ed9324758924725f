// SPDX-License-Identifier: GPL-2.0
/*
 * The blacklist of journal sequence numbers, in memory.
 *
 * Invariant: c->journal.blacklist is sorted, its ranges are half-open, not
 * empty, and neither overlap nor touch. It is built once while starting, from
 * the superblock and from legacy journal records, by the thread that starts
 * the filesystem; after that anybody may query it without a lock. Only the
 * dirty marks change then, and they only go from false to true.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/seq_blacklist.h"
#include "sb/field.h"

/* Index of the first range that ends behind @seq. */
static size_t blacklist_search(const struct seq_blacklist *bl, u64 seq)
{
	size_t l = 0, r = bl->nr;

	while (l < r) {
		const size_t m = l + (r - l) / 2;

		if (bl->d[m].end <= seq)
			l = m + 1;
		else
			r = m;
	}
	return l;
}

/**
 * bch2_journal_seq_blacklist_add - blacklist [@start, @end) in memory
 * @c:		filesystem, not writable yet
 * @start:	first number
 * @end:	number behind the last one
 *
 * Merges with every range that overlaps or touches (spec 30 §11.3). The
 * superblock is not changed. Empty ranges are accepted and ignored.
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_journal_seq_blacklist_add(struct bch_fs *c, u64 start, u64 end)
{
	struct seq_blacklist *bl = &c->journal.blacklist;
	struct seq_blacklist_range new = { .start = start, .end = end };
	struct seq_blacklist_range *d;
	size_t first, last;

	if (start >= end)
		return 0;

	/* [first, last): the ranges that become part of the new one */
	first = blacklist_search(bl, start);
	if (first && bl->d[first - 1].end == start)
		first--;
	for (last = first; last < bl->nr && bl->d[last].start <= end; last++) {
		new.start = min(new.start, bl->d[last].start);
		new.end = max(new.end, bl->d[last].end);
		new.dirty |= bl->d[last].dirty;
	}

	if (first == last) {
		d = kvmalloc_array(bl->nr + 1, sizeof(*d), GFP_KERNEL);
		if (!d)
			return -ENOMEM;
		if (bl->nr) {
			memcpy(d, bl->d, first * sizeof(*d));
			memcpy(d + first + 1, bl->d + first, (bl->nr - first) * sizeof(*d));
		}
		kvfree(bl->d);
		bl->d = d;
		bl->nr++;
	} else {
		memmove(bl->d + first + 1, bl->d + last, (bl->nr - last) * sizeof(*d));
		bl->nr -= last - first - 1;
	}
	bl->d[first] = new;
	return 0;
}

/**
 * bch2_blacklist_table_initialize - load the superblock's blacklist
 * @c:	filesystem; its superblock has been validated
 *
 * Replaces whatever was there. Ranges that touch are joined (spec 30 §11.2).
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_blacklist_table_initialize(struct bch_fs *c)
{
	const struct bch_sb_field_journal_seq_blacklist *f =
		bch2_sb_field_get(c->disk_sb.sb, journal_seq_blacklist);
	struct seq_blacklist *bl = &c->journal.blacklist;
	size_t nr;

	bch2_blacklist_table_free(c);
	if (!f)
		return 0;

	nr = (bch2_sb_field_bytes(&f->field) - sizeof(f->field)) / sizeof(f->start[0]);
	if (!nr)
		return 0;

	bl->d = kvcalloc(nr, sizeof(*bl->d), GFP_KERNEL);
	if (!bl->d)
		return -ENOMEM;

	for (size_t i = 0; i < nr; i++) {
		const u64 start = le64_to_cpu(f->start[i].start);
		const u64 end = le64_to_cpu(f->start[i].end);

		if (bl->nr && bl->d[bl->nr - 1].end == start)
			bl->d[bl->nr - 1].end = end;
		else
			bl->d[bl->nr++] = (struct seq_blacklist_range) { start, end, false };
	}
	return 0;
}

/**
 * bch2_blacklist_table_free - forget the blacklist
 * @c:	filesystem
 */
void bch2_blacklist_table_free(struct bch_fs *c)
{
	kvfree(c->journal.blacklist.d);
	memset(&c->journal.blacklist, 0, sizeof(c->journal.blacklist));
}

/**
 * bch2_journal_seq_is_blacklisted - must things with number @seq be ignored?
 * @c:		filesystem
 * @seq:	journal sequence number; 0 is never blacklisted
 * @dirty:	something on disk carries this number: remember that the range is
 *		needed (spec 30 §11.5)
 *
 * Any number of threads may call this once the start has loaded the table.
 */
bool bch2_journal_seq_is_blacklisted(struct bch_fs *c, u64 seq, bool dirty)
{
	struct seq_blacklist *bl = &c->journal.blacklist;
	const size_t i = blacklist_search(bl, seq);

	if (i >= bl->nr || bl->d[i].start > seq)
		return false;

	if (dirty && !READ_ONCE(bl->d[i].dirty))
		WRITE_ONCE(bl->d[i].dirty, true);
	return true;
}

/**
 * bch2_journal_seq_next_blacklisted - first blacklisted number >= @seq
 * @c:		filesystem
 * @seq:	where to start
 *
 * Return: U64_MAX if there is none.
 */
u64 bch2_journal_seq_next_blacklisted(struct bch_fs *c, u64 seq)
{
	const struct seq_blacklist *bl = &c->journal.blacklist;
	const size_t i = blacklist_search(bl, seq);

	return i < bl->nr ? max(seq, bl->d[i].start) : U64_MAX;
}

/**
 * bch2_journal_seq_next_nonblacklisted - first number >= @seq that may be used
 * @c:		filesystem
 * @seq:	where to start
 */
u64 bch2_journal_seq_next_nonblacklisted(struct bch_fs *c, u64 seq)
{
	const struct seq_blacklist *bl = &c->journal.blacklist;
	const size_t i = blacklist_search(bl, seq);

	/* ranges never touch, so the end of one is free */
	return i < bl->nr && bl->d[i].start <= seq ? bl->d[i].end : seq;
}

/**
 * bch2_journal_last_blacklisted_seq - end of the highest range
 * @c:	filesystem
 *
 * Return: the first number behind all blacklisted ones, 0 without any.
 */
u64 bch2_journal_last_blacklisted_seq(struct bch_fs *c)
{
	const struct seq_blacklist *bl = &c->journal.blacklist;

	return bl->nr ? bl->d[bl->nr - 1].end : 0;
}
