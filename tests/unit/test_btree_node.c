// SPDX-License-Identifier: GPL-2.0
/*
 * Checking and merging the bsets of a node: contents against a model that keeps
 * the newest key of each position; every error of the format's tables; what
 * damaged bytes may at most do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/extent_entries.h"
#include "btree/node_check.h"
#include "btree_image.h"
#include "journal/seq_blacklist.h"
#include "util/printbuf.h"

#define NODE	8192
#define BLOCK	512
#define PLACES	400

static struct bch_fs *c;

static int setup(void **state)
{
	c = timg_fs(NODE, BLOCK);
	return 0;
}

static int teardown(void **state)
{
	timg_fs_free(c);
	return 0;
}

static int check(struct btree *b, const struct tnode *t, enum btree_node_check_mode mode,
		 bool ptr_v2, struct printbuf *err)
{
	const struct tkey ptr = tnode_ptr(t, 0, 0);
	struct btree_node_check n = {
		.c		= c,
		.b		= b,
		.mode		= mode,
		.ptr_pos	= ptr.k.k.p,
		.err		= err,
		.node_sectors	= NODE / 512,
		.block_sectors	= BLOCK / 512,
	};

	if (ptr_v2)
		n.ptr = bch2_btree_ptr_info(&ptr.k);
	return bch2_btree_node_check(&n);
}

/* --- contents --- */

struct model {
	bool	live[PLACES];
	u64	fill[PLACES];
	unsigned u64s[PLACES];
};

static struct bpos place(unsigned i)
{
	return SPOS(i / 20, i % 20, 7);
}

/* Some keys in ascending order, into the model too. */
static unsigned random_keys(struct tkey *k, struct model *m, unsigned max, bool deletes)
{
	unsigned nr = 0;

	for (unsigned i = trnd() % 8; i < PLACES && nr < max; i += 1 + trnd() % 40) {
		const bool del = deletes && trnd() % 3 == 0;
		const unsigned v = del ? 0 : 1 + trnd() % 6;
		const u64 fill = trnd();

		if (deletes && !del && trnd() % 4 == 0)
			k[nr++] = tkey_make(KEY_TYPE_deleted, place(i), 0, 0, 0);
		k[nr++] = tkey_make(del ? KEY_TYPE_deleted : KEY_TYPE_cookie, place(i), 0, v,
				    fill);
		m->live[i] = !del;
		m->fill[i] = fill;
		m->u64s[i] = v;
	}
	return nr;
}

static void assert_contents(const struct btree *b, const struct model *m)
{
	unsigned at = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		const struct bkey_packed *p;
		struct bkey_s_c k;
		struct bkey u;

		if (!m->live[i])
			continue;
		assert_true(at < b->nr_keys);
		p = btree_node_key(b, at);
		k = bkey_disassemble(b, p, &u);
		assert_true(bpos_eq(u.p, place(i)));
		assert_int_equal(bkey_val_u64s(&u), m->u64s[i]);
		for (unsigned j = 0; j < m->u64s[i]; j++)
			assert_int_equal(((const u64 *) k.v)[j], m->fill[i] + j);
		assert_int_equal(bch2_btree_node_search(b, u.p), at);
		at++;
	}
	assert_int_equal(at, b->nr_keys);
}

static const struct bkey_format small_format = {
	.key_u64s = 1, .nr_fields = 6, .bits_per_field = { 8, 8, 8, 0, 0, 0 },
};

static void merge_like_model(void **state)
{
	for (unsigned i = 0; i < 2000; i++) {
		struct model m = { 0 };
		struct tkey k[64];
		struct tnode t;
		struct btree *b;
		unsigned sets = 1 + trnd() % 12;

		trnd_seed(i + 1);
		tnode_init(&t, c, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX,
			   trnd() % 2 ? &small_format : NULL, 1234);
		for (unsigned s = 0; s < sets; s++) {
			struct model before = m;
			unsigned nr = random_keys(k, &m, s && trnd() % 4 ? 3 : 12, s > 0);

			if ((s && !nr) || t.sector >= NODE / 512 ||
			    !tnode_bset(&t, k, nr, s, trnd() % 4)) {
				m = before;
				break;
			}
		}
		b = tnode_btree(&t);
		assert_int_equal(check(b, &t, NODE_CHECK_strict, true, NULL), 0);
		assert_contents(b, &m);
		assert_int_equal(b->written, t.sector);
		assert_int_equal(b->stats.keys_dropped, 0);
		/* without sectors_written the whole node is scanned */
		assert_int_equal(check(b, &t, NODE_CHECK_strict, false, NULL), 0);
		assert_true(test_bit(BTREE_NODE_need_rewrite, &b->flags));
		tnode_btree_free(b);

		b = tnode_btree(&t);
		assert_int_equal(check(b, &t, NODE_CHECK_strict, false, NULL), 0);
		assert_contents(b, &m);
		tnode_btree_free(b);
		tnode_free(&t);
	}
}

