// SPDX-License-Identifier: GPL-2.0
/*
 * A start, step by step: clean section or journal, roots, overlay, passes (spec
 * 31 §5).
 *
 * Invariant: with option nochanges nothing reaches a device. What would be
 * written - a cleared clean flag, a longer blacklist - is then only done to the
 * copies in memory, so that what is read afterwards is what a start that writes
 * would see. Without it nothing is written before the journal has been read and
 * its numbers that may have been lost are blacklisted on disk.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/cache.h"
#include "check/check.h"
#include "init/passes.h"
#include "init/passes_rw.h"
#include "init/recovery.h"
#include "init/upgrade.h"
#include "journal/blacklist_write.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "journal/validate.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "sb/replicas.h"
#include "util/log.h"
#include "util/printbuf.h"

/* Numbers skipped after an unclean shutdown: more than can be in flight (spec 30 §9.4). */
#define JOURNAL_UNCLEAN_MARGIN		4096
/* Key versions that may have been used without a record (spec 31 §5 step 13). */
#define KEY_VERSION_UNCLEAN_MARGIN	65536

static bool want_journal(const struct bch_fs *c)
{
	return !c->recovery.is_clean ||
		c->opts.retain_recovery_info ||
		c->opts.read_entire_journal ||
		c->opts.read_journal_only;
}

/* Where each ring would be written next, if the journal does not tell. */
static void set_ring_positions(struct bch_fs *c)
{
	for_each_online_member(c, ca) {
		const struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
		const u32 slot = le32_to_cpu(m.last_journal_bucket);
		const u32 offset = le32_to_cpu(m.last_journal_bucket_offset);

		if (slot < ca->journal.nr && offset <= ca->mi.bucket_size) {
			ca->journal.cur_idx	 = slot;
			ca->journal.sectors_free = ca->mi.bucket_size - offset;
		}
	}
}

/*
 * Unclean, and the journal has no usable entry (spec 30 §9.3): the roots of the
 * clean section if the superblock claimed to be clean, else those of the newest
 * entry of any kind. Nothing is replayed.
 */
static int no_usable_entries(struct bch_fs *c)
{
	struct journal_replay *r;
	int ret = 0;

	fsck_err(c, dirty_but_no_journal_entries,
		 "no usable journal entries found for unclean filesystem, continue?");

	if (c->recovery.was_clean && c->recovery.clean) {
		c->recovery.is_clean = true;
		return 0;
	}
	bch2_clean_section_drop(c);

	r = bch2_journal_newest(c, false);
	if (!r) {
		bch_err(c, "no superblock clean section found, and no journal entry");
		return -BCH_ERR_fsck_repair_impossible;
	}

	bch_notice(c, "using the roots of journal entry %llu, replaying nothing", r->seq);
	ret   = bch2_journal_entry_load(c, r) ?:
		bch2_jset_validate(c, bch2_dev(c, r->ptrs[0].dev), r->j, r->ptrs[0].sector, 0);
	if (!ret)
		r->ignore = JOURNAL_USED;
fsck_err:
	return ret;
}

/* Journal read, or not: which of journal and clean section is in charge? */
static int read_journal(struct bch_fs *c)
{
	struct journal_start_info *info = &c->journal.start;
	int ret;

	ret = bch2_journal_read(c, info);
	if (ret || c->opts.read_journal_only)
		return ret;

	if (c->recovery.is_clean && !info->clean &&
	    mustfix_fsck_err(c, clean_but_journal_not_empty,
			     "filesystem marked clean but journal not empty"))
		bch2_clean_flag_clear(c);

	if (!c->recovery.is_clean && !info->seq_read_end)
		return no_usable_entries(c);
	if (!c->recovery.is_clean)
		bch2_clean_section_drop(c);
	else
		ret = bch2_clean_section_compare(c);
fsck_err:
	return ret;
}

/* The number that writing would begin with; what lies between is void (spec 30 §9.4). */
static int set_journal_seq(struct bch_fs *c)
{
	struct journal_start_info *info = &c->journal.start;
	int ret = 0;

	if (!c->recovery.is_clean) {
		info->cur_seq += JOURNAL_UNCLEAN_MARGIN;
		if (info->seq_read_end && info->seq_read_end + 1 != info->cur_seq)
			ret = bch2_journal_seq_blacklist_add(c, info->seq_read_end + 1,
							     info->cur_seq);
		if (c->sb.encryption_type)
			atomic64_add(KEY_VERSION_UNCLEAN_MARGIN, &c->key_version);
	}
	info->cur_seq = max(info->cur_seq, bch2_journal_last_blacklisted_seq(c));
	return ret;
}

/* Is there a replicas entry for journal data on the devices of @r's good copies? */
static bool journal_replicas_marked(struct bch_fs *c, const struct journal_replay *r)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(c->disk_sb.sb);
	struct bch_devs_mask have = {};
	struct bch_sb_replica e;
	unsigned nr = 0;

	for (unsigned i = 0; i < r->nr_ptrs; i++)
		nr += r->ptrs[i].csum_good && !__test_and_set_bit(r->ptrs[i].dev, have.d);

	while (bch2_sb_replicas_next(&iter, &e)) {
		bool match = e.data_type == BCH_DATA_journal && e.nr_devs == nr;

		for (unsigned i = 0; match && i < e.nr_devs; i++)
			match = test_bit(e.devs[i], have.d);
		if (match)
			return true;
	}
	return !nr;
}

