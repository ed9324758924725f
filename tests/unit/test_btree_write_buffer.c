// SPDX-License-Identifier: GPL-2.0
/*
 * The write buffer without a journal or btrees: what intake makes of records, and
 * what sorting and collapsing make of what was taken in, against a model. The pins
 * below are the test's own: at every change it is checked that nothing unfinished
 * is left unpinned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "btree_image.h"
#include "journal/journal.h"
#include "journal/pins.h"

static struct bch_fs *c;
static unsigned flushes_queued;
static bool told_low;

/* --- in the place of the journal and the flusher --- */

static u64 area_oldest(const struct wb_area *a)
{
	u64 oldest = U64_MAX;

	wb_for_each_key(a, w)
		if (w->seq && w->seq < oldest)
			oldest = w->seq;
	return oldest;
}

/* One of the two pins of a buffer is at or before everything unfinished in it. */
static bool covered(const struct btree_write_buffer *wb)
{
	u64 oldest = area_oldest(&wb->incoming), o = area_oldest(&wb->flushing);
	u64 in = wb->incoming.pin.seq ?: U64_MAX, fl = wb->flushing.pin.seq ?: U64_MAX;

	oldest = o < oldest ? o : oldest;
	return oldest == U64_MAX || oldest >= (in < fl ? in : fl);
}

static void pin_changed(struct journal_entry_pin *pin, bool lowered)
{
	for (unsigned i = 0; !lowered && i < c->btree.wb.nr; i++)
		assert_true(covered(c->btree.wb.b[i]));
}

/** bch2_journal_pin_add - the older of two numbers stays */
void bch2_journal_pin_add(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush)
{
	if (!pin->seq || seq < pin->seq)
		pin->seq = seq;
	pin->flush = flush;
	pin_changed(pin, true);
}

/** bch2_journal_pin_update - the newer of two numbers stays */
void bch2_journal_pin_update(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			     enum journal_pin_type type, journal_pin_flush_fn flush)
{
	if (seq > pin->seq)
		pin->seq = seq;
	pin_changed(pin, false);
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
	pin->seq = 0;
	pin_changed(pin, false);
}

/** bch2_journal_set_wb_low - remember what was said */
void bch2_journal_set_wb_low(struct bch_fs *c, bool low)
{
	told_low = low;
}

/** bch2_journal_buf_start - no entry is looked at here */
u64 *bch2_journal_buf_start(const struct journal_buf *buf)
{
	return NULL;
}

/** bch2_journal_buf_end - no entry is looked at here */
u64 *bch2_journal_buf_end(const struct journal_buf *buf)
{
	return NULL;
}

/** bch2_wb_flush_work - counts */
void bch2_wb_flush_work(struct work_struct *work)
{
	__atomic_add_fetch(&flushes_queued, 1, __ATOMIC_RELAXED);
}

/* --- records --- */

struct records {
	u64		d[1 << 16];
	unsigned	nr;
	unsigned	seq;
};

static void add_record(struct records *r, unsigned type, unsigned btree, const struct bkey_i *k)
{
	struct jset_entry *e = (struct jset_entry *) (r->d + r->nr);

	memset(e, 0, sizeof(*e));
	e->u64s		= cpu_to_le16(k->k.u64s);
	e->btree_id	= btree;
	e->type		= type;
	memcpy(e + 1, k, bkey_bytes(&k->k));
	r->nr += 1 + k->k.u64s;
}

static int take(struct records *r)
{
	int ret = bch2_wb_intake_records(c, r->seq, r->d, r->d + r->nr);

	for (unsigned i = 0; !ret && i < r->nr;) {
		struct jset_entry *e = (struct jset_entry *) (r->d + i);

		assert_int_not_equal(e->type, BCH_JSET_ENTRY_write_buffer_keys);
		i += 1 + le16_to_cpu(e->u64s);
	}
	return ret;
}

static struct btree_write_buffer *wb_of(unsigned btree)
{
	return c->btree.wb.b[c->btree.wb.idx[btree]];
}