/* Bsets that the pointer does not vouch for are not looked at. */
static void sectors_written_is_the_end(void **state)
{
	const struct tkey a = tkey_make(KEY_TYPE_cookie, place(1), 0, 1, 1);
	const struct tkey b2 = tkey_make(KEY_TYPE_cookie, place(2), 0, 1, 2);
	struct tnode t;
	struct btree *b;
	u32 first;

	tnode_init(&t, c, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX, NULL, 5);
	assert_true(tnode_bset(&t, &a, 1, 0, true));
	first = t.sector;
	assert_true(tnode_bset(&t, &b2, 1, 9, true));
	t.sector = first;
	b = tnode_btree(&t);
	assert_int_equal(check(b, &t, NODE_CHECK_strict, true, NULL), 0);
	assert_int_equal(b->nr_keys, 1);
	assert_int_equal(b->journal_seq, 0);
	assert_int_equal(check(b, &t, NODE_CHECK_strict, false, NULL), 0);
	assert_int_equal(b->nr_keys, 2);
	assert_int_equal(b->journal_seq, 9);
	tnode_btree_free(b);
	tnode_free(&t);
}

static void range_updated_narrows(void **state)
{
	struct tkey k[20], ptr;
	struct btree_node_check n = { .c = c, .mode = NODE_CHECK_strict,
		.node_sectors = NODE / 512, .block_sectors = 1 };
	struct tnode t;

	for (unsigned i = 0; i < 20; i++)
		k[i] = tkey_make(KEY_TYPE_cookie, place(i), 0, 1, i);
	tnode_init(&t, c, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX, NULL, 5);
	assert_true(tnode_bset(&t, k, 20, 0, true));
	ptr = tnode_ptr(&t, 0, 0);
	n.b			= tnode_btree(&t);
	n.ptr			= bch2_btree_ptr_info(&ptr.k);
	n.ptr.range_updated	= true;
	n.ptr.min_key		= place(5);
	n.ptr_pos		= place(11);
	assert_int_equal(bch2_btree_node_check(&n), 0);
	assert_int_equal(n.b->nr_keys, 7);
	assert_true(bpos_eq(n.b->min_key, place(5)) && bpos_eq(n.b->max_key, place(11)));
	tnode_btree_free(n.b);
	tnode_free(&t);
}

/* --- errors, 20 sections 11.1 and 11.2 --- */

struct damage {
	const char	*text;		/* part of the message */
	void		(*fn)(struct tnode *t, u32 second, u32 third);
	bool		fixable;
	int		keys_left;	/* of 15 in three bsets, after repair */
	bool		scan_only;	/* pointer without sectors_written */
};

static struct btree_node *node(struct tnode *t)
{
	return (struct btree_node *) t->buf;
}

#define DAMAGE(name) static void name(struct tnode *t, u32 second, u32 third)

DAMAGE(d_magic)		{ node(t)->magic ^= 1; }
DAMAGE(d_seq0)		{ node(t)->keys.seq = 0; tnode_seal(t, 0); }
DAMAGE(d_version)	{ tnode_bset_at(t, second)->version = cpu_to_le16(BCH_VERSION(2, 0));
			  tnode_seal(t, second); }
DAMAGE(d_version_old)	{ tnode_bset_at(t, 0)->version = cpu_to_le16(BCH_VERSION(0, 8));
			  tnode_seal(t, 0); }
DAMAGE(d_big_endian)	{ SET_BSET_BIG_ENDIAN(tnode_bset_at(t, 0), 1); tnode_seal(t, 0); }
DAMAGE(d_whiteouts)	{ SET_BSET_SEPARATE_WHITEOUTS(tnode_bset_at(t, second), 1);
			  tnode_seal(t, second); }
