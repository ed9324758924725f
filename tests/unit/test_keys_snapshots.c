// SPDX-License-Identifier: GPL-2.0
/*
 * Loading of snapshot nodes into memory, whatever they say about each other, and
 * lookups of snapshots, subvolumes and inodes by id.
 *
 * The keys lie in the overlay of a filesystem with empty btrees and were not
 * validated: the code under test must cope with what validation would drop.
 */
#include <stdlib.h>

#include "keys_common.h"

#include "btree/cache.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree_image.h"
#include "fs/inode.h"
#include "journal/overlay.h"
#include "snapshots/snapshot.h"
#include "snapshots/subvolume.h"

static const u8 zeros[24];

static struct bch_fs *fs_new(void)
{
	static const unsigned btrees[] = {
		BTREE_ID_inodes, BTREE_ID_snapshots, BTREE_ID_snapshot_trees,
		BTREE_ID_subvolumes, BTREE_ID_subvolume_children,
	};
	struct bch_fs *c = timg_fs(4096, 512);

	c->sb.version			= BCH_VERSION(1, 38);
	c->sb.version_upgrade_complete	= BCH_VERSION(1, 38);
	for (unsigned i = 0; i < ARRAY_SIZE(btrees); i++)
		assert_int_equal(bch2_btree_root_alloc_fake(c, btrees[i], 0), 0);
	return c;
}

/* Put a key into the overlay and free it. */
static void put(struct bch_fs *c, unsigned btree, struct bkey_i *k)
{
	assert_int_equal(bch2_journal_key_insert(c, btree, 0, k), 0);
	key_free(k);
}

static void put_snapshot(struct bch_fs *c, u32 id, u32 flags, u32 parent, u32 child0, u32 child1)
{
	struct bch_snapshot s = {
		.flags		= cpu_to_le32(flags),
		.parent		= cpu_to_le32(parent),
		.children	= { cpu_to_le32(child0), cpu_to_le32(child1) },
		.subvol		= cpu_to_le32(7),
		.tree		= cpu_to_le32(1),
	};

	put(c, BTREE_ID_snapshots, key_new(KEY_TYPE_snapshot, POS(0, id), 0, &s, sizeof(s)));
}

#define WILL_DELETE	1
#define SUBVOL		2
#define DELETED		4
#define NO_KEYS		8

/* The states that flags mean (spec 61 §3). */
static void states(void **state)
{
	struct bch_fs *c = fs_new();
	struct bch_snapshot s;
	struct btree_trans *trans;
	struct snapshot_t t;

	put_snapshot(c, 100, 0, 0, 90, 89);
	put_snapshot(c, 90, SUBVOL, 100, 0, 0);
	put_snapshot(c, 89, NO_KEYS, 100, 80, 0);
	put_snapshot(c, 80, WILL_DELETE, 89, 0, 0);
	put_snapshot(c, 70, DELETED, 0, 0, 0);
	/* what is no snapshot id, or no snapshot */
	put(c, BTREE_ID_snapshots, key_new(KEY_TYPE_snapshot, POS(0, 0), 0, zeros, 24));
	put(c, BTREE_ID_snapshots, key_new(KEY_TYPE_snapshot, POS(1, 60), 0, zeros, 24));
	put(c, BTREE_ID_snapshots,
	    key_new(KEY_TYPE_snapshot, POS(0, (1ULL << 32) + 61), 0, zeros, 24));
	put(c, BTREE_ID_snapshots, key_new(KEY_TYPE_cookie, POS(0, 62), 0, zeros, 8));
	/* a value that is too short */
	put(c, BTREE_ID_snapshots, key_new(KEY_TYPE_snapshot, POS(0, 63), 0, "", 0));

	assert_int_equal(bch2_snapshots_read(c), 0);
	assert_int_equal(bch2_snapshot_table_nr(c), 6);

	assert_true(bch2_snapshot_get(c, 90, &t));
	assert_int_equal(t.state, SNAPSHOT_ID_live);
	assert_int_equal(t.subvol, 7);
	assert_int_equal(t.parent, 100);
	assert_true(bch2_snapshot_get(c, 100, &t));
	assert_int_equal(t.subvol, 0);
	assert_int_equal(t.children[1], 89);
	assert_true(bch2_snapshot_get(c, 80, &t));
	assert_int_equal(t.state, SNAPSHOT_ID_live);
	assert_true(bch2_snapshot_get(c, 89, &t));
	assert_int_equal(t.state, SNAPSHOT_ID_deleted);
	assert_true(bch2_snapshot_get(c, 70, &t));
	assert_int_equal(t.state, SNAPSHOT_ID_deleted);
	assert_false(bch2_snapshot_get(c, 60, &t));
	assert_false(bch2_snapshot_get(c, 61, &t));
	assert_false(bch2_snapshot_get(c, 62, &t));
	assert_true(bch2_snapshot_is_ancestor(c, 80, 100));
	assert_false(bch2_snapshot_is_ancestor(c, 80, 90));

	trans = bch2_trans_get(c);
	assert_int_equal(bch2_snapshot_lookup(trans, 89, &s), 0);
	assert_true(BCH_SNAPSHOT_NO_KEYS(&s));
	assert_int_equal(bch2_snapshot_lookup(trans, 88, &s), -BCH_ERR_ENOENT_snapshot);
	assert_int_equal(bch2_snapshot_lookup(trans, 62, &s), -BCH_ERR_ENOENT_snapshot);
	bch2_trans_put(trans);
	timg_fs_free(c);
}

