// SPDX-License-Identifier: GPL-2.0
/*
 * Recovery passes that prepare or do writing, and what the superblock remembers
 * of passes that ran (spec 31 §9, §12, §13, §14).
 *
 * With option nochanges there is no journal and no replay: every change stays in
 * the overlay, and these passes have nothing to do.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "alloc/replicas_live.h"
#include "init/passes.h"
#include "init/passes_rw.h"
#include "init/rw.h"
#include "init/upgrade.h"
#include "journal/blacklist_write.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/pins.h"
#include "journal/replay.h"
#include "sb/field.h"
#include "sb/write.h"
#include "util/log.h"

/* Does recovery itself have to write (spec 31 §13)? */
static bool recovery_needs_rw(const struct bch_fs *c)
{
	return c->journal.keys.nr ||
		!c->opts.read_only ||
		!c->recovery.is_clean ||
		c->opts.recovery_passes ||
		c->recovery.required_stable ||
		c->opts.fsck;
}

/**
 * bch2_pass_set_may_go_rw - the pass: from here on updates are journalled
 * @c:	filesystem
 *
 * Freezes the overlay (OV-3) and goes read-write if recovery has to write.
 */
int bch2_pass_set_may_go_rw(struct bch_fs *c)
{
	if (c->opts.nochanges)
		return 0;

	bch2_journal_keys_freeze(c);
	bch2_journal_set_replay_due(c);
	set_bit(BCH_FS_may_go_rw, &c->flags);
	if (!recovery_needs_rw(c))
		return 0;
	if (c->opts.fsck)
		bch_info(c, "going read-write");
	return bch2_fs_read_write_early(c);
}

/**
 * bch2_pass_journal_replay - the pass: overlay into the btrees
 * @c:	filesystem
 */
int bch2_pass_journal_replay(struct bch_fs *c)
{
	return c->opts.nochanges ? 0 : bch2_journal_replay(c);
}

/* --- what the superblock remembers (spec 31 §12) --- */

/* The table of runs, with room for @stable; NULL: it does not fit. */
static struct bch_sb_field_recovery_passes *runs_get(struct bch_fs *c, unsigned stable)
{
	struct bch_sb_field_recovery_passes *f = bch2_sb_field_get(c->disk_sb.sb, recovery_passes);
	const size_t bytes = sizeof(*f) + (stable + 1) * sizeof(f->start[0]);
	const size_t have = f ? bch2_sb_field_bytes(&f->field) : 0;

	if (have >= bytes)
		return f;
	return bch2_sb_field_resize(&c->disk_sb, recovery_passes,
				    DIV_ROUND_UP(bytes, sizeof(u64)));
}

/**
 * bch2_recovery_pass_completed - write down that a pass has run
 * @c:		filesystem
 * @stable:	stable id of the pass
 * @start:	when it began, seconds since 1970
 * @last:	no other pass is due
 *
 * Its repairs are made durable first. Nothing is recorded while errors are left
 * unfixed, nor by a filesystem that does not write (spec 31 §11.1 step 3).
 *
 * Return: 0, or why the journal or the superblock could not be written.
 */
int bch2_recovery_pass_completed(struct bch_fs *c, unsigned stable, u64 start, bool last)
{
	struct bch_sb_field_recovery_passes *runs;
	const u64 now = ktime_get_real_seconds();
	struct bch_sb_field_ext *ext;
	bool initialized;
	int ret = 0;

	if (test_bit(BCH_FS_error, &c->flags))
		return 0;
	WRITE_ONCE(c->recovery.required_stable, c->recovery.required_stable & ~BIT_ULL(stable));
	if (c->opts.nochanges)
		return 0;

	/* interior updates write the superblock, and may move it, while passes run */
	mutex_lock(&c->sb_lock);
	initialized = BCH_SB_INITIALIZED(c->disk_sb.sb);
	mutex_unlock(&c->sb_lock);
	if (!initialized)
		return 0;

	if (test_bit(BCH_FS_rw, &c->flags))
		ret = bch2_journal_flush(c);
	if (ret)
		return ret;

	mutex_lock(&c->sb_lock);
	runs = runs_get(c, stable);
	if (runs) {
		runs->start[stable].last_run	 = cpu_to_le64(now);
		runs->start[stable].last_runtime = cpu_to_le32(now > start ? now - start : 0);
		runs->start[stable].flags	 = 0;
	}
	ext = bch2_sb_field_get(c->disk_sb.sb, ext);
	if (ext && bch2_sb_field_has(ext, recovery_passes_required))
		ext->recovery_passes_required[0] &= ~cpu_to_le64(BIT_ULL(stable));
	/* while a pass is owed to a later start, its errors are still to be expected */
	if (last && !c->recovery.required_stable) {
		memset(c->sb.errors_silent, 0, sizeof(c->sb.errors_silent));
		if (ext && bch2_sb_field_has(ext, errors_silent))
			memset(ext->errors_silent, 0, sizeof(ext->errors_silent));
	}
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/* Errors that are gone, as the superblock is to say (spec 31 §15). */
static void finish_flags(struct bch_fs *c)
{
	const bool unfixed = test_bit(BCH_FS_error, &c->flags) ||
			     test_bit(BCH_FS_errors_not_fixed, &c->flags);
	struct bch_sb *sb = c->disk_sb.sb;
	struct bch_sb_field_ext *ext = bch2_sb_field_get(sb, ext);
	const u64 fsck = bch2_recovery_passes_match(PASS_FSCK);
	const bool all_ran = c->opts.fsck && !(fsck & ~c->recovery.passes_complete);

	if (!test_bit(BCH_FS_error, &c->flags))
		sb->compat[0] |= cpu_to_le64(BCH_COMPAT_BIT(alloc_info));
	if (unfixed)
		return;
	if (c->recovery.passes_complete & BIT_ULL(BCH_RECOVERY_PASS_check_topology)) {
		clear_bit(BCH_FS_topology_error, &c->flags);
		SET_BCH_SB_HAS_TOPOLOGY_ERRORS(sb, 0);
	}
	if (!all_ran)
		return;
	/* only a check that looked at everything may call it sound */
	SET_BCH_SB_HAS_ERRORS(sb, 0);
	if (ext && bch2_sb_field_has(ext, btrees_lost_data))
		ext->btrees_lost_data = 0;
	c->recovery.lost_data = 0;
}

/**
 * bch2_recovery_finish - the end of a start, in the superblock
 * @c:	filesystem; the passes have run
 *
 * Spec 31 §15. A version is only called completely upgraded to when no pass that
 * the upgrade requires is left.
 *
 * Return: 0, or why something could not be written.
 */
int bch2_recovery_finish(struct bch_fs *c)
{
	struct bch_sb *sb;
	int ret = 0;

	if (c->opts.nochanges || !test_bit(BCH_FS_was_rw, &c->flags))
		return 0;

	if (test_bit(BCH_FS_errors_fixed, &c->flags))
		ret = bch2_journal_meta(c);
	ret = ret ?: bch2_fs_upgrade_finish(c) ?: bch2_replicas_gc(c);
	if (ret)
		return ret;

	mutex_lock(&c->sb_lock);
	finish_flags(c);
	bch2_journal_blacklist_gc(c);
	sb = c->disk_sb.sb;
	if (!(c->recovery.required_stable & c->recovery.upgrade_stable))
		SET_BCH_SB_VERSION_UPGRADE_COMPLETE(sb, le16_to_cpu(sb->version));
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}
