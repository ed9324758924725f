// SPDX-License-Identifier: GPL-2.0
/*
 * The scheduler of recovery passes (spec 31 §9-§11, spec 12 §8).
 *
 * Invariant: passes run in the order of their run numbers; a request for an
 * earlier one makes the loop go back, and everything that was selected from
 * there on runs again. A pass that is due but has no function here is never
 * passed over in silence: it is remembered, and reported as not checked.
 * Only the thread that starts the filesystem runs passes.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "alloc/alloc_trigger.h"
#include "alloc/dev_init.h"
#include "btree/iter.h"
#include "check/alloc_checks.h"
#include "check/allocations.h"
#include "check/backpointers.h"
#include "check/check.h"
#include "check/inodes.h"
#include "check/node_scan.h"
#include "check/reconcile.h"
#include "fs/inode.h"
#include "init/accounting_read.h"
#include "init/passes.h"
#include "init/passes_rw.h"
#include "init/recovery.h"
#include "snapshots/snapshot.h"
#include "util/log.h"
#include "util/printbuf.h"

struct recovery_pass {
	const char	*name;
	u64		depends;
	unsigned	flags;
	unsigned	stable;
	/* NULL: this version cannot run it. */
	int		(*fn)(struct bch_fs *c);
};

static int pass_nothing(struct bch_fs *c)
{
	return 0;
}

/*
 * The root directory must be readable. A check goes on without it: it has more
 * to say, and nothing here depends on that directory.
 */
static int pass_lookup_root_inode(struct bch_fs *c)
{
	const subvol_inum root = { .subvol = 1, .inum = BCACHEFS_ROOT_INO };
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_inode_unpacked inode;
	int ret;

	if (IS_ERR(trans))
		return PTR_ERR(trans);

	ret = lockrestart_do(trans, bch2_inode_find_by_inum(trans, root, &inode));
	bch2_trans_put(trans);
	if (!ret || bch2_err_matches(ret, ENOMEM))
		return ret;

	bch_err(c, "root directory (inode %u of subvolume %u) cannot be read: %s",
		(unsigned) root.inum, root.subvol, bch2_err_str(ret));
	set_bit(BCH_FS_error, &c->flags);
	return 0;
}

/* Without allocation information there is nothing that freespace could agree with. */
static int pass_fs_freespace_init(struct bch_fs *c)
{
	return c->sb.features & BCH_FEATURE_BIT(no_alloc_info) ? 0 : bch2_fs_freespace_init(c);
}

static int (*const pass_functions[BCH_RECOVERY_PASS_NR])(struct bch_fs *) = {
	[BCH_RECOVERY_PASS_recovery_pass_empty]	= pass_nothing,
	[BCH_RECOVERY_PASS_scan_for_btree_nodes] = bch2_scan_for_btree_nodes,
	[BCH_RECOVERY_PASS_check_topology]	= bch2_check_topology,
	[BCH_RECOVERY_PASS_accounting_read]	= bch2_accounting_read,
	[BCH_RECOVERY_PASS_alloc_read]		= bch2_alloc_read,
	[BCH_RECOVERY_PASS_stripes_read]	= pass_nothing,	/* has no work since 1.36 */
	[BCH_RECOVERY_PASS_check_allocations]	= bch2_check_allocations,
	[BCH_RECOVERY_PASS_snapshots_read]	= bch2_snapshots_read,
	[BCH_RECOVERY_PASS_initialize_subvolumes] = bch2_initialize_subvolumes,
	[BCH_RECOVERY_PASS_trans_mark_dev_sbs]	= bch2_trans_mark_dev_sbs,
	[BCH_RECOVERY_PASS_fs_journal_alloc]	= bch2_fs_journal_alloc,
	[BCH_RECOVERY_PASS_set_may_go_rw]	= bch2_pass_set_may_go_rw,
	[BCH_RECOVERY_PASS_journal_replay]	= bch2_pass_journal_replay,
	[BCH_RECOVERY_PASS_check_alloc_info]	= bch2_check_alloc_info,
	[BCH_RECOVERY_PASS_check_lrus]		= bch2_check_lrus,
	[BCH_RECOVERY_PASS_check_btree_backpointers] = bch2_check_btree_backpointers,
	[BCH_RECOVERY_PASS_check_backpointers_to_extents] = bch2_check_backpointers_to_extents,
	[BCH_RECOVERY_PASS_check_extents_to_backpointers] = bch2_check_extents_to_backpointers,
	[BCH_RECOVERY_PASS_check_alloc_to_lru_refs] = bch2_check_alloc_to_lru_refs,
	[BCH_RECOVERY_PASS_fs_freespace_init]	= pass_fs_freespace_init,
	[BCH_RECOVERY_PASS_bucket_gens_init]	= bch2_bucket_gens_init,
	[BCH_RECOVERY_PASS_check_inodes]	= bch2_check_inodes,
	[BCH_RECOVERY_PASS_check_reconcile_work] = bch2_check_reconcile_work,
	[BCH_RECOVERY_PASS_set_fs_needs_reconcile] = bch2_set_fs_needs_reconcile,
	[BCH_RECOVERY_PASS_lookup_root_inode]	= pass_lookup_root_inode,
};

