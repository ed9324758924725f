// SPDX-License-Identifier: GPL-2.0
/*
 * The decision about an error that was found, and how it is worded (spec 32
 * sections 4 and 5).
 *
 * Pure functions of the report's flags and a few options, so that all of their
 * cases can be tested. Called by sb/fsck_err.c.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/fsck_decide.h"
#include "sb/fsck_err.h"
#include "util/printbuf.h"

/* --- the decision (spec 32 section 4) --- */

/* Step 7: in fsck, and fix_errors is not "exit". */
static struct fsck_verdict decide_in_fsck(const struct fsck_query *q)
{
	unsigned fix = q->fix_errors;

	if (!(q->flags & FSCK_CAN_FIX)) {
		if (q->flags & FSCK_CAN_IGNORE)
			return (struct fsck_verdict) { -BCH_ERR_fsck_ignore, FSCK_SAY_continuing };
		return (struct fsck_verdict) {
			-BCH_ERR_fsck_repair_unimplemented, FSCK_SAY_unimplemented
		};
	}

	if (q->answer == 'Y')
		fix = FSCK_FIX_yes;
	else if (q->answer == 'N')
		fix = FSCK_FIX_no;

	if (fix == FSCK_FIX_ask)
		return (struct fsck_verdict) { -BCH_ERR_fsck_ask, FSCK_SAY_nothing };
	if (fix == FSCK_FIX_yes || (q->nochanges && !(q->flags & FSCK_CAN_IGNORE)))
		return (struct fsck_verdict) { -BCH_ERR_fsck_fix, FSCK_SAY_doing };
	return (struct fsck_verdict) { -BCH_ERR_fsck_ignore, FSCK_SAY_not_doing };
}

/**
 * bch2_fsck_decide_ignore() - may "ignore" stand? (spec 32 section 4 step 8)
 * @q:		the report
 * @v:		the decision so far
 *
 * Changes an "ignore" that the caller could not live with into "not fixed", and
 * marks decisions that end fsck.
 */
void bch2_fsck_decide_ignore(const struct fsck_query *q, struct fsck_verdict *v)
{
	if (v->ret == -BCH_ERR_fsck_ask)
		return;

	if (v->ret == -BCH_ERR_fsck_ignore &&
	    (q->fix_errors == FSCK_FIX_exit || !(q->flags & FSCK_CAN_IGNORE)))
		v->ret = -BCH_ERR_fsck_errors_not_fixed;

	v->halt = q->in_fsck && bch2_fsck_gives_up(v->ret);
}

/**
 * bch2_fsck_decide() - what to do about an error (spec 32 section 4 steps 1, 4-8)
 * @q:		flags of the report (those of the id included) and options
 *
 * Return: the decision and how it is worded. -BCH_ERR_fsck_ask: the user has to
 * be asked first.
 */
struct fsck_verdict bch2_fsck_decide(const struct fsck_query *q)
{
	const bool can_fix = q->flags & FSCK_CAN_FIX;
	struct fsck_verdict v;

	if (q->flags & FSCK_ERR_SILENT)
		return (struct fsck_verdict) {
			can_fix ? -BCH_ERR_fsck_fix : -BCH_ERR_fsck_ignore, FSCK_SAY_nothing
		};

	if ((q->flags & FSCK_AUTOFIX) &&
	    (q->errors == BCH_ON_ERROR_continue || q->errors == BCH_ON_ERROR_fix_safe)) {
		if (can_fix)
			return (struct fsck_verdict) { -BCH_ERR_fsck_fix, FSCK_SAY_doing };
		return (struct fsck_verdict) { -BCH_ERR_fsck_ignore, FSCK_SAY_continuing };
	}

	if (q->in_fsck) {
		if (q->fix_errors == FSCK_FIX_exit)
			v = (struct fsck_verdict) {
				-BCH_ERR_fsck_errors_not_fixed, FSCK_SAY_exiting
			};
		else
			v = decide_in_fsck(q);
	} else if (q->errors != BCH_ON_ERROR_continue ||
		   !(q->flags & (FSCK_CAN_FIX|FSCK_CAN_IGNORE))) {
		v = (struct fsck_verdict) {
			-BCH_ERR_fsck_errors_not_fixed, FSCK_SAY_shutting_down,
			.inconsistent = true
		};
	} else if (can_fix) {
		v = (struct fsck_verdict) { -BCH_ERR_fsck_fix, FSCK_SAY_doing };
	} else {
		v = (struct fsck_verdict) { -BCH_ERR_fsck_ignore, FSCK_SAY_continuing };
	}

	bch2_fsck_decide_ignore(q, &v);
	return v;
}

