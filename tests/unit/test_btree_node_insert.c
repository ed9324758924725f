// SPDX-License-Identifier: GPL-2.0
/*
 * Changing nodes in memory and encoding what is unwritten: random insertions,
 * overwrites and deletions against a model, with compaction, packed and unpacked
 * keys; the bytes of several bsets are put together and must read back as the
 * model, after every write, with every checksum type.
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

#include "btree/extent_entries.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/node_write_types.h"
#include "btree_image.h"
#include "util/printbuf.h"

#define NODE	16384
#define BLOCK	512
#define PLACES	300

static struct bch_fs *c;

static int setup(void **state)
{
	c = timg_fs(NODE, BLOCK);
	assert_int_equal(mempool_init_kvmalloc_pool(&c->btree.writes.bounce, 1, NODE + 8), 0);
	return 0;
}

static int teardown(void **state)
{
	mempool_exit(&c->btree.writes.bounce);
	timg_fs_free(c);
	return 0;
}

/* --- a node and what it should contain, now and on disk --- */

struct model {
	bool	live[PLACES];
	bool	on_disk[PLACES];	/* some bset has the position */
	u64	fill[PLACES];
	unsigned u64s[PLACES];
	u64	seq;
};

struct world {
	struct btree	b;
	struct model	m;
	u8		*disk;
	unsigned	sectors;	/* written */
	unsigned	btree;
	unsigned	writes, compactions;
};

static struct bpos place(unsigned i)
{
	return SPOS(100 + i / 20, i % 20, 7);
}

static const struct bkey_format narrow = {
	.key_u64s = 1, .nr_fields = 6, .bits_per_field = { 8, 8, 8, 0, 0, 0 },
	.field_offset = { cpu_to_le64(100) },
};
/* inodes above 103 cannot be packed */
static const struct bkey_format partial = {
	.key_u64s = 1, .nr_fields = 6, .bits_per_field = { 2, 8, 8, 0, 0, 0 },
	.field_offset = { cpu_to_le64(100) },
};
static const struct bkey_format root_format = {
	.key_u64s = 3, .nr_fields = 6, .bits_per_field = { 64, 64, 32, 0, 0, 0 },
};

static void world_init(struct world *w, const struct bkey_format *f)
{
	memset(w, 0, sizeof(*w));
	INIT_LIST_HEAD(&w->b.hash_list);
	w->disk		= calloc(1, NODE + 8);
	w->btree	= BTREE_ID_xattrs;
	bch2_btree_node_init_new(&w->b, w->btree, 0, POS_MIN, SPOS_MAX, *f, 0x1234567890abcdefULL,
				 3);
}

static void world_exit(struct world *w)
{
	kvfree(w->b.data);
	kvfree(w->b.idx);
	kvfree(w->b.wh_idx);
	free(w->disk);
}

static void assert_contents(const struct btree *b, const struct model *m)
{
	unsigned at = 0, words = 0;

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
		assert_int_equal(u.type, KEY_TYPE_cookie);
		assert_int_equal(u.needs_whiteout, 0);
		assert_int_equal(bkey_val_u64s(&u), m->u64s[i]);
		for (unsigned j = 0; j < m->u64s[i]; j++)
			assert_int_equal(((const u64 *) k.v)[j], m->fill[i] + j);
		words += p->u64s;
		at++;
	}
	assert_int_equal(at, b->nr_keys);
	assert_int_equal(words, b->live_u64s);
}

/* Owed whiteouts: exactly the positions that are on disk and not live. */
static void assert_whiteouts(const struct world *w)
{
	unsigned at = 0, words = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		struct bkey u;

		if (!w->m.on_disk[i] || w->m.live[i])
			continue;
		if (at >= w->b.nr_wh)
			continue;
		bch2_bkey_unpack(&w->b.unpack, btree_node_word(&w->b, w->b.wh_idx[at]), &u);
		if (!bpos_eq(u.p, place(i)))
			continue;	/* its whiteout is on disk too */
		assert_int_equal(u.type, KEY_TYPE_deleted);
		at++;
	}
	assert_int_equal(at, w->b.nr_wh);
	for (unsigned i = 0; i < w->b.nr_keys; i++)
		if (w->b.idx[i] >= w->b.written_words)
			words += btree_node_key(&w->b, i)->u64s;
	for (unsigned i = 0; i < w->b.nr_wh; i++)
		words += btree_node_word(&w->b, w->b.wh_idx[i])->u64s;
	assert_int_equal(words, w->b.unwritten_u64s);
}

/* --- reading back what was encoded --- */

