// SPDX-License-Identifier: GPL-2.0
/*
 * Writing nodes to devices: histories of insertions that go on while writes are in
 * flight, read back with the node reader from every copy; what delays writes; copies
 * that fail; a dead journal. Pins of the journal and the consequences for the
 * parent's pointer are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/blkdev.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/locking.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "btree/read.h"
#include "btree/trans.h"
#include "btree_image.h"
#include "journal/pins.h"

#define NODE	32768
#define BLOCK	512
#define PLACES	200
#define DEVS	2

static struct bch_fs *c;
static struct btree *node;
static struct btree_trans *trans;

/* --- in the place of the journal's pins --- */

static DEFINE_MUTEX(pin_lock);

/** bch2_journal_pin_add - the older of two numbers stays */
void bch2_journal_pin_add(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush)
{
	mutex_lock(&pin_lock);
	if (!pin->seq || seq < pin->seq)
		pin->seq = seq;
	pin->type	= type;
	pin->flush	= flush;
	mutex_unlock(&pin_lock);
}

/** bch2_journal_pin_flush - nothing is pinned, nobody looks at it */
void bch2_journal_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin)
{
	mutex_lock(&pin_lock);
	pin->seq = 0;
	mutex_unlock(&pin_lock);
}

static u64 pinned(unsigned slot)
{
	u64 seq;

	mutex_lock(&pin_lock);
	seq = node->writes[slot].pin.seq;
	mutex_unlock(&pin_lock);
	return seq;
}

/* --- in the place of the interior update code --- */

static struct {
	unsigned		first, later;
	unsigned		sectors;	/* committed */
	u64			nr_unpinned;	/* writes whose pin was gone too early */
	int			error;
	struct bch_devs_mask	failed;
	bool			hold;		/* do not let a write end */
} done;

static void written(struct btree_node_write *w)
{
	while (READ_ONCE(done.hold))
		usleep(100);
	if (w->first)
		done.first++;
	else
		done.later++;
	/* NW-1: what the bset replaces is still in the journal */
	if (w->guard && !pinned(w->slot))
		done.nr_unpinned++;
	done.error	= w->error;
	done.failed	= w->failed;
	if (!w->error)
		WRITE_ONCE(done.sectors, w->offset + w->sectors);
}

static void emergency(struct bch_fs *c)
{
	set_bit(BCH_FS_emergency_ro, &c->flags);
}

/* --- the node --- */

static struct tkey node_ptr(unsigned nr_devs, unsigned first_dev)
{
	struct tkey k = tkey_make(KEY_TYPE_btree_ptr_v2, SPOS_MAX, 0, 5 + nr_devs, 0);
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) k.v;

	memset(k.v, 0, sizeof(k.v));
	v->seq			= cpu_to_le64(0x1122334455667788ULL);
	v->sectors_written	= cpu_to_le16(done.sectors);
	for (unsigned i = 0; i < nr_devs; i++) {
		struct bch_extent_ptr *p = (struct bch_extent_ptr *) v->start + i;

		SET_EXTENT_PTR_TYPE(p, 1);
		SET_EXTENT_PTR_DEV(p, first_dev + i);
		SET_EXTENT_PTR_OFFSET(p, 256 * (1 + first_dev + i));
	}
	return k;
}

static const struct bkey_format format = {
	.key_u64s = 1, .nr_fields = 6, .bits_per_field = { 8, 8, 8, 0, 0, 0 },
};

static void open_for_writing(struct bch_dev *ca)
{
	bdev_fput(ca->disk_sb.bdev_file);
	ca->disk_sb.bdev_file = bdev_file_open_by_path(ca->path, BLK_OPEN_READ|BLK_OPEN_WRITE,
						       NULL, NULL);
	assert_false(IS_ERR(ca->disk_sb.bdev_file));
	ca->disk_sb.bdev = file_bdev(ca->disk_sb.bdev_file);
}

