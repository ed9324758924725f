// SPDX-License-Identifier: GPL-2.0
/*
 * Updates of btrees before the filesystem is writable: everything goes through
 * transactions into the overlay. Extents and plain keys in growing trees of
 * snapshots against one flat array per snapshot, with restarts forced at every
 * k-th step; the list of pending updates; records and deltas; ranges; merging;
 * which overlay keys a commit supersedes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/extent_cut.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "btree_image.h"
#include "journal/overlay.h"
#include "journal/overlay_priv.h"

#define INODE		5
#define SECTORS		96
#define SNAPS_MAX	15

/*
 * Nothing here is written, so no node changes its shape: the real ones need not be
 * part of this program.
 */

/** bch2_btree_split_leaf - never called */
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
	fail();
	return 0;
}

/** bch2_btree_node_merge_wanted - no */
__attribute__((weak))
bool bch2_btree_node_merge_wanted(const struct bch_fs *c, const struct btree *b)
{
	return false;
}

/* --- a tree of snapshots and what each of them should see --- */

struct world {
	struct bch_fs	*c;
	unsigned	btree;
	unsigned	nr;
	u32		id[SNAPS_MAX];
	bool		leaf[SNAPS_MAX];
	/* extents: address of the sector on its device; plain keys: their value; 0: nothing */
	u64		view[SNAPS_MAX][SECTORS];
	u64		next_value;
	u32		next_id;
	u64		sectors;	/* extents: so many are used */
};

static void world_begin(struct world *w, unsigned btree, unsigned version_incompat)
{
	struct snapshot_t s = { .state = SNAPSHOT_ID_live };

	memset(w, 0, sizeof(*w));
	w->c		= timg_fs(4096, 512);
	w->btree	= btree;
	w->c->sb.version_incompat = version_incompat;
	for (unsigned i = 0; i < BTREE_ID_NR; i++)
		assert_int_equal(bch2_btree_root_alloc_fake(w->c, i, 0), 0);
	w->id[0]	= U32_MAX;
	w->leaf[0]	= true;
	w->nr		= 1;
	w->sectors	= SECTORS;
	w->next_id	= U32_MAX - 1;
	w->next_value	= 1 << 12;
	assert_int_equal(bch2_snapshot_table_set(w->c, w->id[0], &s), 0);
}

static void world_end(struct world *w)
{
	timg_fs_free(w->c);
}

static unsigned random_leaf(const struct world *w)
{
	unsigned i;

	do {
		i = trnd() % w->nr;
	} while (!w->leaf[i]);
	return i;
}

static void world_snapshot(struct world *w)
{
	const unsigned p = random_leaf(w);
	struct snapshot_t s;

	if (w->nr + 2 > SNAPS_MAX)
		return;
	assert_true(bch2_snapshot_get(w->c, w->id[p], &s));
	for (unsigned i = 0; i < 2; i++) {
		struct snapshot_t child = {
			.state	= SNAPSHOT_ID_live,
			.parent	= w->id[p],
			.depth	= s.depth + 1,
		};

		s.children[i] = w->id[w->nr] = w->next_id--;
		memcpy(w->view[w->nr], w->view[p], sizeof(w->view[p]));
		w->leaf[w->nr] = true;
		assert_int_equal(bch2_snapshot_table_set(w->c, w->id[w->nr], &child), 0);
		w->nr++;
	}
	w->leaf[p] = false;
	assert_int_equal(bch2_snapshot_table_set(w->c, w->id[p], &s), 0);
}

/* The k-th step from now on - lookup, allocation, commit - asks for a restart, once. */
static void restart_at(struct world *w, unsigned k)
{
	WRITE_ONCE(w->c->btree.restart_fault_every, k ? 1U << 30 : 0);
	atomic_set(&w->c->btree.restart_fault_count, -(int) k);
}

/* --- extents --- */

static struct tkey extent_key(struct world *w, u32 snapshot, u64 start, u64 end, u64 address)
{
	struct tkey k = tkey_make(KEY_TYPE_extent, SPOS(INODE, end, snapshot), end - start, 0, 0);
	union bch_extent_entry *e = (union bch_extent_entry *) k.v;
	struct bch_extent_ptr *ptr;

