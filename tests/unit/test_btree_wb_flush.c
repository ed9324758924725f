// SPDX-License-Identifier: GPL-2.0
/*
 * Flushing the write buffer into nodes: histories of buffered updates that are
 * journalled, taken in, flushed by workers, with restarts everywhere, splits that
 * fail at first, and accounting held back; the nodes must be what a model says after
 * every synchronous flush. Journal, pins and splits are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "btree/cache.h"
#include "btree/interior.h"
#include "btree/locking.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "btree/trans.h"
#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "btree_image.h"
#include "journal/journal.h"
#include "journal/pins.h"

#define NODE	(256 << 10)
#define BLOCK	512
#define PLACES	120

static struct bch_fs *c;
static struct btree_trans *trans;

/* --- in the place of the journal --- */

static DEFINE_MUTEX(journal_lock);
static struct journal_buf entry;
static u64 words[1 << 16];
static unsigned nr_words;

/** bch2_journal_pin_add - the older of two numbers stays */
void bch2_journal_pin_add(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush)
{
	u64 old = READ_ONCE(pin->seq);

	if (!old || seq < old)
		WRITE_ONCE(pin->seq, seq);
	pin->flush = flush;
}

/** bch2_journal_pin_update - the newer of two numbers stays */
void bch2_journal_pin_update(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			     enum journal_pin_type type, journal_pin_flush_fn flush)
{
	if (seq > READ_ONCE(pin->seq))
		WRITE_ONCE(pin->seq, seq);
}

/** bch2_journal_pin_copy - as the other pin */
void bch2_journal_pin_copy(struct bch_fs *c, struct journal_entry_pin *dst,
			   struct journal_entry_pin *src, journal_pin_flush_fn flush)
{
	bch2_journal_pin_add(c, src->seq, dst, 0, flush);
}

/** bch2_journal_pin_drop - nothing is pinned */
void bch2_journal_pin_drop(struct bch_fs *c, struct journal_entry_pin *pin)
{
	WRITE_ONCE(pin->seq, 0);
}

/** bch2_journal_pin_flush - nothing is pinned */
void bch2_journal_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin)
{
	WRITE_ONCE(pin->seq, 0);
}

/** bch2_journal_set_wb_low - nobody is held back here */
void bch2_journal_set_wb_low(struct bch_fs *c, bool low)
{
}

/** bch2_journal_cur_seq - the open entry */
u64 bch2_journal_cur_seq(const struct bch_fs *c)
{
	return entry.seq;
}

/** bch2_journal_next_buf_to_intake - the open entry, until it was looked at */
struct journal_buf *bch2_journal_next_buf_to_intake(struct bch_fs *c, u64 max_seq, bool *open)
{
	*open = true;
	return entry.need_intake && entry.seq <= max_seq ? &entry : NULL;
}

/** bch2_journal_intake_lock - one at a time */
void bch2_journal_intake_lock(struct bch_fs *c)
{
	mutex_lock(&journal_lock);
}

/** bch2_journal_intake_unlock - the next one */
void bch2_journal_intake_unlock(struct bch_fs *c)
{
	mutex_unlock(&journal_lock);
}

/** bch2_journal_unblock - nothing is blocked here */
void bch2_journal_unblock(struct bch_fs *c)
{
}

/** bch2_journal_buf_start - records of the open entry */
u64 *bch2_journal_buf_start(const struct journal_buf *buf)
{
	return words;
}

/** bch2_journal_buf_end - their end */
u64 *bch2_journal_buf_end(const struct journal_buf *buf)
{
	return words + nr_words;
}

/* The entry is full: it is taken as the writer would, and another one is opened. */
static void entry_close(void)
{
	mutex_lock(&journal_lock);
	entry.state = JOURNAL_BUF_closed;
	assert_int_equal(bch2_btree_write_buffer_intake(c, &entry), 0);
	assert_false(entry.need_intake);
	nr_words = 0;
	entry.seq++;
	entry.state = JOURNAL_BUF_open;
	entry.need_intake = true;
	mutex_unlock(&journal_lock);
}

static void journal_key(unsigned btree, const struct bkey_i *k)
{
	struct jset_entry *e = (struct jset_entry *) (words + nr_words);

	memset(e, 0, sizeof(*e));
	e->u64s		= cpu_to_le16(k->k.u64s);
	e->btree_id	= btree;
	e->type		= BCH_JSET_ENTRY_write_buffer_keys;
	memcpy(e + 1, k, bkey_bytes(&k->k));
	nr_words += 1 + k->k.u64s;
}

/* --- in the place of the interior update code --- */

static atomic_t splits, splits_to_fail;

