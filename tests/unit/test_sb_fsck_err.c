// SPDX-License-Identifier: GPL-2.0
/*
 * The decision about an error found: every case of Documentation/format/32
 * section 4, what is said about it, and what is remembered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "sb/fsck_decide.h"
#include "sb/fsck_err.h"
#include "shim/log.h"

#define FIX		FSCK_CAN_FIX
#define IGN		FSCK_CAN_IGNORE
#define AUTO		FSCK_AUTOFIX

#define FIXED		BCH_ERR_fsck_fix
#define IGNORED		BCH_ERR_fsck_ignore
#define NOT_FIXED	BCH_ERR_fsck_errors_not_fixed
#define UNIMPL		BCH_ERR_fsck_repair_unimplemented
#define ASK		BCH_ERR_fsck_ask

/* flags, in_fsck, nochanges, fix_errors, errors, earlier answer -> decision, words, halt */
static const struct {
	struct fsck_query	q;
	int			ret;
	enum fsck_say		say;
	bool			halt;
} cases[] = {
#define C(flags, fsck, noch, fix, err, answer, ret, say, halt)			\
	{ { flags, fsck, noch, FSCK_FIX_##fix, BCH_ON_ERROR_##err, answer },	\
	  ret, FSCK_SAY_##say, halt }

	/* step 1: silent, whatever the options */
	C(FSCK_ERR_SILENT|FIX,     1, 0, exit, panic,    0, FIXED,   nothing, 0),
	C(FSCK_ERR_SILENT|FIX|IGN, 0, 0, no,   ro,       0, FIXED,   nothing, 0),
	C(FSCK_ERR_SILENT|IGN,     1, 0, exit, fix_safe, 0, IGNORED, nothing, 0),
	C(FSCK_ERR_SILENT,         0, 0, exit, fix_safe, 0, IGNORED, nothing, 0),

	/* step 4: autofix, in fsck and outside, before fix_errors is looked at */
	C(AUTO|FIX|IGN, 0, 0, exit, fix_safe, 0,   FIXED,   doing,      0),
	C(AUTO|FIX|IGN, 0, 0, exit, continue, 0,   FIXED,   doing,      0),
	C(AUTO|FIX,     1, 1, no,   fix_safe, 0,   FIXED,   doing,      0),
	C(AUTO|FIX,     1, 0, ask,  fix_safe, 'N', FIXED,   doing,      0),
	C(AUTO|FIX,     1, 0, exit, fix_safe, 0,   FIXED,   doing,      0),
	C(AUTO|IGN,     1, 0, exit, fix_safe, 0,   IGNORED, continuing, 0),
	C(AUTO,         0, 0, exit, continue, 0,   IGNORED, continuing, 0),

	/* step 5: not in fsck */
	C(FIX|IGN,      0, 0, exit, fix_safe, 0, NOT_FIXED, shutting_down, 0),
	C(FIX|IGN,      0, 0, yes,  ro,       0, NOT_FIXED, shutting_down, 0),
	C(AUTO|FIX,     0, 0, yes,  ro,       0, NOT_FIXED, shutting_down, 0),
	C(AUTO|FIX|IGN, 0, 0, yes,  panic,    0, NOT_FIXED, shutting_down, 0),
	C(IGN,          0, 0, exit, fix_safe, 0, NOT_FIXED, shutting_down, 0),
	C(0,            0, 0, exit, continue, 0, NOT_FIXED, shutting_down, 0),
	C(FIX,          0, 0, exit, continue, 0, FIXED,     doing,         0),
	C(FIX|IGN,      0, 0, no,   continue, 0, FIXED,     doing,         0),
	C(IGN,          0, 0, no,   continue, 0, IGNORED,   continuing,    0),
	C(IGN,          0, 0, yes,  continue, 0, IGNORED,   continuing,    0),
	/* and step 8: exit does not let anything be ignored */
	C(IGN,          0, 0, exit, continue, 0, NOT_FIXED, continuing,    0),

	/* step 6 */
	C(FIX|IGN,      1, 0, exit, fix_safe, 0, NOT_FIXED, exiting, 1),
	C(0,            1, 0, exit, fix_safe, 0, NOT_FIXED, exiting, 1),
	C(AUTO|FIX,     1, 0, exit, ro,       0, NOT_FIXED, exiting, 1),

	/* step 7: can be fixed */
	C(FIX|IGN,      1, 0, ask,  fix_safe, 0,   ASK,       nothing,   0),
	C(FIX,          1, 1, ask,  fix_safe, 0,   ASK,       nothing,   0),
	C(FIX|IGN,      1, 0, ask,  fix_safe, 'Y', FIXED,     doing,     0),
	C(FIX|IGN,      1, 0, ask,  fix_safe, 'N', IGNORED,   not_doing, 0),
	C(FIX,          1, 0, ask,  fix_safe, 'N', NOT_FIXED, not_doing, 1),
	C(FIX,          1, 1, ask,  fix_safe, 'N', FIXED,     doing,     0),
	C(FIX|IGN,      1, 0, yes,  fix_safe, 0,   FIXED,     doing,     0),
	C(FIX,          1, 0, yes,  ro,       0,   FIXED,     doing,     0),
	C(AUTO|FIX|IGN, 1, 0, yes,  ro,       0,   FIXED,     doing,     0),
	C(FIX|IGN,      1, 0, no,   fix_safe, 0,   IGNORED,   not_doing, 0),
	C(FIX|IGN,      1, 1, no,   fix_safe, 0,   IGNORED,   not_doing, 0),
	C(FIX,          1, 0, no,   fix_safe, 0,   NOT_FIXED, not_doing, 1),
	C(FIX,          1, 1, no,   fix_safe, 0,   FIXED,     doing,     0),
	C(AUTO|FIX|IGN, 1, 0, no,   ro,       0,   IGNORED,   not_doing, 0),

	/* only ignored, or neither */
	C(IGN,          1, 0, ask,  fix_safe, 0, IGNORED, continuing,    0),
	C(IGN,          1, 0, yes,  fix_safe, 0, IGNORED, continuing,    0),
	C(IGN,          1, 0, no,   fix_safe, 0, IGNORED, continuing,    0),
	C(0,            1, 0, ask,  fix_safe, 0, UNIMPL,  unimplemented, 1),
	C(0,            1, 0, yes,  continue, 0, UNIMPL,  unimplemented, 1),
#undef C
};

static void decisions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fsck_verdict v = bch2_fsck_decide(&cases[i].q);

		if (v.ret != -cases[i].ret || v.say != cases[i].say || v.halt != cases[i].halt)
			fail_msg("case %zu: got %s, words %u, halt %u", i, bch2_err_str(v.ret),
				 v.say, v.halt);
		/* only what shuts down outside fsck is an inconsistency */
		assert_int_equal(v.inconsistent, v.say == FSCK_SAY_shutting_down);
	}
}