DAMAGE(d_csum_type)	{ SET_BSET_CSUM_TYPE(tnode_bset_at(t, second), 13); }
DAMAGE(d_csum)		{ t->buf[second * 512 + 50] ^= 0; t->buf[second * 512] ^= 1; }
DAMAGE(d_past_end)	{ tnode_bset_at(t, third)->u64s = cpu_to_le16(2000); }
DAMAGE(d_offset)	{ SET_BSET_OFFSET(tnode_bset_at(t, second), 3); tnode_seal(t, second); }
DAMAGE(d_empty)		{ tnode_bset_at(t, third)->u64s = 0; tnode_seal(t, third); }
DAMAGE(d_btree)		{ SET_BTREE_NODE_ID(node(t), BTREE_ID_inodes); tnode_seal(t, 0); }
DAMAGE(d_level)		{ SET_BTREE_NODE_LEVEL(node(t), 2); tnode_seal(t, 0); }
DAMAGE(d_min)		{ node(t)->min_key = SPOS(0, 1, 1); tnode_seal(t, 0); }
DAMAGE(d_max)		{ node(t)->max_key = SPOS(9, 1, 1); tnode_seal(t, 0); }
DAMAGE(d_format)	{ node(t)->format.nr_fields = 7; tnode_seal(t, 0); }
DAMAGE(d_key_past)	{ struct bset *i = tnode_bset_at(t, third);
			  ((u8 *) i->_data)[0] = 200; tnode_seal(t, third); }
DAMAGE(d_key_format)	{ struct bset *i = tnode_bset_at(t, second);
			  ((u8 *) i->_data)[1] = 5; tnode_seal(t, second); }
DAMAGE(d_key_u64s)	{ struct bset *i = tnode_bset_at(t, second);
			  ((u8 *) i->_data)[0] = 1; tnode_seal(t, second); }
DAMAGE(d_key_u64s_0)	{ struct bset *i = tnode_bset_at(t, second);
			  ((u8 *) i->_data)[0] = 0; tnode_seal(t, second); }
DAMAGE(d_key_type)	{ struct bset *i = tnode_bset_at(t, second);
			  ((u8 *) i->_data)[2] = KEY_TYPE_inode_v3; tnode_seal(t, second); }
DAMAGE(d_key_order)	{ struct bset *i = tnode_bset_at(t, second);
			  ((u64 *) i->_data)[1] = 1000; tnode_seal(t, second); }
DAMAGE(d_missing)	{ tnode_bset_at(t, third)->seq ^= 1; }
DAMAGE(d_after_end)	{ tnode_bset_at(t, third)->seq ^= 0;
			  memcpy(t->buf + NODE - 512, t->buf + third * 512, 512); }

/* Key damage and ids that are autofix are repaired under every policy. */
static const struct damage damages[] = {
	{ "bad magic",			d_magic },
	{ "wrong btree node",		d_seq0 },
	{ "unsupported bset version",	d_version },
	{ "unsupported bset version",	d_version_old },
	{ "big-endian",			d_big_endian },
	{ "SEPARATE_WHITEOUTS",		d_whiteouts },
	{ "unknown checksum type 13",	d_csum_type,	true, 15 },
	{ "checksum error",		d_csum,		true, 15 },
	{ "past end of btree node",	d_past_end,	true, 10 },
	{ "wrong sector offset",	d_offset,	true, 15 },
	{ "empty bset",			d_empty,	true, 10 },
	{ "incorrect btree id",		d_btree },
	{ "incorrect level",		d_level },
	{ "incorrect min_key",		d_min },
	{ "incorrect max_key",		d_max },
	{ "invalid bkey format",	d_format },
	{ "extends past end of bset",	d_key_past,	true, 10 },
	{ "invalid key format 5",	d_key_format,	true, 14 },
	{ "has 1 words",		d_key_u64s,	true, 14 },
	{ "has 0 words",		d_key_u64s_0,	true, 14 },
	{ "invalid key",		d_key_type,	true, 14 },
	/* the first key claims to come last, so the four behind it are dropped */
	{ "out of order",		d_key_order,	true, 11 },
	{ "data missing",		d_missing,	true, 10 },
	{ "after last bset",		d_after_end,	true, 15, true },
};