	/* every other one has a checksum: then that is what moves when it is cut */
	if (trnd() % 2) {
		const u64 offset = trnd() % 8;

		e->crc64.w = cpu_to_le64(BCH_EXTENT_ENTRY_MARK(crc64));
		SET_CRC64_COMPRESSED_SIZE(&e->crc64, 500);
		SET_CRC64_UNCOMPRESSED_SIZE(&e->crc64, 500);
		SET_CRC64_OFFSET(&e->crc64, offset);
		SET_CRC64_CSUM_TYPE(&e->crc64, BCH_CSUM_crc32c);
		k.k.k.u64s += 2;
		address -= offset;
		e = (union bch_extent_entry *) (k.v + 2);
	}
	ptr = &e->ptr;
	ptr->w = cpu_to_le64(BCH_EXTENT_ENTRY_MARK(ptr));
	SET_EXTENT_PTR_OFFSET(ptr, address);
	k.k.k.u64s++;
	return k;
}

static u64 extent_address(struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e)
		return EXTENT_PTR_OFFSET(&p.ptr) + p.crc.offset;
	fail();
	return 0;
}

static int insert_and_commit(struct btree_trans *trans, unsigned btree, struct tkey *k)
{
	return commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc, ({
		/* the key may be changed by the attempt */
		struct bkey_i *copy = bch2_bkey_copy_to_arena(trans, bkey_i_to_s_c(&k->k), 0);

		IS_ERR(copy) ? (int) PTR_ERR(copy)
			: bch2_btree_insert_trans(trans, btree, copy, BTREE_TRIGGER_norun);
	}));
}

static void extent_op(struct world *w, struct btree_trans *trans)
{
	const unsigned s = random_leaf(w);
	const u64 start = trnd() % (w->sectors - 1);
	const u64 end = start + 1 + trnd() % min_t(u64, w->sectors - start, 40);
	const bool hole = trnd() % 3 == 0;
	const u64 address = hole ? 0 : (w->next_value += 256);
	struct tkey k = hole
		? tkey_make(KEY_TYPE_deleted, SPOS(INODE, end, w->id[s]), end - start, 0, 0)
		: extent_key(w, w->id[s], start, end, address);

	assert_int_equal(insert_and_commit(trans, w->btree, &k), 0);
	for (u64 i = start; i < end; i++)
		w->view[s][i] = hole ? 0 : address + (i - start);
}

static void check_extents(struct world *w, struct btree_trans *trans, unsigned s)
{
	u64 seen[SECTORS] = {}, last = 0;
	int ret;

	ret = for_each_btree_key_max(trans, iter, w->btree, SPOS(INODE, 0, w->id[s]),
				     POS(INODE, KEY_OFFSET_MAX), 0, k, ({
		/* UP-1: starts and ends both go up */
		assert_true(bkey_start_offset(k.k) >= last);
		assert_true(k.k->p.offset <= SECTORS);
		last = k.k->p.offset;
		for (u64 i = bkey_start_offset(k.k); i < last; i++)
			seen[i] = extent_address(k) + i - bkey_start_offset(k.k);
		0;
	}));
	assert_int_equal(ret, 0);
	assert_memory_equal(seen, w->view[s], sizeof(seen));
}

static void extents_like_arrays(void **state)
{
	for (unsigned round = 0; round < 200; round++) {
		struct btree_trans *trans;
		struct world w;

		trnd_seed(round);
		world_begin(&w, BTREE_ID_extents, round % 2 ? BCH_VERSION(1, 29) : 0);
		/* little room: keys meet at all their edges */
		w.sectors = round % 4 / 2 ? 12 : SECTORS;
		trans = bch2_trans_get(w.c);
		for (unsigned i = 0; i < 90; i++) {
			if (trnd() % 9 == 0)
				world_snapshot(&w);
			restart_at(&w, round % 3 ? 0 : 1 + trnd() % 60);
			extent_op(&w, trans);
			restart_at(&w, 0);
			if (i % 15 == 14 || w.sectors < SECTORS)
				for (unsigned s = 0; s < w.nr; s++)
					check_extents(&w, trans, s);
		}
		bch2_trans_put(trans);
		world_end(&w);
	}
}

