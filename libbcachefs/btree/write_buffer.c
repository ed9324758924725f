// SPDX-License-Identifier: GPL-2.0
/*
 * The write buffer's intake: buffered updates are taken out of journal entries in
 * memory, before these are written (spec 22 sections 3.3, 4.1).
 *
 * Each key is taken once: its record becomes one of type btree_keys as it is taken
 * (WB-0), so what is on disk is replayed like any other. Order per position is the
 * journal's (WB-1). After intake the buffers pin the entry (PC-5), so its own pin
 * may go.
 */
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/validate.h"
#include "util/log.h"
#include "util/sync_point.h"

/* Words a btree's buffer is meant to hold at most; it grows up to this. */
#define CAPACITY_MAX_U64s	(1U << 22)

static struct btree_write_buffer *wb_of(struct bch_fs *c, unsigned btree)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;

	if (!s->initialized || btree >= BTREE_ID_NR_MAX || s->idx[btree] < 0)
		return NULL;
	return s->b[s->idx[btree]];
}

/**
 * bch2_wb_pin_flush - the journal wants entries back that a buffer pins
 *
 * The flush is done by a worker.
 */
int bch2_wb_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;
	unsigned i;

	for (i = 0; i < s->nr; i++)
		if (pin == &s->b[i]->incoming.pin || pin == &s->b[i]->flushing.pin)
			queue_work(s->wq, &s->b[i]->flush_work);
	return 0;
}

/* --- sums of counters within one entry --- */

/* Counters kept in memory are summed; snapshot and inum counters are too many. */
static bool counter_is_summed(const struct bkey_i *k)
{
	/* the name's first byte, its type, is the position's last */
	const unsigned type = k->k.p.inode >> 56;

	return k->k.type == KEY_TYPE_accounting &&
		type != BCH_DISK_ACCOUNTING_snapshot && type != BCH_DISK_ACCOUNTING_inum &&
		bkey_val_u64s(&k->k) <= BCH_ACCOUNTING_MAX_COUNTERS;
}

/* The slot of @p, or a free one. The table is never more than half full. */
static u16 *counter_slot(struct wb_counter_table *t, struct bpos p)
{
	u32 h = hash_64(p.inode ^ hash_64(p.offset, 64) ^ p.snapshot, WB_COUNTERS_HASH_BITS);

	while (t->hash[h] && !bpos_eq(t->c[t->hash[h] - 1].k.p, p))
		h = (h + 1) & ((1U << WB_COUNTERS_HASH_BITS) - 1);
	return &t->hash[h];
}

static bool counter_is_zero(const struct wb_counter *n)
{
	unsigned i;

	for (i = 0; i < n->nr; i++)
		if (n->d[i])
			return false;
	return true;
}

static void counter_stage(struct btree_write_buffer *wb, struct wb_counter *n, u64 seq)
{
	struct {
		struct bkey_i	k;
		__le64		d[BCH_ACCOUNTING_MAX_COUNTERS];
	} buf;

	if (counter_is_zero(n))
		return;
	buf.k.k = n->k;
	set_bkey_val_u64s(&buf.k.k, n->nr);
	memcpy(buf.d, n->d, sizeof(buf.d));
	bch2_wb_area_append(wb, &wb->incoming, seq, &buf.k);
	memset(n->d, 0, sizeof(n->d));
}

/* At the end of an entry, or if there are too many different ones in it. */
static void counters_stage_all(struct btree_write_buffer *wb, struct wb_counter_table *t, u64 seq)
{
	u32 i;

	for (i = 0; i < t->nr; i++)
		counter_stage(wb, &t->c[i], seq);
	if (t->nr)
		memset(t->hash, 0, sizeof(t->hash));
	t->nr = 0;
}

static void counter_add(struct btree_write_buffer *wb, struct wb_counter_table *t, u64 seq,
			const struct bkey_i *k)
{
	const __le64 *d = (const __le64 *) &k->v;
	struct wb_counter *n;
	unsigned i;
	u16 *slot;

	if (t->nr == WB_COUNTERS_MAX)
		counters_stage_all(wb, t, seq);
	slot = counter_slot(t, k->k.p);
	if (!*slot) {
		*slot = ++t->nr;
		n = &t->c[t->nr - 1];
		memset(n, 0, sizeof(*n));
		n->k = k->k;
	} else {
		n = &t->c[*slot - 1];
	}
	n->nr = max(n->nr, (u64) bkey_val_u64s(&k->k));
	if (bversion_cmp(n->k.bversion, k->k.bversion) < 0)
		n->k.bversion = k->k.bversion;
	for (i = 0; i < bkey_val_u64s(&k->k); i++)
		le64_add_cpu(&n->d[i], le64_to_cpu(d[i]));
}

/* --- intake --- */

/* Sums of @k's position go before @k, if it is no delta itself: order counts. */
static void key_stage(struct btree_write_buffer *wb, struct wb_counter_table *t, u64 seq,
		      const struct bkey_i *k)
{
	if (wb->btree_id == BTREE_ID_accounting) {
		u16 *slot;

		if (counter_is_summed(k)) {
			counter_add(wb, t, seq, k);
			return;
		}
		slot = counter_slot(t, k->k.p);
		if (*slot)
			counter_stage(wb, &t->c[*slot - 1], seq);
	}
	bch2_wb_area_append(wb, &wb->incoming, seq, k);
}