static int setup(void **state)
{
	struct tkey k;

	memset(&done, 0, sizeof(done));
	c = timg_fs(NODE, BLOCK);
	c->opts.nochanges = false;
	c->up.emergency_ro = emergency;
	for (unsigned i = 0; i < DEVS; i++)
		open_for_writing(c->devs[timg_dev(c, 1 << 20)]);
	assert_int_equal(__bch2_fs_btree_node_write_init(c, written), 0);

	node = bch2_btree_node_mem_alloc(c);
	assert_non_null(node);
	k = node_ptr(DEVS, 0);
	bkey_copy(&node->key, &k.k);
	bch2_btree_node_init_new(node, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX, format,
				 0x1122334455667788ULL, 1);
	assert_int_equal(bch2_btree_node_hash_insert(c, node), 0);
	trans = bch2_trans_get(c);
	return 0;
}

static int teardown(void **state)
{
	bch2_btree_cancel_all_dirty(c);
	assert_false(bch2_btree_writes_pending(c));
	assert_int_equal(c->btree.writes.nr_dirty, 0);
	assert_int_equal(atomic_read(&node->pins), 1);
	bch2_trans_put(trans);
	bch2_btree_node_put(c, node);
	bch2_fs_btree_node_write_exit(c);
	if (c->journal.w)
		kvfree(c->journal.w);
	c->journal.w = NULL;
	timg_fs_free(c);
	return 0;
}

/* --- changing it --- */

struct model {
	bool		live[PLACES];
	u64		fill[PLACES];
	unsigned	u64s[PLACES];
	u64		seq;
};

static struct bpos place(unsigned i)
{
	return SPOS(i / 20, i % 20, 7);
}

static bool update(struct model *m, unsigned i, bool del)
{
	const unsigned v = del ? 0 : 1 + trnd() % 6;
	struct tkey k = tkey_make(del ? KEY_TYPE_deleted : KEY_TYPE_cookie, place(i), 0, v,
				  trnd());
	bool room;

	assert_int_equal(bch2_trans_lock(trans, &node->six, SIX_LOCK_intent), 0);
	assert_int_equal(bch2_trans_lock_write(trans, &node->six), 0);
	room = bch2_btree_node_has_room(c, node, k.k.k.u64s);
	if (room) {
		bch2_btree_node_prep_insert(c, node);
		bch2_btree_node_insert_key(trans, node, &k.k, ++m->seq);
		m->live[i]	= !del;
		m->fill[i]	= k.v[0];
		m->u64s[i]	= v;
	}
	bch2_trans_unlock_write(trans, &node->six);
	bch2_trans_unlock_one(trans, &node->six, SIX_LOCK_intent);
	return room;
}

static void node_write(enum btree_write_type type)
{
	assert_int_equal(bch2_trans_lock(trans, &node->six, SIX_LOCK_read), 0);
	bch2_btree_node_write(c, node, type, 0);
	bch2_trans_unlock_one(trans, &node->six, SIX_LOCK_read);
}

static void settle(void)
{
	while (bch2_btree_write_all_dirty(c))
		bch2_btree_flush_all_writes(c);
	bch2_btree_flush_all_writes(c);
}

static void assert_contents(const struct btree *b, const struct model *m)
{
	unsigned at = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		struct bkey_s_c k;
		struct bkey u;

		if (!m->live[i])
			continue;
		assert_true(at < b->nr_keys);
		k = bkey_disassemble(b, btree_node_key(b, at), &u);
		assert_true(bpos_eq(u.p, place(i)));
		assert_int_equal(bkey_val_u64s(&u), m->u64s[i]);
		for (unsigned j = 0; j < m->u64s[i]; j++)
			assert_int_equal(((const u64 *) k.v)[j], m->fill[i] + j);
		at++;
	}
	assert_int_equal(at, b->nr_keys);
}

/* Each copy on its own, with the reader of nodes. */
static void assert_copies(const struct model *m)
{
	for (unsigned dev = 0; dev < DEVS; dev++) {
		struct btree *b = calloc(1, sizeof(*b));
		const struct tkey k = node_ptr(1, dev);

		b->btree_id = BTREE_ID_xattrs;
		bkey_copy(&b->key, &k.k);
		assert_int_equal(bch2_btree_node_read(c, b), 0);
		assert_false(test_bit(BTREE_NODE_need_rewrite, &b->flags));
		assert_int_equal(b->written, done.sectors);
		assert_contents(b, m);
		kvfree(b->data);
		kvfree(b->idx);
		free(b);
	}
}