static void previews(void **state)
{
	static const struct {
		struct fsck_query	q;
		int			ret;
	} t[] = {
#define P(flags, fsck, fix, err, ret)						\
	{ { flags, fsck, 0, FSCK_FIX_##fix, BCH_ON_ERROR_##err, 0 }, ret }
		P(0,        1, yes,  fix_safe, UNIMPL),
		P(0,        0, yes,  fix_safe, UNIMPL),
		P(0,        0, exit, fix_safe, NOT_FIXED),
		P(FIX,      1, exit, fix_safe, NOT_FIXED),
		P(FIX,      1, yes,  ro,       FIXED),
		P(FIX,      0, yes,  fix_safe, FIXED),
		P(IGN,      1, yes,  fix_safe, IGNORED),
		P(FIX|IGN,  1, no,   fix_safe, IGNORED),
		P(FIX,      1, no,   fix_safe, NOT_FIXED),
		P(FIX,      1, ask,  fix_safe, ASK),
		P(FIX|AUTO, 1, ask,  fix_safe, FIXED),
		P(FIX|AUTO, 0, exit, fix_safe, FIXED),
		P(FIX|AUTO, 0, exit, continue, FIXED),
		P(FIX|AUTO, 0, exit, ro,       NOT_FIXED),
		P(FIX|IGN,  0, exit, continue, IGNORED),
		P(FIX,      0, exit, continue, NOT_FIXED),
		P(FIX|IGN,  0, exit, fix_safe, NOT_FIXED),
#undef P
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (bch2_fsck_decide_preview(&t[i].q) != -t[i].ret)
			fail_msg("case %zu: got %s", i,
				 bch2_err_str(bch2_fsck_decide_preview(&t[i].q)));
}

static void actions(void **state)
{
	static const struct {
		const char *in, *msg, *action;
	} t[] = {
		{ "bad thing",			"bad thing",		"fix?" },
		{ "bad thing, delete?",		"bad thing",		"delete?" },
		{ "a, b, recreate?",		"a, b",			"recreate?" },
		{ "is this bad?",		"is this bad?",		"fix?" },
		{ "a, b",			"a, b",			"fix?" },
		{ "x,drop?",			"x",			"drop?" },
		{ "",				"",			"fix?" },
		{ "?",				"?",			"fix?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *buf = strdup(t[i].in);
		const char *action = bch2_fsck_split_action(buf);

		assert_string_equal(action, t[i].action);
		assert_string_equal(buf, t[i].msg);
		free(buf);
	}
}

static void assert_text(const char *msg, const char *action, unsigned flags,
			struct fsck_verdict v, const char *want)
{
	CLASS(printbuf, out)();

	bch2_fsck_verdict_to_text(&out, msg, action, flags, &v);
	assert_string_equal(printbuf_str(&out), want);
}

static void texts(void **state)
{
	assert_text("bad", "fix?", FIX, (struct fsck_verdict) { .say = FSCK_SAY_doing },
		    "bad, fixing");
	assert_text("bad", "delete?", FIX, (struct fsck_verdict) { .say = FSCK_SAY_doing },
		    "bad, deleting");
	assert_text("bad", "recreate?", FIX, (struct fsck_verdict) { .say = FSCK_SAY_not_doing },
		    "bad, not recreating");
	assert_text("bad", "fix?", IGN, (struct fsck_verdict) { .say = FSCK_SAY_continuing },
		    "bad, continuing");
	assert_text("bad", "fix?", FIX,
		    (struct fsck_verdict) { .say = FSCK_SAY_exiting, .halt = true },
		    "bad, exiting\n  Unable to continue, halting");
	assert_text("bad", "fix?", 0,
		    (struct fsck_verdict) { .say = FSCK_SAY_unimplemented, .halt = true },
		    "bad (repair unimplemented)\n  Unable to continue, halting");
	assert_text("bad", "fix?", FIX,
		    (struct fsck_verdict) { .say = FSCK_SAY_shutting_down },
		    "bad, shutting down\n"
		    "  error is autofix, but errors=ro prevents self-healing\n"
		    "  run fsck or set errors=fix_safe to allow self-healing");
	assert_text("bad", "fix?", 0,
		    (struct fsck_verdict) { .say = FSCK_SAY_shutting_down },
		    "bad, shutting down\n"
		    "  error not marked as autofix and not in fsck\n"
		    "  run fsck, and forward to devs so error can be marked for self-healing");
	/* lines after the first are indented, also an empty last one */
	assert_text("bad\nkey\n  gen 0\n", "fix?", FIX,
		    (struct fsck_verdict) { .say = FSCK_SAY_doing },
		    "bad\n  key\n    gen 0\n  , fixing");
}

/* --- reports --- */

struct fixture {
	struct bch_fs	*c;
	char		log[8192];
	unsigned	asked;
	int		answer;
	int		reported;
};

static struct fixture *fx;

static void log_sink(int level, const char *text, void *arg)
{
	struct fixture *f = arg;

	strncat(f->log, text, sizeof(f->log) - strlen(f->log) - 1);
}

static int answer(struct bch_fs *c, const char *msg, const char *action)
{
	fx->asked++;
	return fx->answer;
}

static void listener(struct bch_fs *c, unsigned id, const char *msg, int ret)
{
	fx->reported = ret;
}

static int setup(void **state)
{
	fx = calloc(1, sizeof(*fx));
	fx->c = kvzalloc(sizeof(*fx->c), GFP_KERNEL);
	fx->c->opts = bch2_opts_default;
	assert_int_equal(bch2_fs_fsck_err_init(fx->c), 0);
	fx->c->fsck.report = listener;
	shim_set_log_sink(log_sink, fx);
	return 0;
}

static int teardown(void **state)
{
	shim_set_log_sink(NULL, NULL);
	bch2_fs_fsck_err_exit(fx->c);
	kvfree(fx->c);
	free(fx);
	return 0;
}

static void set_fsck(unsigned fix)
{
	set_bit(BCH_FS_in_fsck, &fx->c->flags);
	fx->c->opts.fix_errors = fix;
}

static void report_yes(void **state)
{
	struct bch_fs *c = fx->c;

	set_fsck(FSCK_FIX_yes);
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing,
					 "no root %u, recreate?", 7), -FIXED);
	assert_string_equal(fx->log, "no root 7, recreating\n");
	assert_int_equal(fx->reported, -FIXED);
	assert_true(test_bit(BCH_FS_errors_fixed, &c->flags));
	assert_false(test_bit(BCH_FS_error, &c->flags));
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_root_dir_missing), 1);
}

