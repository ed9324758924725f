/* SPDX-License-Identifier: GPL-2.0 */
/*
 * list_journal: which transactions to show. Parsing in
 * cmd_list_journal_filter.c, use in cmd_list_journal.c.
 */
#ifndef _BCACHEFS_LIST_JOURNAL_H
#define _BCACHEFS_LIST_JOURNAL_H

#include <stdbool.h>

#include "bcachefs.h"
#include "tools-args.h"

/* One --key argument: keys of [start_btree:start, end_btree:end]. */
struct lj_range {
	unsigned		start_btree;
	unsigned		end_btree;
	struct bpos		start;
	struct bpos		end;
	bool			exclude;
};

struct lj_filter {
	bool			log_only;	/* -L */
	bool			log;		/* -l */
	bool			have_btrees;
	u64			btrees;		/* bit by id; -b, inverted already */
	struct tools_strings	names;		/* -t */
	bool			names_exclude;
	struct lj_range		*ranges;	/* -k */
	unsigned		nr_ranges;
	unsigned		nr_included;	/* of which are not excluding */
};

/* A level-0 log record and what belongs to it. */
struct lj_transaction {
	struct jset_entry	*start;
	struct jset_entry	*end;
};

/* For TOOLS_ARG_CALL: parse the values of -b, -t, -k into a struct lj_filter. */
const char *lj_parse_btrees(void *filter, const char *value);
const char *lj_parse_names(void *filter, const char *value);
const char *lj_parse_ranges(void *filter, const char *value);
void lj_filter_free(struct lj_filter *);

/* Is anything filtered at all? */
bool lj_filter_active(const struct lj_filter *);
/* Should the transaction be shown? */
bool lj_filter_transaction(const struct lj_filter *, const struct lj_transaction *);
/* Of a transaction that is shown: should this record be? */
bool lj_filter_entry(const struct lj_filter *, struct jset_entry *);
/* Does the record hold a key inside a range of -k? */
bool lj_entry_in_ranges(const struct lj_filter *, struct jset_entry *);

#endif /* _BCACHEFS_LIST_JOURNAL_H */