/** bch2_btree_split_leaf - the node has room afterwards, or the journal has none */
int bch2_btree_split_leaf(struct btree_trans *trans, struct btree_iter *iter, unsigned flags)
{
	if (atomic_dec_if_positive(&splits_to_fail) >= 0)
		return -BCH_ERR_journal_full;
	atomic_inc(&splits);
	clear_bit(BTREE_NODE_need_rewrite, &bch2_btree_iter_leaf(iter)->flags);
	return 0;
}

/** bch2_foreground_maybe_merge - not here */
int bch2_foreground_maybe_merge(struct btree_trans *trans, struct btree_iter *iter,
				unsigned level, unsigned commit_flags)
{
	return 0;
}

/** bch2_btree_node_merge_wanted - not here */
bool bch2_btree_node_merge_wanted(const struct bch_fs *c, const struct btree *b)
{
	return false;
}

/** bch2_btree_interior_updates_flush - there are none */
bool bch2_btree_interior_updates_flush(struct bch_fs *c)
{
	return false;
}

static void written(struct btree_node_write *w)
{
}

/* --- a filesystem with two buffered btrees --- */

static const unsigned btrees[] = { BTREE_ID_lru, BTREE_ID_accounting, BTREE_ID_backpointers };

static struct btree *root(unsigned btree)
{
	return c->btree.roots[btree].b;
}

static void root_make(unsigned btree)
{
	static const struct bkey_format format = {
		.key_u64s = 3, .nr_fields = 6, .bits_per_field = { 64, 64, 32, 0, 0, 0 },
	};
	struct btree *b = bch2_btree_node_mem_alloc(c);
	struct tkey k = tkey_make(KEY_TYPE_btree_ptr_v2, SPOS_MAX, 0, 6, 0);
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) k.v;

	memset(k.v, 0, sizeof(k.v));
	v->seq = cpu_to_le64(btree + 1);
	SET_EXTENT_PTR_TYPE((struct bch_extent_ptr *) v->start, 1);
	bkey_copy(&b->key, &k.k);
	bch2_btree_node_init_new(b, btree, 0, POS_MIN, SPOS_MAX, format, btree + 1, 1);
	assert_int_equal(bch2_btree_node_hash_insert(c, b), 0);
	bch2_btree_set_root_inmem(c, b);
	bch2_btree_node_put(c, b);
	bkey_copy(&c->btree.roots[btree].key, &k.k);
	c->btree.roots[btree].alive = true;
}

static int setup(void **state)
{
	c = timg_fs(NODE, BLOCK);
	c->opts.nochanges = true;
	c->journal.w = kvzalloc(sizeof(*c->journal.w), GFP_KERNEL);
	c->journal.w->running = true;
	c->journal.w->replay_done = true;
	set_bit(BCH_FS_accounting_replay_done, &c->flags);
	assert_int_equal(__bch2_fs_btree_node_write_init(c, written), 0);
	assert_int_equal(bch2_fs_write_buffer_init(c), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(btrees); i++)
		root_make(btrees[i]);
	memset(&entry, 0, sizeof(entry));
	entry.seq = 1;
	entry.state = JOURNAL_BUF_open;
	entry.need_intake = true;
	nr_words = 0;
	atomic_set(&splits, 0);
	atomic_set(&splits_to_fail, 0);
	trans = bch2_trans_get(c);
	return 0;
}

static int teardown(void **state)
{
	bch2_trans_put(trans);
	bch2_fs_write_buffer_exit(c);
	bch2_btree_cancel_all_dirty(c);
	bch2_fs_btree_node_write_exit(c);
	kvfree(c->journal.w);
	c->journal.w = NULL;
	timg_fs_free(c);
	return 0;
}

/* --- model --- */

struct model {
	unsigned	type[PLACES];
	u64		v[PLACES];
	u64		newest;		/* entry of the last update */
};

static struct model models[ARRAY_SIZE(btrees)];

static struct bpos wb_place(unsigned btree, unsigned i)
{
	if (btree == BTREE_ID_accounting)
		return SPOS((u64) (i % 2 ? BCH_DISK_ACCOUNTING_btree
					 : BCH_DISK_ACCOUNTING_inum) << 56 | i, 0, 0);
	return POS(i / 10, i % 10);
}

static void buffered_update(unsigned nr)
{
	const unsigned btree = btrees[nr], i = trnd() % PLACES;
	struct model *m = &models[nr];
	const bool acc = btree == BTREE_ID_accounting, del = trnd() % (acc ? 40 : 3) == 0;
	const u64 v = 1 + trnd() % 999;
	struct tkey k = tkey_make(del ? KEY_TYPE_deleted : acc ? KEY_TYPE_accounting
					: KEY_TYPE_cookie, wb_place(btree, i), 0, !del, v);

	if (nr_words > ARRAY_SIZE(words) - 64)
		entry_close();
	m->v[i]		= acc && !del ? m->v[i] + v : del ? 0 : v;
	m->type[i]	= del ? 0 : k.k.k.type;
	m->newest	= entry.seq;
	journal_key(btree, &k.k);
	if (trnd() % 20 == 0)
		entry_close();
}