static const struct recovery_pass passes[BCH_RECOVERY_PASS_NR] = {
#define x(_stable, _name, _flags, _deps)					\
	[BCH_RECOVERY_PASS_##_name] = {						\
		.name		= #_name,					\
		.depends	= _deps,					\
		.flags		= _flags,					\
		.stable		= _stable,					\
	},
	BCH_RECOVERY_PASSES(x)
#undef x
};

/* --- the table --- */

/**
 * bch2_recovery_pass_name - name of a pass
 * @pass:	run number
 */
const char *bch2_recovery_pass_name(unsigned pass)
{
	return pass < BCH_RECOVERY_PASS_NR ? passes[pass].name : "(unknown)";
}

/**
 * bch2_recovery_pass_by_name - find a pass
 * @name:	name, not necessarily terminated
 * @len:	its length
 *
 * Return: run number or -ENOENT.
 */
int bch2_recovery_pass_by_name(const char *name, size_t len)
{
	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (strlen(passes[i].name) == len && !memcmp(passes[i].name, name, len))
			return i;
	return -ENOENT;
}

/**
 * bch2_recovery_pass_flags - PASS_* flags of a pass
 * @pass:	run number
 */
unsigned bch2_recovery_pass_flags(unsigned pass)
{
	return pass < BCH_RECOVERY_PASS_NR ? passes[pass].flags : 0;
}

/**
 * bch2_recovery_pass_available - can this version run the pass?
 * @pass:	run number
 */
bool bch2_recovery_pass_available(unsigned pass)
{
	return pass < BCH_RECOVERY_PASS_NR && pass_functions[pass];
}

/**
 * bch2_recovery_passes_to_stable - from run numbers to what superblocks hold
 * @mask:	bits by run number
 */
u64 bch2_recovery_passes_to_stable(u64 mask)
{
	u64 ret = 0;

	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (mask & BIT_ULL(i))
			ret |= BIT_ULL(passes[i].stable);
	return ret;
}

/**
 * bch2_recovery_passes_from_stable - from superblock bits to run numbers
 * @stable:	bits by stable id; unknown ones convert to nothing
 */
u64 bch2_recovery_passes_from_stable(u64 stable)
{
	u64 ret = 0;

	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (stable & BIT_ULL(passes[i].stable))
			ret |= BIT_ULL(i);
	return ret;
}

/**
 * bch2_recovery_passes_match - all passes that have one of the flags
 * @flags:	PASS_*
 *
 * Return: bits by run number.
 */
u64 bch2_recovery_passes_match(unsigned flags)
{
	u64 ret = 0;

	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (passes[i].flags & flags)
			ret |= BIT_ULL(i);
	return ret;
}

/**
 * bch2_recovery_passes_to_text - names, separated by commas
 * @out:	text
 * @mask:	bits by run number
 */
void bch2_recovery_passes_to_text(struct printbuf *out, u64 mask)
{
	bool first = true;

	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++) {
		if (!(mask & BIT_ULL(i)))
			continue;
		if (!first)
			prt_str(out, ", ");
		first = false;
		prt_str(out, passes[i].name);
	}
}

/* --- which are due --- */

/**
 * bch2_recovery_passes_select - the passes a start sets out to run
 * @c:	filesystem, options and c->recovery.required_stable are set
 *
 * Spec 31 §10 without deferral, which needs a mounted filesystem.
 *
 * Return: bits by run number.
 */
u64 bch2_recovery_passes_select(struct bch_fs *c)
{
	u64 ret = bch2_recovery_passes_match(PASS_ALWAYS);

	if (c->opts.fsck)
		ret |= bch2_recovery_passes_match(PASS_FSCK);
	ret |= c->opts.recovery_passes;
	ret |= bch2_recovery_passes_from_stable(c->recovery.required_stable);
	ret &= GENMASK_ULL(BCH_RECOVERY_PASS_NR - 1, 0);

	if (c->opts.recovery_pass_last && c->opts.recovery_pass_last < 63)
		ret &= GENMASK_ULL(c->opts.recovery_pass_last, 0);

	ret &= ~(c->opts.recovery_passes_exclude &
		 ~BIT_ULL(BCH_RECOVERY_PASS_set_may_go_rw));

	if (c->sb.features & BCH_FEATURE_BIT(no_alloc_info))
		ret &= ~bch2_recovery_passes_match(PASS_ALLOC);
	return ret;
}

