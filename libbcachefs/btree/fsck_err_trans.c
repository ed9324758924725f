// SPDX-License-Identifier: GPL-2.0
/*
 * Reports of errors by transactions: see fsck_err_trans.h.
 *
 * Invariant: what an attempt has reported since the transaction's last commit is
 * kept in trans->reports until an attempt begins that follows no restart, so an
 * attempt that is repeated finds its own reports and no older ones.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/fsck_err_trans.h"
#include "btree/update.h"

/* One report and its answer. */
struct trans_report {
	struct trans_report	*next;
	u64			commit_count;	/* of the transaction, then */
	unsigned		id;
	int			ret;
	char			msg[];
};

/**
 * bch2_trans_forget_reports - what follows is no repetition
 * @trans:	transaction
 */
void bch2_trans_forget_reports(struct btree_trans *trans)
{
	while (trans->reports) {
		struct trans_report *r = trans->reports;

		trans->reports = r->next;
		kfree(r);
	}
}

static struct trans_report *report_find(const struct btree_trans *trans, unsigned id,
					const char *msg)
{
	for (struct trans_report *r = trans->reports; r; r = r->next)
		if (r->id == id && r->commit_count == trans->commit_count && !strcmp(r->msg, msg))
			return r;
	return NULL;
}

static struct trans_report *report_alloc(struct btree_trans *trans, unsigned id, const char *msg)
{
	const size_t bytes = strlen(msg) + 1;
	struct trans_report *r = kmalloc(sizeof(*r) + bytes, GFP_KERNEL);

	if (!r)
		return NULL;
	r->next		= trans->reports;
	r->commit_count	= trans->commit_count;
	r->id		= id;
	memcpy(r->msg, msg, bytes);
	return r;
}

static void unlock_before_wait(void *arg)
{
	bch2_trans_unlock_long(arg);
}

/* Spec 32 section 4 step 10: the journal tells what was repaired. */
static int log_repair(struct btree_trans *trans, unsigned flags, unsigned id, int decision)
{
	int ret = 0;

	if (decision == -BCH_ERR_fsck_fix && !(flags & FSCK_ERR_NO_LOG) &&
	    !trans->c->opts.nochanges)
		ret = bch2_trans_log_str(trans, bch2_fsck_err_name(id));
	return ret ?: decision;
}

/* A first report. Takes over the message. */
static int report_new(struct btree_trans *trans, unsigned flags, unsigned id, char *msg)
{
	const struct fsck_before_wait before = { unlock_before_wait, trans };
	struct trans_report *r = report_alloc(trans, id, msg);
	int decision, ret;

	if (!r) {
		kfree(msg);
		return -BCH_ERR_ENOMEM_fsck_message;
	}
	decision = bch2_fsck_report(trans->c, flags, id, msg, &before);
	r->ret = decision;
	trans->reports = r;

	/* the answer is kept: it need not be asked for again */
	ret = bch2_trans_relock(trans);
	return ret ?: log_repair(trans, flags, id, decision);
}

/**
 * __bch2_fsck_err_trans - report an error and learn what to do about it
 * @trans:	transaction; its locks may be dropped meanwhile
 * @flags:	enum bch_fsck_flags: what the caller can do
 * @id:		which error
 * @fmt:	message; may end in ", action?"
 *
 * The message must say which key is meant: equal ones of one attempt are taken
 * for one. Spec 32 sections 4 to 7.
 *
 * Return: as __bch2_fsck_err(), or a restart.
 */
int __bch2_fsck_err_trans(struct btree_trans *trans, unsigned flags, enum bch_sb_error_id id,
			  const char *fmt, ...)
{
	const struct trans_report *r;
	va_list args;
	char *msg;
	int ret;

	if (WARN_ON((unsigned) id >= BCH_FSCK_ERR_MAX))
		return -BCH_ERR_fsck_errors_not_fixed;

	ret = bch2_fsck_err_silent(trans->c, &flags, id);
	if (ret)
		return ret;

	va_start(args, fmt);
	msg = kvasprintf(GFP_KERNEL, fmt, args);
	va_end(args);
	if (!msg)
		return -BCH_ERR_ENOMEM_fsck_message;

	r = report_find(trans, id, msg);
	if (!r)
		return report_new(trans, flags, id, msg);
	kfree(msg);
	return log_repair(trans, flags, id, r->ret);
}
