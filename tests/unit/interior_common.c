// SPDX-License-Identifier: GPL-2.0
/*
 * A filesystem with btrees that are written, for tests of interior updates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "init/fs.h"
#include "init/recovery.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/pins.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "interior_common.h"

struct itest itest;

static struct jtest_spec spec_of(unsigned nr_devs)
{
	return (struct jtest_spec) {
		.nr_devs = nr_devs, .dev_bytes = 96 << 20, .ring = 64, .replicas = nr_devs,
	};
}

/* --- places for nodes --- */

static int alloc_ptrs(struct btree_trans *trans, struct bkey_i *k, unsigned sectors,
		      unsigned nr_replicas, unsigned watermark, struct open_bucket_refs *ob)
{
	const unsigned nr = __atomic_add_fetch(&itest.nr_allocs, 1, __ATOMIC_RELAXED);
	const u64 at = __atomic_fetch_add(&itest.next, sectors, __ATOMIC_RELAXED);

	if (itest.restart_every && !(nr % itest.restart_every))
		return bch2_trans_restart(trans, BCH_ERR_transaction_restart_fault_inject);
	assert_true(at + sectors <= ITEST_END);
	assert_true((watermark & BCH_WATERMARK_MASK) <= BCH_WATERMARK_interior_updates);
	for (unsigned i = 0; i < itest.nr_devs; i++) {
		struct bch_extent_ptr *p = (struct bch_extent_ptr *) ((u64 *) k + k->k.u64s);

		memset(p, 0, sizeof(*p));
		SET_EXTENT_PTR_TYPE(p, 1);
		SET_EXTENT_PTR_DEV(p, i);
		SET_EXTENT_PTR_OFFSET(p, at);
		k->k.u64s++;
	}
	__atomic_add_fetch(&itest.nr_open, 1, __ATOMIC_RELAXED);
	return 0;
}

static void open_put(struct bch_fs *c, struct open_bucket_refs *ob)
{
	__atomic_sub_fetch(&itest.nr_open, 1, __ATOMIC_RELAXED);
}

/* --- life --- */

static void small_nodes(struct bch_fs *c)
{
	c->opts.btree_node_size = ITEST_NODE;
	c->block_bits = 0;
}

void itest_open(unsigned nr_devs, void (*ready)(void))
{
	const struct jtest_spec s = spec_of(nr_devs);
	struct bch_fs *c;

	itest = (struct itest) { .nr_devs = nr_devs, .next = ITEST_FIRST };
	jtest_make(&s);
	if (ready)
		ready();
	itest.c = c = jtest_open(&s);
	small_nodes(c);
	c->up.alloc_btree_ptrs = alloc_ptrs;
	c->up.open_buckets_put = open_put;
	for (unsigned i = 0; i < BTREE_ID_NR; i++)
		assert_int_equal(bch2_btree_root_alloc_fake(c, i, 0), 0);
	assert_int_equal(bch2_journal_start(c, ITEST_FIRST_SEQ, ITEST_FIRST_SEQ), 0);
	bch2_journal_set_replay_done(c);
	bch2_journal_keys_freeze(c);
	set_bit(BCH_FS_replay_done, &c->flags);
	set_bit(BCH_FS_may_go_rw, &c->flags);
	set_bit(BCH_FS_rw, &c->flags);
}

void itest_drain(void)
{
	struct bch_fs *c = itest.c;
	bool did;

	do {
		did  = bch2_btree_interior_updates_flush(c);
		did |= bch2_journal_flush_all_pins(c);
		bch2_btree_flush_all_writes(c);
	} while (did);
}

static void end(void)
{
	struct bch_fs *c = itest.c;

	bch2_btree_interior_updates_flush(c);
	bch2_btree_cancel_all_dirty(c);
	bch2_fs_btree_interior_exit(c);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(itest.nr_open, 0);
	bch2_journal_stop(c);
	clear_bit(BCH_FS_may_go_rw, &c->flags);
	jtest_close(c);
	itest.c = NULL;
}

