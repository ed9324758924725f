// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the journal: all devices at once, then one record per sequence
 * number out of all copies (spec 30 §8).
 *
 * Invariant: c->journal.entries is sorted by seq without duplicates, and which
 * copy of an entry is used depends only on what is on the devices, never on
 * the order in which reads complete. Only the thread that starts the
 * filesystem calls this.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "journal/read.h"
#include "journal/read_priv.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/printbuf.h"

/* Numbers that can be on the devices together (spec 30 §2). */
#define JOURNAL_SEQ_SPREAD		((1ULL << 31) - 1)

/* --- reading the devices --- */

static bool dev_has_journal(const struct bch_dev *ca)
{
	return bch2_dev_is_online(ca) && ca->journal.nr;
}

static struct journal_read_state *journal_read_state_alloc(struct bch_fs *c)
{
	struct journal_read_state *s;
	unsigned nr = 0;

	for_each_online_member(c, ca)
		nr += dev_has_journal(ca);

	s = kvzalloc(sizeof(*s) + nr * sizeof(s->devs[0]), GFP_KERNEL);
	if (!s)
		return NULL;

	s->c = c;
	atomic64_set(&s->last_seq, 0);
	for_each_online_member(c, ca) {
		if (!dev_has_journal(ca))
			continue;
		s->devs[s->nr_devs].s = s;
		s->devs[s->nr_devs].ca = ca;
		s->nr_devs++;
	}
	return s;
}

static void journal_read_state_free(struct journal_read_state *s)
{
	if (!s)
		return;

	for (unsigned i = 0; i < s->nr_devs; i++) {
		struct journal_dev_read *d = &s->devs[i];

		for (size_t n = 0; n < d->nr; n++)
			kvfree(d->copies[n].j);
		kvfree(d->copies);
	}
	kvfree(s);
}

static int journal_read_devices(struct journal_read_state *s)
{
	struct workqueue_struct *wq;
	int ret = 0;

	if (!s->nr_devs)
		return 0;

	wq = alloc_workqueue("bcachefs_journal_read", WQ_UNBOUND, s->nr_devs);
	if (!wq)
		return -BCH_ERR_ENOMEM_journal_read_buf;

	for (unsigned i = 0; i < s->nr_devs; i++) {
		INIT_WORK(&s->devs[i].work, journal_read_ring);
		queue_work(wq, &s->devs[i].work);
	}
	destroy_workqueue(wq);

	for (unsigned i = 0; i < s->nr_devs; i++)
		ret = ret ?: s->devs[i].ret;
	return ret;
}

/* --- putting copies together --- */

/* By number; good copies first, then by device and place: the first is the one to use. */
static int journal_copy_cmp(const void *_l, const void *_r)
{
	const struct journal_copy *l = *(const struct journal_copy *const *) _l;
	const struct journal_copy *r = *(const struct journal_copy *const *) _r;

	if (l->seq != r->seq)
		return l->seq < r->seq ? -1 : 1;
	if (l->ptr.csum_good != r->ptr.csum_good)
		return l->ptr.csum_good ? -1 : 1;
	if (l->ptr.dev != r->ptr.dev)
		return l->ptr.dev < r->ptr.dev ? -1 : 1;
	if (l->ptr.slot != r->ptr.slot)
		return l->ptr.slot < r->ptr.slot ? -1 : 1;
	return (l->ptr.bucket_offset > r->ptr.bucket_offset) -
		(l->ptr.bucket_offset < r->ptr.bucket_offset);
}

/*
 * A header with a bad checksum may claim any number. One that is nowhere near
 * those of good entries says nothing; were it believed, no number would be left
 * to write with.
 */
static bool journal_copy_plausible(const struct journal_copy *cp, u64 highest)
{
	if (!cp->seq || cp->seq > JOURNAL_SEQ_MAX)
		return false;
	return cp->ptr.csum_good || !highest ||
		(cp->seq < highest + JOURNAL_SEQ_SPREAD &&
		 cp->seq + JOURNAL_SEQ_SPREAD > highest);
}

static u64 journal_highest_good(const struct journal_read_state *s)
{
	u64 ret = 0;

	for (unsigned i = 0; i < s->nr_devs; i++)
		for (size_t n = 0; n < s->devs[i].nr; n++) {
			const struct journal_copy *cp = &s->devs[i].copies[n];

			if (cp->ptr.csum_good && cp->seq <= JOURNAL_SEQ_MAX)
				ret = max(ret, cp->seq);
		}
	return ret;
}

