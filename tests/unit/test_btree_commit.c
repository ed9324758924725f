// SPDX-License-Identifier: GPL-2.0
/*
 * Commits of a filesystem that is being written: a journal on an image file, and
 * btrees of one leaf each in memory. What goes where - leaf, key cache, journal -
 * and when; the key cache's write-back; threads that add up in the same keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "btree/write_buffer.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/pins.h"
#include "journal_common.h"
#include "btree_image.h"

/* Nodes keep their shape here; see that nobody asks for another one. */

/** bch2_btree_split_leaf - leaves are large enough */
__attribute__((weak))
int bch2_btree_split_leaf(struct btree_trans *trans, struct btree_iter *iter, unsigned flags)
{
	fail();
	return 0;
}

/** bch2_foreground_maybe_merge - never called */
__attribute__((weak))
int bch2_foreground_maybe_merge(struct btree_trans *trans, struct btree_iter *iter,
				unsigned level, unsigned flags)
{
	return 0;
}

/** bch2_btree_node_merge_wanted - no */
__attribute__((weak))
bool bch2_btree_node_merge_wanted(const struct bch_fs *fs, const struct btree *b)
{
	return false;
}

static const struct jtest_spec spec = { .nr_devs = 1, .dev_bytes = 16 << 20, .ring = 64 };

static struct bch_fs *c;
static struct btree *leaf[BTREE_ID_NR];

static void node_written(struct btree_node_write *w)
{
}

static struct btree *make_leaf(unsigned btree)
{
	struct btree *b = bch2_btree_node_mem_alloc(c);
	struct tkey k = tkey_make(KEY_TYPE_btree_ptr_v2, SPOS_MAX, 0, 6, 0);
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) k.v;

	assert_non_null(b);
	memset(k.v, 0, sizeof(k.v));
	v->seq = cpu_to_le64(btree + 1);
	bkey_copy(&b->key, &k.k);
	bch2_btree_node_init_new(b, btree, 0, POS_MIN, SPOS_MAX, BKEY_FORMAT_CURRENT, btree + 1, 1);
	set_bit(BTREE_NODE_never_write, &b->flags);
	assert_int_equal(bch2_btree_node_hash_insert(c, b), 0);
	bch2_btree_set_root_inmem(c, b);
	return b;
}

static int setup(void **state)
{
	jtest_make(&spec);
	c = jtest_open(&spec);
	bch2_fs_btree_node_write_exit(c);
	assert_int_equal(__bch2_fs_btree_node_write_init(c, node_written), 0);
	for (unsigned i = 0; i < BTREE_ID_NR; i++)
		leaf[i] = make_leaf(i);
	assert_int_equal(bch2_journal_start(c, 5, 5), 0);
	bch2_journal_set_replay_done(c);
	bch2_journal_keys_freeze(c);
	set_bit(BCH_FS_may_go_rw, &c->flags);
	atomic_set(&c->rw.refs, 1);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(jtest_nr_emergency, 0);
	bch2_key_cache_flush_going_ro(c);
	assert_int_equal(atomic_read(&c->btree.key_cache.nr_dirty), 0);
	bch2_journal_halt(c);
	bch2_btree_cancel_all_dirty(c);
	bch2_journal_stop(c);
	clear_bit(BCH_FS_may_go_rw, &c->flags);
	for (unsigned i = 0; i < BTREE_ID_NR; i++)
		bch2_btree_node_put(c, leaf[i]);
	jtest_close(c);
	return 0;
}

/* Value of the key at @o as iterators show it, or with @flags; -1: none. */
static s64 value(unsigned btree, u64 o, unsigned flags)
{
	struct btree_trans *trans = bch2_trans_get(c);
	s64 ret = -1;

	assert_int_equal(lockrestart_do(trans, ({
		struct btree_iter iter;
		struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, btree, POS(1, o), flags);
		int err = bkey_err(k);

		if (!err && !bkey_deleted(k.k))
			ret = *(const u64 *) k.v;
		bch2_trans_iter_exit(&iter);
		err;
	})), 0);
	bch2_trans_put(trans);
	return ret;
}

