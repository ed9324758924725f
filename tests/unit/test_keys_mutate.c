// SPDX-License-Identifier: GPL-2.0
/*
 * Damaged keys: valid keys of every type with random bytes changed, and values
 * of random length and content, go through validation, text and all accessors.
 *
 * Keys lie in memory of exactly their size, so that a sanitizer build stops at
 * the first byte read outside. Every run takes the same course; MUTATE_SEED and
 * MUTATE_ROUNDS in the environment choose another one.
 */
#include <stdlib.h>

#include "keys_common.h"

#include "alloc/accounting.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "alloc/lru.h"
#include "btree/extent_entries.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "data/reflink.h"
#include "data/stripes.h"
#include "fs/dirent.h"
#include "fs/inode.h"
#include "fs/xattr.h"
#include "snapshots/snapshot.h"
#include "snapshots/subvolume.h"

static u64 rng_state;

/* xorshift: the same numbers everywhere */
static u64 rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static unsigned rng_below(unsigned n)
{
	return rng() % n;
}

static unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 0) : otherwise;
}

/* One valid key of every layout, as hexadecimal digits. */
static const struct {
	unsigned	type;
	unsigned	btree;
	unsigned	level;
	u64		inode;
	u64		offset;
	u32		snapshot;
	u32		size;
	const char	*val;
} seeds[] = {
	{ KEY_TYPE_deleted, BTREE_ID_dirents, 0, 4096, 5, 1, 0, "" },
	{ KEY_TYPE_error, BTREE_ID_extents, 0, 4096, 16, 1, 8, "02" },
	{ KEY_TYPE_cookie, BTREE_ID_reconcile_scan, 0, 0, 1, 0, 0, "05" },
	{ KEY_TYPE_btree_ptr, BTREE_ID_inodes, 1, 0, 4096, 1, 0,
	  "0140000000000003 0160000000000103" },
	{ KEY_TYPE_btree_ptr_v2, BTREE_ID_inodes, 1, 0, 4096, 1, 0,
	  "0000000000000000 8877665544332211 0800 0000 00000000 0000000000000000"
	  "0000000000000000 0140000000000003 8000029000000000 000b000000000000" },
	{ KEY_TYPE_extent, BTREE_ID_extents, 0, 4096, 128, 1, 40,
	  "c000000000000000 3e7e184578563412 0104800000000003 50409a0000000000 0104800000000103"
	  "3cf007001833aabb 8877665544332211 0104800000000203 8008 20a400201000"
	  "010000000000ff00" },
	{ KEY_TYPE_extent, BTREE_ID_extents, 0, 4096, 512, 1, 512,
	  "f81ffe0300000004 0100000000000000 0200000000000000 0104800000000003"
	  "2040000000530300" },
	{ KEY_TYPE_reservation, BTREE_ID_extents, 0, 4096, 16, 1, 8, "0000000002" },
	{ KEY_TYPE_inode, BTREE_ID_inodes, 0, 0, 5000, 1, 0,
	  "0100000000000000 00002007 a481 81 4080 43e8 300000 080010000000 ff 80" },
	{ KEY_TYPE_inode, BTREE_ID_inodes, 0, 0, 5000, 1, 0,
	  "0100000000000000 00002087 a481 0200 0400 0600 0800 b104 02 0a" },
	{ KEY_TYPE_inode_v2, BTREE_ID_inodes, 0, 0, 5000, 1, 0,
	  "0700000000000000 0100000000000000 8000300700000000 a481 0200 0400 0600 0800"
	  "b104 02 0a" },
	{ KEY_TYPE_inode_v3, BTREE_ID_inodes, 0, 0, 5000, 1, 0,
	  "0500000000000000 8877665544332211 00003015431a0800 0800000000000000 b80b000000000000"
	  "0000000000000000 a10f00 a10f00 a10f00 a10f00 a10f a10f 000000 00000000 06 00000000 20"
	  "0140 d148" },
	{ KEY_TYPE_inode_generation, BTREE_ID_inodes, 0, 0, 5000, 1, 0, "01" },
	{ KEY_TYPE_inode_alloc_cursor, BTREE_ID_logged_ops, 0, 1, 0, 0, 0,
	  "0400000002000000 0010000000000000" },
	{ KEY_TYPE_dirent, BTREE_ID_dirents, 0, 4096, 5, 1, 0,
	  "0110000000000000 04 6c6f73742b666f756e64" },
	{ KEY_TYPE_dirent, BTREE_ID_dirents, 0, 4096, 5, 1, 0,
	  "0410000000000000 88 0000 0700 0700 53747261c39f65 73747261737365" },
	{ KEY_TYPE_xattr, BTREE_ID_xattrs, 0, 4096, 5, 1, 0, "00030400 666f6f 62617221" },
	{ KEY_TYPE_xattr, BTREE_ID_xattrs, 0, 4096, 5, 1, 0,
	  "01001c00 01000000 01000600 02000400e8030000 04000400 10000400 20000000" },
	{ KEY_TYPE_alloc, BTREE_ID_alloc, 0, 0, 5, 0, 0,
	  "ff07 0102 0304 04 2c01 0500 06 08000000 01" },
	{ KEY_TYPE_alloc_v2, BTREE_ID_alloc, 0, 0, 5, 0, 0, "03070604 b104 02 0102" },
	{ KEY_TYPE_alloc_v3, BTREE_ID_alloc, 0, 0, 5, 0, 0,
	  "0500000000000000 03000000 05070607 0000140006" },
	{ KEY_TYPE_alloc_v4, BTREE_ID_alloc, 0, 0, 5, 0, 0,
	  "4d00000000000000 23000000 05040400 2c010000 00000000 e803000000000000"
	  "8403000000000000 0000000000000000 0000000000000000 0000000000000000" },
	{ KEY_TYPE_bucket_gens, BTREE_ID_bucket_gens, 0, 0, 0, 0, 0, "00010203" },
	{ KEY_TYPE_lru, BTREE_ID_lru, 0, 5, 5, 0, 0, "05" },
	{ KEY_TYPE_backpointer, BTREE_ID_backpointers, 0, 0, 5, 0, 0,
	  "00000405 0c000000 10000000 ffffffff 8000000000000000 0110000000000000" },
	{ KEY_TYPE_accounting, BTREE_ID_accounting, 0, 0x0206060400010203, 0x0405000000000000, 0, 0,
	  "0100000000000000" },
	{ KEY_TYPE_quota, BTREE_ID_quotas, 0, 1, 5, 0, 0,
	  "01 00000000000000000000000000000000000000000000000000000000000000" },
	{ KEY_TYPE_stripe, BTREE_ID_stripes, 0, 0, 1, 0, 0,
	  "0004000301090500 0100200000000004 0100310000000109 0140050000000202"
	  "1111111112111111 1311111114111111 1511111116111111 0004580200000000" },
	{ KEY_TYPE_reflink_p, BTREE_ID_extents, 0, 4096, 100, 1, 16,
	  "2804000000000000 28000000 18000000" },
	{ KEY_TYPE_reflink_v, BTREE_ID_reflink, 0, 0, 8, 0, 8,
	  "0200000000000000 feff000583920603 0104800000000203" },
	{ KEY_TYPE_inline_data, BTREE_ID_extents, 0, 4096, 16, 1, 8, "6869" },
	{ KEY_TYPE_indirect_inline_data, BTREE_ID_reflink, 0, 0, 8, 0, 8, "0300000000000000 6869" },
	{ KEY_TYPE_subvolume, BTREE_ID_subvolumes, 0, 0, 1, 0, 0,
	  "00000000 ffffffff 0010000000000000 00000000 00000000" },
	{ KEY_TYPE_snapshot, BTREE_ID_snapshots, 0, 0, 4294967294, 0, 0,
	  "02000000 ffffffff 00000000 00000000 02000000 01000000 01000000 ffffffff ffffffff"
	  "ffffffff 0700000000000000 0000000000000000" },
	{ KEY_TYPE_snapshot_tree, BTREE_ID_snapshot_trees, 0, 0, 1, 0, 0, "01000000 ffffffff" },
	{ KEY_TYPE_logged_op_truncate, BTREE_ID_logged_ops, 0, 0, 1, 0, 0,
	  "01000000 00000000 0310000000000000 0010000000000000" },
	{ KEY_TYPE_logged_op_finsert, BTREE_ID_logged_ops, 0, 0, 1, 0, 0,
	  "01000000 01000000 0310000000000000 1000000000000000" },
	{ KEY_TYPE_logged_op_stripe_update, BTREE_ID_logged_ops, 0, 0, 1, 0, 0,
	  "0300000000000000 0400000000000000 02000100000000000000000000000000"
	  "00000000000000" },
};