/*
 * Passes that only prepare or do writing: a start that writes nothing has no
 * use for them, so leaving them out takes nothing from its result.
 */
static bool pass_is_for_writing(unsigned pass)
{
	return (passes[pass].flags & PASS_ALWAYS) && !(passes[pass].flags & PASS_FSCK);
}

/* What nobody needs who does not allocate. */
static bool pass_is_for_allocating(unsigned pass)
{
	return pass == BCH_RECOVERY_PASS_alloc_read ||
		pass == BCH_RECOVERY_PASS_trans_mark_dev_sbs ||
		pass == BCH_RECOVERY_PASS_fs_journal_alloc ||
		pass == BCH_RECOVERY_PASS_fs_freespace_init;
}

/*
 * May a start that writes nothing go on after a pass has failed? What prepares
 * allocating is not needed, and a node that cannot be read has been reported: what
 * other passes have to say is worth more than stopping there.
 */
static bool reading_goes_on(const struct bch_fs *c, unsigned pass, int err)
{
	if (!c->opts.nochanges || err == -BCH_ERR_recovery_interrupted)
		return false;
	return (pass_is_for_allocating(pass) && !bch2_err_matches(err, ENOMEM)) ||
		bch2_err_matches(err, BCH_ERR_btree_node_read_error);
}

/**
 * bch2_recovery_passes_not_checked - passes that were due and could not run
 * @c:	filesystem, started
 *
 * Return: bits by run number, for the summary of a check.
 */
u64 bch2_recovery_passes_not_checked(struct bch_fs *c)
{
	return c->recovery.passes_unavailable;
}

/* Remember that a pass is due but has no function; say so once. */
static void pass_unavailable(struct bch_fs *c, u64 mask, const char *why)
{
	CLASS(printbuf, buf)();

	mask &= ~c->recovery.passes_unavailable;
	if (!mask)
		return;
	c->recovery.passes_unavailable |= mask;

	bch2_recovery_passes_to_text(&buf, mask);
	bch_warn(c, "%s, but not available in this version: %s", why, printbuf_str(&buf));
}

/* --- running --- */

static int pass_run(struct bch_fs *c, unsigned pass)
{
	const bool silent = passes[pass].flags & PASS_SILENT;
	const u64 start = ktime_get_real_seconds();
	int ret;

	if (!silent)
		printk(KERN_INFO "%s...", passes[pass].name);

	/* replay is not left halfway: the filesystem would not be clean afterwards */
	if (pass != BCH_RECOVERY_PASS_journal_replay)
		WRITE_ONCE(c->recovery.task, current);
	ret = pass_functions[pass](c);
	WRITE_ONCE(c->recovery.task, NULL);
	if (ret == -BCH_ERR_recovery_interrupted)
		printk(KERN_CONT " interrupted\n");
	else if (ret)
		bch_err(c, "%s(): error %s", passes[pass].name, bch2_err_str(ret));
	else if (!silent)
		printk(KERN_CONT " done (%llu seconds)\n",
		       (u64) (ktime_get_real_seconds() - start));
	return ret;
}

/*
 * May the start end here because somebody wants it to? Until replay has begun
 * nothing has been changed that would be missed; while it is due, it has to be.
 */
static bool passes_interrupted(struct bch_fs *c)
{
	return test_bit(BCH_FS_stop_passes, &c->flags) &&
		(!test_bit(BCH_FS_may_go_rw, &c->flags) ||
		 test_bit(BCH_FS_replay_done, &c->flags));
}

/**
 * bch2_run_recovery_passes - run what is selected, in order
 * @c:	filesystem; roots are read
 *
 * Passes without a function are left out: those that belong to a check, were
 * asked for or are required are reported and remembered. After a request for
 * an earlier pass everything selected from there on runs again (spec 31 §11.1).
 *
 * Return: 0, or the error of the pass that failed.
 */
