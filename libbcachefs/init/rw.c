// SPDX-License-Identifier: GPL-2.0
/*
 * The switch between read-only and read-write (spec 31 §13, §17, §18.1).
 *
 * Invariant: who holds a write reference may commit updates until it gives the
 * reference back; going read-only waits for all of them before it drains the
 * journal. What serves the draining itself - interior updates, flushes of
 * buffers, pointers of written nodes - commits without a reference
 * (BCH_TRANS_COMMIT_no_check_rw) and is waited for by the draining loop.
 *
 * An emergency does not wait for anybody: it stops the journal, after which
 * nothing can become durable any more, and leaves the rest to the end of the
 * filesystem. State changes are serialised by c->rw.state_lock.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "alloc/discard.h"
#include "alloc/foreground.h"
#include "btree/interior.h"
#include "btree/key_cache.h"
#include "btree/node_write.h"
#include "btree/write_buffer.h"
#include "init/rw.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "sb/fsck_err.h"
#include "sb/write.h"
#include "util/log.h"

/* --- references --- */

/**
 * bch2_write_ref_tryget - keep the filesystem read-write
 * @c:	filesystem
 *
 * What c->up.write_ref_get points to. Any thread.
 *
 * Return: false: it is not read-write, or going read-only.
 */
bool bch2_write_ref_tryget(struct bch_fs *c)
{
	return atomic_inc_not_zero(&c->rw.refs);
}

/**
 * bch2_write_ref_put - the end of bch2_write_ref_tryget()
 * @c:	filesystem
 */
void bch2_write_ref_put(struct bch_fs *c)
{
	if (atomic_dec_and_test(&c->rw.refs))
		wake_up_all(&c->rw.wait);
}

/* Refuse new references and wait until the old ones are gone. */
static void write_refs_end(struct bch_fs *c)
{
	if (!test_and_clear_bit(BCH_FS_rw, &c->flags))
		return;
	bch2_write_ref_put(c);
	wait_event(c->rw.wait, !atomic_read(&c->rw.refs));
}

/* --- emergency --- */

static void emergency_work_fn(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, rw.emergency_work);

	mutex_lock(&c->rw.state_lock);
	write_refs_end(c);
	mutex_unlock(&c->rw.state_lock);
}

/**
 * bch2_fs_emergency_read_only - stop writing, at once
 * @c:	filesystem
 *
 * Callable from any thread, with any locks held: it only stops the journal and
 * refuses new updates later, from a worker (spec 31 §18.1).
 */
void bch2_fs_emergency_read_only(struct bch_fs *c)
{
	if (test_and_set_bit(BCH_FS_emergency_ro, &c->flags))
		return;

	if (c->rw.journal_running)
		bch2_journal_halt(c);
	bch_err(c, "emergency read only");
	if (c->rw.initialized)
		schedule_work(&c->rw.emergency_work);
}

/**
 * bch2_fs_rw_init - make the state of c->rw usable
 * @c:	filesystem that is being opened
 */
void bch2_fs_rw_init(struct bch_fs *c)
{
	mutex_init(&c->rw.state_lock);
	atomic_set(&c->rw.refs, 0);
	init_waitqueue_head(&c->rw.wait);
	INIT_WORK(&c->rw.emergency_work, emergency_work_fn);
	c->rw.initialized = true;
}

/* --- read-write --- */

/* May this filesystem be written at all? */
static int may_go_read_write(struct bch_fs *c)
{
	CLASS(printbuf, err)();
	int ret;

	if (c->opts.nochanges)
		return -BCH_ERR_erofs_nochanges;
	if (c->opts.norecovery ||
	    (c->opts.recovery_pass_last &&
	     c->opts.recovery_pass_last < BCH_RECOVERY_PASS_journal_replay))
		return -BCH_ERR_erofs_norecovery;
	if (test_bit(BCH_FS_emergency_ro, &c->flags))
		return -BCH_ERR_erofs_emergency;
	if (c->sb.features & BCH_FEATURE_BIT(no_alloc_info))
		return -BCH_ERR_erofs_no_alloc_info;

	mutex_lock(&c->sb_lock);
	ret = bch2_sb_may_write(c, &err);
	mutex_unlock(&c->sb_lock);
	if (ret)
		bch_err(c, "cannot go read-write: %s", printbuf_str(&err));
	return ret;
}

static int read_write(struct bch_fs *c)
{
	int ret = may_go_read_write(c);

	if (ret)
		return ret;
	if (test_bit(BCH_FS_rw, &c->flags))
		return 0;

	set_bit(BCH_FS_was_rw, &c->flags);

	/* the allocator knows the rewind window that the first entry must keep */
	ret   = bch2_fs_allocator_start(c) ?:
		bch2_journal_first_write(c);
	if (ret)
		return ret;

	set_bit(BCH_FS_rw, &c->flags);
	atomic_set(&c->rw.refs, 1);
	bch2_do_discards(c);
	return 0;
}

/**
 * bch2_fs_read_write_early - go read-write for what recovery has to do
 * @c:	filesystem: overlay frozen, BCH_FS_may_go_rw set, journal started
 *
 * Return: 0, or a kind of -EROFS, or what stopped the allocator from starting.
 */