/* Three bsets of five keys each at places of their own. */
static void three_bsets(struct tnode *t, u32 *second, u32 *third)
{
	struct tkey k[5];

	tnode_init(t, c, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX, NULL, 99);
	for (unsigned s = 0; s < 3; s++) {
		if (s == 1)
			*second = t->sector;
		if (s == 2)
			*third = t->sector;
		for (unsigned i = 0; i < 5; i++)
			k[i] = tkey_make(KEY_TYPE_cookie, place(s * 20 + i), 0, 1, i);
		assert_true(tnode_bset(t, k, 5, s, true));
	}
}

static void every_error(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = &damages[i];
		struct printbuf err = PRINTBUF;
		u32 second, third;
		struct tnode good, t;
		struct btree *b;
		struct tkey ptr;
		struct btree_node_check n = { .c = c, .err = &err, .node_sectors = NODE / 512,
			.block_sectors = 1 };
		int ret;

		three_bsets(&good, &second, &third);
		three_bsets(&t, &second, &third);
		ptr = tnode_ptr(&good, 0, 0);
		n.ptr_pos = ptr.k.k.p;
		if (!d->scan_only && d->fn != d_seq0)
			n.ptr = bch2_btree_ptr_info(&ptr.k);
		d->fn(&t, second, third);

		b = n.b = tnode_btree(&t);
		b->btree_id = BTREE_ID_xattrs;
		b->level = 0;
		n.mode = NODE_CHECK_strict;
		c->opts.fix_errors = FSCK_FIX_no;
		ret = bch2_btree_node_check(&n);
		assert_true(ret < 0);
		assert_int_equal(b->nr_keys, 0);
		if (!strstr(printbuf_str(&err), d->text))
			fail_msg("%s: message is %s", d->text, printbuf_str(&err));

		n.mode = NODE_CHECK_repair;
		c->opts.fix_errors = FSCK_FIX_yes;
		ret = bch2_btree_node_check(&n);
		if ((ret == 0) != d->fixable)
			fail_msg("%s: repair says %s: %s", d->text, bch2_err_str(ret),
				 printbuf_str(&err));
		if (!ret && b->nr_keys != d->keys_left)
			fail_msg("%s: %u keys left, not %i", d->text, b->nr_keys, d->keys_left);
		if (!ret)
			assert_true(test_bit(BTREE_NODE_need_rewrite, &b->flags));

		n.mode = NODE_CHECK_scan;
		ret = bch2_btree_node_check(&n);
		assert_int_equal(ret == 0, d->fixable);

		printbuf_exit(&err);
		tnode_btree_free(b);
		tnode_free(&t);
		tnode_free(&good);
	}
	c->opts.fix_errors = FSCK_FIX_exit;
}

static void extent_nodes_need_their_flag(void **state)
{
	struct printbuf err = PRINTBUF;
	struct tnode t;
	struct btree *b;

	tnode_init(&t, c, BTREE_ID_extents, 0, POS_MIN, SPOS_MAX, NULL, 99);
	SET_BTREE_NODE_NEW_EXTENT_OVERWRITE(node(&t), 0);
	assert_true(tnode_bset(&t, NULL, 0, 0, true));
	b = tnode_btree(&t);
	assert_true(check(b, &t, NODE_CHECK_strict, true, &err) < 0);
	assert_non_null(strstr(printbuf_str(&err), "new_extent_overwrite"));
	printbuf_exit(&err);
	tnode_btree_free(b);
	tnode_free(&t);
}

/* --- guards, 20 section 10 --- */

