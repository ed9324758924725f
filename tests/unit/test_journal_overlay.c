// SPDX-License-Identifier: GPL-2.0
/*
 * The overlay of journal keys against a model that is nothing but a list of
 * (place, age, key): building, lookups with good and bad hints, insertions and
 * deletions under open iterators, accounting deltas; and the blacklist against
 * a bitmap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/array_size.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "journal/overlay.h"
#include "journal/seq_blacklist.h"
#include "sb/fsck_err.h"
#include "util/bpos.h"

#define POSITIONS	24	/* few, so that places collide often */
#define LEVELS		2

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (rnd_state >> 33) % below;
}

static struct bch_fs *fs_new(void)
{
	struct bch_fs *c = kvzalloc(sizeof(*c), GFP_KERNEL);

	assert_non_null(c);
	mutex_init(&c->sb_lock);
	mutex_init(&c->journal.keys.overwrite_lock);
	atomic_set(&c->journal.keys.ref, 1);
	c->opts = bch2_opts_default;
	c->opts.errors = BCH_ON_ERROR_continue;
	assert_int_equal(bch2_fs_fsck_err_init(c), 0);
	return c;
}

static void fs_free(struct bch_fs *c)
{
	bch2_journal_keys_put(c);
	bch2_blacklist_table_free(c);
	bch2_fs_fsck_err_exit(c);
	kvfree(c);
}

static const unsigned btrees[] = { BTREE_ID_extents, BTREE_ID_inodes, BTREE_ID_alloc };

static struct bpos rnd_pos(void)
{
	return SPOS(rnd(3), rnd(POSITIONS / 6), rnd(2));
}

/* A key whose version tells it from all others. */
static struct bkey_i *key_new(struct bpos pos, uint64_t id)
{
	struct bkey_i *k = kzalloc(sizeof(*k), GFP_KERNEL);

	assert_non_null(k);
	bkey_init(&k->k);
	k->k.type	= rnd(4) ? KEY_TYPE_set : KEY_TYPE_deleted;
	k->k.p		= pos;
	k->k.bversion.lo = id;
	return k;
}

/* --- the model: at most one key per place --- */

struct model {
	uint64_t	id[LEVELS][ARRAY_SIZE(btrees)][3][POSITIONS / 6][2];
};

static uint64_t *model_at(struct model *m, unsigned level, unsigned b, struct bpos p)
{
	return &m->id[level][b][p.inode][p.offset][p.snapshot];
}

/* First, or last, place of [pos, end] that has a key. */
static uint64_t model_peek(struct model *m, unsigned level, unsigned b, struct bpos pos,
			   struct bpos end, bool last)
{
	uint64_t ret = 0;

	for (unsigned i = 0; i < 3; i++)
		for (unsigned o = 0; o < POSITIONS / 6; o++)
			for (unsigned s = 0; s < 2; s++) {
				struct bpos p = SPOS(i, o, s);
				uint64_t id = *model_at(m, level, b, p);

				if (!id || bpos_lt(p, pos) || bpos_gt(p, end))
					continue;
				if (!last)
					return id;
				ret = id;
			}
	return ret;
}

static uint64_t key_id(const struct bkey_i *k)
{
	return k ? k->k.bversion.lo : 0;
}

static void compare_lookups(struct bch_fs *c, struct model *m, unsigned rounds)
{
	size_t idx = 0;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned level = rnd(LEVELS), b = rnd(ARRAY_SIZE(btrees));
		struct bpos pos = rnd_pos(), end = rnd_pos();

		/* hints: what the last call left, or nonsense */
		if (!rnd(3))
			idx = rnd(200);
		if (!rnd(20))
			idx = SIZE_MAX - rnd(3);

		assert_int_equal(key_id(bch2_journal_keys_peek_max(c, btrees[b], level, pos, end,
								   &idx)),
				 model_peek(m, level, b, pos, end, false));
		if (!rnd(3))
			idx = rnd(200);
		assert_int_equal(key_id(bch2_journal_keys_peek_prev_min(c, btrees[b], level, end,
									pos, &idx)),
				 model_peek(m, level, b, pos, end, true));
		assert_int_equal(key_id(bch2_journal_keys_peek_slot(c, btrees[b], level, pos)),
				 *model_at(m, level, b, pos));
	}
}

