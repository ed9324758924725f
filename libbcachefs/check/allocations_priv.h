/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of check_allocations share: the key or bucket that is looked at,
 * and what was decided about it so far.
 *
 * A place may be looked at several times: the transaction may restart, and after a
 * repair the key is processed again (spec 43 §4.2). Every question is asked only
 * once: the answer is remembered until another place is looked at.
 */
#ifndef _BCACHEFS_CHECK_ALLOCATIONS_PRIV_H
#define _BCACHEFS_CHECK_ALLOCATIONS_PRIV_H

#include "bcachefs.h"
#include "btree/bkey.h"
#include "sb/errors_format.h"

struct btree_trans;

/* Questions remembered per place; more are asked again. */
#define ALLOC_ANSWERS_MAX	64
/* A place that needs more repairs than this never comes to rest. */
#define ALLOC_REPEATS_MAX	128

struct alloc_answer {
	u16			id;		/* enum bch_sb_error_id */
	bool			fix;
	u64			what;		/* a pointer, a sector, ...: the asker's */
};

struct alloc_check {
	struct bch_fs		*c;
	struct btree_trans	*trans;

	/* The place. */
	bool			have_place;
	u8			btree;
	u8			level;
	struct bpos		pos;
	unsigned int		repeats;
	unsigned int		nr_answers;
	struct alloc_answer	answers[ALLOC_ANSWERS_MAX];

	/* The last pointer to a node, while a level is walked. */
	bool			have_node;
	struct bpos		node_end;
};

/* Another place? Then what was answered so far does not matter any more. */
bool bch2_alloc_check_place(struct alloc_check *x, unsigned int btree, unsigned int level,
			    struct bpos pos);

/*
 * Report an error about the place: 1 repair, 0 go on without, or an error to give
 * up with. @k, if not NULL, is shown.
 */
__printf(6, 7)
int bch2_alloc_check_ask(struct alloc_check *x, enum bch_sb_error_id id, unsigned int flags,
			 u64 what, const struct bkey_s_c *k, const char *fmt, ...);

/* Commit a repair. 0 never: a restart, so that the place is looked at again, or an error. */
int bch2_alloc_check_commit(struct alloc_check *x);

/* The same when that was committed already. */
int bch2_alloc_check_again(struct alloc_check *x);

static inline const char *bch2_alloc_check_type(unsigned int data_type)
{
	return data_type < BCH_DATA_NR ? bch2_data_type_names[data_type] : "(unknown)";
}

/* Pointers (alloc_ptrs.c): 0: the key can be counted, or only without what is in @skip. */
int bch2_alloc_check_ptrs(struct alloc_check *x, struct bkey_s_c k, unsigned long *skip);
/* Work that follows from a repair of @old; @n may become another copy (alloc_reconcile.c). */
int bch2_alloc_check_reconcile(struct alloc_check *x, struct bkey_s_c old, struct bkey_i **n);
/* References to shared extents, and their counts; stripes (alloc_refs.c). */
int bch2_alloc_check_reflink_p(struct alloc_check *x, struct bkey_s_c k);
int bch2_alloc_check_refcounts(struct alloc_check *x);
int bch2_alloc_check_stripes(struct alloc_check *x);
/* All buckets of all members (alloc_buckets.c). */
int bch2_alloc_check_buckets(struct alloc_check *x);

#endif /* _BCACHEFS_CHECK_ALLOCATIONS_PRIV_H */