static void assert_disk(struct world *w)
{
	struct btree r = { .btree_id = w->btree };
	struct printbuf err = PRINTBUF;
	struct btree_node_check n = {
		.c		= c,
		.b		= &r,
		.mode		= NODE_CHECK_strict,
		.ptr		= { .seq = w->b.seq, .min_key = POS_MIN, .v2 = true,
				    .sectors_written = w->sectors },
		.ptr_pos	= SPOS_MAX,
		.err		= &err,
		.node_sectors	= NODE / 512,
		.block_sectors	= BLOCK / 512,
	};

	r.data = malloc(NODE + 8);
	memcpy(r.data, w->disk, NODE + 8);
	if (bch2_btree_node_check(&n))
		fail_msg("%s", printbuf_str(&err));
	assert_contents(&r, &w->m);
	assert_int_equal(r.written, w->sectors);
	assert_int_equal(r.generation, 3);
	assert_int_equal(r.stats.keys_dropped, 0);
	assert_false(test_bit(BTREE_NODE_need_rewrite, &r.flags));
	free(r.data);
	kvfree(r.idx);
	printbuf_exit(&err);
}

/* Deleted keys in a bset only where an earlier bset has the position; none twice. */
static void assert_bset_rules(struct world *w, const struct btree_node_write *wr)
{
	const u64 *d = (u64 *) (wr->buf + (wr->first ? 160 : 40));

	for (unsigned at = 0; at < wr->u64s;) {
		const struct bkey_packed *p = (const struct bkey_packed *) (d + at);
		struct bkey u;
		unsigned i;

		bch2_bkey_unpack(&w->b.unpack, p, &u);
		i = (u.p.inode - 100) * 20 + u.p.offset;
		assert_true(i < PLACES);
		assert_int_equal(p->needs_whiteout, 0);
		if (u.type == KEY_TYPE_deleted) {
			assert_false(wr->first);
			assert_true(w->m.on_disk[i]);
			assert_false(w->m.live[i]);
		} else {
			assert_true(w->m.live[i]);
		}
		w->m.on_disk[i] = true;
		at += p->u64s;
	}
}

static void write_out(struct world *w)
{
	struct btree_node_write wr = { .c = c, .b = &w->b };

	bch2_btree_node_write_collect(c, &w->b, &wr);
	assert_int_equal(w->b.unwritten_u64s, 0);
	assert_int_equal(w->b.nr_wh, 0);
	if (!wr.sectors) {
		assert_true(w->sectors);
		return;
	}
	assert_int_equal(wr.first, !w->sectors);
	assert_int_equal(wr.guard, wr.first ? 0 : w->m.seq);
	assert_bset_rules(w, &wr);
	assert_int_equal(bch2_btree_node_write_encode(&wr), 0);
	assert_true((wr.offset + wr.sectors) * 512 <= NODE);
	memcpy(w->disk + wr.offset * 512, wr.buf, wr.sectors * 512);
	w->sectors += wr.sectors;
	assert_int_equal(w->sectors, w->b.written);
	bch2_btree_node_write_buf_free(&wr);
	w->writes++;
	assert_disk(w);
}

/* --- random histories --- */

static bool random_update(struct world *w)
{
	const unsigned i = trnd() % PLACES;
	const bool del = trnd() % 3 == 0;
	const unsigned v = del ? 0 : 1 + trnd() % 6;
	struct tkey k = tkey_make(del ? KEY_TYPE_deleted : KEY_TYPE_cookie, place(i), 0, v,
				  trnd());
	u32 buf = w->b.heap_words;

	if (!bch2_btree_node_has_room(c, &w->b, k.k.k.u64s))
		return false;
	if (trnd() % 2)
		bch2_btree_node_prep_insert(c, &w->b);
	assert_int_equal(bch2_btree_node_insert_mem(&w->b, &k.k), !del || w->m.live[i]);
	w->compactions += w->b.heap_words < buf;
	bch2_btree_node_guard(&w->b, ++w->m.seq);
	w->m.live[i]	= !del;
	w->m.fill[i]	= k.v[0];
	w->m.u64s[i]	= v;
	return true;
}

static void history(unsigned seed, const struct bkey_format *f, struct world *w)
{
	trnd_seed(seed);
	world_init(w, f);
	for (unsigned i = 0; i < 20000; i++) {
		if (!random_update(w)) {
			write_out(w);
			if (!random_update(w))
				break;
		}
		if (trnd() % 64 == 0) {
			assert_contents(&w->b, &w->m);
			assert_whiteouts(w);
		}
		if (trnd() % 50 == 0)
			write_out(w);
		if (trnd() % 100 == 0) {
			bch2_btree_node_compact(&w->b, BTREE_NODE_HEADER_U64s +
						w->b.live_u64s + w->b.unwritten_u64s);
			assert_contents(&w->b, &w->m);
			assert_whiteouts(w);
		}
	}
	write_out(w);
	assert_contents(&w->b, &w->m);
}