/*
 * Entries of an unclean journal must be accounted for (spec 30 §14). With
 * members missing nothing can be said: copies on them are not known.
 */
static int check_journal_replicas(struct bch_fs *c)
{
	int ret = 0;

	for_each_member_device(c, ca)
		if (!bch2_dev_is_online(ca))
			return 0;

	for (size_t i = 0; i < c->journal.entries.nr; i++) {
		const struct journal_replay *r = c->journal.entries.d[i];

		if (journal_replay_ignore(r) || journal_replicas_marked(c, r))
			continue;

		CLASS(printbuf, buf)();

		bch2_journal_ptrs_to_text(&buf, c, r);
		fsck_err(c, journal_entry_replicas_not_marked,
			 "superblock not marked as containing replicas for journal entry %llu at "
			 "%s",
			 r->seq, printbuf_str(&buf));
	}
fsck_err:
	return ret;
}

/*
 * The last part of a check: every key of every node, as the passes have left it.
 * What this asks for is for the next start.
 */
static int check_everything(struct bch_fs *c)
{
	int ret;

	if (!c->opts.fsck || !c->fsck.summary)
		return 0;

	clear_bit(BCH_FS_in_recovery, &c->flags);
	c->recovery.closed = true;
	WRITE_ONCE(c->recovery.task, current);
	ret = bch2_check_btrees(c, c->fsck.summary);
	WRITE_ONCE(c->recovery.task, NULL);
	return ret;
}

/* Formatted and never started: there is nothing to read (spec 31 §16). */
static int start_uninitialized(struct bch_fs *c)
{
	if (!c->opts.nochanges)
		return bch2_fs_first_start(c);

	c->recovery.is_clean = true;
	return  bch2_fs_initialize_in_memory(c) ?:
		bch2_read_btree_roots(c) ?:
		(c->opts.read_journal_only ? 0 : bch2_run_recovery_passes(c)) ?:
		check_everything(c);
}

/* Roots and overlay are wanted; after this btrees can be read. */
static int read_metadata(struct bch_fs *c)
{
	struct journal_start_info *info = &c->journal.start;
	int ret;

	if (want_journal(c)) {
		ret = read_journal(c);
		if (ret || c->opts.read_journal_only)
			return ret;
	}
	if (c->recovery.clean && !info->seq_read_end)
		info->cur_seq = le64_to_cpu(c->recovery.clean->journal_seq) + 1;
	if (c->recovery.is_clean && !c->recovery.clean && !info->seq_read_end) {
		bch_err(c, "no superblock clean section found");
		return -BCH_ERR_fsck_repair_impossible;
	}

	return  bch2_roots_from_entries(c) ?:
		set_journal_seq(c) ?:
		(c->recovery.is_clean ? 0 : check_journal_replicas(c)) ?:
		bch2_journal_keys_sort(c) ?:
		bch2_fs_reconstruct_alloc(c) ?:
		bch2_read_btree_roots(c) ?:
		bch2_fs_upgrade_after_roots(c);
}

/*
 * The journal can be written from now on, though nothing is before the pass
 * set_may_go_rw. Old entries of an unclean journal stay pinned until replay has
 * passed them (PC-2).
 */
static int start_journal(struct bch_fs *c)
{
	const struct journal_start_info *info = &c->journal.start;
	const u64 last = !c->recovery.is_clean && info->seq_read_start
		? info->seq_read_start : info->cur_seq;
	int ret = 0;

	if (c->opts.nochanges)
		return 0;

	if (!c->recovery.is_clean)
		ret = bch2_journal_blacklist_write(c);
	if (!ret)
		ret = bch2_journal_start(c, info->cur_seq, last);
	if (!ret)
		c->rw.journal_running = true;
	return ret;
}

/**
 * bch2_fs_recovery - make the btrees readable, as of the last commit
 * @c:	filesystem: devices and options are there, key loaded, nothing read yet
 *
 * With option read_journal_only only the journal is read. Without nochanges the
 * filesystem may be read-write afterwards.
 *
 * Return: 0, or why the filesystem cannot be started.
 */
int bch2_fs_recovery(struct bch_fs *c)
{
	int ret;

	if (!BCH_SB_INITIALIZED(c->disk_sb.sb)) {
		ret = start_uninitialized(c);
		goto err;
	}

	c->recovery.was_clean = c->recovery.is_clean = BCH_SB_CLEAN(c->disk_sb.sb);
	if (c->recovery.is_clean)
		set_bit(BCH_FS_clean_recovery, &c->flags);

	ret = bch2_read_clean_section(c);
	if (ret)
		goto err;

	if (c->recovery.clean)
		bch_info(c, "recovering from clean shutdown, journal seq %llu",
			 le64_to_cpu(c->recovery.clean->journal_seq));
	else
		bch_info(c, "recovering from unclean shutdown");

	set_ring_positions(c);
	ret = bch2_blacklist_table_initialize(c) ?: read_metadata(c);
	if (ret || c->opts.read_journal_only)
		goto err;

	ret   = start_journal(c) ?:
		bch2_run_recovery_passes(c) ?:
		check_everything(c) ?:
		bch2_recovery_finish(c);
err:
	if (ret == -BCH_ERR_recovery_interrupted)
		bch_notice(c, "interrupted: what is missing is for the next start");
	else if (ret)
		bch_err(c, "error in recovery: %s", bch2_err_str(ret));
	return ret;
}
