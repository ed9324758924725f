// SPDX-License-Identifier: GPL-2.0
/*
 * What fsck says of the open filesystem: the pass check_alloc_info as fsck runs it,
 * and how often it reported which error.
 */
#include "races.h"
#include "check/alloc_checks.h"
#include "sb/fsck_err.h"

static const struct {
	unsigned	id;
	const char	*name;
} ids[] = {
	{ BCH_FSCK_ERR_need_discard_key_wrong,			"need_discard_key_wrong" },
	{ BCH_FSCK_ERR_need_discard_freespace_key_bad,		"need_discard_freespace_key_bad" },
	{ BCH_FSCK_ERR_need_discard_freespace_key_to_invalid_dev_bucket,
	  "need_discard_freespace_key_to_invalid_dev_bucket" },
};

/* The same message again would not be counted (FC-6): this is another run. */
static void forget_messages(void)
{
	for (unsigned id = 0; id < BCH_FSCK_ERR_MAX; id++) {
		kfree(c->fsck.seen[id].last_msg);
		c->fsck.seen[id].last_msg = NULL;
	}
}

static struct report report_count(void)
{
	return (struct report) {
		.unset		= bch2_fsck_err_count(c, ids[0].id),
		.set		= bch2_fsck_err_count(c, ids[1].id),
		.no_bucket	= bch2_fsck_err_count(c, ids[2].id),
		.all		= c->fsck.nr_reported,
	};
}

/** fsck_report - run the check, and repair what it finds */
struct report fsck_report(void)
{
	const struct report before = report_count();
	const unsigned fix_errors = c->opts.fix_errors;
	struct report r;

	forget_messages();
	c->opts.fix_errors = FSCK_FIX_yes;
	set_bit(BCH_FS_in_fsck, &c->flags);
	assert_int_equal(bch2_check_alloc_info(c), 0);
	clear_bit(BCH_FS_in_fsck, &c->flags);
	c->opts.fix_errors = fix_errors;
	r = report_count();
	return (struct report) {
		.unset		= r.unset - before.unset,
		.set		= r.set - before.set,
		.no_bucket	= r.no_bucket - before.no_bucket,
		.all		= r.all - before.all,
	};
}

static void expect(const char *name, u64 nr, u64 want)
{
	if (nr != want)
		fail_msg("fsck reported %s %llu times, not %llu", name, nr, want);
}

/** fsck_expect - these reports and no other, whatever their ids */
void fsck_expect(struct report want)
{
	const struct report r = fsck_report();

	expect(ids[0].name, r.unset, want.unset);
	expect(ids[1].name, r.set, want.set);
	expect(ids[2].name, r.no_bucket, want.no_bucket);
	expect("errors", r.all, want.unset + want.set + want.no_bucket);
}

/** fsck_silent - nothing is wrong */
void fsck_silent(void)
{
	fsck_expect((struct report) {});
}