/* --- histories --- */

static void history(unsigned seed)
{
	struct model m = { 0 };
	unsigned i;

	trnd_seed(seed);
	for (i = 0; i < 5000; i++) {
		if (!update(&m, trnd() % PLACES, trnd() % 3 == 0))
			break;
		if (trnd() % 40 == 0)
			node_write(BTREE_WRITE_journal_reclaim);
		if (trnd() % 300 == 0) {
			settle();
			assert_copies(&m);
			assert_int_equal(pinned(0), 0);
			assert_int_equal(pinned(1), 0);
		}
	}
	assert_true(i > 500);
	settle();
	assert_copies(&m);
	assert_int_equal(done.first, 1);
	assert_true(done.later > 4);
	assert_int_equal(done.nr_unpinned, 0);
	assert_int_equal(done.error, 0);
	assert_contents(node, &m);
}

static void histories_read_back(void **state)
{
	history(1);
}

static void encrypted(void **state)
{
	c->sb.encryption_type = 1;
	memset(&c->chacha20_key, 0x37, sizeof(c->chacha20_key));
	c->has_key = true;
	history(2);
}

static void every_checksum(void **state)
{
	for (unsigned opt = 0; opt < BCH_CSUM_OPT_NR; opt++) {
		c->opts.metadata_checksum = opt;
		history(3 + opt);
		teardown(state);
		setup(state);
	}
}

/* --- what delays a write --- */

static void blocked_writes_wait(void **state)
{
	struct model m = { 0 };

	update(&m, 1, false);
	node_write(BTREE_WRITE_initial);
	settle();
	update(&m, 2, false);
	bch2_btree_node_block_write(node);
	bch2_btree_node_block_write(node);
	node_write(BTREE_WRITE_interior);
	assert_false(bch2_btree_writes_pending(c));
	bch2_btree_node_unblock_write(node);
	bch2_btree_node_write_if_needed(c, node);
	assert_false(bch2_btree_writes_pending(c));
	bch2_btree_node_unblock_write(node);
	bch2_btree_node_write_if_needed(c, node);
	bch2_btree_node_write_wait(c, node);
	assert_int_equal(done.later, 1);
	bch2_btree_flush_all_writes(c);
	/* nothing was wanted since */
	update(&m, 3, false);
	bch2_btree_node_write_if_needed(c, node);
	assert_false(bch2_btree_writes_pending(c));
	settle();
	assert_copies(&m);
}

static void unreachable_nodes_are_written_once(void **state)
{
	struct model m = { 0 };

	set_bit(BTREE_NODE_will_make_reachable, &node->flags);
	update(&m, 1, false);
	node_write(BTREE_WRITE_initial);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(done.first, 1);
	update(&m, 2, false);
	node_write(BTREE_WRITE_journal_reclaim);
	assert_false(bch2_btree_writes_pending(c));
	clear_bit(BTREE_NODE_will_make_reachable, &node->flags);
	bch2_btree_node_write_if_needed(c, node);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(done.later, 1);
	assert_copies(&m);
}

static void never_write_is_never_written(void **state)
{
	struct model m = { 0 };

	update(&m, 1, false);
	set_bit(BTREE_NODE_never_write, &node->flags);
	node_write(BTREE_WRITE_journal_reclaim);
	assert_false(bch2_btree_writes_pending(c));
	assert_true(pinned(0) || pinned(1));
}

/* One in flight; what comes meanwhile pins on its own and is written afterwards. */
static void one_write_at_a_time(void **state)
{
	struct model m = { 0 };
	unsigned slot;

	update(&m, 1, false);
	node_write(BTREE_WRITE_initial);
	settle();
	update(&m, 2, false);
	slot = node->write_slot;
	done.hold = true;
	node_write(BTREE_WRITE_journal_reclaim);
	update(&m, 3, false);
	update(&m, 2, true);
	assert_int_not_equal(node->write_slot, slot);
	assert_int_equal(pinned(slot), 2);
	assert_int_equal(pinned(!slot), 3);
	/* the journal wants both back */
	node->writes[slot].pin.flush(c, &node->writes[slot].pin, 9);
	assert_false(test_bit(BTREE_NODE_need_write, &node->flags));
	node->writes[!slot].pin.flush(c, &node->writes[!slot].pin, 9);
	assert_true(test_bit(BTREE_NODE_need_write, &node->flags));
	assert_int_equal(pinned(slot), 2);
	WRITE_ONCE(done.hold, false);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(done.later, 2);
	assert_int_equal(pinned(slot), 0);
	assert_int_equal(pinned(!slot), 0);
	assert_copies(&m);
}