static __le32 small_id(void)
{
	return cpu_to_le32(trnd() % 40);
}

/* Parents, children and skips that point anywhere: questions about them end. */
static void tangled_trees(void **state)
{
	trnd_seed(1);
	for (unsigned round = 0; round < 30; round++) {
		struct bch_fs *c = fs_new();

		for (unsigned i = 1; i < 40; i++) {
			struct bch_snapshot s = {
				.flags		= cpu_to_le32(trnd() % 16),
				.parent		= small_id(),
				.children	= { small_id(), small_id() },
				.depth		= cpu_to_le32(trnd()),
				.skip		= { small_id(), small_id(), small_id() },
			};

			put(c, BTREE_ID_snapshots,
			    key_new(KEY_TYPE_snapshot, POS(0, i), 0, &s, sizeof(s)));
		}
		assert_int_equal(bch2_snapshots_read(c), 0);

		for (unsigned verified = 0; verified < 2; verified++) {
			bch2_snapshot_table_verified(c, verified);
			for (u32 id = 0; id < 41; id++) {
				for (u32 a = 0; a < 41; a++)
					bch2_snapshot_is_ancestor(c, id, a);
				bch2_snapshot_live_descendant(c, id);
				bch2_snapshot_root(c, id);
				bch2_snapshot_nth_parent(c, id, 100);
			}
		}
		timg_fs_free(c);
	}
}

static void put_subvolume(struct bch_fs *c, u32 id, u32 snapshot, u32 parent)
{
	struct bch_subvolume s = {
		.snapshot	= cpu_to_le32(snapshot),
		.inode		= cpu_to_le64(4096),
		.fs_path_parent	= cpu_to_le32(parent),
	};

	put(c, BTREE_ID_subvolumes, key_new(KEY_TYPE_subvolume, POS(0, id), 0, &s, sizeof(s)));
	if (parent)
		put(c, BTREE_ID_subvolume_children,
		    key_new(KEY_TYPE_set, POS(parent, id), 0, "", 0));
}