/* Where writing would go on (spec 30 §7.3). */
static void journal_ring_account(struct bch_dev *ca, const struct journal_copy *cp, u64 *newest)
{
	struct journal_device *ja = &ca->journal;

	if (cp->seq >= *newest) {
		const u64 end = cp->ptr.bucket_offset +
			(round_up((u64) cp->bytes, bch2_block_bytes(ca->fs)) >> 9);

		*newest = cp->seq;
		ja->cur_idx = cp->ptr.slot;
		ja->sectors_free = end < ca->mi.bucket_size ? ca->mi.bucket_size - end : 0;
	}
}

/* All plausible copies of all devices, sorted; accounts rings on the way. */
static int journal_gather(struct journal_read_state *s, struct journal_copy ***ret, size_t *ret_nr)
{
	const u64 highest = journal_highest_good(s);
	struct journal_copy **all;
	size_t nr = 0, max_nr = 0, junk = 0;

	for (unsigned i = 0; i < s->nr_devs; i++)
		max_nr += s->devs[i].nr;

	all = kvmalloc_array(max_t(size_t, max_nr, 1), sizeof(*all), GFP_KERNEL);
	if (!all)
		return -BCH_ERR_ENOMEM_journal_entry_add;

	for (unsigned i = 0; i < s->nr_devs; i++) {
		struct bch_dev *ca = s->devs[i].ca;
		u64 newest = 0;

		for (size_t n = 0; n < s->devs[i].nr; n++) {
			struct journal_copy *cp = &s->devs[i].copies[n];

			if (!journal_copy_plausible(cp, highest)) {
				junk++;
				continue;
			}
			journal_ring_account(ca, cp, &newest);
			all[nr++] = cp;
		}
	}
	if (junk)
		bch_notice(s->c, "journal: ignoring %zu headers with impossible sequence numbers",
			   junk);

	sort(all, nr, sizeof(*all), journal_copy_cmp, NULL);
	*ret = all;
	*ret_nr = nr;
	return 0;
}

/* Two copies of one number: report what should not be (spec 30 §8.4 step 4). */
static int journal_copies_compare(struct bch_fs *c, const struct journal_copy *l,
				  const struct journal_copy *r)
{
	const char *l_dev = bch2_dev(c, l->ptr.dev)->name;
	const char *r_dev = bch2_dev(c, r->ptr.dev)->name;
	int ret = 0;

	if (!l->ptr.csum_good || !r->ptr.csum_good)
		return 0;

	fsck_err_on(l->ptr.dev == r->ptr.dev, c, journal_entry_dup_same_device,
		    "duplicate journal entry %llu on same device: %s bucket %llu sector %llu, and "
		    "bucket %llu sector %llu",
		    l->seq, l_dev, l->ptr.bucket, l->ptr.sector, r->ptr.bucket, r->ptr.sector);

	fsck_err_on(l->hash != r->hash || l->bytes != r->bytes, c,
		    journal_entry_replicas_data_mismatch,
		    "found duplicate but non identical journal entries %llu: using %s bucket %llu "
		    "sector %llu, not %s bucket %llu sector %llu",
		    l->seq, l_dev, l->ptr.bucket, l->ptr.sector, r_dev, r->ptr.bucket,
		    r->ptr.sector);
fsck_err:
	return ret;
}

/* The record for copies[0, nr), which all have one number. */
static struct journal_replay *journal_replay_new(struct journal_copy **copies, unsigned nr)
{
	const struct journal_copy *best = copies[0];
	struct journal_replay *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return NULL;
	r->ptrs = kvmalloc_array(nr, sizeof(*r->ptrs), GFP_KERNEL);
	if (!r->ptrs) {
		kfree(r);
		return NULL;
	}

	for (unsigned i = 0; i < nr; i++)
		r->ptrs[i] = copies[i]->ptr;
	r->nr_ptrs	= nr;
	r->seq		= best->seq;
	r->last_seq	= best->last_seq;
	r->bytes	= best->bytes;
	r->disk_u64s	= best->disk_u64s;
	r->version	= best->version;
	r->csum_good	= best->ptr.csum_good;
	r->cut		= best->cut;
	r->flush	= journal_copy_is_flush(best);
	swap(r->j, copies[0]->j);
	return r;
}

/* An entry that is as its writer meant it, but that we do not understand. */
static int journal_copy_version_check(struct bch_fs *c, const struct journal_copy *cp)
{
	int ret;

	if (!cp->ptr.csum_good || bch2_version_compatible(cp->version))
		return 0;

	ret = __bch2_fsck_err(c, 0, BCH_FSCK_ERR_jset_unsupported_version,
			"%s bucket %llu sector %llu: journal entry %llu has unsupported version "
			"%u.%u",
			bch2_dev(c, cp->ptr.dev)->name, cp->ptr.bucket, cp->ptr.sector, cp->seq,
			BCH_VERSION_MAJOR(cp->version), BCH_VERSION_MINOR(cp->version));
	return bch2_fsck_gives_up(ret) ? ret : -BCH_ERR_journal_entry_err_unknown_version;
}