/* The worked example of the format's description, key by key. */
static void extents_as_described(void **state)
{
	struct btree_trans *trans;
	struct world w;
	struct tkey k;
	struct { struct bpos p; u32 size; u8 type; } want[] = {
		{ SPOS(INODE,  32, U32_MAX),	 32, KEY_TYPE_extent },
		{ SPOS(INODE,  64, U32_MAX - 1),  0, KEY_TYPE_extent_whiteout },
		{ SPOS(INODE,  64, U32_MAX),	 32, KEY_TYPE_extent },
		{ SPOS(INODE, 128, U32_MAX),	 64, KEY_TYPE_extent },
	};
	unsigned i = 0;

	trnd_seed(1);
	world_begin(&w, BTREE_ID_extents, BCH_VERSION(1, 29));
	trans = bch2_trans_get(w.c);
	k = extent_key(&w, U32_MAX, 0, 128, 4096);
	assert_int_equal(insert_and_commit(trans, w.btree, &k), 0);
	world_snapshot(&w);

	/* a hole inside the ancestor's extent: the middle piece is hidden from S only */
	k = tkey_make(KEY_TYPE_deleted, SPOS(INODE, 64, U32_MAX - 1), 32, 0, 0);
	assert_int_equal(insert_and_commit(trans, w.btree, &k), 0);
	assert_int_equal(for_each_btree_key(trans, iter, w.btree, POS_MIN,
					    BTREE_ITER_all_snapshots, k2, ({
		assert_true(i < ARRAY_SIZE(want));
		assert_true(bpos_eq(k2.k->p, want[i].p));
		assert_int_equal(k2.k->size, want[i].size);
		assert_int_equal(k2.k->type, want[i].type);
		i++;
		0;
	})), 0);
	assert_int_equal(i, ARRAY_SIZE(want));

	/* T overwrites all: its own key hides the last piece, whiteouts the others */
	k = extent_key(&w, U32_MAX - 2, 0, 128, 8192);
	assert_int_equal(insert_and_commit(trans, w.btree, &k), 0);
	for (i = 32; i <= 64; i += 32) {
		struct bkey_s_c t;
		struct btree_iter iter;

		bch2_trans_begin(trans);
		bch2_trans_iter_init(trans, &iter, w.btree, SPOS(INODE, i, U32_MAX - 2),
				     BTREE_ITER_all_snapshots);
		t = bch2_btree_iter_peek_slot(&iter);
		assert_int_equal(bkey_err(t), 0);
		assert_int_equal(t.k->type, KEY_TYPE_whiteout);
		bch2_trans_iter_exit(&iter);
	}
	bch2_trans_put(trans);
	world_end(&w);
}

/* Neighbours become one key when replay is over. */
static void extents_merge(void **state)
{
	struct btree_trans *trans;
	struct world w;
	unsigned nr = 0;

	trnd_seed(1);
	world_begin(&w, BTREE_ID_freespace, 0);
	trans = bch2_trans_get(w.c);
	/* the bits of buckets 10 .. 19 in a random order, then one in the middle goes */
	for (unsigned i = 0; i < 10; i++) {
		const u64 at = 10 + i * 7 % 10;

		assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
			trans->replay_unfinished = false;
			bch2_btree_bit_mod(trans, BTREE_ID_freespace, POS(1, at), true);
		})), 0);
	}
	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_freespace, POS_MIN,
					    BTREE_ITER_not_extents, k, ({
		assert_int_equal(k.k->p.offset, 20);
		assert_int_equal(k.k->size, 10);
		nr++;
		0;
	})), 0);
	assert_int_equal(nr, 1);

	assert_int_equal(commit_do(trans, NULL, NULL, 0,
			bch2_btree_bit_mod(trans, BTREE_ID_freespace, POS(1, 14), false)), 0);
	nr = 0;
	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_freespace, POS_MIN, 0, k, ({
		nr += k.k->size;
		assert_true(k.k->p.offset <= 14 || bkey_start_offset(k.k) >= 15);
		0;
	})), 0);
	assert_int_equal(nr, 9);
	bch2_trans_put(trans);
	world_end(&w);
}

/* --- plain keys --- */

static void plain_op(struct world *w, struct btree_trans *trans)
{
	const unsigned s = random_leaf(w);
	unsigned nr = 1 + trnd() % 4;
	struct { u64 at; bool del; u64 value; } op[4];

	for (unsigned i = 0; i < nr; i++) {
		op[i].at	= trnd() % SECTORS;
		op[i].del	= trnd() % 3 == 0;
		op[i].value	= op[i].del ? 0 : ++w->next_value;
	}
	assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
		int ret = 0;

		for (unsigned i = 0; i < nr && !ret; i++) {
			const struct bpos pos = SPOS(INODE, op[i].at, w->id[s]);
			struct tkey k = tkey_make(KEY_TYPE_cookie, pos, 0, 1, op[i].value);
			struct bkey_i *copy = bch2_bkey_copy_to_arena(trans,
							bkey_i_to_s_c(&k.k), 0);

			ret = op[i].del
				? bch2_btree_delete(trans, w->btree, pos, BTREE_TRIGGER_norun)
				: IS_ERR(copy) ? (int) PTR_ERR(copy)
				: bch2_btree_insert_nonextent(trans, w->btree, copy,
							      BTREE_TRIGGER_norun);
		}
		ret;
	})), 0);
	for (unsigned i = 0; i < nr; i++)
		w->view[s][op[i].at] = op[i].value;
}

