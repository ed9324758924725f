/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reports of errors from inside a transaction (spec 32 sections 4 and 7): as those
 * of sb/fsck_err.h, but
 *
 * - locks are dropped before anybody is waited for, and taken again afterwards;
 *   when what was read may have changed meanwhile, the macros jump to fsck_err
 *   with the restart in ret, like with any other reason to give up;
 * - an attempt that is repeated after a restart, for whatever reason it was, gets
 *   the answers of the one before: nothing is counted, printed or asked twice (FC-6
 *   of spec 22);
 * - a repair is named in the journal, with the commit that makes it.
 *
 *	if (fsck_err_on_trans(bad, trans, alloc_key_gen_wrong, "...", ...)) {
 *		repair, in @trans
 *	}
 *
 * needs "int ret" and the label fsck_err in the function around it. Whoever has
 * locks that are no part of an iterator's path must not use these.
 */
#ifndef _BCACHEFS_BTREE_FSCK_ERR_TRANS_H
#define _BCACHEFS_BTREE_FSCK_ERR_TRANS_H

#include "btree/trans.h"
#include "sb/fsck_err.h"

__printf(4, 5)
int __bch2_fsck_err_trans(struct btree_trans *, unsigned flags, enum bch_sb_error_id,
			  const char *fmt, ...);

#define __fsck_report_trans(_trans, _flags, _id, ...)				\
	__fsck_decided(__bch2_fsck_err_trans(_trans, _flags, BCH_FSCK_ERR_##_id, __VA_ARGS__))

#define __fsck_report_on_trans(_cond, ...)					\
	(unlikely(_cond) ? __fsck_report_trans(__VA_ARGS__) : false)

/* Ordinary error: can be repaired, can be lived with. */
#define fsck_err_trans(_trans, _id, ...)					\
	__fsck_report_trans(_trans, FSCK_CAN_FIX|FSCK_CAN_IGNORE, _id, __VA_ARGS__)
#define fsck_err_on_trans(_cond, _trans, _id, ...)				\
	__fsck_report_on_trans(_cond, _trans, FSCK_CAN_FIX|FSCK_CAN_IGNORE, _id, __VA_ARGS__)

/* Must be repaired to go on. */
#define mustfix_fsck_err_trans(_trans, _id, ...)				\
	__fsck_report_trans(_trans, FSCK_CAN_FIX, _id, __VA_ARGS__)
#define mustfix_fsck_err_on_trans(_cond, _trans, _id, ...)			\
	__fsck_report_on_trans(_cond, _trans, FSCK_CAN_FIX, _id, __VA_ARGS__)

/* Worth knowing; the code copes by itself. */
#define log_fsck_err_trans(_trans, _id, ...)					\
	__fsck_report_trans(_trans, FSCK_CAN_IGNORE, _id, __VA_ARGS__)
#define log_fsck_err_on_trans(_cond, _trans, _id, ...)				\
	__fsck_report_on_trans(_cond, _trans, FSCK_CAN_IGNORE, _id, __VA_ARGS__)

/* Neither: repair is not possible here. */
#define need_fsck_err_trans(_trans, _id, ...)					\
	__fsck_report_trans(_trans, 0, _id, __VA_ARGS__)
#define need_fsck_err_on_trans(_cond, _trans, _id, ...)				\
	__fsck_report_on_trans(_cond, _trans, 0, _id, __VA_ARGS__)

#endif /* _BCACHEFS_BTREE_FSCK_ERR_TRANS_H */
