// SPDX-License-Identifier: GPL-2.0
/*
 * Errors that were found: their decision (sb/fsck_decide.c), the question to the
 * user, what is remembered of them.
 *
 * Everything remembered lives in c->fsck, under c->fsck.lock; a report holds the
 * lock until its answer is known, so that texts of concurrent checks do not mix.
 * Called from every floor above; by transactions through
 * btree/fsck_err_trans.h.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "sb/fsck_decide.h"
#include "util/log.h"

/* Reports of one id before ratelimit_errors silences it. */
#define FSCK_RATELIMIT_NR	10

static const struct {
	const char	*name;
	u8		flags;
} fsck_err_ids[] = {
#define x(_id, _name, _flags)	[_id] = { #_name, _flags },
	BCH_SB_ERRS(x)
#undef x
};

/**
 * bch2_fsck_err_id_flags() - flags stored with an error id (spec 32 section 2)
 * @id:		any number
 *
 * Return: FSCK_AUTOFIX or 0; 0 for unknown ids.
 */
unsigned bch2_fsck_err_id_flags(unsigned id)
{
	return id < ARRAY_SIZE(fsck_err_ids) ? fsck_err_ids[id].flags : 0;
}

/**
 * bch2_fsck_err_name() - name of an error id
 * @id:		any number
 *
 * Return: the name, or NULL for ids this software does not know.
 */
const char *bch2_fsck_err_name(unsigned id)
{
	return id < ARRAY_SIZE(fsck_err_ids) ? fsck_err_ids[id].name : NULL;
}

/**
 * bch2_sb_error_id_to_text() - print the name of an error id
 * @out:	text
 * @id:		any number
 */
void bch2_sb_error_id_to_text(struct printbuf *out, unsigned id)
{
	const char *name = bch2_fsck_err_name(id);

	if (name)
		prt_str(out, name);
	else
		prt_printf(out, "(unknown error %u)", id);
}

/* --- reports --- */

static struct fsck_query fsck_query(const struct bch_fs *c, unsigned flags, unsigned id)
{
	return (struct fsck_query) {
		.flags		= flags,
		.in_fsck	= test_bit(BCH_FS_in_fsck, &c->flags),
		.nochanges	= c->opts.nochanges,
		.fix_errors	= c->opts.fix_errors,
		.errors		= c->opts.errors,
		.answer		= c->fsck.seen ? c->fsck.seen[id].answer : 0,
	};
}

/* Step 6 of spec 32 section 6: the answer stands for this and maybe all of this id. */
static void ask_user(struct bch_fs *c, unsigned id, const char *msg, const char *action,
		     const struct fsck_query *q, struct fsck_verdict *v,
		     const struct fsck_before_wait *before)
{
	struct bch_fsck_state *f = &c->fsck;
	struct printbuf buf = PRINTBUF;
	int answer = 'n';

	if (f->ask && !f->input_ended) {
		if (before)
			before->fn(before->arg);
		bch2_fsck_lines_to_text(&buf, msg);
		answer = f->ask(c, printbuf_str(&buf), action);
		printbuf_exit(&buf);
	} else {
		answer = -ENOTTY;
	}

	if (answer == -EINTR) {
		v->ret = -BCH_ERR_recovery_interrupted;
		v->printed = true;
		return;
	}
	if (answer < 0) {
		f->input_ended |= f->ask != NULL;
		v->say = FSCK_SAY_not_doing;
		answer = 'n';
	} else {
		v->printed = true;
	}

	if (answer == 'Y' || answer == 'N')
		f->seen[id].answer = answer;

	v->ret = answer == 'y' || answer == 'Y' ? -BCH_ERR_fsck_fix : -BCH_ERR_fsck_ignore;
	bch2_fsck_decide_ignore(q, v);
}

/* Steps 8 and 9: prints unless rate limited. */
static void print_report(struct bch_fs *c, struct fsck_err_seen *s, const char *msg,
			 const char *action, unsigned flags, const struct fsck_verdict *v)
{
	const bool always = v->halt || v->say == FSCK_SAY_shutting_down;
	const bool limited = c->opts.ratelimit_errors && s->nr > FSCK_RATELIMIT_NR;
	struct printbuf buf = PRINTBUF;

	if (v->printed && !v->halt)
		return;
	if (limited && s->ratelimited && !always)
		return;

	bch2_fsck_verdict_to_text(&buf, msg, action, flags, v);
	if (limited && !s->ratelimited) {
		prt_str(&buf, "\n  Ratelimiting new instances of previous error");
		s->ratelimited = true;
	}
	bch_err(c, "%s", printbuf_str(&buf));
	printbuf_exit(&buf);
}

/* Step 11. */
static void note_result(struct bch_fs *c, int ret)
{
	if (ret == -BCH_ERR_fsck_fix) {
		set_bit(BCH_FS_errors_fixed, &c->flags);
		c->fsck.nr_fixed++;
	} else {
		set_bit(BCH_FS_errors_not_fixed, &c->flags);
		set_bit(BCH_FS_error, &c->flags);
		c->fsck.nr_not_fixed++;
	}
}