static void check_plain(struct world *w, struct btree_trans *trans, unsigned s)
{
	u64 seen[SECTORS] = {};

	assert_int_equal(for_each_btree_key_max(trans, iter, w->btree,
				SPOS(INODE, 0, w->id[s]), POS(INODE, SECTORS), 0, k, ({
		seen[k.k->p.offset] = le64_to_cpu(bkey_val(k, cookie)->cookie);
		0;
	})), 0);
	assert_memory_equal(seen, w->view[s], sizeof(seen));
}

static void plain_keys_like_arrays(void **state)
{
	for (unsigned round = 0; round < 60; round++) {
		struct btree_trans *trans;
		struct world w;

		trnd_seed(1000 + round);
		world_begin(&w, BTREE_ID_xattrs, 0);
		trans = bch2_trans_get(w.c);
		for (unsigned i = 0; i < 120; i++) {
			if (trnd() % 9 == 0)
				world_snapshot(&w);
			restart_at(&w, round % 2 ? 0 : 1 + trnd() % 60);
			plain_op(&w, trans);
			if (i % 20 == 19)
				for (unsigned s = 0; s < w.nr; s++)
					check_plain(&w, trans, s);
		}
		bch2_trans_put(trans);
		world_end(&w);
	}
}

static unsigned raw_type(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	unsigned type;

	bch2_trans_begin(trans);
	bch2_trans_iter_init(trans, &iter, btree, pos,
			     BTREE_ITER_all_snapshots|BTREE_ITER_snapshot_field);
	k = bch2_btree_iter_peek_slot(&iter);
	assert_int_equal(bkey_err(k), 0);
	type = k.k->type;
	bch2_trans_iter_exit(&iter);
	return type;
}

/* Where deletions leave whiteouts, and where they must not. */
static void whiteouts(void **state)
{
	const u32 root = U32_MAX, s = U32_MAX - 1, below = U32_MAX - 3;
	struct btree_trans *trans;
	struct tkey k;
	struct world w;

	trnd_seed(1);
	world_begin(&w, BTREE_ID_xattrs, 0);
	trans = bch2_trans_get(w.c);
	k = tkey_make(KEY_TYPE_cookie, SPOS(INODE, 1, root), 0, 1, 7);
	assert_int_equal(insert_and_commit(trans, w.btree, &k), 0);
	world_snapshot(&w);

#define DELETE(_o, _s)	assert_int_equal(commit_do(trans, NULL, NULL, 0,		\
			bch2_btree_delete(trans, w.btree, SPOS(INODE, _o, _s), 0)), 0)
	/* something in the ancestor: hide it; nothing there: nothing */
	DELETE(1, s);
	assert_int_equal(raw_type(trans, w.btree, SPOS(INODE, 1, s)), KEY_TYPE_whiteout);
	DELETE(2, s);
	assert_int_equal(raw_type(trans, w.btree, SPOS(INODE, 2, s)), KEY_TYPE_deleted);
	assert_null(bch2_journal_keys_find(w.c, w.btree, 0, SPOS(INODE, 2, s)));

	/* hidden in an ancestor already */
	do {
		world_snapshot(&w);
	} while (bch2_snapshot_parent(w.c, below) != s && w.nr + 2 <= SNAPS_MAX);
	if (bch2_snapshot_parent(w.c, below) == s) {
		k = tkey_make(KEY_TYPE_cookie, SPOS(INODE, 1, below), 0, 1, 9);
		assert_int_equal(insert_and_commit(trans, w.btree, &k), 0);
		DELETE(1, below);
		assert_int_equal(raw_type(trans, w.btree, SPOS(INODE, 1, below)),
				 KEY_TYPE_deleted);
	}
	/* in the root itself */
	DELETE(1, root);
	assert_int_equal(raw_type(trans, w.btree, SPOS(INODE, 1, root)), KEY_TYPE_deleted);