static int put_value(struct btree_trans *trans, unsigned btree, u64 o, u64 v)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, 64);

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type = btree == BTREE_ID_logged_ops ? KEY_TYPE_inode_alloc_cursor : KEY_TYPE_cookie;
	k->k.p	  = POS(1, o);
	set_bkey_val_u64s(&k->k, btree == BTREE_ID_logged_ops ? 2 : 1);
	*(u64 *) &k->v = v;
	return bch2_btree_insert_nonextent(trans, btree, k, BTREE_TRIGGER_norun);
}

static void expect(int ret)
{
	if (ret)
		fail_msg("%s: %s", bch2_err_str(ret), jtest_messages());
}

static u64 set_value(unsigned btree, u64 o, u64 v)
{
	u64 seq = 0;

	expect(bch2_trans_commit_do(c, NULL, &seq, 0, put_value(trans, btree, o, v)));
	return seq;
}

static void del_value(unsigned btree, u64 o)
{
	expect(bch2_trans_commit_do(c, NULL, NULL, 0,
			bch2_btree_delete(trans, btree, POS(1, o), BTREE_TRIGGER_norun)));
}

#define RAW	BTREE_ITER_key_cache_fill

/* Life of a cached key: created and deleted in the leaf, changed in memory. */
static void key_cache_life(void **state)
{
	const unsigned b = BTREE_ID_logged_ops;
	struct btree_key_cache *kc = &c->btree.key_cache;
	u64 seq;

	set_value(b, 7, 1);
	assert_int_equal(value(b, 7, RAW), 1);		/* KC-1 */
	assert_int_equal(atomic_read(&kc->nr_keys), 0);

	for (unsigned i = 2; i < 10; i++) {
		seq = set_value(b, 7, i);
		assert_true(seq >= 5);
		assert_int_equal(value(b, 7, RAW), 1);
		assert_int_equal(value(b, 7, 0), i);	/* KC-2 */
		assert_int_equal(value(b, 7, BTREE_ITER_cached), i);
		assert_int_equal(atomic_read(&kc->nr_keys), 1);
		assert_int_equal(atomic_read(&kc->nr_dirty), 1);
	}
	assert_true(bch2_key_cache_flush_going_ro(c));
	assert_int_equal(value(b, 7, RAW), 9);		/* KC-5 */
	assert_int_equal(atomic_read(&kc->nr_dirty), 0);
	assert_true(bch2_journal_pin_active(&leaf[b]->writes[leaf[b]->write_slot].pin));

	set_value(b, 7, 20);
	del_value(b, 7);				/* KC-3 */
	assert_int_equal(atomic_read(&kc->nr_keys), 0);
	assert_int_equal(atomic_read(&kc->nr_dirty), 0);
	assert_int_equal(value(b, 7, 0), -1);
	assert_int_equal(value(b, 7, RAW), -1);

	/* created, changed and deleted by one transaction */
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, 0,
			put_value(trans, b, 8, 1) ?: put_value(trans, b, 8, 2)), 0);
	assert_int_equal(value(b, 8, RAW), 2);
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, 0,
			put_value(trans, b, 8, 3) ?:
			bch2_btree_delete(trans, b, POS(1, 8), BTREE_TRIGGER_norun)), 0);
	assert_int_equal(value(b, 8, 0), -1);
	assert_int_equal(value(b, 8, RAW), -1);
}

static void leaves_and_numbers(void **state)
{
	const unsigned b = BTREE_ID_reconcile_scan;
	u64 last = 0;

	/* pinned where the caller says, and not journalled */
	set_value(BTREE_ID_logged_ops, 1, 1);
	expect(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_journal_res, ({
		int ret = put_value(trans, b, 50, 5);

		trans->s.pin_seq = 5;
		ret;
	})));
	assert_int_equal(leaf[b]->unwritten_seq, 5);
	for (unsigned i = 0; i < 100; i++) {
		const u64 seq = set_value(b, i % 10, i);

		assert_true(seq >= last);
		last = seq;
	}
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(value(b, i, 0), 90 + i);
	/* NW-4, and the oldest update is what the leaf pins */
	assert_int_equal(leaf[b]->unwritten_seq, last);
	assert_true(test_bit(BTREE_NODE_dirty, &leaf[b]->flags));
	assert_int_equal(leaf[b]->writes[leaf[b]->write_slot].pin.seq, 5);

	/* nothing changes: no word of journal */
	assert_int_equal(set_value(b, 3, 93), 0);
}