static void random_histories(void **state)
{
	static const struct bkey_format *formats[] = { &narrow, &partial, &root_format };
	unsigned writes = 0, compactions = 0;

	for (unsigned i = 0; i < 60; i++) {
		struct world w;

		history(i + 1, formats[i % 3], &w);
		writes += w.writes;
		compactions += w.compactions;
		world_exit(&w);
	}
	assert_true(writes > 60 * 5);
	assert_true(compactions > 0);
}

static void every_checksum_and_encryption(void **state)
{
	for (unsigned opt = 0; opt <= BCH_CSUM_OPT_NR; opt++) {
		struct world w;

		c->opts.metadata_checksum = opt < BCH_CSUM_OPT_NR ? opt : 0;
		if (opt == BCH_CSUM_OPT_NR) {
			c->sb.encryption_type = 1;
			memset(&c->chacha20_key, 0x42, sizeof(c->chacha20_key));
			c->has_key = true;
		}
		history(1000 + opt, &narrow, &w);
		assert_int_equal(BSET_CSUM_TYPE(&((struct btree_node *) w.disk)->keys),
				 opt == BCH_CSUM_OPT_NR ? BCH_CSUM_chacha20_poly1305_128
				 : bch2_csum_opt_to_type(opt, false));
		if (opt == BCH_CSUM_OPT_NR)
			assert_int_not_equal(((struct btree_node *) w.disk)->format.nr_fields, 6);
		world_exit(&w);
	}
	c->sb.encryption_type = 0;
	c->has_key = false;
	c->opts.metadata_checksum = BCH_CSUM_OPT_crc32c;
}

/* --- single rules --- */

static void put(struct world *w, unsigned i, bool del)
{
	struct tkey k = tkey_make(del ? KEY_TYPE_deleted : KEY_TYPE_cookie, place(i), 0, !del,
				  5);

	bch2_btree_node_prep_insert(c, &w->b);
	bch2_btree_node_insert_mem(&w->b, &k.k);
	w->m.live[i]	= !del;
	w->m.fill[i]	= 5;
	w->m.u64s[i]	= 1;
}

static void whiteouts_are_owed(void **state)
{
	struct world w;

	world_init(&w, &narrow);
	/* never on disk: nothing is owed */
	put(&w, 1, false);
	put(&w, 1, true);
	assert_int_equal(w.b.nr_wh, 0);
	put(&w, 2, true);
	assert_int_equal(w.b.nr_wh, 0);
	assert_int_equal(w.b.unwritten_u64s, 0);
	put(&w, 3, false);
	write_out(&w);
	/* overwritten, then deleted before that was written */
	put(&w, 3, false);
	assert_int_equal(w.b.nr_wh, 0);
	put(&w, 3, true);
	assert_int_equal(w.b.nr_wh, 1);
	assert_int_equal(btree_node_word(&w.b, w.b.wh_idx[0])->u64s, 1);
	/* and back: the live key stands for the whiteout */
	put(&w, 3, false);
	assert_int_equal(w.b.nr_wh, 0);
	put(&w, 3, true);
	write_out(&w);
	assert_int_equal(w.b.nr_keys, 0);
	/* nothing unwritten: nothing to write */
	write_out(&w);
	assert_int_equal(w.writes, 2);
	world_exit(&w);
}

static void same_size_is_overwritten_in_place(void **state)
{
	struct world w;
	u32 heap;

	world_init(&w, &narrow);
	put(&w, 7, false);
	heap = w.b.heap_words;
	for (unsigned i = 0; i < 10; i++)
		put(&w, 7, false);
	assert_int_equal(w.b.heap_words, heap);
	write_out(&w);
	put(&w, 7, false);
	assert_true(w.b.heap_words > heap);
	world_exit(&w);
}

static void full_and_damaged_nodes_have_no_room(void **state)
{
	struct world w;
	unsigned room;

	world_init(&w, &narrow);
	room = bch2_btree_node_room_u64s(c, &w.b);
	assert_int_equal(room, (NODE - 160) / 8 - 1);
	assert_true(bch2_btree_node_has_room(c, &w.b, room));
	assert_false(bch2_btree_node_has_room(c, &w.b, room + 1));
	set_bit(BTREE_NODE_need_rewrite, &w.b.flags);
	assert_false(bch2_btree_node_has_room(c, &w.b, 1));
	clear_bit(BTREE_NODE_need_rewrite, &w.b.flags);
	w.b.written = NODE / 512;
	assert_int_equal(bch2_btree_node_room_u64s(c, &w.b), 0);
	world_exit(&w);
}