static int journal_merge_one(struct bch_fs *c, struct journal_copy **copies, unsigned nr)
{
	struct journal_entries *e = &c->journal.entries;
	int ret = 0;

	for (unsigned i = 0; i < nr && !ret; i++)
		ret = journal_copy_version_check(c, copies[i]);
	for (unsigned i = 1; i < nr && !ret; i++)
		ret = journal_copies_compare(c, copies[0], copies[i]);
	if (ret)
		return ret;

	if (copies[0]->ptr.csum_good && !c->journal.oldest_seq_found)
		c->journal.oldest_seq_found = copies[0]->seq;

	e->d[e->nr] = journal_replay_new(copies, nr);
	if (!e->d[e->nr])
		return -BCH_ERR_ENOMEM_journal_entry_add;
	e->nr++;
	return 0;
}

static int journal_merge(struct journal_read_state *s)
{
	struct bch_fs *c = s->c;
	struct journal_entries *e = &c->journal.entries;
	struct journal_copy **all = NULL;
	size_t nr = 0;
	int ret;

	ret = journal_gather(s, &all, &nr);
	if (ret)
		return ret;

	e->d = kvmalloc_array(max_t(size_t, nr, 1), sizeof(*e->d), GFP_KERNEL);
	e->size = nr;
	if (!e->d)
		ret = -BCH_ERR_ENOMEM_journal_entry_add;

	for (size_t i = 0, n; i < nr && !ret; i = n) {
		for (n = i + 1; n < nr && all[n]->seq == all[i]->seq; n++)
			;
		ret = journal_merge_one(c, all + i, n - i);
	}
	kvfree(all);
	return ret;
}

/* --- interface --- */

static void journal_replay_free(struct journal_replay *r)
{
	kvfree(r->j);
	kvfree(r->ptrs);
	kfree(r);
}

/* Records that nobody will ask for: older than the window. */
static void journal_drop_not_dirty(struct bch_fs *c)
{
	struct journal_entries *e = &c->journal.entries;
	size_t nr = 0;

	for (size_t i = 0; i < e->nr; i++) {
		struct journal_replay *r = e->d[i];

		if (r->ignore != JOURNAL_USED)
			bch2_journal_entry_unload(r);
		if (r->ignore == JOURNAL_IGNORE_not_dirty &&
		    !c->opts.retain_recovery_info && !c->opts.read_entire_journal)
			journal_replay_free(r);
		else
			e->d[nr++] = r;
	}
	e->nr = nr;
}

/* Entries that are not used now, nor ever will be: their numbers are or get blacklisted. */
static bool journal_ignored_for_good(const struct journal_replay *r)
{
	return r->ignore == JOURNAL_IGNORE_noflush || r->ignore == JOURNAL_IGNORE_torn ||
		r->ignore == JOURNAL_IGNORE_blacklisted;
}

/*
 * What each slot holds, the window being known. Entries that do not count must not keep
 * their buckets: after several crashes they may be anywhere in the ring, with numbers
 * higher than the oldest one needed.
 */
static void journal_rings_note_kept(struct bch_fs *c)
{
	const struct journal_entries *e = &c->journal.entries;

	for_each_online_member(c, ca)
		if (ca->journal.nr)
			memset(ca->journal.bucket_seq, 0,
			       ca->journal.nr * sizeof(ca->journal.bucket_seq[0]));

	for (size_t i = 0; i < e->nr; i++) {
		const struct journal_replay *r = e->d[i];

		for (unsigned n = 0; n < r->nr_ptrs && !journal_ignored_for_good(r); n++) {
			const struct bch_dev *ca = bch2_dev(c, r->ptrs[n].dev);
			u64 *seq = &ca->journal.bucket_seq[r->ptrs[n].slot];

			*seq = max(*seq, r->seq);
		}
	}
}

/**
 * bch2_journal_read - read the journal of all online devices, choose the window
 * @c:		filesystem; blacklist loaded, key loaded if it is encrypted
 * @info:	the window (spec 30 §9); all zero except cur_seq if there is none
 *
 * Afterwards every record of the window is loaded and valid, or has been
 * repaired in memory, as the error policy decided. Entries below the window are
 * forgotten unless retain_recovery_info or read_entire_journal is set.
 *
 * Return: 0, an error of the policy (class fsck),
 * -BCH_ERR_journal_entry_err_unknown_version, or -ENOMEM. Unreadable buckets
 * are not an error here: they show as missing entries.
 */
