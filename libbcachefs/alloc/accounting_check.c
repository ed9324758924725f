// SPDX-License-Identifier: GPL-2.0
/*
 * Is the mirror of the accounting counters right? After reading it (spec 41
 * §3.4), against a recount (§7), and against the btree when the filesystem is
 * stopped (§4.3).
 *
 * Repairs are deltas committed like any other. Before the filesystem is
 * read-write they go into the overlay, and the mirror is corrected here as well.
 */
#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/replicas_live.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

static void counters_get(const struct accounting_mem_entry *e, enum bch_accounting_set set,
			 s64 *v)
{
	for (unsigned int i = 0; i < BCH_ACCOUNTING_MAX_COUNTERS; i++)
		v[i] = i < e->nr_counters ? atomic64_read(&e->v[set][i]) : 0;
}

static void counters_to_text(struct printbuf *out, const s64 *v, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		prt_printf(out, " %lli", (long long) v[i]);
}

/* Where the counters are looked at, and whether the mirror follows commits by itself. */
static bool mirror_is_manual(const struct bch_fs *c)
{
	return !test_bit(BCH_FS_may_go_rw, &c->flags);
}

static int commit_delta(struct btree_trans *trans, struct bpos pos, const s64 *d, unsigned int nr)
{
	return commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			 PTR_ERR_OR_ZERO(bch2_trans_accounting_add(trans, pos, d, nr)));
}

/* --- after reading, spec 41 §3.4 --- */

static bool names_missing_device(struct bch_fs *c, const struct disk_accounting_pos *acc)
{
	if (acc->type == BCH_DISK_ACCOUNTING_dev_data_type)
		return !bch2_dev_exists(c, acc->dev_data_type.dev);
	if (acc->type != BCH_DISK_ACCOUNTING_replicas)
		return false;
	for (unsigned int i = 0; i < acc->replicas.nr_devs; i++)
		if (acc->replicas.devs[i] != BCH_SB_MEMBER_INVALID &&
		    !bch2_dev_exists(c, acc->replicas.devs[i]))
			return true;
	return false;
}

static int fix_missing_device(struct btree_trans *trans, struct accounting_mem_entry *e)
{
	struct bch_fs *c = trans->c;
	CLASS(printbuf, buf)();
	static const s64 zero[BCH_ACCOUNTING_MAX_COUNTERS];
	s64 d[BCH_ACCOUNTING_MAX_COUNTERS];
	int ret = 0;

	counters_get(e, BCH_ACCOUNTING_live, d);
	bch2_accounting_name_to_text(&buf, c, &e->acc);
	if (fsck_err(c, accounting_to_invalid_device,
		     "accounting entry for a device that does not exist: %s", printbuf_str(&buf))) {
		for (unsigned int i = 0; i < ARRAY_SIZE(d); i++)
			d[i] = -d[i];
		ret = commit_delta(trans, e->pos, d, e->nr_counters);
	}
	/* repaired or not, nothing is to be derived from it */
	if (!ret)
		bch2_accounting_mem_set(c, e->pos, zero);
fsck_err:
	return ret;
}

static int fix_not_marked(struct bch_fs *c, const struct accounting_mem_entry *e)
{
	struct bch_replicas_padded r = {};
	CLASS(printbuf, buf)();
	bool marked;
	int ret = 0;

	memcpy(&r.e, &e->acc.replicas, replicas_entry_bytes(&e->acc.replicas));
	mutex_lock(&c->sb_lock);
	marked = bch2_replicas_marked_locked(c, &r.e);
	mutex_unlock(&c->sb_lock);

	bch2_accounting_name_to_text(&buf, c, &e->acc);
	if (!marked && fsck_err(c, accounting_replicas_not_marked,
				"accounting not marked in superblock replicas: %s",
				printbuf_str(&buf))) {
		ret = bch2_replicas_mark(c, &r, 1);
		marked = !ret;
	}
	if (marked)
		bch2_accounting_mem_set_marked(c, e->pos);
fsck_err:
	return ret;
}

static bool any_negative(const struct accounting_mem_entry *e)
{
	for (unsigned int i = 0; i < e->nr_counters; i++)
		if ((s64) atomic64_read(&e->v[BCH_ACCOUNTING_live][i]) < 0)
			return true;
	return false;
}

static int report_negative(struct bch_fs *c, struct printbuf *names)
{
	int ret = 0;

	if (fsck_err(c, accounting_key_underflow, "negative counters:%s", printbuf_str(names)) &&
	    c->up.request_pass)
		ret = c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_allocations);
fsck_err:
	return ret;
}