void itest_close(void)
{
	itest_drain();
	assert_int_equal(itest.c->btree.writes.nr_dirty, 0);
	assert_int_equal(bch2_journal_stop(itest.c), 0);
	assert_int_equal(jtest_nr_emergency, 0);
	end();
}

void itest_crash(void)
{
	bch2_journal_halt(itest.c);
	end();
}

struct bch_fs *itest_reopen_ro(u64 *newest)
{
	const struct jtest_spec s = spec_of(itest.nr_devs);
	struct journal_start_info info = {};
	struct bch_fs *c = jtest_open_ro(&s);

	small_nodes(c);
	assert_int_equal(bch2_journal_read(c, &info), 0);
	assert_int_equal(c->journal.nr_missing, 0);
	*newest = info.seq_read_end;
	c->journal.start = info;
	/* entries that nodes know of, and the journal does not have, never were */
	if (!info.clean)
		assert_int_equal(bch2_journal_seq_blacklist_add(c, *newest + 1, *newest + 4096), 0);
	assert_int_equal(bch2_journal_keys_sort(c), 0);
	assert_int_equal(bch2_roots_from_entries(c), 0);
	if (bch2_read_btree_roots(c))
		fail_msg("roots: %s", jtest_messages());
	return c;
}

void itest_reopened_close(struct bch_fs *c)
{
	bch2_journal_entries_free(c);
	bch2_fs_stop(c);
}

/* --- keys --- */

static int put(struct btree_trans *trans, unsigned btree, u64 inode, u64 offset, unsigned u64s,
	       u64 v)
{
	struct bkey_i *k;

	if (!u64s)
		return bch2_btree_delete(trans, btree, POS(inode, offset), 0);
	k = bch2_trans_kmalloc(trans, (BKEY_U64s + u64s) * sizeof(u64));
	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_cookie;
	k->k.p		= POS(inode, offset);
	set_bkey_val_u64s(&k->k, u64s);
	for (unsigned i = 0; i < u64s; i++)
		((u64 *) &k->v)[i] = v;
	return bch2_btree_insert_nonextent(trans, btree, k, 0);
}

int itest_put(struct bch_fs *c, unsigned btree, u64 inode, u64 offset, unsigned u64s, u64 v,
	      u64 *seq)
{
	return bch2_trans_commit_do(c, NULL, seq, BCH_TRANS_COMMIT_no_check_rw,
				    put(trans, btree, inode, offset, u64s, v));
}

/* --- shape --- */

static int shape_level(struct btree_trans *trans, unsigned btree, unsigned level,
		       struct itest_shape *s)
{
	struct bpos expected = POS_MIN, last = POS_MIN;
	struct btree_iter iter;
	struct btree *b;
	int ret = 0;

	s->nodes[level] = s->words[level] = 0;
	bch2_trans_node_iter_init(trans, &iter, btree, POS_MIN, 0, level, 0);
	for (b = bch2_btree_iter_peek_node(&iter); !IS_ERR_OR_NULL(b);
	     b = bch2_btree_iter_next_node(&iter)) {
		assert_int_equal(b->level, level);
		assert_int_equal(bpos_cmp(b->min_key, expected), 0);
		last = b->max_key;
		if (!bpos_eq(last, SPOS_MAX))
			expected = bpos_successor(last);
		s->nodes[level]++;
		s->words[level] += b->live_u64s;
	}
	if (IS_ERR(b))
		ret = PTR_ERR(b);
	else
		assert_int_equal(bpos_cmp(last, SPOS_MAX), 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

void itest_shape_of(struct bch_fs *c, unsigned btree, struct itest_shape *s)
{
	struct btree_trans *trans = bch2_trans_get(c);

	memset(s, 0, sizeof(*s));
	s->depth = c->btree.roots[btree].b->level + 1;
	for (unsigned level = 0; level < s->depth; level++) {
		const int ret = lockrestart_do(trans, shape_level(trans, btree, level, s));

		if (ret)
			fail_msg("level %u: %s", level, bch2_err_str(ret));
	}
	assert_int_equal(s->nodes[s->depth - 1], 1);
	bch2_trans_put(trans);
}