static void subvolumes(void **state)
{
	struct bch_fs *c = fs_new();
	struct btree_trans *trans;
	struct bch_snapshot_tree tree;
	struct bch_subvolume s;
	u32 id, snapshot;

	put_subvolume(c, 1, 90, 0);
	put_subvolume(c, 2, 89, 1);
	put_subvolume(c, 5, 88, 1);
	put_subvolume(c, 6, 87, 2);
	put(c, BTREE_ID_snapshot_trees,
	    key_hex(KEY_TYPE_snapshot_tree, POS(0, 3), 0, "01000000 64000000"));

	trans = bch2_trans_get(c);
	assert_int_equal(bch2_subvolume_get(trans, 5, &s), 0);
	assert_int_equal(s.snapshot, 88);
	assert_int_equal(bch2_subvolume_get(trans, 3, &s), -BCH_ERR_ENOENT_subvolume);
	assert_int_equal(bch2_subvolume_get_snapshot(trans, 6, &snapshot), 0);
	assert_int_equal(snapshot, 87);
	assert_int_equal(bch2_subvolume_get_snapshot(trans, 0, &snapshot),
			 -BCH_ERR_ENOENT_subvolume);

	assert_int_equal(bch2_subvolume_get_child(trans, 1, 5, &s), 0);
	assert_int_equal(bch2_subvolume_get_child(trans, 2, 5, &s), -BCH_ERR_ENOENT_subvolume);
	/* before 1.5 nobody wrote down where a subvolume lies */
	c->sb.version_upgrade_complete = BCH_VERSION(1, 4);
	assert_int_equal(bch2_subvolume_get_child(trans, 2, 5, &s), 0);

	assert_int_equal(bch2_subvolume_next_child(trans, 1, 0, &id), 0);
	assert_int_equal(id, 2);
	assert_int_equal(bch2_subvolume_next_child(trans, 1, id, &id), 0);
	assert_int_equal(id, 5);
	assert_int_equal(bch2_subvolume_next_child(trans, 1, id, &id), -BCH_ERR_ENOENT_subvolume);
	assert_int_equal(bch2_subvolume_next_child(trans, 1, U32_MAX, &id),
			 -BCH_ERR_ENOENT_subvolume);

	assert_int_equal(bch2_snapshot_tree_lookup(trans, 3, &tree), 0);
	assert_int_equal(tree.root_snapshot, 100);
	assert_int_equal(bch2_snapshot_tree_lookup(trans, 4, &tree), -BCH_ERR_ENOENT_snapshot_tree);
	bch2_trans_put(trans);
	timg_fs_free(c);
}

static void put_inode(struct bch_fs *c, u64 inum, u32 snapshot, u64 size)
{
	struct bch_inode_v3 v = { .bi_size = cpu_to_le64(size) };

	SET_INODEv3_FIELDS_START(&v, INODEv3_FIELDS_START_INITIAL);
	put(c, BTREE_ID_inodes,
	    key_new(KEY_TYPE_inode_v3, SPOS(0, inum, snapshot), 0, &v, sizeof(v)));
}

/* The nearest version counts; a whiteout hides what is behind it. */
static void inodes(void **state)
{
	struct bch_fs *c = fs_new();
	struct bch_inode_unpacked inode;
	struct btree_trans *trans;

	put_snapshot(c, 100, 0, 0, 90, 89);
	put_snapshot(c, 90, SUBVOL, 100, 0, 0);
	put_snapshot(c, 89, SUBVOL, 100, 0, 0);
	put_subvolume(c, 1, 90, 0);
	put_subvolume(c, 2, 89, 1);
	put_inode(c, 4096, 100, 1);
	put_inode(c, 4096, 90, 2);
	put(c, BTREE_ID_inodes, key_new(KEY_TYPE_whiteout, SPOS(0, 4096, 89), 0, "", 0));
	put_inode(c, 4097, 100, 3);
	put(c, BTREE_ID_inodes, key_hex(KEY_TYPE_inode_generation, SPOS(0, 4098, 100), 0,
					"0100000000000000"));
	assert_int_equal(bch2_snapshots_read(c), 0);

	trans = bch2_trans_get(c);
	assert_int_equal(bch2_inode_find_by_inum(trans, (subvol_inum) { 1, 4096 }, &inode), 0);
	assert_int_equal(inode.bi_size, 2);
	assert_int_equal(inode.bi_snapshot, 90);
	assert_int_equal(bch2_inode_find_by_inum(trans, (subvol_inum) { 2, 4096 }, &inode),
			 -BCH_ERR_ENOENT_inode);
	assert_int_equal(bch2_inode_find_by_inum(trans, (subvol_inum) { 2, 4097 }, &inode), 0);
	assert_int_equal(inode.bi_size, 3);
	assert_int_equal(bch2_inode_find_by_inum_snapshot(trans, 4096, 100, &inode), 0);
	assert_int_equal(inode.bi_size, 1);
	/* not an inode; not there; no such subvolume */
	assert_int_equal(bch2_inode_find_by_inum(trans, (subvol_inum) { 1, 4098 }, &inode),
			 -BCH_ERR_ENOENT_inode);
	assert_int_equal(bch2_inode_find_by_inum(trans, (subvol_inum) { 1, 4099 }, &inode),
			 -BCH_ERR_ENOENT_inode);
	assert_int_equal(bch2_inode_find_by_inum(trans, (subvol_inum) { 9, 4096 }, &inode),
			 -BCH_ERR_ENOENT_subvolume);
	bch2_trans_put(trans);
	timg_fs_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(tangled_trees),
		cmocka_unit_test(subvolumes),
		cmocka_unit_test(inodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