static struct bkey_i *seed_key(unsigned i)
{
	return key_hex(seeds[i].type,
		       SPOS(seeds[i].inode, seeds[i].offset, seeds[i].snapshot),
		       seeds[i].size, seeds[i].val);
}

/* --- everything that reads a value --- */

static unsigned long sink;

static void read_bytes(struct bch_bytes b)
{
	for (unsigned i = 0; i < b.len; i++)
		sink += b.p[i];
}

static void read_pointers(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	unsigned n = 0;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e) {
		sink += bch2_ptr_disk_sectors(c, k.k, &p) + bch2_ptr_data_type(k.k, &p);
		sink += bch2_ptr_durability_estimate(c, &p);
		n++;
	}
	assert_true(n <= BKEY_VAL_U64s_MAX);

	sink += bch2_bkey_nr_ptrs(c, k) + bch2_bkey_nr_dirty_ptrs(c, k) +
		bch2_bkey_nr_ptrs_allocated(c, k) + bch2_bkey_nr_ptrs_fully_allocated(c, k) +
		bch2_bkey_replicas(c, k) + bch2_bkey_sectors_compressed(c, k) +
		bch2_bkey_is_unwritten(c, k) + bch2_bkey_is_incompressible(c, k) +
		bch2_bkey_is_poisoned(c, k) + bch2_bkey_has_usable_ptr(c, k, true) +
		bch2_bkey_durability_estimate(c, k) + bch2_bkey_reconcile_class(c, k);
}