static struct tkey counter(struct bpos p, u64 v0, u64 v1, u64 version)
{
	struct tkey k = tkey_make(KEY_TYPE_accounting, p, 0, 2, 0);

	k.v[0] = v0;
	k.v[1] = v1;
	k.k.k.bversion.lo = version;
	return k;
}

/* Position of a counter of a type. */
static struct bpos counter_pos(unsigned type, unsigned i)
{
	return SPOS((u64) type << 56 | i, 0, 0);
}

static int setup(void **state)
{
	c = timg_fs(4096, 512);
	assert_int_equal(bch2_fs_write_buffer_init(c), 0);
	flushes_queued = 0;
	told_low = false;
	return 0;
}

static int teardown(void **state)
{
	bch2_fs_write_buffer_exit(c);
	assert_int_equal(atomic_long_read(&c->btree.wb.words_used), 0);
	timg_fs_free(c);
	return 0;
}

/* --- intake --- */

static void buffered_btrees_have_buffers(void **state)
{
	for (unsigned id = 0; id < BTREE_ID_NR; id++) {
		assert_int_equal(c->btree.wb.idx[id] >= 0, btree_type_uses_write_buffer(id));
		if (btree_type_uses_write_buffer(id))
			assert_int_equal(wb_of(id)->btree_id, id);
	}
}

static void records_are_taken_once(void **state)
{
	static struct records r;
	struct tkey k = tkey_make(KEY_TYPE_set, POS(1, 2), 0, 0, 0);
	struct tkey p = tkey_make(KEY_TYPE_cookie, POS(1, 2), 0, 1, 0);

	r.nr = 0;
	r.seq = 7;
	add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_lru, &k.k);
	add_record(&r, BCH_JSET_ENTRY_btree_keys, BTREE_ID_extents, &p.k);
	add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_need_discard, &k.k);
	assert_int_equal(take(&r), 0);
	assert_int_equal(take(&r), 0);
	assert_int_equal(bch2_wb_area_keys(&wb_of(BTREE_ID_lru)->incoming), 1);
	assert_int_equal(bch2_wb_area_keys(&wb_of(BTREE_ID_need_discard)->incoming), 1);
	assert_int_equal(wb_of(BTREE_ID_lru)->incoming.pin.seq, 7);
	assert_int_equal(wb_of(BTREE_ID_backpointers)->incoming.pin.seq, 0);
	/* a later entry leaves the pin where it is */
	r.nr = 0;
	r.seq = 9;
	add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_lru, &k.k);
	assert_int_equal(take(&r), 0);
	assert_int_equal(wb_of(BTREE_ID_lru)->incoming.pin.seq, 7);
}

static void emergency(struct bch_fs *c)
{
	set_bit(BCH_FS_emergency_ro, &c->flags);
}

static void unbuffered_btrees_are_an_error(void **state)
{
	static struct records r;
	struct tkey k = tkey_make(KEY_TYPE_cookie, POS(1, 2), 0, 1, 0);

	c->up.emergency_ro = emergency;
	r.nr = 0;
	r.seq = 1;
	add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_extents, &k.k);
	assert_int_not_equal(take(&r), 0);
	assert_true(test_bit(BCH_FS_emergency_ro, &c->flags));
}