/* The same message again is a restarted transaction: remembered, not printed, counted once. */
static void report_repeated(void **state)
{
	struct bch_fs *c = fx->c;

	set_fsck(FSCK_FIX_no);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing,
						 "same"), -IGNORED);
	assert_string_equal(fx->log, "same, not fixing\n");
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_root_dir_missing), 1);
	assert_true(test_bit(BCH_FS_errors_not_fixed, &c->flags));
	assert_true(test_bit(BCH_FS_error, &c->flags));

	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "other"),
			 -IGNORED);
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_root_dir_missing), 2);
}

static void report_silent(void **state)
{
	struct bch_fs *c = fx->c;

	__set_bit(BCH_FSCK_ERR_root_dir_missing, c->sb.errors_silent);
	assert_int_equal(__bch2_fsck_err(c, FIX, BCH_FSCK_ERR_root_dir_missing, "x"), -FIXED);
	assert_int_equal(__bch2_fsck_err(c, IGN, BCH_FSCK_ERR_root_dir_missing, "x"), -IGNORED);
	assert_string_equal(fx->log, "");
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_root_dir_missing), 0);
	assert_true(test_bit(BCH_FS_errors_fixed_silent, &c->flags));
	assert_false(test_bit(BCH_FS_errors_fixed, &c->flags));
}