static void read_stripe(struct bkey_s_c k)
{
	struct stripe_geometry g;

	if (bch2_stripe_geometry(k, &g))
		return;
	for (unsigned b = 0; b < g.nr_blocks; b++) {
		sink += EXTENT_PTR_DEV(bch2_stripe_ptr(k, &g, b));
		sink += bch2_stripe_block_sectors(k, &g, b);
		for (unsigned i = 0; i < g.csums_per_block; i++)
			sink += le64_to_cpu(bch2_stripe_csum(k, &g, b, i).lo);
	}
	sink += bch2_stripe_lru_idx(k, &g);
}

static void read_names(struct bkey_s_c k)
{
	struct bch_inode_unpacked inode;

	switch (k.k->type) {
	case KEY_TYPE_dirent:
		read_bytes(bch2_dirent_get_name(k));
		read_bytes(bch2_dirent_get_casefold_name(k));
		read_bytes(bch2_dirent_get_lookup_name(k));
		sink += bch2_dirent_get_target(k).inum;
		break;
	case KEY_TYPE_xattr:
		read_bytes(bch2_xattr_get_name(k));
		read_bytes(bch2_xattr_get_value(k));
		break;
	default:
		if (!bch2_inode_unpack(k, &inode))
			sink += inode.bi_size + bch2_inode_nlink_get(&inode);
	}
}

static void read_value(struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_alloc_v4 a;

	read_names(k);
	switch (k.k->type) {
	case KEY_TYPE_alloc:
	case KEY_TYPE_alloc_v2:
	case KEY_TYPE_alloc_v3:
	case KEY_TYPE_alloc_v4:
		bch2_alloc_to_v4(k, &a);
		sink += alloc_data_type(&a, a.data_type) + alloc_sectors_fragmented(&a, 512) +
			bch2_alloc_lru_idx_fragmentation(&a, 512);
		break;
	case KEY_TYPE_accounting:
		sink += bch2_accounting_key_is_zero(k);
		break;
	case KEY_TYPE_stripe:
		read_stripe(k);
		read_pointers(c, k);
		break;
	case KEY_TYPE_inline_data:
	case KEY_TYPE_indirect_inline_data:
		read_bytes(bch2_bkey_inline_data(k));
		break;
	default:
		read_pointers(c, k);
	}
}

/* A verdict, a text, and all accessors: none may leave the key. */
static bool exercise(struct bch_fs *c, const struct bkey_i *k, unsigned btree, unsigned level)
{
	static const unsigned flags[] = { 0, BCH_VALIDATE_write, BCH_VALIDATE_commit };
	bool valid = key_verdict(c, k, btree, level, flags[rng_below(3)]) == KEY_OK;

	sink += strlen(key_text(c, k));
	read_value(c, bkey_i_to_s_c(k));
	return valid;
}