/* Steps 3 to 11, with the lock held. Takes over the message. */
static int report_locked(struct bch_fs *c, unsigned flags, unsigned id, char *msg,
			 bool *inconsistent, const struct fsck_before_wait *before)
{
	struct fsck_err_seen *s = &c->fsck.seen[id];
	struct fsck_query q = fsck_query(c, flags, id);
	struct fsck_verdict v;
	const char *action;
	char *last;

	if (s->last_msg && !strcmp(s->last_msg, msg)) {
		kfree(msg);
		return s->ret;
	}

	last = kstrdup(msg, GFP_KERNEL);
	kfree(s->last_msg);
	s->last_msg = last;
	s->nr++;
	c->fsck.nr_reported++;

	action = bch2_fsck_split_action(msg);
	v = bch2_fsck_decide(&q);
	if (v.ret == -BCH_ERR_fsck_ask)
		ask_user(c, id, msg, action, &q, &v, before);

	print_report(c, s, msg, action, flags, &v);
	note_result(c, v.ret);
	s->ret = v.ret;
	*inconsistent = v.inconsistent;
	if (c->fsck.report)
		c->fsck.report(c, id, msg, v.ret);

	kfree(msg);
	return v.ret;
}

/**
 * bch2_fsck_err_silent() - is an error one that is handled without a report?
 * @c:		filesystem
 * @flags:	what the caller can do; those of the id are added
 * @id:		which error, below BCH_FSCK_ERR_MAX
 *
 * Spec 32 section 4 step 1.
 *
 * Return: the decision, or 0: it has to be reported.
 */
int bch2_fsck_err_silent(struct bch_fs *c, unsigned *flags, enum bch_sb_error_id id)
{
	*flags |= fsck_err_ids[id].flags;
	if (test_bit(id, c->sb.errors_silent))
		*flags |= FSCK_ERR_SILENT;
	if (!(*flags & FSCK_ERR_SILENT))
		return 0;

	set_bit(BCH_FS_errors_fixed_silent, &c->flags);
	return *flags & FSCK_CAN_FIX ? -BCH_ERR_fsck_fix : -BCH_ERR_fsck_ignore;
}

/**
 * bch2_fsck_report() - report an error and learn what to do about it
 * @c:		filesystem
 * @flags:	all flags of the report, after bch2_fsck_err_silent()
 * @id:		which error, below BCH_FSCK_ERR_MAX
 * @msg:	message from kmalloc(), taken over
 * @before:	called before a wait for the user or for another report; or NULL
 *
 * Return: as __bch2_fsck_err().
 */
int bch2_fsck_report(struct bch_fs *c, unsigned flags, enum bch_sb_error_id id, char *msg,
		     const struct fsck_before_wait *before)
{
	bool inconsistent = false;
	int ret;

	if (!mutex_trylock(&c->fsck.lock)) {
		if (before)
			before->fn(before->arg);
		mutex_lock(&c->fsck.lock);
	}
	ret = report_locked(c, flags, id, msg, &inconsistent, before);
	mutex_unlock(&c->fsck.lock);

	if (inconsistent)
		bch2_inconsistent_error(c);
	return ret;
}

/**
 * __bch2_fsck_err() - report an error and learn what to do about it
 * @c:		filesystem; bch2_fs_fsck_err_init() has been called
 * @flags:	enum bch_fsck_flags: what the caller can do
 * @id:		which error
 * @fmt:	message; may end in ", action?"
 *
 * May ask the user, so it must not be called with locks held: transactions use
 * __bch2_fsck_err_trans(). Spec 32 sections 4 to 7.
 *
 * Return: -BCH_ERR_fsck_fix, -BCH_ERR_fsck_ignore, or an error to pass on:
 * -BCH_ERR_fsck_errors_not_fixed, -BCH_ERR_fsck_repair_unimplemented, -ENOMEM.
 */
int __bch2_fsck_err(struct bch_fs *c, unsigned flags, enum bch_sb_error_id id,
		    const char *fmt, ...)
{
	va_list args;
	char *msg;
	int ret;

	if (WARN_ON((unsigned) id >= BCH_FSCK_ERR_MAX))
		return -BCH_ERR_fsck_errors_not_fixed;

	ret = bch2_fsck_err_silent(c, &flags, id);
	if (ret)
		return ret;

	va_start(args, fmt);
	msg = kvasprintf(GFP_KERNEL, fmt, args);
	va_end(args);
	return msg ? bch2_fsck_report(c, flags, id, msg, NULL) : -BCH_ERR_ENOMEM_fsck_message;
}

/**
 * bch2_fsck_err_preview() - would this error be fixed? Nothing is reported.
 * @c:		filesystem
 * @flags:	what the caller can do
 * @id:		which error
 *
 * Return: as __bch2_fsck_err(), or -BCH_ERR_fsck_ask, to be taken as no.
 */