int bch2_journal_read(struct bch_fs *c, struct journal_start_info *info)
{
	struct journal_read_state *s;
	int ret;

	memset(info, 0, sizeof(*info));
	bch2_journal_entries_free(c);

	s = journal_read_state_alloc(c);
	if (!s)
		return -BCH_ERR_ENOMEM_journal_read_buf;

	ret = journal_read_devices(s) ?: journal_merge(s);
	journal_read_state_free(s);
	if (ret)
		return ret;

	ret = journal_choose_window(c, info);
	if (ret)
		return ret;
	journal_rings_note_kept(c);
	journal_drop_not_dirty(c);
	return 0;
}

/**
 * bch2_journal_entries_free - forget all entries
 * @c:	filesystem; the overlay, which points into them, is gone
 */
void bch2_journal_entries_free(struct bch_fs *c)
{
	struct journal_entries *e = &c->journal.entries;

	for (size_t i = 0; i < e->nr; i++)
		journal_replay_free(e->d[i]);
	kvfree(e->d);
	memset(e, 0, sizeof(*e));
	c->journal.oldest_seq_found = 0;
}

/**
 * bch2_journal_entry_load - make the contents of a record available
 * @c:	filesystem
 * @r:	record; r->j is set on success
 *
 * Reads the copy to be used, and if it is not as it was, the others. The
 * contents are decrypted, and not validated; j->u64s stays inside the memory.
 *
 * Return: 0, or why the last copy tried could not be read.
 */
int bch2_journal_entry_load(struct bch_fs *c, struct journal_replay *r)
{
	int ret = -BCH_ERR_journal_entry_none;

	if (r->j)
		return 0;

	for (unsigned i = 0; i < r->nr_ptrs; i++) {
		bool good = false;
		struct jset *j = journal_read_jset(c, &r->ptrs[i], r->bytes, &good);

		if (IS_ERR(j)) {
			ret = PTR_ERR(j);
			continue;
		}
		if (le64_to_cpu(j->seq) == r->seq && good == r->csum_good) {
			r->j = j;
			return 0;
		}
		kvfree(j);
		ret = -BCH_ERR_journal_entry_reread;
	}

	bch_err(c, "journal entry %llu: cannot be read again: %s", r->seq, bch2_err_str(ret));
	return ret;
}

/**
 * bch2_journal_entry_unload - let go of contents that can be loaded again
 * @r:	record that is not part of the overlay
 */
void bch2_journal_entry_unload(struct journal_replay *r)
{
	kvfree(r->j);
	r->j = NULL;
}

/**
 * bch2_journal_entry_find - the record of one sequence number
 * @c:		filesystem
 * @seq:	number
 *
 * Return: the record, ignored or not; NULL if there is none.
 */
struct journal_replay *bch2_journal_entry_find(struct bch_fs *c, u64 seq)
{
	const struct journal_entries *e = &c->journal.entries;
	size_t l = 0, r = e->nr;

	while (l < r) {
		const size_t m = l + (r - l) / 2;

		if (e->d[m]->seq < seq)
			l = m + 1;
		else
			r = m;
	}
	return l < e->nr && e->d[l]->seq == seq ? e->d[l] : NULL;
}

/**
 * bch2_journal_newest - the record with the highest number
 * @c:		filesystem
 * @used_only:	only those of the replay window; otherwise good ones of any kind
 *
 * Return: the record, or NULL.
 */
struct journal_replay *bch2_journal_newest(struct bch_fs *c, bool used_only)
{
	const struct journal_entries *e = &c->journal.entries;

	for (size_t i = e->nr; i; i--) {
		struct journal_replay *r = e->d[i - 1];

		if (used_only ? !journal_replay_ignore(r) : r->csum_good)
			return r;
	}
	return NULL;
}

/**
 * bch2_journal_ptrs_to_text - where the copies of an entry are
 * @out:	text
 * @c:		filesystem
 * @r:		record
 *
 * Per copy: device, bucket position DEV:BUCKET:OFFSET, sector (spec 70 §9.2.4).
 */
void bch2_journal_ptrs_to_text(struct printbuf *out, struct bch_fs *c,
			       const struct journal_replay *r)
{
	for (unsigned i = 0; i < r->nr_ptrs; i++) {
		const struct journal_ptr *p = &r->ptrs[i];

		if (i)
			prt_str(out, ", ");
		prt_printf(out, "%s %u:%llu:%u (sector %llu)", bch2_dev(c, p->dev)->name, p->dev,
			   p->bucket, p->bucket_offset, p->sector);
		if (!p->csum_good)
			prt_str(out, " bad checksum");
	}
}