#undef DELETE
	bch2_trans_put(trans);
	world_end(&w);
}

/* --- ranges, copies --- */

static void ranges(void **state)
{
	struct btree_trans *trans;
	struct world w;
	unsigned nr = 0;

	trnd_seed(2);
	world_begin(&w, BTREE_ID_lru, 0);
	trans = bch2_trans_get(w.c);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(commit_do(trans, NULL, NULL, 0,
				bch2_btree_bit_mod(trans, BTREE_ID_lru, POS(1, i), true)), 0);
	bch2_trans_put(trans);
	assert_int_equal(bch2_btree_delete_range(w.c, BTREE_ID_lru, POS(1, 10), POS(1, 29),
						 BTREE_TRIGGER_norun), 0);
	trans = bch2_trans_get(w.c);
	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_lru, POS_MIN, 0, k, ({
		assert_true(k.k->p.offset < 10 || k.k->p.offset > 29);
		nr++;
		0;
	})), 0);
	assert_int_equal(nr, 30);
	bch2_trans_put(trans);
	world_end(&w);
}

static void range_of_extents(void **state)
{
	struct btree_trans *trans;
	struct world w;

	trnd_seed(3);
	world_begin(&w, BTREE_ID_extents, 0);
	trans = bch2_trans_get(w.c);
	for (unsigned i = 0; i < 20; i++) {
		extent_op(&w, trans);
		if (i == 10)
			world_snapshot(&w);
	}
	bch2_trans_put(trans);

	const unsigned s = random_leaf(&w);

	assert_int_equal(bch2_btree_delete_range(w.c, w.btree, SPOS(INODE, 13, w.id[s]),
						 POS(INODE, 77), BTREE_TRIGGER_norun), 0);
	memset(&w.view[s][13], 0, (77 - 13) * sizeof(u64));
	trans = bch2_trans_get(w.c);
	for (unsigned i = 0; i < w.nr; i++)
		check_extents(&w, trans, i);
	bch2_trans_put(trans);
	world_end(&w);
}

static void copies(void **state)
{
	const struct bpos pos = POS(0, 4);
	struct btree_trans *trans;
	struct btree_iter iter;
	struct world w;
	struct tkey k;
	u64 nr_keys;

	trnd_seed(4);
	world_begin(&w, BTREE_ID_logged_ops, 0);
	trans = bch2_trans_get(w.c);
	k = tkey_make(KEY_TYPE_inode_alloc_cursor, pos, 0, 2, 5);
	assert_int_equal(insert_and_commit(trans, w.btree, &k), 0);

	assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
		struct bkey_i_inode_alloc_cursor *m = bch2_bkey_get_mut_typed(trans, &iter,
				w.btree, pos, 0, inode_alloc_cursor);

		if (!IS_ERR(m)) {
			m->v.idx = cpu_to_le64(99);
			bch2_trans_iter_exit(&iter);
		}
		PTR_ERR_OR_ZERO(m);
	})), 0);
	assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
		struct bkey_i *m = bch2_bkey_get_mut(trans, &iter, w.btree, pos, 0,
						     KEY_TYPE_cookie, 0);

		assert_true(IS_ERR(m));
		PTR_ERR(m) == -BCH_ERR_ENOENT_bkey_type_mismatch ? 0 : PTR_ERR(m);
	})), 0);

	/* changing nothing is nothing */
	nr_keys = w.c->journal.keys.gen;
	assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
		struct bkey_i *m = bch2_bkey_get_mut_noiter(trans, w.btree, pos, 0, 0, 0);

		PTR_ERR_OR_ZERO(m);
	})), 0);
	assert_int_equal(w.c->journal.keys.gen, nr_keys);

	assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
		int ret = bch2_bkey_get_empty_slot(trans, &iter, w.btree, POS(0, 1), POS(0, 9));

		if (!ret) {
			assert_int_equal(iter.pos.offset, 5);
			bch2_trans_iter_exit(&iter);
		}
		ret;
	})), 0);
	bch2_trans_put(trans);
	world_end(&w);
}

/* --- deltas and records --- */

