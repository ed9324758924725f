// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions in the journals of real filesystems: the accounting deltas that a
 * kernel journalled with them must be those that our triggers derive from their
 * (old, new) pairs of keys, delta by delta (spec 40 §5.3).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keys_common.h"

#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/gc.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "journal/read.h"
#include "journal/validate.h"
#include "sb/members.h"
#include "tools-open.h"

struct deltas {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	unsigned		nr;		/* transactions compared */
	unsigned		nr_deltas;
	unsigned		skipped;	/* not_compared() */
	unsigned		bad;
};

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

static bool starts_transaction(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_log && e->level == BCH_JSET_LOG_transaction;
}

static bool ends_transaction(const struct jset_entry *e)
{
	return starts_transaction(e) || e->type == BCH_JSET_ENTRY_btree_root ||
		e->type == BCH_JSET_ENTRY_datetime || e->type == BCH_JSET_ENTRY_usage ||
		e->type == BCH_JSET_ENTRY_clock;
}

/* The key that @k replaced, or one of type deleted. */
static struct bkey_s_c old_key(struct jset_entry *start, struct jset_entry *end,
			       const struct jset_entry *in, const struct bkey_i *k,
			       struct bkey *deleted)
{
	for_each_jset_entry_range(e, start, end)
		if (e->type == BCH_JSET_ENTRY_overwrite && e->btree_id == in->btree_id &&
		    e->level == in->level)
			jset_entry_for_each_key(e, o)
				if (bpos_eq(o->k.p, k->k.p))
					return bkey_i_to_s_c(o);
	bkey_init(deleted);
	deleted->p = k->k.p;
	return (struct bkey_s_c) { deleted, NULL };
}

/* What the triggers make of a pair; alloc keys are the only ones with buckets here. */
static int count_pair(struct deltas *d, const struct jset_entry *in, struct bkey_s_c old,
		      struct bkey_i *k)
{
	const struct bkey_ops *o = bch2_bkey_type_ops(old.k->type);
	const struct bkey_ops *n = bch2_bkey_type_ops(k->k.type);
	const unsigned btree = in->btree_id, level = in->level;
	struct bkey deleted;
	struct bkey_s none = { &deleted, NULL };
	int ret = 0;

	bkey_init(&deleted);
	deleted.p = k->k.p;

	if (btree == BTREE_ID_alloc && !level) {
		struct bch_dev *ca = bch2_dev(d->c, k->k.p.inode);
		struct bch_alloc_v4 a, b;

		bch2_alloc_to_v4(old, &a);
		bch2_alloc_to_v4(bkey_i_to_s_c(k), &b);
		return ca ? bch2_alloc_accounting_change(d->trans, true, ca, &a, &b) : -EINVAL;
	}
	if (o->trigger == n->trigger)
		return o->trigger ? o->trigger(d->trans, btree, level, old, bkey_i_to_s(k),
					BTREE_TRIGGER_gc|BTREE_TRIGGER_insert|
					BTREE_TRIGGER_overwrite) : 0;
	if (o->trigger)
		ret = o->trigger(d->trans, btree, level, old, none,
				 BTREE_TRIGGER_gc|BTREE_TRIGGER_overwrite);
	if (!ret && n->trigger)
		ret = n->trigger(d->trans, btree, level, bkey_s_to_s_c(none), bkey_i_to_s(k),
				 BTREE_TRIGGER_gc|BTREE_TRIGGER_insert);
	return ret;
}

/* Minus what was journalled: all counters must be 0 then. */
static int count_journalled(struct deltas *d, const struct bkey_i *k)
{
	const struct bkey_s_c s = bkey_i_to_s_c(k);
	struct disk_accounting_pos acc;
	s64 v[BCH_ACCOUNTING_MAX_COUNTERS] = {};

	bch2_accounting_pos_decode(&acc, k->k.p, bch2_accounting_pos_reversed(d->c));
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = -bch2_accounting_counter(s, i);
	d->nr_deltas++;
	return bch2_accounting_mod(d->trans, true, &acc, v, ARRAY_SIZE(v));
}

static int left_over(struct bch_fs *c, struct accounting_mem_entry *e, void *arg)
{
	struct deltas *d = arg;
	struct printbuf buf = PRINTBUF;
	bool zero = true;

	for (unsigned i = 0; i < e->nr_counters; i++)
		zero &= !atomic64_read(&e->v[BCH_ACCOUNTING_gc][i]);
	if (!zero && d->bad++ < 20) {
		bch2_accounting_name_to_text(&buf, c, &e->acc);
		printf("  %s: ours - journalled: %lli %lli %lli\n", printbuf_str(&buf),
		       (long long) atomic64_read(&e->v[BCH_ACCOUNTING_gc][0]),
		       (long long) atomic64_read(&e->v[BCH_ACCOUNTING_gc][1]),
		       (long long) atomic64_read(&e->v[BCH_ACCOUNTING_gc][2]));
	}
	printbuf_exit(&buf);
	return 0;
}

