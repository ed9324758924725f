/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to an error that was found: one decision for all of the code
 * (spec 32).
 *
 * A place that finds an inconsistency reports it with its id and what it could
 * do about it; the answer is one of
 *
 *	-BCH_ERR_fsck_fix	repair it
 *	-BCH_ERR_fsck_ignore	go on without repair
 *	anything else		give up, passing the error on
 *
 * The *_err() macros below turn this into control flow: true means repair,
 * false means go on, and giving up jumps to the label fsck_err with the error
 * in ret. So they need "int ret" and the label in the function around them.
 */
#ifndef _BCACHEFS_SB_FSCK_ERR_H
#define _BCACHEFS_SB_FSCK_ERR_H

#include "bcachefs.h"
#include "sb/errors_format.h"

__printf(4, 5)
int __bch2_fsck_err(struct bch_fs *, unsigned flags, enum bch_sb_error_id,
		    const char *fmt, ...);

/* The parts of it, for btree/fsck_err_trans.c. */
struct fsck_before_wait {
	void	(*fn)(void *arg);	/* may be called more than once */
	void	*arg;
};

int bch2_fsck_err_silent(struct bch_fs *, unsigned *flags, enum bch_sb_error_id);
int bch2_fsck_report(struct bch_fs *, unsigned flags, enum bch_sb_error_id, char *msg,
		     const struct fsck_before_wait *);

/* Would the error be fixed? No report, no counting (spec 32 section 4, end). */
int bch2_fsck_err_preview(struct bch_fs *, unsigned flags, enum bch_sb_error_id);

unsigned bch2_fsck_err_id_flags(unsigned id);
const char *bch2_fsck_err_name(unsigned id);
void bch2_sb_error_id_to_text(struct printbuf *, unsigned id);

void bch2_count_fsck_err(struct bch_fs *, enum bch_sb_error_id);
u64 bch2_fsck_err_count(struct bch_fs *, enum bch_sb_error_id);

int bch2_fs_fsck_err_init(struct bch_fs *);
void bch2_fs_fsck_err_exit(struct bch_fs *);

bool bch2_inconsistent_error(struct bch_fs *);
int bch2_topology_error(struct bch_fs *);
void bch2_fatal_error(struct bch_fs *);
__printf(2, 3)
void bch2_fs_inconsistent(struct bch_fs *, const char *fmt, ...);

/* Does a decision mean that the caller must give up? */
static inline bool bch2_fsck_gives_up(int decision)
{
	return decision != -BCH_ERR_fsck_fix && decision != -BCH_ERR_fsck_ignore;
}

/* A decision as control flow; true: repair. Jumps to fsck_err when giving up. */
#define __fsck_decided(_decision)						\
({										\
	const int fsck_decision = (_decision);					\
										\
	if (bch2_fsck_gives_up(fsck_decision)) {				\
		ret = fsck_decision;						\
		goto fsck_err;							\
	}									\
	fsck_decision == -BCH_ERR_fsck_fix;					\
})

#define __fsck_report(_c, _flags, _id, ...)					\
	__fsck_decided(__bch2_fsck_err(_c, _flags, BCH_FSCK_ERR_##_id, __VA_ARGS__))

#define __fsck_report_on(_cond, ...)						\
	(unlikely(_cond) ? __fsck_report(__VA_ARGS__) : false)

/* Ordinary error: can be repaired, can be lived with. */
#define fsck_err(_c, _id, ...)							\
	__fsck_report(_c, FSCK_CAN_FIX|FSCK_CAN_IGNORE, _id, __VA_ARGS__)
#define fsck_err_on(_cond, _c, _id, ...)					\
	__fsck_report_on(_cond, _c, FSCK_CAN_FIX|FSCK_CAN_IGNORE, _id, __VA_ARGS__)

/* Must be repaired to go on. */
#define mustfix_fsck_err(_c, _id, ...)						\
	__fsck_report(_c, FSCK_CAN_FIX, _id, __VA_ARGS__)
#define mustfix_fsck_err_on(_cond, _c, _id, ...)				\
	__fsck_report_on(_cond, _c, FSCK_CAN_FIX, _id, __VA_ARGS__)

/* Worth knowing; the code copes by itself. */
#define log_fsck_err(_c, _id, ...)						\
	__fsck_report(_c, FSCK_CAN_IGNORE, _id, __VA_ARGS__)
#define log_fsck_err_on(_cond, _c, _id, ...)					\
	__fsck_report_on(_cond, _c, FSCK_CAN_IGNORE, _id, __VA_ARGS__)

/* Neither: repair is not possible here. */
#define need_fsck_err(_c, _id, ...)						\
	__fsck_report(_c, 0, _id, __VA_ARGS__)
#define need_fsck_err_on(_cond, _c, _id, ...)					\
	__fsck_report_on(_cond, _c, 0, _id, __VA_ARGS__)

#endif /* _BCACHEFS_SB_FSCK_ERR_H */