static void deltas(void **state)
{
	const struct bpos a = SPOS(1, 2, 3), b = SPOS(1, 2, 4);
	struct btree_trans *trans;
	struct world w;

	trnd_seed(5);
	world_begin(&w, BTREE_ID_accounting, 0);
	trans = bch2_trans_get(w.c);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
			s64 d[3] = { 5, -6, 7 }, minus[3] = { -5, 6, -7 };

			assert_non_null(bch2_trans_accounting_add(trans, a, d, 3));
			assert_non_null(bch2_trans_accounting_add(trans, b, d, 1));
			/* as many counters make another key */
			assert_null(bch2_trans_accounting_add(trans, a, minus, 3));
			assert_non_null(bch2_trans_accounting_add(trans, a, d, 2));
			assert_non_null(bch2_trans_accounting_add(trans, b, d, 1));
			assert_int_equal(trans->s.accounting.nr, 7 + 6);
			0;
		})), 0);
	/* in the overlay deltas of one counter are summed */
	{
		size_t idx = 0;
		struct bkey_i *k = bch2_journal_keys_peek_max(w.c, BTREE_ID_accounting, 0, b, b,
							      &idx);

		assert_non_null(k);
		assert_int_equal(bkey_val_u64s(&k->k), 1);
		assert_int_equal(*(u64 *) &k->v, 20);
		assert_int_equal(w.c->journal.keys.nr, 2);
	}
	bch2_trans_put(trans);
	world_end(&w);
}

static int out_of_order(struct btree_trans *trans)
{
	for (unsigned i = 1; i < trans->s.nr_updates; i++) {
		const struct btree_update_entry *l = &trans->s.updates[i - 1];
		const struct btree_update_entry *r = &trans->s.updates[i];

		assert_true(bch2_update_place_cmp(l, r->btree_id, r->cached, r->level,
						  r->k->k.p) < 0);
	}
	return 0;
}

static void pending_updates(void **state)
{
	struct btree_trans *trans;
	struct world w;
	struct tkey k;

	trnd_seed(6);
	world_begin(&w, BTREE_ID_quotas, 0);
	trans = bch2_trans_get(w.c);
	k = tkey_make(KEY_TYPE_cookie, POS(1, 1), 0, 1, 50);
	assert_int_equal(insert_and_commit(trans, BTREE_ID_quotas, &k), 0);

	assert_int_equal(commit_do(trans, NULL, NULL, 0, ({
		static const u8 btrees[] = { BTREE_ID_alloc, BTREE_ID_quotas, BTREE_ID_stripes,
					     BTREE_ID_lru, BTREE_ID_need_discard };
		int ret = 0;

		for (unsigned i = 0; i < 60 && !ret; i++) {
			struct bkey_i *n = bch2_trans_kmalloc(trans, 64);

			bkey_init(&n->k);
			n->k.type = KEY_TYPE_cookie;
			n->k.p	  = POS(1, i % 12);
			set_bkey_val_u64s(&n->k, 1);
			*(u64 *) &n->v = i;
			ret = bch2_btree_insert_nonextent(trans, btrees[i % 5], n,
							  BTREE_TRIGGER_norun);
		}
		ret = ret ?: out_of_order(trans);
		if (!ret) {
			/* the first update's old key stays, the last one's new key counts */
			struct btree_update_entry *e = bch2_trans_update_find(trans,
					BTREE_ID_quotas, false, 0, POS(1, 1));

			assert_non_null(e);
			assert_int_equal(e->old_k.type, KEY_TYPE_cookie);
			assert_int_equal(*(const u64 *) e->old_v, 50);
			assert_int_equal(*(u64 *) &e->k->v % 12, 1);
			assert_true(*(u64 *) &e->k->v % 5 == 1);
		}
		ret;
	})), 0);
	assert_int_equal(trans->s.nr_updates, 0);
	/* a restart forgets */
	bch2_trans_begin(trans);
	k = tkey_make(KEY_TYPE_cookie, POS(9, 9), 0, 1, 50);
	assert_int_equal(bch2_btree_insert_nonextent(trans, BTREE_ID_quotas, &k.k,
						     BTREE_TRIGGER_norun), 0);
	bch2_trans_begin(trans);
	assert_int_equal(bch2_trans_commit(trans, NULL, NULL, 0), 0);
	assert_int_equal(raw_type(trans, BTREE_ID_quotas, POS(9, 9)), KEY_TYPE_deleted);
	bch2_trans_put(trans);
	world_end(&w);
}

/* --- superseded overlay keys --- */