static void node_lock(struct btree *b)
{
	while (bch2_trans_lock(trans, &b->six, SIX_LOCK_read))
		bch2_trans_begin(trans);
}

static void assert_btree(unsigned nr)
{
	struct btree *b = root(btrees[nr]);
	const struct model *m = &models[nr];

	node_lock(b);
	assert_true(b->unwritten_seq <= entry.seq);
	for (unsigned i = 0; i < PLACES; i++) {
		const struct bpos p = wb_place(btrees[nr], i);
		const u32 at = bch2_btree_node_search(b, p);
		struct bkey_s_c k = bkey_s_c_null;
		struct bkey u;

		if (at < b->nr_keys)
			k = bkey_disassemble(b, btree_node_key(b, at), &u);
		if (k.k && !bpos_eq(k.k->p, p))
			k.k = NULL;
		if (!m->type[i]) {
			assert_null(k.k);
			continue;
		}
		assert_non_null(k.k);
		assert_int_equal(k.k->type, m->type[i]);
		assert_int_equal(*(const u64 *) k.v, m->v[i]);
	}
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_read);
}

/* Everything is in its btree, and pinned there only. */
static void flush_and_compare(void)
{
	assert_int_equal(bch2_btree_write_buffer_flush_sync(trans), 0);
	for (unsigned nr = 0; nr < ARRAY_SIZE(btrees); nr++) {
		const struct btree_write_buffer *wb = c->btree.wb.b[c->btree.wb.idx[btrees[nr]]];

		assert_btree(nr);
		assert_int_equal(READ_ONCE(wb->incoming.pin.seq), 0);
		assert_int_equal(READ_ONCE(wb->flushing.pin.seq), 0);
	}
}

static void history(unsigned rounds, bool quiet)
{
	memset(models, 0, sizeof(models));
	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned j = trnd() % 300; j; j--)
			buffered_update(trnd() % ARRAY_SIZE(btrees));
		if (!quiet && trnd() % 3 == 0)
			set_bit(BTREE_NODE_need_rewrite,
				&root(btrees[trnd() % ARRAY_SIZE(btrees)])->flags);
		if (trnd() % 4 == 0)
			assert_int_equal(bch2_btree_write_buffer_tryflush(trans), 0);
		flush_and_compare();
		bch2_trans_begin(trans);
	}
}

/* --- tests --- */

static void flushed_like_the_model(void **state)
{
	trnd_seed(1);
	history(60, true);
}

static void with_restarts_everywhere(void **state)
{
	trnd_seed(2);
	WRITE_ONCE(c->btree.restart_fault_every, 3);
	history(20, true);
}

static void with_splits(void **state)
{
	trnd_seed(3);
	WRITE_ONCE(c->btree.restart_fault_every, 7);
	history(40, false);
	assert_true(atomic_read(&splits) > 5);
}

/* The journal has no room for a split at first: what is left goes in later. */
static void with_splits_that_fail(void **state)
{
	trnd_seed(4);
	memset(models, 0, sizeof(models));
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned j = 0; j < 100; j++)
			buffered_update(trnd() % ARRAY_SIZE(btrees));
		for (unsigned nr = 0; nr < ARRAY_SIZE(btrees); nr++)
			set_bit(BTREE_NODE_need_rewrite, &root(btrees[nr])->flags);
		atomic_set(&splits_to_fail, trnd() % 40);
		flush_and_compare();
		bch2_trans_begin(trans);
	}
	assert_true(atomic_read(&splits) > 5);
}

static void guards_are_the_newest_number(void **state)
{
	struct btree *b = root(BTREE_ID_accounting);
	struct tkey k = tkey_make(KEY_TYPE_accounting, wb_place(BTREE_ID_accounting, 0), 0, 1, 5);

	entry.seq = 10;
	journal_key(BTREE_ID_accounting, &k.k);
	entry_close();
	entry.seq = 20;
	journal_key(BTREE_ID_accounting, &k.k);
	entry_close();
	assert_int_equal(bch2_btree_write_buffer_flush_sync(trans), 0);
	node_lock(b);
	assert_int_equal(b->unwritten_seq, 20);
	assert_int_equal(b->writes[b->write_slot].pin.seq, 10);
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_read);
}