/*
 * Key cache write-backs and deltas that replay commits, whose effects were
 * journalled before; and interior updates that set a root, whose old pointer the
 * journal does not have.
 */
static bool not_compared(struct jset_entry *start, struct jset_entry *end, bool before_root)
{
	static const char flush[] = "bch2_btree_key_cache_journal_flush";
	static const char replay[] = "bch2_journal_replay";
	static const char interior[] = "btree_update_nodes_written";
	const char *fn = (const char *) jset_entry_data(start);

	return !strncmp(fn, flush, 30) || !strncmp(fn, replay, sizeof(replay) - 1) ||
		(before_root && !strncmp(fn, interior, sizeof(interior) - 1));
}

static void transaction(struct deltas *d, struct jset_entry *start, struct jset_entry *end,
			bool before_root)
{
	unsigned bad = d->bad;
	struct bkey deleted;
	int ret = 0;

	if (not_compared(start, end, before_root)) {
		d->skipped++;
		return;
	}
	bch2_accounting_gc_stop(d->c);
	for_each_jset_entry_range(e, start, end) {
		if (!jset_entry_is_replayed(e))
			continue;
		jset_entry_for_each_key(e, k)
			if (e->btree_id == BTREE_ID_accounting && !e->level)
				ret = ret ?: count_journalled(d, k);
			else if (!btree_type_uses_write_buffer(e->btree_id) || e->level)
				ret = ret ?: count_pair(d, e, old_key(start, end, e, k, &deleted),
							k);
	}
	assert_int_equal(ret, 0);
	bch2_accounting_mem_for_each(d->c, left_over, d);
	if (d->bad != bad && d->bad < 20)
		printf("  ... of a transaction of %.32s\n", (char *) jset_entry_data(start));
	d->nr++;
}

static void journal_entry(struct deltas *d, struct journal_replay *r)
{
	struct jset_entry *start = NULL;

	assert_int_equal(bch2_journal_entry_load(d->c, r), 0);
	for_each_jset_entry(e, r->j) {
		if (ends_transaction(e) && start)
			transaction(d, start, e, e->type == BCH_JSET_ENTRY_btree_root);
		if (ends_transaction(e))
			start = starts_transaction(e) ? e : NULL;
	}
	if (start)
		transaction(d, start, jset_entries_end(r->j), false);
	bch2_journal_entry_unload(r);
}

static struct bch_fs *open_fixture(const char *name, char path[256])
{
	struct bch_opts opts = bch2_opts_empty();
	char cmd[1024];
	struct bch_fs *c;

	snprintf(path, 256, "%s/test-deltas-%d-%s.img", env("TEST_TMPDIR", "/tmp"),
		 (int) getpid(), name);
	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s.img.zst'",
		 path, env("TEST_FIXTURES", "tests/fixtures"), name);
	assert_int_equal(system(cmd), 0);
	tools_read_only_opts(&opts);
	opt_set(opts, retain_recovery_info,	true);
	opt_set(opts, read_entire_journal,	true);
	c = tools_open_fs(&path, 1, &opts, NULL);
	assert_non_null(c);
	return c;
}

static void check(const char *name)
{
	char path[256];
	struct deltas d = { .c = open_fixture(name, path) };
	const struct journal_entries *j = &d.c->journal.entries;

	d.c->accounting.gc_all = true;
	d.trans = bch2_trans_get(d.c);
	assert_int_equal(bch2_gc_alloc(d.c), 0);
	/* without a table pointers have no buckets: these come from the alloc keys */
	memset(d.c->gc->nbuckets, 0, sizeof(d.c->gc->nbuckets));
	for (size_t i = 0; i < j->nr; i++)
		if (j->d[i]->csum_good && j->d[i]->ignore != JOURNAL_IGNORE_bad)
			journal_entry(&d, j->d[i]);
	print_message("%s: %u transactions with %u deltas, %u skipped; %u differ\n", name, d.nr,
		      d.nr_deltas, d.skipped, d.bad);
	bch2_gc_free(d.c);
	bch2_trans_put(d.trans);
	bch2_fs_stop(d.c);
	unlink(path);
	assert_true(d.nr > 20);
	assert_int_equal(d.bad, 0);
}

static void version_1_38(void **state)
{
	check("small-138");
	check("comp-138");
	check("snaps-138");
	check("nocow-falloc-138");
	check("btree64k-138");
	check("blacklist-138");
	check("source-138");
	check("unclean-138-1");
	check("unclean-138-2");
	check("unclean-138-3");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_38),
	};

	/* one image by name */
	if (argc == 2) {
		check(argv[1]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