static void overlay_fill(struct bch_fs *c, struct tkey *k, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct journal_key j = {
			.journal_seq	= 1 + i,
			.btree_id	= BTREE_ID_need_discard,
			.k		= &k[i].k,
		};

		assert_int_equal(bch2_journal_keys_add(&c->journal.keys, &j), 0);
	}
	bch2_journal_keys_sort_dedup(&c->journal.keys);
}

static void skipping_like_walking(void **state)
{
	static const unsigned sizes[] = { 1, 63, 64, 65, 129, 4096, 4097, 9000 };

	for (unsigned round = 0; round < 2 * ARRAY_SIZE(sizes); round++) {
		const unsigned nr = sizes[round / 2];
		struct tkey *k = calloc(nr, sizeof(*k));
		struct world w;
		struct journal_keys *keys;

		trnd_seed(round);
		world_begin(&w, BTREE_ID_need_discard, 0);
		keys = &w.c->journal.keys;
		for (unsigned i = 0; i < nr; i++)
			k[i] = tkey_make(KEY_TYPE_set, POS(1, i), 0, 0, 0);
		overlay_fill(w.c, k, nr);
		bch2_journal_keys_freeze(w.c);

		mutex_lock(&keys->overwrite_lock);
		for (unsigned i = 0; i < (round & 1 ? nr : nr - nr / 50); i++) {
			const u64 at = round & 1 ? i : trnd() % nr;
			const u64 seq = bch2_journal_keys_mark_overwritten(w.c,
					BTREE_ID_need_discard, 0, POS(1, at));

			assert_true(!seq || seq == at + 1);
		}
		mutex_unlock(&keys->overwrite_lock);

		for (size_t i = 0; i <= nr; i++) {
			size_t next = i, prev = i;

			while (next < nr && keys->data[next].overwritten)
				next++;
			while (prev && keys->data[prev - 1].overwritten)
				prev--;
			assert_int_equal(overlay_next_live(keys, i), next);
			assert_int_equal(overlay_prev_live(keys, i), prev);
		}
		world_end(&w);
		free(k);
	}
}

static bool marked(struct world *w, u64 at)
{
	return bch2_journal_keys_find(w->c, BTREE_ID_need_discard, 0, POS(1, at))->overwritten;
}

static void commits_supersede(void **state)
{
	struct btree_trans *trans;
	struct tkey k[6], delta[2];
	struct mutex *m;
	struct world w;

	trnd_seed(7);
	world_begin(&w, BTREE_ID_need_discard, 0);
	m = &w.c->journal.keys.overwrite_lock;
	for (unsigned i = 0; i < 6; i++)
		k[i] = tkey_make(KEY_TYPE_set, POS(1, i), 0, 0, 0);
	overlay_fill(w.c, k, 6);
	for (unsigned i = 0; i < 2; i++) {
		struct journal_key j = { .journal_seq = 50 + i,
			.btree_id = BTREE_ID_accounting, .k = &delta[i].k };

		delta[i] = tkey_make(KEY_TYPE_accounting, SPOS(1, 2, 3), 0, 1, 1);
		assert_int_equal(bch2_journal_keys_add(&w.c->journal.keys, &j), 0);
	}
	bch2_journal_keys_sort_dedup(&w.c->journal.keys);
	bch2_journal_keys_freeze(w.c);

	trans = bch2_trans_get(w.c);
	bch2_trans_begin(trans);
	/* an update of the btree, a buffered one, one that is for people only */
	assert_int_equal(bch2_btree_delete(trans, BTREE_ID_need_discard, POS(1, 1), 0), 0);
	assert_int_equal(bch2_btree_bit_mod_buffered(trans, BTREE_ID_need_discard, POS(1, 3),
						     false), 0);
	assert_int_equal(bch2_trans_log_bkey(trans, BTREE_ID_need_discard, 0, &k[4].k), 0);
	assert_non_null(bch2_trans_accounting_add(trans, SPOS(1, 2, 3), (s64 []) { 1 }, 1));

	mutex_lock(m);
	assert_int_equal(bch2_trans_overlay_check(trans), 0);
	bch2_trans_overlay_mark(trans);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(marked(&w, i), i == 1 || i == 3);
	for (size_t i = 0; i < w.c->journal.keys.nr; i++)
		if (w.c->journal.keys.data[i].btree_id == BTREE_ID_accounting)
			assert_false(w.c->journal.keys.data[i].overwritten);
	/* a replay commit of the same keys comes too late */
	assert_int_equal(bch2_trans_overlay_check(trans),
			 -BCH_ERR_transaction_restart_journal_overwrites_changed);
	mutex_unlock(m);

	/* appended later, as atomic triggers do */
	bch2_trans_begin(trans);
	bch2_trans_extra_journal_u64s(trans, 12);
	assert_int_equal(bch2_trans_words_reserve(trans, &trans->s.entries, 12), 0);
	mutex_lock(m);
	assert_int_equal(bch2_trans_overlay_check(trans), 0);
	assert_int_equal(bch2_btree_bit_mod_buffered(trans, BTREE_ID_need_discard, POS(1, 5),
						     true), 0);
	bch2_trans_overlay_mark(trans);
	assert_true(marked(&w, 5));
	mutex_unlock(m);
	bch2_overlay_mark_overwritten(w.c, BTREE_ID_need_discard, 0, POS(1, 0));
	assert_true(marked(&w, 0));
	bch2_trans_put(trans);
	world_end(&w);
}