static void nothing_to_write_is_not_written(void **state)
{
	struct model m = { 0 };

	update(&m, 1, false);
	settle();
	update(&m, 2, false);
	update(&m, 2, true);
	assert_true(test_bit(BTREE_NODE_dirty, &node->flags));
	settle();
	assert_int_equal(done.later, 0);
	assert_int_equal(pinned(0) + pinned(1), 0);
	/* nor is deleting what is not there */
	update(&m, 5, true);
	assert_false(test_bit(BTREE_NODE_dirty, &node->flags));
}

static void old_nodes_are_left_alone(void **state)
{
	struct model m = { 0 };

	update(&m, 1, false);
	set_bit(BTREE_NODE_dying, &node->flags);
	bch2_btree_node_clear_dirty(c, node);
	node_write(BTREE_WRITE_journal_reclaim);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(done.first, 0);
	assert_int_equal(atomic_read(&node->pins), 1);
	assert_int_equal(pinned(0) + pinned(1), 0);
}

/* More dirty nodes than the cache should have: they get written. */
static void memory_is_wanted_back(void **state)
{
	struct model m = { 0 };

	c->btree.cache.bytes_max = NODE;
	update(&m, 1, false);
	flush_workqueue(c->btree.writes.complete_wq);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(done.first, 1);
	assert_int_equal(atomic64_read(&c->btree.writes.nr[BTREE_WRITE_cache_reclaim]), 1);
	assert_copies(&m);
}

/* --- failures --- */

static void lose_device(unsigned dev)
{
	c->devs[dev]->disk_sb.bdev = NULL;
}

static void a_failed_copy_is_told(void **state)
{
	struct model m = { 0 };

	lose_device(1);
	update(&m, 1, false);
	settle();
	assert_int_equal(done.error, 0);
	assert_false(test_bit(0, done.failed.d));
	assert_true(test_bit(1, done.failed.d));
	assert_int_equal(atomic64_read(&c->devs[1]->errors[BCH_MEMBER_ERROR_write]), 1);
	assert_false(test_bit(BCH_FS_emergency_ro, &c->flags));
}

static void the_last_copy_is_fatal(void **state)
{
	struct model m = { 0 };

	lose_device(0);
	lose_device(1);
	update(&m, 1, false);
	settle();
	assert_int_equal(done.error, -BCH_ERR_btree_node_write_all_failed);
	assert_true(test_bit(BCH_FS_emergency_ro, &c->flags));
}

static void a_dead_journal_stops_writes(void **state)
{
	struct model m = { 0 };

	update(&m, 1, false);
	settle();
	update(&m, 2, false);
	c->journal.w = kvzalloc(sizeof(*c->journal.w), GFP_KERNEL);
	c->journal.w->err = -EIO;
	node_write(BTREE_WRITE_journal_reclaim);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(done.error, -BCH_ERR_erofs_journal_err);
	assert_int_equal(done.later, 1);
	m.live[2] = false;
	kvfree(c->journal.w);
	c->journal.w = NULL;
	assert_copies(&m);
}

int main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(histories_read_back),
		T(encrypted),
		T(every_checksum),
		T(blocked_writes_wait),
		T(unreachable_nodes_are_written_once),
		T(never_write_is_never_written),
		T(one_write_at_a_time),
		T(nothing_to_write_is_not_written),
		T(old_nodes_are_left_alone),
		T(memory_is_wanted_back),
		T(a_failed_copy_is_told),
		T(the_last_copy_is_fatal),
		T(a_dead_journal_stops_writes),
	};

	return cmocka_run_group_tests_name("node writes", tests, NULL, NULL);
}