/* The id's own flags count, too. */
static void report_autofix(void **state)
{
	assert_int_equal(bch2_fsck_err_id_flags(BCH_FSCK_ERR_dir_loop), FSCK_AUTOFIX);
	assert_int_equal(__bch2_fsck_err(fx->c, FIX, BCH_FSCK_ERR_dir_loop, "loop"), -FIXED);
	assert_string_equal(fx->log, "loop, fixing\n");
}

static void report_outside_fsck(void **state)
{
	assert_int_equal(__bch2_fsck_err(fx->c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "bad"),
			 -NOT_FIXED);
	assert_non_null(strstr(fx->log, "bad, shutting down\n"));
	assert_true(test_bit(BCH_FS_emergency_ro, &fx->c->flags));
}

static void report_asks(void **state)
{
	struct bch_fs *c = fx->c;

	set_fsck(FSCK_FIX_ask);
	c->fsck.ask = answer;

	fx->answer = 'y';
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "a"), -FIXED);
	/* the question was the report */
	assert_string_equal(fx->log, "");
	fx->answer = 'n';
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "b"),
			 -IGNORED);
	assert_int_equal(fx->asked, 2);

	/* Y stands for this id from now on, and for no other */
	fx->answer = 'Y';
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "c"), -FIXED);
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "d"), -FIXED);
	assert_int_equal(fx->asked, 3);
	fx->answer = 'N';
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_subvol_inode_bad, "e"),
			 -IGNORED);
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_subvol_inode_bad, "f"),
			 -IGNORED);
	assert_int_equal(fx->asked, 4);

	/* "no" to what must be fixed ends fsck */
	fx->answer = 'n';
	assert_int_equal(__bch2_fsck_err(c, FIX, BCH_FSCK_ERR_subvol_loop, "g"), -FIXED);
	assert_int_equal(__bch2_fsck_err(c, FIX, BCH_FSCK_ERR_dirent_empty_name, "h"),
			 -NOT_FIXED);
	assert_non_null(strstr(fx->log, "Unable to continue, halting"));
}