static void counters_are_summed_per_entry(void **state)
{
	static struct records r;
	struct btree_write_buffer *wb = wb_of(BTREE_ID_accounting);
	const struct bpos sum = counter_pos(BCH_DISK_ACCOUNTING_btree, 1);
	const struct bpos zero = counter_pos(BCH_DISK_ACCOUNTING_btree, 2);
	const struct bpos inum = counter_pos(BCH_DISK_ACCOUNTING_inum, 3);
	struct tkey k, del = tkey_make(KEY_TYPE_deleted, sum, 0, 0, 0);
	unsigned nr = 0;

	r.nr = 0;
	r.seq = 5;
#define ADD(p, a, b, v) (k = counter(p, a, b, v), \
		add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_accounting, &k.k))
	ADD(sum, 5, 1, 10);
	ADD(zero, 3, 0, 11);
	ADD(inum, 1, 0, 12);
	ADD(sum, -2, 1, 14);
	ADD(zero, -3, 0, 13);
	ADD(inum, 1, 0, 15);
	assert_int_equal(take(&r), 0);
	wb_for_each_key(&wb->incoming, w) {
		assert_int_equal(w->seq, 5);
		if (bpos_eq(w->k.k.p, sum)) {
			assert_int_equal(wb_counters(&w->k)[0], 3);
			assert_int_equal(wb_counters(&w->k)[1], 2);
			assert_int_equal(w->k.k.bversion.lo, 14);
		}
		assert_false(bpos_eq(w->k.k.p, zero));
		nr++;
	}
	assert_int_equal(nr, 3);

	/* a deletion in between keeps its place */
	bch2_wb_area_clear(wb, &wb->incoming);
	r.nr = 0;
	ADD(sum, 5, 0, 20);
	add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_accounting, &del.k);
	ADD(sum, 7, 0, 21);
#undef ADD
	assert_int_equal(take(&r), 0);
	nr = 0;
	wb_for_each_key(&wb->incoming, w) {
		assert_int_equal(w->k.k.type, nr == 1 ? KEY_TYPE_deleted : KEY_TYPE_accounting);
		if (nr != 1)
			assert_int_equal(wb_counters(&w->k)[0], nr ? 7 : 5);
		nr++;
	}
	assert_int_equal(nr, 3);
}

/* More different counters than are summed at a time: none is lost. */
static void many_counters(void **state)
{
	static struct records r;
	static u64 sum[700], got[700];
	struct btree_write_buffer *wb = wb_of(BTREE_ID_accounting);

	memset(sum, 0, sizeof(sum));
	memset(got, 0, sizeof(got));
	r.nr = 0;
	r.seq = 5;
	for (unsigned i = 0; i < 3000; i++) {
		const unsigned n = trnd() % 700;
		const u64 v = trnd() % 1000;
		struct tkey k = counter(counter_pos(BCH_DISK_ACCOUNTING_btree, n), v, 0, i);

		sum[n] += v;
		add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_accounting, &k.k);
	}
	assert_int_equal(take(&r), 0);
	wb_for_each_key(&wb->incoming, w)
		got[w->k.k.p.inode & 0xffff] += wb_counters(&w->k)[0];
	assert_memory_equal(sum, got, sizeof(sum));
}

static void fullness_is_told(void **state)
{
	static struct records r;
	struct tkey k = tkey_make(KEY_TYPE_set, POS(1, 2), 0, 0, 0);
	unsigned seq = 1;

	while (!told_low && seq < 100000) {
		r.nr = 0;
		r.seq = seq++;
		for (unsigned i = 0; i < 5000; i++)
			add_record(&r, BCH_JSET_ENTRY_write_buffer_keys, BTREE_ID_lru, &k.k);
		assert_int_equal(take(&r), 0);
	}
	assert_true(told_low);
	assert_true(bch2_btree_write_buffer_must_wait(c));
	flush_workqueue(c->btree.wb.wq);
	assert_true(flushes_queued > 0);
	bch2_wb_area_clear(wb_of(BTREE_ID_lru), &wb_of(BTREE_ID_lru)->incoming);
	bch2_wb_update_pressure(c);
	assert_false(told_low);
}

/* --- collapse --- */

#define PLACES	50

struct model {
	unsigned	type;		/* of the survivor; 0 after deleted: none ever */
	bool		any;
	bool		from_zero;	/* counts from zero, not from the btree's value */
	u64		sum;
	u64		fill;
	u64		min_seq, max_seq;
};