/* --- the ways to damage a key --- */

static void flip_bytes(struct bkey_i *k)
{
	u8 *p = (u8 *) k;
	unsigned bytes = bkey_bytes(&k->k);

	for (unsigned n = 1 + rng_below(4); n; n--) {
		/* the key's own length and format are the node reader's business */
		unsigned at = 2 + rng_below(bytes - 2);

		switch (rng_below(3)) {
		case 0:	p[at] ^= 1 << rng_below(8);	break;
		case 1:	p[at] = rng_below(2) ? 0xff : 0;	break;
		case 2:	p[at] = rng();			break;
		}
	}
}

/* The same key with another length: cut, or continued with random words. */
static struct bkey_i *resize(struct bkey_i *k)
{
	unsigned u64s = rng_below(4) ? rng_below(bkey_val_u64s(&k->k) + 3)
				     : rng_below(BKEY_VAL_U64s_MAX + 1);
	u64 val[BKEY_VAL_U64s_MAX];
	struct bkey_i *n;

	for (unsigned i = 0; i < u64s; i++)
		val[i] = rng_below(2) ? rng() : rng_below(2);
	memcpy(val, &k->v, min(u64s, bkey_val_u64s(&k->k)) * 8);

	n = key_new(k->k.type, k->k.p, k->k.size, val, u64s * 8);
	key_free(k);
	return n;
}

static void all_seeds_are_valid(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(seeds); i++) {
		struct bkey_i *k = seed_key(i);
		int id = key_verdict(NULL, k, seeds[i].btree, seeds[i].level, 0);
		int want = KEY_OK;

		/* a type that no btree has; a value that is too long to be written here */
		if (k->k.type == KEY_TYPE_lru)
			want = BCH_FSCK_ERR_bkey_invalid_type_for_btree;
		else if (k->k.type == KEY_TYPE_bucket_gens)
			want = BCH_FSCK_ERR_bucket_gens_val_size_bad;
		if (id != want)
			print_message("seed %u: %d\n", i, id);
		assert_int_equal(id, want);
		key_free(k);
	}
}

static void mutate(void **state)
{
	unsigned long rounds = env_number("MUTATE_ROUNDS", 2000);
	struct bch_fs *c = fake_fs_new();
	unsigned long valid = 0, total = 0;

	rng_state = env_number("MUTATE_SEED", 0x9e3779b97f4a7c15ULL) | 1;
	for (unsigned long r = 0; r < rounds; r++)
		for (unsigned i = 0; i < ARRAY_SIZE(seeds); i++) {
			struct bkey_i *k = seed_key(i);

			if (!rng_below(3))
				k = resize(k);
			flip_bytes(k);
			valid += exercise(rng_below(2) ? c : NULL, k, seeds[i].btree,
					  seeds[i].level);
			total++;
			key_free(k);
		}
	fake_fs_free(c);

	/* both kinds of verdict must come up, or nothing was tested */
	assert_in_range(valid, total / 100, total - total / 100);
}

static void random_values(void **state)
{
	unsigned long rounds = env_number("MUTATE_ROUNDS", 2000);
	struct bch_fs *c = fake_fs_new();
	u64 val[BKEY_VAL_U64s_MAX];

	rng_state = env_number("MUTATE_SEED", 0xd1b54a32d192ed03ULL) | 1;
	for (unsigned long r = 0; r < rounds; r++)
		for (unsigned type = 0; type < KEY_TYPE_MAX + 2; type++) {
			unsigned u64s = rng_below(8) ? rng_below(12)
						     : rng_below(BKEY_VAL_U64s_MAX + 1);
			struct bkey_i *k;

			for (unsigned i = 0; i < u64s; i++)
				val[i] = rng() & rng() & (rng_below(2) ? rng() : ~0ULL);
			k = key_new(type, SPOS(rng_below(3), rng_below(10000), rng_below(2)),
				    rng_below(3), val, u64s * 8);
			exercise(rng_below(2) ? c : NULL, k, rng_below(BTREE_ID_NR), rng_below(2));
			key_free(k);
		}
	fake_fs_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_seeds_are_valid),
		cmocka_unit_test(mutate),
		cmocka_unit_test(random_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