/* Every last word of a node can be used. */
static void fill_to_the_last_word(void **state)
{
	struct world w;
	unsigned i = 0;

	world_init(&w, &narrow);
	while (bch2_btree_node_has_room(c, &w.b, 6)) {
		struct tkey k = tkey_make(KEY_TYPE_cookie, SPOS(100 + i / 256, i % 256, 7), 0,
					  1, 9);

		bch2_btree_node_prep_insert(c, &w.b);
		assert_true(bch2_btree_node_insert_mem(&w.b, &k.k));
		i++;
	}
	assert_true(i > 1000);
	assert_int_equal(bch2_btree_node_first_write_sectors(c, &w.b), NODE / 512);
	{
		struct btree_node_write wr = { .c = c, .b = &w.b };

		bch2_btree_node_write_collect(c, &w.b, &wr);
		assert_int_equal(wr.sectors, NODE / 512);
		assert_int_equal(bch2_btree_node_write_encode(&wr), 0);
		bch2_btree_node_write_buf_free(&wr);
	}
	assert_false(bch2_btree_node_has_room(c, &w.b, 1));
	world_exit(&w);
}

static void copy_with_calculated_format(void **state)
{
	struct btree copy;
	struct world w;
	struct bkey_format f;

	trnd_seed(77);
	world_init(&w, &root_format);
	w.b.min_key = place(0);
	w.b.max_key = place(PLACES - 1);
	for (unsigned i = 0; i < 150; i++)
		random_update(&w);
	f = bch2_btree_calc_format(&w.b);
	assert_true(bch2_bkey_format_validate(&f, NULL));
	assert_int_equal(f.key_u64s, 1);
	assert_true(bch2_btree_node_u64s_fit(c, bch2_btree_node_u64s_with_format(&w.b, &f)));
	assert_false(bch2_btree_node_u64s_fit(c, (NODE - 160) / 8));

	memset(&copy, 0, sizeof(copy));
	bch2_btree_node_init_new(&copy, w.btree, 0, w.b.min_key, w.b.max_key, f, 99, 0);
	for (unsigned i = 0; i < w.b.nr_keys; i++) {
		struct bkey u;

		bch2_btree_node_append_sorted(&copy,
				bkey_disassemble(&w.b, btree_node_key(&w.b, i), &u));
	}
	assert_contents(&copy, &w.m);
	assert_int_equal(copy.live_u64s, bch2_btree_node_u64s_with_format(&w.b, &f));
	kvfree(copy.data);
	kvfree(copy.idx);
	world_exit(&w);
}

/* A broken key, a wrong order: not written. */
static void bad_keys_are_refused(void **state)
{
	struct btree_node_write wr;
	struct world w;

	world_init(&w, &narrow);
	put(&w, 1, false);
	put(&w, 2, false);
	swap(w.b.idx[0], w.b.idx[1]);
	wr = (struct btree_node_write) { .c = c, .b = &w.b };
	bch2_btree_node_write_collect(c, &w.b, &wr);
	assert_int_equal(bch2_btree_node_write_encode(&wr), -BCH_ERR_btree_node_write_invalid);
	bch2_btree_node_write_buf_free(&wr);
	world_exit(&w);

	world_init(&w, &narrow);
	put(&w, 1, false);
	btree_node_key(&w.b, 0)->type = KEY_TYPE_dirent;
	wr = (struct btree_node_write) { .c = c, .b = &w.b };
	bch2_btree_node_write_collect(c, &w.b, &wr);
	assert_int_equal(bch2_btree_node_write_encode(&wr), -BCH_ERR_btree_node_write_invalid);
	bch2_btree_node_write_buf_free(&wr);
	world_exit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_histories),
		cmocka_unit_test(every_checksum_and_encryption),
		cmocka_unit_test(whiteouts_are_owed),
		cmocka_unit_test(same_size_is_overwritten_in_place),
		cmocka_unit_test(full_and_damaged_nodes_have_no_room),
		cmocka_unit_test(fill_to_the_last_word),
		cmocka_unit_test(copy_with_calculated_format),
		cmocka_unit_test(bad_keys_are_refused),
	};

	return cmocka_run_group_tests_name("node insertion", tests, setup, teardown);
}