static void model_apply(struct model *m, unsigned type, u64 v, u64 seq)
{
	const bool acc = type == KEY_TYPE_accounting;

	if (acc && m->any && m->type == KEY_TYPE_accounting) {
		m->sum += v;
		m->max_seq = seq;
	} else {
		m->from_zero	= acc && m->any;
		m->sum		= v;
		m->min_seq	= m->max_seq = seq;
	}
	m->fill = v;
	m->type = type;
	m->any	= true;
}

static struct bpos wb_place(unsigned i)
{
	return SPOS(i / 10, i % 10, i % 3);
}

static void collapse_like_model(void **state)
{
	struct btree_write_buffer *wb = wb_of(BTREE_ID_accounting);

	for (unsigned round = 0; round < 500; round++) {
		struct model m[PLACES] = { 0 };
		struct wb_ref refs[400];
		unsigned nr = 1 + trnd() % 400, left = 0, out;
		u64 seq = 1;

		trnd_seed(round + 1);
		for (unsigned i = 0; i < nr; i++) {
			const unsigned p = trnd() % PLACES, kind = trnd() % 8;
			const unsigned type = !kind ? KEY_TYPE_deleted : KEY_TYPE_accounting;
			const u64 v = trnd() % 1000 - 500;
			struct tkey k = !kind ? tkey_make(type, wb_place(p), 0, 0, 0)
					      : counter(wb_place(p), v, 0, i);

			seq += trnd() % 3;
			model_apply(&m[p], type, kind ? v : 0, seq);
			bch2_wb_area_append(wb, &wb->incoming, seq, &k.k);
			bch2_journal_pin_add(c, seq, &wb->incoming.pin, 0, bch2_wb_pin_flush);
			if (trnd() % 50 == 0)
				bch2_wb_move_incoming(wb);
		}
		bch2_wb_move_incoming(wb);
		assert_int_equal(wb->incoming.nr, 0);
		assert_int_equal(bch2_wb_area_keys(&wb->flushing), nr);
		assert_int_equal(bch2_wb_refs_sorted(&wb->flushing, refs), nr);
		out = bch2_wb_collapse(&wb->flushing, refs, nr);
		for (unsigned i = 0; i < out; i++) {
			const struct wb_key *w = wb_key_at(&wb->flushing, refs[i].idx);
			const struct model *e = NULL;

			for (unsigned p = 0; p < PLACES; p++)
				if (bpos_eq(wb_place(p), refs[i].p))
					e = &m[p];
			assert_non_null(e);
			assert_int_equal(w->k.k.type, e->type);
			assert_int_equal(w->seq, e->min_seq);
			assert_int_equal(w->guard, e->max_seq);
			if (e->type == KEY_TYPE_accounting) {
				assert_int_equal(*(u64 *) &w->k.v, e->sum);
				assert_int_equal(w->accumulated, e->from_zero);
			}
			if (i)
				assert_true(bpos_lt(refs[i - 1].p, refs[i].p));
		}
		for (unsigned p = 0; p < PLACES; p++)
			left += m[p].any;
		assert_int_equal(out, left);

		/* some are applied, the rest is kept, pinned at its oldest */
		for (unsigned i = 0; i < out; i += 1 + trnd() % 3) {
			wb_key_at(&wb->flushing, refs[i].idx)->seq = 0;
			left--;
		}
		bch2_wb_area_keep_unfinished(wb, &wb->flushing);
		assert_int_equal(bch2_wb_area_keys(&wb->flushing), left);
		if (left)
			assert_int_equal(wb->flushing.pin.seq, area_oldest(&wb->flushing));
		else
			assert_int_equal(wb->flushing.pin.seq, 0);
		bch2_wb_area_clear(wb, &wb->flushing);
	}
	assert_int_equal(atomic_long_read(&c->btree.wb.words_used), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(buffered_btrees_have_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(records_are_taken_once, setup, teardown),
		cmocka_unit_test_setup_teardown(unbuffered_btrees_are_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_are_summed_per_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(many_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(fullness_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(collapse_like_model, setup, teardown),
	};

	return cmocka_run_group_tests_name("write buffer", tests, NULL, NULL);
}