int bch2_run_recovery_passes(struct bch_fs *c)
{
	struct bch_fs_recovery *r = &c->recovery;
	u64 missing = 0;
	int ret = 0;

	r->passes_selected = bch2_recovery_passes_select(c);
	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if ((r->passes_selected & BIT_ULL(i)) && !pass_functions[i] &&
		    (!pass_is_for_writing(i) || (c->opts.recovery_passes & BIT_ULL(i))))
			missing |= BIT_ULL(i);
	/* what a check cannot check is in its summary; it need not be said twice */
	if (c->opts.fsck)
		r->passes_unavailable |= missing & bch2_recovery_passes_match(PASS_FSCK) &
			~c->opts.recovery_passes;
	pass_unavailable(c, missing, "recovery passes are due");

	WRITE_ONCE(r->passes_to_run, r->passes_selected);
	r->running		= true;
	r->rewound_to		= 0;

	while (r->passes_to_run && !ret) {
		const unsigned pass = __ffs64(r->passes_to_run);
		const u64 start = ktime_get_real_seconds();

		if (passes_interrupted(c)) {
			ret = -BCH_ERR_recovery_interrupted;
			break;
		}
		/* others look at where the start is: bch2_freespace_is_true() */
		WRITE_ONCE(r->curr_pass, pass);
		WRITE_ONCE(r->passes_to_run, r->passes_to_run & ~BIT_ULL(pass));
		bch2_btree_walk_begin(c);
		if (!pass_functions[pass])
			continue;

		ret = pass_run(c, pass);
		if (r->rewound_to) {
			const unsigned to = r->rewound_to - 1;

			/* the pass's own result was only the way out of it */
			WRITE_ONCE(r->passes_to_run, r->passes_to_run |
				   ((r->passes_selected | BIT_ULL(to)) &
				    GENMASK_ULL(BCH_RECOVERY_PASS_NR - 1, to)));
			r->rewound_to = 0;
			ret = 0;
		} else if (ret && reading_goes_on(c, pass, ret)) {
			r->passes_failing |= BIT_ULL(pass);
			set_bit(BCH_FS_error, &c->flags);
			ret = 0;
		} else if (ret) {
			r->passes_failing |= BIT_ULL(pass);
		} else {
			WRITE_ONCE(r->passes_complete, r->passes_complete | BIT_ULL(pass));
			ret = bch2_recovery_pass_completed(c, passes[pass].stable, start,
							   !r->passes_to_run);
		}
	}

	WRITE_ONCE(r->running, false);
	return ret;
}

/* --- requests --- */

/**
 * bch2_run_explicit_recovery_pass - something needs a pass
 * @c:		filesystem
 * @pass:	run number
 *
 * During a start the pass is run: later, if its turn is still to come; else the
 * loop is made to go back, once per start, and the caller must let the error
 * pass through (spec 31 §11.2). A pass without function is remembered and
 * reported, and the caller goes on.
 *
 * Return: 0 or -BCH_ERR_restart_recovery.
 */
int bch2_run_explicit_recovery_pass(struct bch_fs *c, enum bch_recovery_pass pass)
{
	struct bch_fs_recovery *r = &c->recovery;
	bool rewind;

	if (pass >= BCH_RECOVERY_PASS_NR)
		return 0;

	/* never recorded: it is asked for when it is needed (spec 31 §9) */
	if (pass != BCH_RECOVERY_PASS_scan_for_btree_nodes)
		r->required_stable |= BIT_ULL(passes[pass].stable);
	if (r->closed)
		r->rerun_wanted |= pass_functions[pass] != NULL;

	if (!pass_functions[pass]) {
		pass_unavailable(c, BIT_ULL(pass), "damage needs recovery passes");
		return 0;
	}
	if (!test_bit(BCH_FS_in_recovery, &c->flags) ||
	    (c->opts.recovery_pass_last && pass > c->opts.recovery_pass_last) ||
	    (c->opts.recovery_passes_exclude & BIT_ULL(pass)))
		return 0;

	if (pass < BCH_RECOVERY_PASS_set_may_go_rw &&
	    test_bit(BCH_FS_may_go_rw, &c->flags)) {
		bch_err(c, "need recovery pass %s (%u), but already rw", passes[pass].name, pass);
		r->rerun_wanted = true;
		return -BCH_ERR_cannot_rewind_recovery;
	}

	rewind = r->running && r->curr_pass > pass && !(r->passes_complete & BIT_ULL(pass));
	if (!rewind && ((r->passes_to_run | r->passes_complete) & BIT_ULL(pass)))
		return 0;
	if (r->running && r->curr_pass == pass)
		return 0;

	bch_notice(c, "running recovery pass %s (%u), currently at %s (%u)%s", passes[pass].name,
		   pass, bch2_recovery_pass_name(r->curr_pass), r->curr_pass,
		   rewind ? " - rewinding" : "");

	r->passes_selected	|= BIT_ULL(pass);
	WRITE_ONCE(r->passes_to_run, r->passes_to_run | BIT_ULL(pass));
	if (!r->running) {
		/* the start has not come to its passes: it will select this one */
		c->opts.recovery_passes |= BIT_ULL(pass);
		return 0;
	}
	if (!rewind)
		return 0;

	r->rewound_to = r->rewound_to ? min(r->rewound_to, (unsigned) pass + 1) : pass + 1;
	return -BCH_ERR_restart_recovery;
}

/**
 * bch2_request_stable_pass - the same, by the number that superblocks use
 * @c:		filesystem
 * @stable:	stable id; unknown ones are ignored
 *
 * What c->up.request_pass points to.
 */
int bch2_request_stable_pass(struct bch_fs *c, unsigned stable)
{
	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (passes[i].stable == stable)
			return bch2_run_explicit_recovery_pass(c, i);
	return 0;
}