/**
 * bch2_accounting_mem_fixups - put right what cannot be, after reading
 * @trans:	transaction without pending updates; the mirror has just been filled
 *
 * Spec 41 §3.4, in its order. Returns 0, an error of the policy or of a repair, or
 * that recovery has to go back to check_allocations.
 */
int bch2_accounting_mem_fixups(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct accounting_mem_entry e;
	struct bpos pos = POS_MIN;
	CLASS(printbuf, negative)();
	int ret = 0;

	bch2_accounting_mem_drop_zeros(c);
	for (; !ret && bch2_accounting_mem_next(c, pos, &e); pos = bpos_successor(e.pos)) {
		if (names_missing_device(c, &e.acc))
			ret = fix_missing_device(trans, &e);
		else if (!e.replicas_marked)
			ret = fix_not_marked(c, &e);
		if (!ret && any_negative(&e) && negative.pos < 4096) {
			prt_str(&negative, "\n  ");
			bch2_accounting_name_to_text(&negative, c, &e.acc);
		}
		if (bpos_eq(e.pos, SPOS_MAX))
			break;
	}
	if (ret)
		return ret;

	bch2_accounting_mem_drop_zeros(c);
	bch2_accounting_totals_recalc(c);
	c->accounting.ready = true;
	return negative.pos ? report_negative(c, &negative) : 0;
}

/* --- against a recount, spec 41 §7 --- */

static void gc_set_clear(struct bch_fs *c)
{
	struct bch_fs_accounting *a = &c->accounting;

	for (u32 i = 0; i < a->nr; i++)
		for (unsigned int j = 0; j < BCH_ACCOUNTING_MAX_COUNTERS; j++)
			atomic64_set(&a->entries[i]->v[BCH_ACCOUNTING_gc][j], 0);
}

static int gc_set_free_buckets(struct bch_fs *c, struct bch_dev *ca)
{
	struct {
		struct bkey_i	k;
		__le64		d[3];
	} buf = {};
	struct disk_accounting_pos acc = {
		.type = BCH_DISK_ACCOUNTING_dev_data_type,
		.dev_data_type.dev = ca->dev_idx,
		.dev_data_type.data_type = BCH_DATA_free,
	};

	bkey_init(&buf.k.k);
	buf.k.k.type	= KEY_TYPE_accounting;
	buf.k.k.p	= bch2_accounting_pos_encode(&acc);
	set_bkey_val_u64s(&buf.k.k, ARRAY_SIZE(buf.d));
	buf.d[0]	= cpu_to_le64(ca->mi.nbuckets - ca->mi.first_bucket);
	return bch2_accounting_mem_add(c, bkey_i_to_s_c(&buf.k), BCH_ACCOUNTING_gc);
}

/**
 * bch2_accounting_gc_start - begin a recount
 * @c:		filesystem
 *
 * The second set starts with all buckets free. Returns 0 or no memory.
 */
int bch2_accounting_gc_start(struct bch_fs *c)
{
	struct bch_fs_accounting *a = &c->accounting;
	int ret = 0;

	down_write(&a->lock);
	gc_set_clear(c);
	a->gc_running = true;
	a->gc_all |= a->names_new;
	up_write(&a->lock);

	for_each_member_device(c, ca)
		ret = ret ?: gc_set_free_buckets(c, ca);
	return ret;
}

/**
 * bch2_accounting_gc_stop - end a recount, whether it was completed or not
 * @c:		filesystem
 */
void bch2_accounting_gc_stop(struct bch_fs *c)
{
	struct bch_fs_accounting *a = &c->accounting;

	down_write(&a->lock);
	gc_set_clear(c);
	a->gc_running = false;
	up_write(&a->lock);
	bch2_accounting_mem_drop_zeros(c);
}

static int fix_mismatch(struct btree_trans *trans, const struct accounting_mem_entry *e)
{
	struct bch_fs *c = trans->c;
	s64 live[BCH_ACCOUNTING_MAX_COUNTERS], gc[BCH_ACCOUNTING_MAX_COUNTERS];
	s64 d[BCH_ACCOUNTING_MAX_COUNTERS];
	CLASS(printbuf, buf)();
	int ret = 0;

	counters_get(e, BCH_ACCOUNTING_live, live);
	counters_get(e, BCH_ACCOUNTING_gc, gc);
	if (!memcmp(live, gc, sizeof(live)))
		return 0;

	bch2_accounting_name_to_text(&buf, c, &e->acc);
	prt_str(&buf, ": got");
	counters_to_text(&buf, live, e->nr_counters);
	prt_str(&buf, " should be");
	counters_to_text(&buf, gc, e->nr_counters);
	if (fsck_err(c, accounting_mismatch, "accounting mismatch for %s", printbuf_str(&buf))) {
		for (unsigned int i = 0; i < ARRAY_SIZE(d); i++)
			d[i] = gc[i] - live[i];
		ret = commit_delta(trans, e->pos, d, e->nr_counters);
		if (!ret && mirror_is_manual(c))
			bch2_accounting_mem_set(c, e->pos, gc);
	}
fsck_err:
	return ret;
}