static void build(struct bch_fs *c, struct model *m, unsigned nr)
{
	struct journal_keys *keys = &c->journal.keys;

	for (unsigned i = 1; i <= nr; i++) {
		unsigned level = rnd(LEVELS), b = rnd(ARRAY_SIZE(btrees));
		struct journal_key k = {
			.journal_seq	= 10 + i / 7,
			.journal_offset	= i % 7,
			.btree_id	= btrees[b],
			.level		= level,
			.allocated	= true,
			.k		= key_new(rnd_pos(), i),
		};

		*model_at(m, level, b, k.k->k.p) = i;
		assert_int_equal(bch2_journal_keys_add(keys, &k), 0);
	}
	bch2_journal_keys_sort_dedup(keys);
}

static void build_and_look_up(void **state)
{
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct bch_fs *c = fs_new();
		struct model m = {};

		rnd_state = seed;
		build(c, &m, rnd(300));
		compare_lookups(c, &m, 400);
		fs_free(c);
	}
}

/* The order of appending must not matter: age is in the keys. */
static void build_shuffled(void **state)
{
	struct bch_fs *c = fs_new();
	struct journal_key k[64];

	rnd_state = 77;
	for (unsigned i = 0; i < ARRAY_SIZE(k); i++)
		k[i] = (struct journal_key) {
			.journal_seq	= 1 + i / 4,
			.journal_offset	= i % 4,
			.allocated	= true,
			.k		= key_new(POS(1, 1), i + 1),
		};
	for (unsigned i = ARRAY_SIZE(k) - 1; i; i--) {
		unsigned j = rnd(i + 1);
		struct journal_key t = k[i];

		k[i] = k[j];
		k[j] = t;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(k); i++)
		assert_int_equal(bch2_journal_keys_add(&c->journal.keys, &k[i]), 0);
	bch2_journal_keys_sort_dedup(&c->journal.keys);
	assert_int_equal(c->journal.keys.nr, 1);
	assert_int_equal(key_id(bch2_journal_keys_peek_slot(c, 0, 0, POS(1, 1))), ARRAY_SIZE(k));
	fs_free(c);
}

/* Of keys that one rewind brings back the oldest wins; newer normal keys beat it. */
static void rewound_keys(void **state)
{
	static const struct {
		uint64_t	seq;
		uint8_t		rewind;
	} in[] = { { 5, 0 }, { 7, 1 }, { 8, 1 }, { 9, 1 } };
	struct bch_fs *c = fs_new();

	for (unsigned i = 0; i < ARRAY_SIZE(in); i++) {
		struct journal_key k = {
			.journal_seq	= in[i].seq,
			.rewind		= in[i].rewind,
			.allocated	= true,
			.k		= key_new(POS(1, 1), in[i].seq),
		};

		assert_int_equal(bch2_journal_keys_add(&c->journal.keys, &k), 0);
	}
	bch2_journal_keys_sort_dedup(&c->journal.keys);
	assert_int_equal(key_id(bch2_journal_keys_peek_slot(c, 0, 0, POS(1, 1))), 7);
	fs_free(c);
}

static void changes(void **state)
{
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct bch_fs *c = fs_new();
		struct model m = {};

		rnd_state = seed * 31;
		build(c, &m, rnd(100));

		for (unsigned i = 0; i < 300; i++) {
			unsigned level = rnd(LEVELS), b = rnd(ARRAY_SIZE(btrees));
			struct bpos pos = rnd_pos(), end = rnd_pos();

			if (rnd(12)) {
				uint64_t id = 1000 + i;

				assert_int_equal(bch2_journal_key_insert_take(c, btrees[b], level,
						key_new(pos, id)), 0);
				*model_at(&m, level, b, pos) = id;
			} else {
				bch2_journal_keys_delete_range(c, btrees[b], level, level,
							       pos, end);
				for (unsigned s = 0; s < 3 * POSITIONS / 6 * 2; s++) {
					struct bpos p = SPOS(s / 8, s / 2 % 4, s % 2);

					if (bpos_ge(p, pos) && bpos_le(p, end))
						*model_at(&m, level, b, p) = 0;
				}
			}
			compare_lookups(c, &m, 5);
		}
		bch2_journal_keys_freeze(c);
		compare_lookups(c, &m, 200);
		assert_int_equal(bch2_journal_key_delete(c, 0, 0, POS(0, 0)),
				 -BCH_ERR_journal_keys_frozen);
		fs_free(c);
	}
}

