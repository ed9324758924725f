// SPDX-License-Identifier: GPL-2.0
/*
 * list_journal: the filters -b, -t, -k, -l, -L (Documentation/format/70,
 * sections 9.2.1, 9.2.2). Looks at records only through the bounded iterators
 * of the core.
 */
#include <stdlib.h>
#include <string.h>

#include "btree/bkey_methods.h"
#include "journal/text.h"
#include "journal/validate.h"
#include "list_journal.h"
#include "tools.h"
#include "util/bpos.h"

/* A leading sign of a list; '-' inverts. */
static bool parse_sign(const char **s)
{
	if (**s != '-' && **s != '+')
		return false;
	return *(*s)++ == '-';
}

/**
 * lj_parse_btrees - value of --btree: [+-]NAME[,NAME...]
 * @filter:	struct lj_filter
 * @value:	the argument
 *
 * Return: NULL, or what is wrong.
 */
const char *lj_parse_btrees(void *filter, const char *value)
{
	struct lj_filter *f = filter;
	const bool exclude = parse_sign(&value);
	char *copy = tools_strdup(value), *save = NULL;
	const char *err = NULL;
	u64 btrees = 0;

	for (char *s = strtok_r(copy, ",;", &save); s; s = strtok_r(NULL, ",;", &save)) {
		const int id = bch2_btree_id_parse(s);

		if (id < 0) {
			err = "no such btree";
			break;
		}
		btrees |= 1ULL << id;
	}
	if (!err && !btrees)
		err = "names of btrees expected";

	f->btrees |= exclude ? ~btrees : btrees;
	f->have_btrees = true;
	free(copy);
	return err;
}

/**
 * lj_parse_names - value of --transaction: [+-]NAME[,NAME...]
 * @filter:	struct lj_filter
 * @value:	the argument
 *
 * Return: NULL, or what is wrong.
 */
const char *lj_parse_names(void *filter, const char *value)
{
	struct lj_filter *f = filter;
	char *copy, *save = NULL;

	f->names_exclude = parse_sign(&value);
	copy = tools_strdup(value);
	for (char *s = strtok_r(copy, ",;", &save); s; s = strtok_r(NULL, ",;", &save))
		tools_strings_add(&f->names, tools_strdup(s));
	free(copy);
	return f->names.nr ? NULL : "names of transactions expected";
}

/* BTREE:POSITION; the separator of ranges may not be in it. */
static bool parse_btree_pos(const char *s, unsigned *btree, struct bpos *pos)
{
	const char *colon = strchr(s, ':');
	char *name;
	int id;

	if (!colon)
		return false;
	name = strndup(s, colon - s);
	id = name ? bch2_btree_id_parse(name) : -1;
	free(name);
	if (id < 0)
		return false;
	*btree = id;
	return !bch2_parse_bpos(colon + 1, pos);
}

static bool parse_range(char *s, struct lj_range *r)
{
	const char *p = s;
	char *dash;

	r->exclude = parse_sign(&p);
	dash = strchr(p, '-');
	if (dash)
		*dash++ = '\0';
	return parse_btree_pos(p, &r->start_btree, &r->start) &&
		parse_btree_pos(dash ?: p, &r->end_btree, &r->end);
}

/**
 * lj_parse_ranges - value of --key: [+-]BTREE:POS[-BTREE:POS][,...]
 * @filter:	struct lj_filter
 * @value:	the argument
 *
 * Return: NULL, or what is wrong.
 */
const char *lj_parse_ranges(void *filter, const char *value)
{
	struct lj_filter *f = filter;
	char *copy = tools_strdup(value), *save = NULL;
	const char *err = NULL;

	for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		struct lj_range r = {};

		if (!parse_range(s, &r)) {
			err = "BTREE:INODE:OFFSET[:SNAPSHOT], or two of them with '-' between, "
			      "expected";
			break;
		}
		f->ranges = tools_realloc(f->ranges, (f->nr_ranges + 1) * sizeof(r));
		f->ranges[f->nr_ranges++] = r;
		f->nr_included += !r.exclude;
	}
	if (!err && !f->nr_ranges)
		err = "ranges of keys expected";
	free(copy);
	return err;
}

/**
 * lj_filter_free - free what the parsers have allocated
 * @f:	filter
 */
void lj_filter_free(struct lj_filter *f)
{
	for (unsigned i = 0; i < f->names.nr; i++)
		free((char *) f->names.d[i]);
	tools_strings_free(&f->names);
	free(f->ranges);
}