/* What the btree holds, and what this start has added to it. */
static int counters_stored(struct btree_trans *trans, struct bpos pos, s64 *v)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	memset(v, 0, sizeof(*v) * BCH_ACCOUNTING_MAX_COUNTERS);
	bch2_trans_iter_init(trans, &iter, BTREE_ID_accounting, pos, BTREE_ITER_all_snapshots);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	for (unsigned int i = 0; !ret && k.k->type == KEY_TYPE_accounting &&
	     i < BCH_ACCOUNTING_MAX_COUNTERS; i++)
		v[i] = bch2_accounting_counter(k, i);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/*
 * Counters that are not mirrored are trusted, unless an upgrade has deleted all of
 * them (spec 41 §2.2): those of snapshots decide about their deletion.
 */
static int restore_unmirrored(struct btree_trans *trans, const struct accounting_mem_entry *e)
{
	s64 gc[BCH_ACCOUNTING_MAX_COUNTERS], d[BCH_ACCOUNTING_MAX_COUNTERS];
	bool differs = false;
	int ret;

	if (!trans->c->accounting.names_new || e->acc.type >= BCH_DISK_ACCOUNTING_TYPE_NR)
		return 0;
	ret = lockrestart_do(trans, counters_stored(trans, e->pos, d));
	if (ret)
		return ret;

	counters_get(e, BCH_ACCOUNTING_gc, gc);
	for (unsigned int i = 0; i < ARRAY_SIZE(d); i++) {
		d[i] = gc[i] - d[i];
		differs |= d[i] != 0;
	}
	return differs ? commit_delta(trans, e->pos, d, e->nr_counters) : 0;
}

/**
 * bch2_accounting_gc_done - compare the recount with the live counters
 * @trans:	transaction without pending updates; everything has been counted
 *
 * accounting_mismatch (272) for every name that differs; the repair commits the
 * difference. Returns 0 or an error of the policy or of a repair.
 */
int bch2_accounting_gc_done(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct accounting_mem_entry e;
	struct bpos pos = POS_MIN;
	int ret = 0;

	for (; !ret && bch2_accounting_mem_next(c, pos, &e); pos = bpos_successor(e.pos)) {
		if (bch2_accounting_is_mem(e.acc.type))
			ret = fix_mismatch(trans, &e);
		else
			ret = restore_unmirrored(trans, &e);
		if (bpos_eq(e.pos, SPOS_MAX))
			break;
	}
	if (!ret && mirror_is_manual(c))
		bch2_accounting_totals_recalc(c);
	return ret;
}

/* --- against the btree, spec 41 §4.3 --- */

struct verify {
	struct bch_fs		*c;
	unsigned int		bad;
};

static int verify_key(struct verify *v, struct bkey_s_c k)
{
	struct disk_accounting_pos acc;
	u64 mem[BCH_ACCOUNTING_MAX_COUNTERS];
	CLASS(printbuf, buf)();
	bool same = true;

	if (k.k->type != KEY_TYPE_accounting)
		return 0;
	bch2_accounting_pos_decode(&acc, k.k->p, bch2_accounting_pos_reversed(v->c));
	if (!bch2_accounting_is_mem(acc.type))
		return 0;

	bch2_accounting_mem_read(v->c, &acc, mem, ARRAY_SIZE(mem));
	for (unsigned int i = 0; i < bch2_accounting_type_nr_counters(acc.type); i++)
		same &= mem[i] == bch2_accounting_counter(k, i);
	if (same)
		return 0;

	bch2_accounting_name_to_text(&buf, v->c, &acc);
	bch_err(v->c, "counters of the btree and in memory differ: %s: %lli, in memory %lli",
		printbuf_str(&buf), (long long) bch2_accounting_counter(k, 0), (long long) mem[0]);
	v->bad++;
	return 0;
}

/**
 * bch2_accounting_verify_clean - do btree and mirror agree?
 * @trans:	transaction; all deltas have been flushed to the btree
 *
 * Returns how many counters differ - each has been reported -, or an error.
 */
int bch2_accounting_verify_clean(struct btree_trans *trans)
{
	struct verify v = { .c = trans->c };
	int ret = for_each_btree_key(trans, iter, BTREE_ID_accounting, POS_MIN,
				     BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k,
				     verify_key(&v, k));

	return ret ?: (int) min_t(unsigned int, v.bad, INT_MAX);
}