/* An iterator meets what is put behind it, and nothing twice. */
static void iterator_under_changes(void **state)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct bch_fs *c = fs_new();
		struct journal_iter iter;
		struct model m = {};
		struct bpos last = POS_MIN;
		bool any = false;
		uint64_t id = 5000;
		struct bkey_i *k;

		rnd_state = seed * 17;
		build(c, &m, 100);
		bch2_journal_iter_init(c, &iter, btrees[1], 0, POS_MIN);

		while ((k = bch2_journal_iter_peek(&iter))) {
			struct bpos pos = k->k.p, n = rnd_pos();

			assert_true(!any || bpos_gt(pos, last));
			assert_int_equal(key_id(k), *model_at(&m, 0, 1, pos));
			assert_int_equal(key_id(k), model_peek(&m, 0, 1,
				any ? bpos_successor(last) : POS_MIN, SPOS_MAX, false));
			last = pos;
			any = true;

			bch2_journal_iter_advance(&iter);
			assert_int_equal(bch2_journal_key_insert_take(c, btrees[1], 0,
					key_new(n, ++id)), 0);
			*model_at(&m, 0, 1, n) = id;
		}
		fs_free(c);
	}
}

/* --- accounting --- */

static struct bkey_i *delta_new(struct bpos pos, uint64_t version, int64_t v, unsigned nr)
{
	struct bkey_i *k = kzalloc((BKEY_U64s + nr) * sizeof(u64), GFP_KERNEL);
	struct bch_accounting *a = (struct bch_accounting *) &k->v;

	bkey_init(&k->k);
	k->k.u64s	= BKEY_U64s + nr;
	k->k.type	= KEY_TYPE_accounting;
	k->k.p		= pos;
	k->k.bversion	= (struct bversion) { .lo = version };
	for (unsigned i = 0; i < nr; i++)
		a->d[i] = cpu_to_le64(v * (i + 1));
	return k;
}

static void add_delta(struct bch_fs *c, uint64_t seq, struct bkey_i *delta)
{
	struct journal_key k = {
		.journal_seq	= seq,
		.btree_id	= BTREE_ID_accounting,
		.allocated	= true,
		.k		= delta,
	};

	assert_int_equal(bch2_journal_keys_add(&c->journal.keys, &k), 0);
}

static int64_t counter(const struct bkey_i *k, unsigned i)
{
	return (int64_t) le64_to_cpu(((struct bch_accounting *) &k->v)->d[i]);
}

static void accounting_deltas(void **state)
{
	struct bch_fs *c = fs_new();
	struct bkey_i *in_btree = delta_new(POS(1, 1), 102, 1000, 2), *k;

	for (unsigned i = 1; i <= 5; i++)
		add_delta(c, i, delta_new(POS(1, 1), 100 + i, i, 2));
	add_delta(c, 9, delta_new(POS(1, 2), 1, 7, 1));
	bch2_journal_keys_sort_dedup(&c->journal.keys);
	assert_int_equal(c->journal.keys.nr, 6);

	/* 101 and 102 are in the btree already; 3 + 4 + 5 are not */
	assert_int_equal(bch2_journal_accounting_merge(c, POS(1, 1), bkey_i_to_s_c(in_btree),
						       true), 0);
	k = bch2_journal_keys_peek_slot(c, BTREE_ID_accounting, 0, POS(1, 1));
	assert_non_null(k);
	assert_int_equal(counter(k, 0), 1012);
	assert_int_equal(counter(k, 1), 2024);
	assert_int_equal(k->k.bversion.lo, 105);

	/* the same without what the btree holds */
	assert_int_equal(bch2_journal_accounting_merge(c, POS(1, 2), bkey_s_c_null, false), 0);
	k = bch2_journal_keys_peek_slot(c, BTREE_ID_accounting, 0, POS(1, 2));
	assert_int_equal(counter(k, 0), 7);
	kfree(in_btree);
	fs_free(c);
}