int bch2_fs_read_write_early(struct bch_fs *c)
{
	int ret;

	mutex_lock(&c->rw.state_lock);
	ret = read_write(c);
	mutex_unlock(&c->rw.state_lock);
	return ret;
}

/**
 * bch2_fs_read_write - go read-write after the start
 * @c:	started filesystem
 *
 * Return: as bch2_fs_read_write_early().
 */
int bch2_fs_read_write(struct bch_fs *c)
{
	if (test_bit(BCH_FS_emergency_ro, &c->flags))
		return -BCH_ERR_erofs_emergency;
	return bch2_fs_read_write_early(c);
}

/* --- read-only --- */

/*
 * One round of draining; every step can make work for an earlier one (spec 21
 * §9.6). True: something was done.
 */
static bool drain_round(struct bch_fs *c)
{
	bool did = false;

	did |= bch2_discards_going_ro(c) > 0;
	did |= bch2_btree_write_buffer_flush_going_ro(c);
	did |= bch2_key_cache_flush_going_ro(c);
	did |= bch2_btree_interior_updates_flush(c);
	did |= bch2_journal_flush_all_pins(c);
	did |= bch2_btree_writes_pending(c);
	bch2_btree_flush_all_writes(c);
	did |= bch2_btree_interior_updates_flush(c);
	return did;
}

/* Until two rounds in a row find nothing and nobody has used the journal. */
static void drain(struct bch_fs *c)
{
	unsigned quiet = 0;

	while (quiet < 2 && !bch2_journal_error(c)) {
		const u64 seq = bch2_journal_cur_seq(c);

		if (drain_round(c) || bch2_journal_cur_seq(c) != seq)
			quiet = 0;
		else
			quiet++;
	}
}

/* Everything is in the btrees: end the journal with an empty entry. True: clean. */
static bool end_journal(struct bch_fs *c)
{
	int ret = bch2_journal_stop(c);

	c->rw.journal_running = false;
	if (ret && !test_bit(BCH_FS_emergency_ro, &c->flags) &&
	    test_bit(BCH_FS_replay_done, &c->flags))
		bch_err(c, "the journal did not end cleanly: %s", bch2_err_str(ret));

	return !ret &&
		!test_bit(BCH_FS_emergency_ro, &c->flags) &&
		test_bit(BCH_FS_replay_done, &c->flags);
}

/* The superblock in memory becomes that of a clean filesystem (spec 10 §10). */
static int mark_clean(struct bch_fs *c)
{
	struct bch_sb *sb;
	int ret;

	ret   = bch2_sb_drop_journal_replicas(&c->disk_sb) ?:
		bch2_journal_to_sb_clean(c);
	if (ret)
		return ret;

	sb = c->disk_sb.sb;
	SET_BCH_SB_CLEAN(sb, 1);
	sb->compat[0] |= cpu_to_le64(BCH_COMPAT_BIT(alloc_metadata));
	if (!test_bit(BCH_FS_error, &c->flags))
		sb->compat[0] |= cpu_to_le64(BCH_COMPAT_BIT(alloc_info));
	return 0;
}

/* Tell the superblocks how it ended. */
static void end_superblock(struct bch_fs *c, bool clean)
{
	int ret = 0;

	mutex_lock(&c->sb_lock);
	if (clean)
		ret = mark_clean(c);
	if (!ret)
		ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	if (ret) {
		bch_err(c, "error writing the superblock at the end: %s", bch2_err_str(ret));
		bch2_fatal_error(c);
	}
}

/**
 * bch2_fs_read_only - stop writing, cleanly if possible
 * @c:	filesystem; the caller has no transaction
 *
 * Waits for writers, empties every buffer into the btrees, the btrees and the
 * journal to the devices, and marks the filesystem clean (spec 31 §17.1, spec
 * 21 §9.6). After an error or an emergency what is in flight is only waited for.
 * Does nothing if the journal has not been started.
 */
void bch2_fs_read_only(struct bch_fs *c)
{
	bool clean;
	u64 seq;

	mutex_lock(&c->rw.state_lock);
	if (!c->rw.journal_running) {
		mutex_unlock(&c->rw.state_lock);
		return;
	}

	/*
	 * Replay has failed: its entries stay, and what others wait for never comes. It
	 * ends as with a loss of power, and the next start replays all of it.
	 */
	if (test_bit(BCH_FS_was_rw, &c->flags) && !test_bit(BCH_FS_replay_done, &c->flags))
		bch2_journal_halt(c);
	write_refs_end(c);
	bch2_discards_flush(c);
	bch2_fs_allocator_stop(c);
	if (test_bit(BCH_FS_was_rw, &c->flags)) {
		bch2_discards_drain(c, true);
		drain(c);
		bch2_discards_drain(c, false);
		/* what the worker did last */
		drain(c);
	}
	if (bch2_journal_error(c))
		bch2_btree_cancel_all_dirty(c);
	bch2_btree_interior_updates_flush(c);
	bch2_btree_flush_all_writes(c);
	clean = end_journal(c);
	seq = bch2_journal_cur_seq(c);
	if (test_bit(BCH_FS_was_rw, &c->flags)) {
		end_superblock(c, clean);
		if (c->opts.fsck)
			bch_info(c, "%s shutdown complete, journal seq %llu",
				 clean ? "clean" : "unclean", seq);
	}
	mutex_unlock(&c->rw.state_lock);
}