int bch2_fsck_err_preview(struct bch_fs *c, unsigned flags, enum bch_sb_error_id id)
{
	struct fsck_query q;

	if ((unsigned) id >= BCH_FSCK_ERR_MAX)
		return -BCH_ERR_fsck_errors_not_fixed;

	q = fsck_query(c, flags | bch2_fsck_err_id_flags(id), id);
	return bch2_fsck_decide_preview(&q);
}

/**
 * bch2_count_fsck_err() - count an error whose handling is up to the caller
 * @c:		filesystem
 * @id:		which error
 */
void bch2_count_fsck_err(struct bch_fs *c, enum bch_sb_error_id id)
{
	if ((unsigned) id >= BCH_FSCK_ERR_MAX || !c->fsck.seen)
		return;

	mutex_lock(&c->fsck.lock);
	c->fsck.seen[id].nr++;
	mutex_unlock(&c->fsck.lock);
}

/**
 * bch2_fsck_err_count() - how often an error was reported since open
 * @c:		filesystem
 * @id:		which error
 *
 * Return: the number of reports, silent ones not included.
 */
u64 bch2_fsck_err_count(struct bch_fs *c, enum bch_sb_error_id id)
{
	u64 nr;

	if ((unsigned) id >= BCH_FSCK_ERR_MAX || !c->fsck.seen)
		return 0;

	mutex_lock(&c->fsck.lock);
	nr = c->fsck.seen[id].nr;
	mutex_unlock(&c->fsck.lock);
	return nr;
}

/**
 * bch2_fs_fsck_err_init() - memory for what is remembered per error id
 * @c:		filesystem being opened
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_fs_fsck_err_init(struct bch_fs *c)
{
	mutex_init(&c->fsck.lock);
	c->fsck.seen = kvcalloc(BCH_FSCK_ERR_MAX, sizeof(*c->fsck.seen), GFP_KERNEL);
	return c->fsck.seen ? 0 : -ENOMEM;
}

/**
 * bch2_fs_fsck_err_exit() - free it; also without, or after a failed, init
 * @c:		filesystem being closed
 */
void bch2_fs_fsck_err_exit(struct bch_fs *c)
{
	if (c->fsck.seen)
		for (unsigned i = 0; i < BCH_FSCK_ERR_MAX; i++)
			kfree(c->fsck.seen[i].last_msg);
	kvfree(c->fsck.seen);
	c->fsck.seen = NULL;
}

/* --- errors without a question (spec 32 section 1) --- */

/* Nothing is to be written from now on: said once, by whoever stops the writing. */
static void go_emergency_ro(struct bch_fs *c)
{
	if (c->up.emergency_ro)
		c->up.emergency_ro(c);
	else if (!test_and_set_bit(BCH_FS_emergency_ro, &c->flags))
		bch_err(c, "emergency read only");
}

/**
 * bch2_inconsistent_error() - something that cannot be, outside of a check
 * @c:		filesystem
 *
 * Option errors decides: continue, emergency read-only, or panic.
 *
 * Return: true if the filesystem may not be written any more.
 */
bool bch2_inconsistent_error(struct bch_fs *c)
{
	set_bit(BCH_FS_error, &c->flags);

	switch (c->opts.errors) {
	case BCH_ON_ERROR_continue:
		return false;
	case BCH_ON_ERROR_panic:
		panic("bcachefs (%s): panic after error\n", c->name);
		return true;
	default:
		go_emergency_ro(c);
		return true;
	}
}

/**
 * bch2_fs_inconsistent() - report an inconsistency and react to it
 * @c:		filesystem
 * @fmt:	message
 */
void bch2_fs_inconsistent(struct bch_fs *c, const char *fmt, ...)
{
	va_list args;
	char *msg;

	va_start(args, fmt);
	msg = kvasprintf(GFP_KERNEL, fmt, args);
	va_end(args);

	bch_err(c, "%s", msg ?: "inconsistency, and out of memory");
	kfree(msg);
	bch2_inconsistent_error(c);
}

/**
 * bch2_topology_error() - the structure of a btree is wrong
 * @c:		filesystem
 *
 * While the startup passes run, check_topology is asked for.
 *
 * Return: an error; the operation that met the damage fails with it.
 */
int bch2_topology_error(struct bch_fs *c)
{
	int ret;

	set_bit(BCH_FS_topology_error, &c->flags);

	if (test_bit(BCH_FS_in_recovery, &c->flags) && c->up.request_pass) {
		ret = c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_topology);
		if (ret)
			return ret;
	} else {
		bch2_inconsistent_error(c);
	}
	return -BCH_ERR_btree_topology;
}

/**
 * bch2_fatal_error() - the filesystem cannot be written any more, whatever the options
 * @c:		filesystem
 */
void bch2_fatal_error(struct bch_fs *c)
{
	set_bit(BCH_FS_error, &c->flags);
	go_emergency_ro(c);
}