static int count_delta(struct btree_trans *trans, const struct bkey_i *k)
{
	static struct bversion last;

	/* unique, and in the order of the journal */
	assert_true(bversion_cmp(k->k.bversion, last) > 0);
	assert_int_equal(k->k.bversion.lo >> 32, (u32) trans->s.journal_res.seq);
	last = k->k.bversion;
	return 0;
}

static void versions_of_deltas(void **state)
{
	c->up.accounting_apply = count_delta;
	for (unsigned i = 0; i < 20; i++)
		expect(bch2_trans_commit_do(c, NULL, NULL, 0, ({
			const s64 d[1] = { 1 };
			const struct bpos reserved = POS(1ULL << 56 | 2ULL << 48, 0);

			PTR_ERR_OR_ZERO(bch2_trans_accounting_add(trans, POS_MIN, d, 1)) ?:
			PTR_ERR_OR_ZERO(bch2_trans_accounting_add(trans, reserved, d, 1)) ?:
			bch2_trans_log_str(trans, "deltas");
		})));
	c->up.accounting_apply = NULL;
}

/* --- many at once --- */

#define ADDERS	4
#define ADDS	250
#define KEYS	3

static int add_one(struct btree_trans *trans, unsigned btree, u64 o)
{
	struct btree_iter iter;
	struct bkey_i *k = bch2_bkey_get_mut(trans, &iter, btree, POS(1, o), BTREE_ITER_cached,
					     0, 0);

	if (IS_ERR(k))
		return PTR_ERR(k);
	++*(u64 *) &k->v;
	bch2_trans_iter_exit(&iter);
	return 0;
}

static void *adder(void *arg)
{
	struct btree_trans *trans = bch2_trans_get(c);

	for (unsigned i = 0; i < ADDS; i++) {
		/* one in the key cache, one in a leaf: together or not at all */
		const u64 o = (i + (uintptr_t) arg) % KEYS;
		const int ret = commit_do(trans, NULL, NULL, 0,
				add_one(trans, BTREE_ID_logged_ops, o) ?:
				add_one(trans, BTREE_ID_reconcile_scan, KEYS - 1 - o));

		if (ret)
			fprintf(stderr, "adder: %s\n", bch2_err_str(ret));
	}
	bch2_trans_put(trans);
	return NULL;
}

static void adding_up(void **state)
{
	pthread_t t[ADDERS];
	s64 cached = 0, plain = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		set_value(BTREE_ID_logged_ops, i, 0);
		set_value(BTREE_ID_reconcile_scan, i, 0);
	}
	for (uintptr_t i = 0; i < ADDERS; i++)
		pthread_create(&t[i], NULL, adder, (void *) i);
	/* write-backs meanwhile */
	for (unsigned i = 0; i < 30; i++)
		bch2_key_cache_flush_going_ro(c);
	for (unsigned i = 0; i < ADDERS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < KEYS; i++) {
		cached += value(BTREE_ID_logged_ops, i, 0);
		plain += value(BTREE_ID_reconcile_scan, i, 0);
	}
	assert_int_equal(cached, ADDERS * ADDS);
	assert_int_equal(plain, ADDERS * ADDS);
	bch2_key_cache_flush_going_ro(c);
	cached = 0;
	for (unsigned i = 0; i < KEYS; i++)
		cached += value(BTREE_ID_logged_ops, i, RAW);
	assert_int_equal(cached, ADDERS * ADDS);
}

/* --- errors reported by transactions --- */

static struct btree_trans *asking;
static unsigned nr_asked;
static int the_answer;
static bool disturb;