static void refusals(void **state)
{
	struct btree_trans *trans;
	struct world w;
	struct bkey_i k;

	trnd_seed(8);
	world_begin(&w, BTREE_ID_extents, 0);
	trans = bch2_trans_get(w.c);
	bch2_trans_begin(trans);
	bkey_init(&k.k);
	assert_int_equal(bch2_trans_update_buffered(trans, BTREE_ID_extents, &k),
			 -BCH_ERR_update_not_buffered);
	/* an overlay that is frozen takes nothing (OV-3) */
	bch2_journal_keys_freeze(w.c);
	k.k.type = KEY_TYPE_set;
	k.k.p	 = POS(1, 1);
	assert_int_equal(commit_do(trans, NULL, NULL, 0,
			bch2_btree_insert_nonextent(trans, BTREE_ID_lru, &k, 0)),
			 -BCH_ERR_journal_keys_frozen);
	bch2_trans_put(trans);
	world_end(&w);
}

/* --- cutting --- */

static void cutting(void **state)
{
	struct world w;

	trnd_seed(9);
	memset(&w, 0, sizeof(w));
	for (unsigned i = 0; i < 200; i++) {
		struct tkey k = extent_key(&w, 1, 100, 200, 10000);
		const u64 from = 90 + trnd() % 120, to = 90 + trnd() % 120;

		bch2_cut_front(NULL, POS(INODE, from), &k.k);
		bch2_cut_back(POS(INODE, to), &k.k);
		if (max(from, 100ULL) >= min(to, 200ULL)) {
			assert_int_equal(k.k.k.size, 0);
			assert_int_equal(k.k.k.type, KEY_TYPE_deleted);
			continue;
		}
		assert_int_equal(bkey_start_offset(&k.k.k), max(from, 100ULL));
		assert_int_equal(k.k.k.p.offset, min(to, 200ULL));
		assert_int_equal(extent_address(bkey_i_to_s_c(&k.k)),
				 10000 + bkey_start_offset(&k.k.k) - 100);
	}
	/* data in the key itself: the bytes that stay are the right ones */
	struct { struct tkey k; u64 more[200]; } in;

	memset(&in, 0, sizeof(in));
	in.k = tkey_make(KEY_TYPE_inline_data, SPOS(INODE, 103, 1), 3, 0, 0);
	set_bkey_val_bytes(&in.k.k.k, 1200);
	for (unsigned i = 0; i < 150; i++)
		((u64 *) &in.k.k.v)[i] = i;
	bch2_cut_front(NULL, POS(INODE, 101), &in.k.k);
	assert_int_equal(bkey_val_bytes(&in.k.k.k), 1200 - 512);
	assert_int_equal(*(u64 *) &in.k.k.v, 64);
	bch2_cut_back(POS(INODE, 102), &in.k.k);
	assert_int_equal(bkey_val_bytes(&in.k.k.k), 512);
	assert_int_equal(in.k.k.k.size, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cutting),
		cmocka_unit_test(plain_keys_like_arrays),
		cmocka_unit_test(whiteouts),
		cmocka_unit_test(extents_like_arrays),
		cmocka_unit_test(extents_as_described),
		cmocka_unit_test(extents_merge),
		cmocka_unit_test(ranges),
		cmocka_unit_test(range_of_extents),
		cmocka_unit_test(copies),
		cmocka_unit_test(deltas),
		cmocka_unit_test(pending_updates),
		cmocka_unit_test(skipping_like_walking),
		cmocka_unit_test(commits_supersede),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