static void accounting_all_applied(void **state)
{
	struct bch_fs *c = fs_new();
	struct bkey_i *in_btree = delta_new(POS(1, 1), 200, 1, 1);
	size_t idx = 0;

	add_delta(c, 1, delta_new(POS(1, 1), 100, 5, 1));
	add_delta(c, 2, delta_new(POS(1, 1), 200, 5, 1));
	bch2_journal_keys_sort_dedup(&c->journal.keys);
	assert_int_equal(bch2_journal_accounting_merge(c, POS(1, 1), bkey_i_to_s_c(in_btree),
						       true), 0);
	assert_null(bch2_journal_keys_peek_slot(c, BTREE_ID_accounting, 0, POS(1, 1)));
	assert_null(bch2_journal_keys_peek_prev_min(c, BTREE_ID_accounting, 0, SPOS_MAX, POS_MIN,
						    &idx));
	kfree(in_btree);
	fs_free(c);
}

/* Deltas made in memory are summed, and stand beside those of the journal. */
static void accounting_inserted(void **state)
{
	struct bch_fs *c = fs_new();

	add_delta(c, 1, delta_new(POS(1, 1), 100, 5, 1));
	bch2_journal_keys_sort_dedup(&c->journal.keys);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(bch2_journal_key_insert_take(c, BTREE_ID_accounting, 0,
				delta_new(POS(1, 1), 0, 10, 1)), 0);
	assert_int_equal(c->journal.keys.nr, 2);
	assert_int_equal(bch2_journal_accounting_merge(c, POS(1, 1), bkey_s_c_null, false), 0);
	assert_int_equal(counter(bch2_journal_keys_peek_slot(c, BTREE_ID_accounting, 0, POS(1, 1)),
				 0), 35);

	/* a deletion hides them all */
	assert_int_equal(bch2_journal_key_delete(c, BTREE_ID_accounting, 0, POS(1, 1)), 0);
	assert_int_equal(c->journal.keys.nr, 1);
	assert_int_equal(bch2_journal_keys_peek_slot(c, BTREE_ID_accounting, 0,
						     POS(1, 1))->k.type, KEY_TYPE_deleted);
	fs_free(c);
}

/* --- blacklist --- */

#define SEQS	160

static void blacklist(void **state)
{
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct bch_fs *c = fs_new();
		bool bad[SEQS + 1] = {};
		u64 top = 0;

		rnd_state = seed;
		for (unsigned n = 0; n < 12; n++) {
			unsigned start = rnd(SEQS), end = start + rnd(20);

			if (end > SEQS)
				end = SEQS;
			assert_int_equal(bch2_journal_seq_blacklist_add(c, start, end), 0);
			for (unsigned i = start; i < end; i++)
				bad[i] = true;
			if (end > start && end > top)
				top = end;

			for (size_t i = 1; i < c->journal.blacklist.nr; i++)
				assert_true(c->journal.blacklist.d[i - 1].end <
					    c->journal.blacklist.d[i].start);
			for (unsigned i = 0; i < SEQS; i++) {
				unsigned b = i, g = i;

				while (b < SEQS && !bad[b])
					b++;
				while (bad[g])
					g++;
				assert_int_equal(bch2_journal_seq_is_blacklisted(c, i, false),
						 bad[i]);
				assert_int_equal(bch2_journal_seq_next_nonblacklisted(c, i), g);
				assert_int_equal(bch2_journal_seq_next_blacklisted(c, i),
						 b < SEQS ? b : U64_MAX);
			}
			assert_int_equal(bch2_journal_last_blacklisted_seq(c), top);
		}
		fs_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_and_look_up),
		cmocka_unit_test(build_shuffled),
		cmocka_unit_test(rewound_keys),
		cmocka_unit_test(changes),
		cmocka_unit_test(iterator_under_changes),
		cmocka_unit_test(accounting_deltas),
		cmocka_unit_test(accounting_all_applied),
		cmocka_unit_test(accounting_inserted),
		cmocka_unit_test(blacklist),
	};

	return cmocka_run_group_tests_name("journal: overlay, blacklist", tests, NULL, NULL);
}