/**
 * bch2_fsck_decide_preview() - would an error be fixed? (spec 32 section 4, end)
 * @q:		as for bch2_fsck_decide()
 *
 * Return: as bch2_fsck_decide(); -BCH_ERR_fsck_ask counts as no.
 */
int bch2_fsck_decide_preview(const struct fsck_query *q)
{
	const bool can_fix = q->flags & FSCK_CAN_FIX;
	const bool can_ignore = q->flags & FSCK_CAN_IGNORE;

	if (q->in_fsck || q->fix_errors != FSCK_FIX_exit) {
		if (!can_fix && !can_ignore)
			return -BCH_ERR_fsck_repair_unimplemented;

		switch (q->fix_errors) {
		case FSCK_FIX_exit:
			return -BCH_ERR_fsck_errors_not_fixed;
		case FSCK_FIX_ask:
			return q->flags & FSCK_AUTOFIX ? -BCH_ERR_fsck_fix : -BCH_ERR_fsck_ask;
		case FSCK_FIX_yes:
			if (can_fix)
				return -BCH_ERR_fsck_fix;
		}
		return can_ignore ? -BCH_ERR_fsck_ignore : -BCH_ERR_fsck_errors_not_fixed;
	}

	if ((q->flags & FSCK_AUTOFIX) &&
	    (q->errors == BCH_ON_ERROR_continue || q->errors == BCH_ON_ERROR_fix_safe))
		return -BCH_ERR_fsck_fix;
	if (q->errors == BCH_ON_ERROR_continue && can_ignore)
		return -BCH_ERR_fsck_ignore;
	return -BCH_ERR_fsck_errors_not_fixed;
}

/* --- text (spec 32 sections 4 step 2, 5) --- */

/**
 * bch2_fsck_split_action() - take the action off the end of a message
 * @msg:	text; cut in place
 *
 * Return: the action ("delete?"), inside @msg, or "fix?".
 */
const char *bch2_fsck_split_action(char *msg)
{
	const size_t len = strlen(msg);
	char *comma;

	if (!len || msg[len - 1] != '?')
		return "fix?";

	comma = strrchr(msg, ',');
	if (!comma)
		return "fix?";

	*comma++ = '\0';
	return *comma == ' ' ? comma + 1 : comma;
}

/* "delete?" -> "deleting" */
static void action_ing_to_text(struct printbuf *out, const char *action)
{
	size_t len = strlen(action);

	if (len && action[len - 1] == '?')
		len--;
	if (len && action[len - 1] == 'e')
		len--;
	prt_printf(out, "%.*sing", (int) len, action);
}

/**
 * bch2_fsck_lines_to_text() - a message; lines after the first are indented
 * @out:	text
 * @msg:	message
 */
void bch2_fsck_lines_to_text(struct printbuf *out, const char *msg)
{
	for (;;) {
		const char *nl = strchr(msg, '\n');

		if (!nl) {
			prt_str(out, msg);
			return;
		}
		prt_printf(out, "%.*s\n  ", (int) (nl - msg), msg);
		msg = nl + 1;
	}
}

static void advice_to_text(struct printbuf *out, unsigned flags)
{
	if (flags & (FSCK_CAN_FIX|FSCK_CAN_IGNORE))
		prt_str(out, "\n  error is autofix, but errors=ro prevents self-healing"
			"\n  run fsck or set errors=fix_safe to allow self-healing");
	else
		prt_str(out, "\n  error not marked as autofix and not in fsck"
			"\n  run fsck, and forward to devs so error can be marked for "
			"self-healing");
}

/**
 * bch2_fsck_verdict_to_text() - one report for people (spec 32 section 5)
 * @out:	text; gets no final newline
 * @msg:	the message without its action
 * @action:	what repair would do, e.g. "delete?"
 * @flags:	of the report
 * @v:		the decision
 */
void bch2_fsck_verdict_to_text(struct printbuf *out, const char *msg, const char *action,
			       unsigned flags, const struct fsck_verdict *v)
{
	bch2_fsck_lines_to_text(out, msg);

	switch (v->say) {
	case FSCK_SAY_nothing:
		break;
	case FSCK_SAY_doing:
		prt_str(out, ", ");
		action_ing_to_text(out, action);
		break;
	case FSCK_SAY_not_doing:
		prt_str(out, ", not ");
		action_ing_to_text(out, action);
		break;
	case FSCK_SAY_continuing:
		prt_str(out, ", continuing");
		break;
	case FSCK_SAY_shutting_down:
		prt_str(out, ", shutting down");
		advice_to_text(out, flags);
		break;
	case FSCK_SAY_exiting:
		prt_str(out, ", exiting");
		break;
	case FSCK_SAY_unimplemented:
		prt_str(out, " (repair unimplemented)");
		break;
	}

	if (v->halt)
		prt_str(out, "\n  Unable to continue, halting");
}