static void blacklisted_guards(void **state)
{
	struct printbuf err = PRINTBUF;
	u32 second, third;
	struct tnode t;
	struct btree *b;

	assert_int_equal(bch2_journal_seq_blacklist_add(c, 2, 3), 0);
	three_bsets(&t, &second, &third);

	/* unknown length: the bset does not count, and nothing is wrong */
	b = tnode_btree(&t);
	assert_int_equal(check(b, &t, NODE_CHECK_strict, false, &err), 0);
	assert_int_equal(b->nr_keys, 10);
	assert_int_equal(b->journal_seq, 1);
	assert_int_equal(err.pos, 0);

	/* the pointer vouches for it: that is an error; repaired, it is dropped */
	assert_true(check(b, &t, NODE_CHECK_strict, true, &err) < 0);
	assert_non_null(strstr(printbuf_str(&err), "blacklisted"));
	tnode_btree_free(b);
	b = tnode_btree(&t);
	assert_int_equal(check(b, &t, NODE_CHECK_repair, true, &err), 0);
	assert_int_equal(b->nr_keys, 10);
	tnode_btree_free(b);
	tnode_free(&t);

	/* the first bset is kept, whatever its guard */
	three_bsets(&t, &second, &third);
	node(&t)->keys.journal_seq = cpu_to_le64(2);
	tnode_seal(&t, 0);
	t.sector = second;
	b = tnode_btree(&t);
	assert_true(check(b, &t, NODE_CHECK_strict, false, &err) < 0);
	tnode_btree_free(b);
	b = tnode_btree(&t);
	assert_int_equal(check(b, &t, NODE_CHECK_repair, true, &err), 0);
	assert_int_equal(b->nr_keys, 5);
	tnode_btree_free(b);
	tnode_free(&t);
	bch2_blacklist_table_free(c);
	printbuf_exit(&err);
}

/* --- encryption --- */

static void encrypted_nodes(void **state)
{
	static const u8 types[] = {
		BCH_CSUM_chacha20_poly1305_80, BCH_CSUM_chacha20_poly1305_128,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		struct printbuf err = PRINTBUF;
		struct tnode t;
		struct btree *b;

		tnode_init(&t, c, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX, NULL, 99);
		t.csum_type = types[i];
		assert_true(tnode_bset(&t, NULL, 0, 0, true));
		b = tnode_btree(&t);
		c->has_key = false;
		assert_int_equal(check(b, &t, NODE_CHECK_strict, true, &err),
				 -BCH_ERR_no_encryption_key);
		assert_non_null(strstr(printbuf_str(&err), "encrypted"));
		printbuf_exit(&err);
		tnode_btree_free(b);
		tnode_free(&t);
	}
}

/* --- any bytes --- */

static void assert_sane(const struct btree *b)
{
	struct bpos prev = POS_MIN;

	for (u32 i = 0; i < b->nr_keys; i++) {
		const struct bkey_packed *p = btree_node_key(b, i);
		struct bkey u;

		assert_true(b->idx[i] + p->u64s <= NODE / 8);
		bkey_disassemble(b, p, &u);
		assert_true(u.u64s >= BKEY_U64s);
		if (i)
			assert_true(bpos_lt(prev, u.p));
		assert_true(bpos_ge(u.p, b->min_key) && bpos_le(u.p, b->max_key));
		prev = u.p;
	}
}

static void damaged_bytes_are_survived(void **state)
{
	u64 good = 0;

	c->opts.fix_errors = FSCK_FIX_yes;
	for (unsigned i = 0; i < 20000; i++) {
		u32 second, third;
		struct tnode t;
		struct btree *b;

		trnd_seed(i);
		three_bsets(&t, &second, &third);
		for (unsigned f = 1 + trnd() % 4; f; f--) {
			const u32 at = trnd() % 3 ? trnd() % (t.sector * 512) : trnd() % 200;

			t.buf[at] = trnd();
		}
		if (trnd() % 2) {
			tnode_seal(&t, 0);
			tnode_seal(&t, second);
			tnode_seal(&t, third);
		}
		b = tnode_btree(&t);
		if (!check(b, &t, trnd() % 2 ? NODE_CHECK_scan : NODE_CHECK_repair,
			   trnd() % 2, NULL)) {
			assert_sane(b);
			good++;
		}
		tnode_btree_free(b);
		tnode_free(&t);
	}
	assert_true(good > 1000);
	c->opts.fix_errors = FSCK_FIX_exit;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge_like_model),
		cmocka_unit_test(sectors_written_is_the_end),
		cmocka_unit_test(range_updated_narrows),
		cmocka_unit_test(every_error),
		cmocka_unit_test(extent_nodes_need_their_flag),
		cmocka_unit_test(blacklisted_guards),
		cmocka_unit_test(encrypted_nodes),
		cmocka_unit_test(damaged_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