static void accounting_is_held_back(void **state)
{
	const struct bpos p = wb_place(BTREE_ID_accounting, 1);
	struct btree_write_buffer *wb = c->btree.wb.b[c->btree.wb.idx[BTREE_ID_accounting]];
	struct btree *b = root(BTREE_ID_accounting);
	struct tkey k = tkey_make(KEY_TYPE_accounting, p, 0, 1, 5);
	struct tkey l = tkey_make(KEY_TYPE_cookie, POS(1, 1), 0, 1, 5);

	clear_bit(BCH_FS_accounting_replay_done, &c->flags);
	entry.seq = 10;
	journal_key(BTREE_ID_accounting, &k.k);
	entry_close();
	journal_key(BTREE_ID_accounting, &k.k);
	journal_key(BTREE_ID_lru, &l.k);
	entry_close();
	assert_int_equal(bch2_btree_write_buffer_tryflush(trans), 0);
	assert_int_equal(root(BTREE_ID_lru)->nr_keys, 1);
	assert_int_equal(b->nr_keys, 0);
	assert_int_equal(bch2_wb_area_keys(&wb->flushing), 1);
	assert_int_equal(wb->flushing.pin.seq, 10);
	set_bit(BCH_FS_accounting_replay_done, &c->flags);
	bch2_btree_write_buffer_accounting_ready(c);
	assert_int_equal(bch2_btree_write_buffer_flush_sync(trans), 0);
	node_lock(b);
	assert_int_equal(b->nr_keys, 1);
	assert_int_equal(*(u64 *) bkey_packed_val(3, btree_node_key(b, 0)), 10);
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_read);
}

static void a_dead_journal_applies_nothing(void **state)
{
	struct tkey l = tkey_make(KEY_TYPE_cookie, POS(1, 1), 0, 1, 5);

	journal_key(BTREE_ID_lru, &l.k);
	entry_close();
	flush_workqueue(c->btree.wb.wq);
	c->journal.w->err = -EIO;
	assert_int_equal(bch2_btree_write_buffer_flush_sync(trans), -BCH_ERR_erofs_journal_err);
	assert_false(bch2_btree_write_buffer_flush_going_ro(c));
	assert_int_equal(root(BTREE_ID_lru)->nr_keys, 0);
}

static void going_ro_drains(void **state)
{
	struct btree *b = root(BTREE_ID_lru);
	struct tkey l = tkey_make(KEY_TYPE_cookie, POS(1, 1), 0, 1, 5);

	assert_false(bch2_btree_write_buffer_flush_going_ro(c));
	journal_key(BTREE_ID_lru, &l.k);
	assert_true(bch2_btree_write_buffer_flush_going_ro(c));
	node_lock(b);
	assert_int_equal(b->nr_keys, 1);
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_read);
	assert_false(bch2_btree_write_buffer_flush_going_ro(c));
}

/* --- maybe-flush --- */

static int maybe(const struct tkey *k, struct wb_maybe_flush *f)
{
	int ret = bch2_btree_write_buffer_maybe_flush(trans, bkey_i_to_s_c(&k->k), f);

	if (ret)
		bch2_trans_begin(trans);
	return ret;
}

#define FLUSHED	-BCH_ERR_transaction_restart_write_buffer_flush

static void errors_are_real_after_a_flush(void **state)
{
	struct tkey k = tkey_make(KEY_TYPE_cookie, POS(1, 1), 0, 1, 5);
	struct tkey l = tkey_make(KEY_TYPE_cookie, POS(1, 1), 0, 1, 6);
	struct wb_maybe_flush f;

	wb_maybe_flush_init(&f);
	journal_key(BTREE_ID_lru, &k.k);
	assert_int_equal(maybe(&k, &f), FLUSHED);
	assert_int_equal(root(BTREE_ID_lru)->nr_keys, 1);
	assert_int_equal(maybe(&k, &f), 0);
	assert_true(f.seen_error);
	/* the check repaired something: that is not in the btree yet */
	trans->commit_count++;
	assert_int_equal(maybe(&k, &f), FLUSHED);
	assert_int_equal(maybe(&k, &f), 0);
	/* another key, another value */
	assert_int_equal(maybe(&l, &f), FLUSHED);
	assert_int_equal(maybe(&l, &f), 0);
	/* too many flushes for nothing */
	f.nr_flushes = 33;
	assert_int_equal(maybe(&k, &f), 0);
	f.nr_done = 33 * 8;
	assert_int_equal(maybe(&k, &f), FLUSHED);
	/* without a journal there is nothing to flush */
	c->journal.w->running = false;
	assert_int_equal(maybe(&l, &f), 0);
	wb_maybe_flush_exit(&f);
}

int main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(flushed_like_the_model),
		T(with_restarts_everywhere),
		T(with_splits),
		T(with_splits_that_fail),
		T(guards_are_the_newest_number),
		T(accounting_is_held_back),
		T(a_dead_journal_applies_nothing),
		T(going_ro_drains),
		T(errors_are_real_after_a_flush),
	};

	return cmocka_run_group_tests_name("write buffer flush", tests, NULL, NULL);
}