/* A buffer that is half full, or small compared with journal entries, grows. */
static void capacity_update(struct btree_write_buffer *wb, u32 entry_u64s)
{
	const u32 used = wb->incoming.nr + READ_ONCE(wb->flushing.nr);
	u32 want = max(wb->capacity, entry_u64s / 8);

	while (want < CAPACITY_MAX_U64s && used > want / 2)
		want *= 2;
	want = min(want, CAPACITY_MAX_U64s);
	atomic_long_add((long) want - (long) wb->capacity, &wb->c->btree.wb.words_capacity);
	wb->capacity = want;
}

/* All keys of an entry for @wb are staged. */
static void staged(struct btree_write_buffer *wb, u64 seq, u32 entry_u64s)
{
	struct bch_fs *c = wb->c;
	u32 used;

	if (!wb->incoming.nr)
		return;
	bch2_sync_point(c, wb_intake_H9a);
	/* unless something older is staged already */
	bch2_journal_pin_add(c, seq, &wb->incoming.pin, JOURNAL_PIN_TYPE_other,
			     bch2_wb_pin_flush);
	bch2_sync_point(c, wb_intake_H9b);
	capacity_update(wb, entry_u64s);
	used = wb->incoming.nr + READ_ONCE(wb->flushing.nr);
	if (used > wb->capacity / 4)
		queue_work(c->btree.wb.wq, &wb->flush_work);
}

/* Records of one btree that follow each other are taken under one lock. */
static int record_take(struct bch_fs *c, struct jset_entry *e, u64 seq, u64 *touched)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;
	struct btree_write_buffer *wb = wb_of(c, e->btree_id);

	if (!wb) {
		bch_err(c, "buffered update of btree %u, which has no buffer: going read-only",
			e->btree_id);
		if (c->up.emergency_ro)
			c->up.emergency_ro(c);
		return -BCH_ERR_EINVAL_btree_id;
	}
	mutex_lock(&wb->incoming.lock);
	jset_entry_for_each_key(e, k)
		key_stage(wb, s->counters, seq, k);
	mutex_unlock(&wb->incoming.lock);
	*touched |= 1ULL << s->idx[e->btree_id];
	/* taken: never again, and replayed if it gets to disk (WB-0) */
	WRITE_ONCE(e->type, BCH_JSET_ENTRY_btree_keys);
	return 0;
}

/**
 * bch2_wb_intake_records - take the buffered keys out of records in memory
 * @c:		filesystem
 * @seq:	entry they belong to; its own pin is held
 * @start:	first record
 * @end:	behind the last one; nobody adds to them meanwhile
 *
 * 0, or -BCH_ERR_EINVAL_btree_id: the filesystem goes read-only then.
 */
int bch2_wb_intake_records(struct bch_fs *c, u64 seq, u64 *start, u64 *end)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;
	u64 touched = 0;
	unsigned i;
	int ret = 0;

	mutex_lock(&s->intake_lock);
	for_each_jset_entry_range(e, (struct jset_entry *) start, end) {
		if (e->type == BCH_JSET_ENTRY_write_buffer_keys)
			ret = record_take(c, e, seq, &touched);
		if (ret)
			break;
	}
	for (i = 0; i < s->nr; i++) {
		struct btree_write_buffer *wb = s->b[i];

		if (!(touched & (1ULL << i)))
			continue;
		mutex_lock(&wb->incoming.lock);
		if (wb->btree_id == BTREE_ID_accounting)
			counters_stage_all(wb, s->counters, seq);
		staged(wb, seq, end - start);
		mutex_unlock(&wb->incoming.lock);
	}
	mutex_unlock(&s->intake_lock);
	if (touched)
		bch2_wb_update_pressure(c);
	return ret;
}

/* Without buffers nobody may have made a buffered update: it would be lost. */
static int no_buffers(u64 *start, u64 *end)
{
	for_each_jset_entry_range(e, (struct jset_entry *) start, end)
		if (e->type == BCH_JSET_ENTRY_write_buffer_keys)
			return -BCH_ERR_EINVAL_btree_id;
	return 0;
}

/**
 * bch2_btree_write_buffer_intake - take the buffered keys out of a journal entry
 * @buf:	closed entry with no reservation out, or the open one while the
 *		journal is blocked; the caller has the intake lock of the journal
 *
 * See the header.
 */
int bch2_btree_write_buffer_intake(struct bch_fs *c, struct journal_buf *buf)
{
	u64 *start = bch2_journal_buf_start(buf), *end = bch2_journal_buf_end(buf);
	int ret = c->btree.wb.initialized ? bch2_wb_intake_records(c, buf->seq, start, end)
					  : no_buffers(start, end);

	if (!ret && READ_ONCE(buf->state) != JOURNAL_BUF_open)
		buf->need_intake = false;
	return ret;
}

/* --- pressure --- */

/** bch2_btree_write_buffer_must_wait - are the buffers three quarters full? */
bool bch2_btree_write_buffer_must_wait(struct bch_fs *c)
{
	const long used = atomic_long_read(&c->btree.wb.words_used);
	const long capacity = atomic_long_read(&c->btree.wb.words_capacity);

	return used > capacity / 4 * 3;
}

/** bch2_wb_update_pressure - tell the journal to hold updates back, or to let them go */
void bch2_wb_update_pressure(struct bch_fs *c)
{
	const bool low = bch2_btree_write_buffer_must_wait(c);
	unsigned i;

	if (READ_ONCE(c->btree.wb.low) == low)
		return;
	WRITE_ONCE(c->btree.wb.low, low);
	bch2_journal_set_wb_low(c, low);
	for (i = 0; low && i < c->btree.wb.nr; i++)
		queue_work(c->btree.wb.wq, &c->btree.wb.b[i]->flush_work);
}