static int answer(struct bch_fs *fs, const char *msg, const char *action)
{
	nr_asked++;
	/* others must be able to go on while the user thinks */
	assert_false(bch2_trans_has_locks(asking));
	if (disturb)
		set_value(BTREE_ID_reconcile_scan, 60, 100 + nr_asked);
	return the_answer;
}

/* Two errors of one id; the repair of the key counts its attempts. */
static int report_and_repair(struct btree_trans *trans, unsigned restarts, unsigned *attempts)
{
	struct btree_iter iter;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_reconcile_scan, POS(1, 50),
					       0);
	int ret = bkey_err(k);

	if (ret)
		goto fsck_err;
	++*attempts;
	if (fsck_err_trans(trans, snapshot_tree_to_missing_subvol, "key one, mend?"))
		ret = put_value(trans, BTREE_ID_reconcile_scan, 1, *attempts);
	if (!ret && fsck_err_on_trans(true, trans, snapshot_tree_to_missing_subvol, "key two"))
		ret = put_value(trans, BTREE_ID_reconcile_scan, 2, *attempts);
	if (!ret && *attempts <= restarts)
		ret = bch2_trans_restart(trans, BCH_ERR_transaction_restart_nested);
fsck_err:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void fsck_mode(unsigned fix)
{
	set_bit(BCH_FS_in_fsck, &c->flags);
	c->opts.fix_errors = fix;
	set_value(BTREE_ID_reconcile_scan, 50, 1);
	nr_asked = 0;
}

static unsigned occurrences(const char *text)
{
	unsigned nr = 0;

	for (const char *p = jtest_messages(); (p = strstr(p, text)); p++)
		nr++;
	return nr;
}

/* Attempts are repeated: each error is counted and printed once, and repaired. */
static void reports_of_restarted(void **state)
{
	unsigned attempts = 0;

	fsck_mode(FSCK_FIX_yes);
	expect(bch2_trans_commit_do(c, NULL, NULL, 0, report_and_repair(trans, 3, &attempts)));
	assert_int_equal(attempts, 4);
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_snapshot_tree_to_missing_subvol), 2);
	assert_int_equal(occurrences("key one, mending"), 1);
	assert_int_equal(occurrences("key two, fixing"), 1);
	assert_int_equal(value(BTREE_ID_reconcile_scan, 1, 0), 4);
	assert_int_equal(value(BTREE_ID_reconcile_scan, 2, 0), 4);

	/* found again after the repair was committed: that is a new report */
	attempts = 0;
	expect(bch2_trans_commit_do(c, NULL, NULL, 0, report_and_repair(trans, 0, &attempts)));
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_snapshot_tree_to_missing_subvol), 4);
}

/* The user is asked without locks; what was read changes: the answer stands. */
static void asked_without_locks(void **state)
{
	unsigned attempts = 0;
	int ret;

	fsck_mode(FSCK_FIX_ask);
	c->fsck.ask	= answer;
	the_answer	= 'y';
	disturb		= true;
	ret = bch2_trans_commit_do(c, NULL, NULL, 0,
				   (asking = trans, report_and_repair(trans, 0, &attempts)));
	expect(ret);
	assert_int_equal(nr_asked, 2);
	assert_true(attempts > 1);
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_snapshot_tree_to_missing_subvol), 2);
	assert_int_equal(value(BTREE_ID_reconcile_scan, 2, 0), attempts);

	/* undisturbed it goes on where it was */
	disturb		= false;
	attempts	= 0;
	the_answer	= 'n';
	ret = bch2_trans_commit_do(c, NULL, NULL, 0,
				   (asking = trans, report_and_repair(trans, 2, &attempts)));
	expect(ret);
	assert_int_equal(nr_asked, 4);
	assert_int_equal(attempts, 3);
	assert_int_equal(c->fsck.nr_not_fixed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leaves_and_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(versions_of_deltas, setup, teardown),
		cmocka_unit_test_setup_teardown(key_cache_life, setup, teardown),
		cmocka_unit_test_setup_teardown(adding_up, setup, teardown),
		cmocka_unit_test_setup_teardown(reports_of_restarted, setup, teardown),
		cmocka_unit_test_setup_teardown(asked_without_locks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, jtest_setup, jtest_teardown);
}