/* Nobody to ask means no; the end of input means no to everything. */
static void report_nobody_to_ask(void **state)
{
	struct bch_fs *c = fx->c;

	set_fsck(FSCK_FIX_ask);
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "a"),
			 -IGNORED);
	assert_string_equal(fx->log, "a, not fixing\n");

	c->fsck.ask = answer;
	fx->answer = -1;
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "b"),
			 -IGNORED);
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_subvol_inode_bad, "c"),
			 -IGNORED);
	assert_int_equal(fx->asked, 1);
}

static void report_ratelimited(void **state)
{
	struct bch_fs *c = fx->c;
	unsigned lines = 0;

	set_fsck(FSCK_FIX_yes);
	c->opts.ratelimit_errors = true;
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing,
						 "nr %u", i), -FIXED);
	for (const char *p = fx->log; (p = strstr(p, "nr ")); p++)
		lines++;
	assert_int_equal(lines, 11);
	assert_non_null(strstr(fx->log, "nr 10, fixing\n  Ratelimiting new instances of "
			       "previous error\n"));
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_root_dir_missing), 30);

	/* what ends fsck is printed in any case */
	c->opts.fix_errors = FSCK_FIX_exit;
	assert_int_equal(__bch2_fsck_err(c, FIX|IGN, BCH_FSCK_ERR_root_dir_missing, "last"),
			 -NOT_FIXED);
	assert_non_null(strstr(fx->log, "last, exiting\n"));
}

/* The macros' control flow. */
static int uses_macros(struct bch_fs *c, bool cond, unsigned *fixed)
{
	int ret = 0;

	if (fsck_err_on(cond, c, root_dir_missing, "m1"))
		(*fixed)++;
	if (mustfix_fsck_err_on(cond, c, subvol_missing, "m2"))
		(*fixed)++;
	if (log_fsck_err_on(cond, c, subvol_inode_bad, "m3"))
		(*fixed)++;
	if (need_fsck_err_on(cond, c, dirent_empty_name, "m4"))
		(*fixed)++;
fsck_err:
	return ret;
}

static void macros(void **state)
{
	unsigned fixed = 0;

	set_fsck(FSCK_FIX_yes);
	assert_int_equal(uses_macros(fx->c, false, &fixed), 0);
	assert_int_equal(fixed, 0);
	assert_string_equal(fx->log, "");

	assert_int_equal(uses_macros(fx->c, true, &fixed), -UNIMPL);
	assert_int_equal(fixed, 2);
	assert_non_null(strstr(fx->log, "m3, continuing\n"));
	assert_non_null(strstr(fx->log, "m4 (repair unimplemented)\n"));
}

static void names(void **state)
{
	CLASS(printbuf, out)();

	assert_string_equal(bch2_fsck_err_name(0), "clean_but_journal_not_empty");
	assert_string_equal(bch2_fsck_err_name(364), "bkey_in_deleted_interior_snapshot");
	assert_null(bch2_fsck_err_name(365));
	bch2_sb_error_id_to_text(&out, 400);
	assert_string_equal(printbuf_str(&out), "(unknown error 400)");
}

#define report_test(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(previews),
		cmocka_unit_test(actions),
		cmocka_unit_test(texts),
		cmocka_unit_test(names),
		report_test(report_yes),
		report_test(report_repeated),
		report_test(report_silent),
		report_test(report_autofix),
		report_test(report_outside_fsck),
		report_test(report_asks),
		report_test(report_nobody_to_ask),
		report_test(report_ratelimited),
		report_test(macros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