/* --- ranges --- */

static int btree_pos_cmp(unsigned l_btree, struct bpos l, unsigned r_btree, struct bpos r)
{
	if (l_btree != r_btree)
		return l_btree < r_btree ? -1 : 1;
	return bpos_cmp(l, r);
}

/* Keys count as points; without snapshots in the range theirs is ignored. */
static bool range_has(const struct lj_range *r, unsigned btree, struct bpos pos)
{
	if (!r->start.snapshot && !r->end.snapshot)
		pos.snapshot = 0;
	return btree_pos_cmp(r->start_btree, r->start, btree, pos) <= 0 &&
		btree_pos_cmp(btree, pos, r->end_btree, r->end) <= 0;
}

static bool ranges_accept(const struct lj_filter *f, unsigned btree, struct bpos pos)
{
	bool included = !f->nr_included;

	for (unsigned i = 0; i < f->nr_ranges; i++) {
		if (!range_has(&f->ranges[i], btree, pos))
			continue;
		if (f->ranges[i].exclude)
			return false;
		included = true;
	}
	return included;
}

static bool is_update(const struct jset_entry *e)
{
	return jset_entry_is_replayed(e) || e->type == BCH_JSET_ENTRY_overwrite;
}

/**
 * lj_entry_in_ranges - is one of the record's leaf keys asked for by -k?
 * @f:	filter
 * @e:	record
 */
bool lj_entry_in_ranges(const struct lj_filter *f, struct jset_entry *e)
{
	if (!f->nr_ranges || e->level || !is_update(e))
		return false;
	jset_entry_for_each_key(e, k)
		if (ranges_accept(f, e->btree_id, k->k.p))
			return true;
	return false;
}

/* --- transactions --- */

/* Messages of background work, of which there are many. */
static bool log_is_routine(const struct jset_entry *e)
{
	static const char *const routine[] = { "rebalance", "reconcile", "copygc", "promote" };
	const struct jset_entry_log *l = (const struct jset_entry_log *) e;
	const size_t len = bch2_jset_entry_log_len(e);

	for (size_t i = 0; i < sizeof(routine) / sizeof(routine[0]); i++)
		if (len == strlen(routine[i]) && !memcmp(l->d, routine[i], len))
			return true;
	return false;
}

static bool is_log_message(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_log && e->level && !log_is_routine(e);
}

static bool name_matches(const struct lj_filter *f, const struct jset_entry *start)
{
	const struct jset_entry_log *l = (const struct jset_entry_log *) start;
	const size_t len = bch2_jset_entry_log_len(start);

	for (unsigned i = 0; i < f->names.nr; i++)
		if (strlen(f->names.d[i]) == len && !memcmp(f->names.d[i], l->d, len))
			return !f->names_exclude;
	return f->names_exclude;
}

/**
 * lj_filter_active - are transactions to be looked at one by one?
 * @f:	filter
 */
bool lj_filter_active(const struct lj_filter *f)
{
	return f->log_only || f->have_btrees || f->names.nr || f->nr_ranges;
}

/**
 * lj_filter_transaction - should a transaction be shown?
 * @f:	filter, active
 * @t:	transaction
 */
bool lj_filter_transaction(const struct lj_filter *f, const struct lj_transaction *t)
{
	bool has_log = false, has_keys = false;
	bool btree_ok = !f->have_btrees, range_ok = !f->nr_ranges;

	for_each_jset_entry_range(e, t->start, t->end) {
		has_log |= is_log_message(e);
		if (!is_update(e) || !le16_to_cpu(e->u64s))
			continue;
		has_keys = true;
		btree_ok |= e->btree_id < 64 && (f->btrees >> e->btree_id & 1);
		range_ok |= lj_entry_in_ranges(f, e);
	}

	if (f->names.nr && !name_matches(f, t->start))
		return false;
	if (f->log_only && !has_log)
		return false;
	/* messages alone touch no btree */
	if (f->log && has_log && !has_keys)
		return true;
	return btree_ok && range_ok;
}

/**
 * lj_filter_entry - should a record of a shown transaction be shown?
 * @f:	filter
 * @e:	record
 */
bool lj_filter_entry(const struct lj_filter *f, struct jset_entry *e)
{
	return !f->have_btrees || !is_update(e) ||
		(e->btree_id < 64 && (f->btrees >> e->btree_id & 1));
}
