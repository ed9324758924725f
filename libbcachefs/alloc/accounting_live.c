// SPDX-License-Identifier: GPL-2.0
/*
 * The mirror of the accounting btree in memory, and how transactions change it
 * (spec 41 §3.1, §4).
 *
 * Names are kept in one array in the order of their positions; entries stay
 * where they are while the table's lock is held in any mode. Counters are
 * atomic: changing them takes the lock only for reading. For every name the
 * live set equals the btree's counter plus all deltas committed since, as soon
 * as bch2_accounting_read() has run; totals and device usage are sums of the
 * live set at all times.
 */
#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/replicas_live.h"
#include "btree/bkey_val.h"
#include "btree/update.h"
#include "sb/members.h"
#include "util/bpos.h"

/* Devices that fit a replicas name. */
#define NAME_DEVS_MAX	(sizeof(((struct disk_accounting_pos *) NULL)->bytes) -	\
			 sizeof(struct bch_replicas_entry_v1))

/**
 * bch2_fs_accounting_init - before anything is counted
 * @c:		filesystem
 *
 * Returns 0.
 */
int bch2_fs_accounting_init(struct bch_fs *c)
{
	init_rwsem(&c->accounting.lock);
	return 0;
}

static void entries_free(struct bch_fs_accounting *a)
{
	for (u32 i = 0; i < a->nr; i++)
		kfree(a->entries[i]);
	a->nr = 0;
}

/**
 * bch2_fs_accounting_exit - free the mirror
 * @c:		filesystem; nobody uses it any more
 */
void bch2_fs_accounting_exit(struct bch_fs *c)
{
	entries_free(&c->accounting);
	kvfree(c->accounting.entries);
	c->accounting.entries = NULL;
	c->accounting.size = 0;
}

/* --- the table --- */

/* Index of the first name at or behind @pos; the lock is held in any mode. */
static u32 entry_search(const struct bch_fs_accounting *a, struct bpos pos)
{
	u32 l = 0, r = a->nr;

	/* names read from the btree come in order */
	if (r && bpos_lt(a->entries[r - 1]->pos, pos))
		return r;

	while (l < r) {
		const u32 m = l + (r - l) / 2;

		if (bpos_lt(a->entries[m]->pos, pos))
			l = m + 1;
		else
			r = m;
	}
	return l;
}

static struct accounting_mem_entry *entry_find(const struct bch_fs_accounting *a,
					       struct bpos pos)
{
	const u32 i = entry_search(a, pos);

	return i < a->nr && bpos_eq(a->entries[i]->pos, pos) ? a->entries[i] : NULL;
}

static int table_grow(struct bch_fs_accounting *a)
{
	const u32 size = a->size ? a->size * 2 : 64;
	struct accounting_mem_entry **n;

	if (a->nr < a->size)
		return 0;
	n = kvmalloc_array(size, sizeof(*n), GFP_KERNEL);
	if (!n)
		return -BCH_ERR_ENOMEM_accounting;
	if (a->nr)
		memcpy(n, a->entries, a->nr * sizeof(*n));
	kvfree(a->entries);
	a->entries = n;
	a->size = size;
	return 0;
}

/* Enter a name with zero counters if it is not there; takes the lock for writing. */
static int entry_insert(struct bch_fs *c, struct bpos pos, const struct disk_accounting_pos *acc,
			unsigned int nr)
{
	struct bch_fs_accounting *a = &c->accounting;
	struct accounting_mem_entry *e = kzalloc(sizeof(*e), GFP_KERNEL);
	int ret;
	u32 i;

	if (!e)
		return -BCH_ERR_ENOMEM_accounting;
	e->pos		= pos;
	e->acc		= *acc;
	e->nr_counters	= nr;
	e->replicas_marked = acc->type != BCH_DISK_ACCOUNTING_replicas ||
		!bch2_replicas_type_in_sb(c, acc->replicas.data_type);

	down_write(&a->lock);
	ret = table_grow(a);
	i = entry_search(a, pos);
	if (!ret && !(i < a->nr && bpos_eq(a->entries[i]->pos, pos))) {
		memmove(a->entries + i + 1, a->entries + i, (a->nr - i) * sizeof(*a->entries));
		a->entries[i] = e;
		a->nr++;
		e = NULL;
	}
	up_write(&a->lock);
	kfree(e);
	return ret;
}

/* --- what follows from live counters --- */

static void replicas_total_add(struct bch_fs_usage_totals *t, unsigned int type, s64 sectors)
{
	switch (type) {
	case BCH_DATA_btree:
		atomic64_add(sectors, &t->btree);
		break;
	case BCH_DATA_user:
	case BCH_DATA_parity:
		atomic64_add(sectors, &t->data);
		break;
	case BCH_DATA_cached:
		atomic64_add(sectors, &t->cached);
		break;
	}
}

static void dev_usage_add(struct bch_fs *c, unsigned int dev, unsigned int type, const s64 *d)
{
	struct bch_dev *ca = bch2_dev(c, dev);

	if (!ca || type >= BCH_DATA_NR)
		return;
	atomic64_add(d[0], &ca->usage.buckets[type]);
	atomic64_add(d[1], &ca->usage.sectors[type]);
	atomic64_add(d[2], &ca->usage.fragmented[type]);
	if (data_type_is_hidden(type))
		atomic64_add(d[0] * ca->mi.bucket_size, &c->accounting.totals.hidden);
}

/* Totals and device usage (spec 41 §4.2); @d has BCH_ACCOUNTING_MAX_COUNTERS numbers. */
static void derived_add(struct bch_fs *c, const struct disk_accounting_pos *acc, const s64 *d)
{
	struct bch_fs_usage_totals *t = &c->accounting.totals;

	switch (acc->type) {
	case BCH_DISK_ACCOUNTING_persistent_reserved:
		atomic64_add(d[0] * acc->persistent_reserved.nr_replicas, &t->reserved);
		break;
	case BCH_DISK_ACCOUNTING_replicas:
		replicas_total_add(t, acc->replicas.data_type, d[0]);
		break;
	case BCH_DISK_ACCOUNTING_dev_data_type:
		dev_usage_add(c, acc->dev_data_type.dev, acc->dev_data_type.data_type, d);
		break;
	}
}

/**
 * bch2_accounting_totals_recalc - sum totals and device usage up anew
 * @c:		filesystem; counters do not change meanwhile
 */
void bch2_accounting_totals_recalc(struct bch_fs *c)
{
	struct bch_fs_accounting *a = &c->accounting;

	down_write(&a->lock);
	memset(&a->totals, 0, sizeof(a->totals));
	for_each_member_device(c, ca)
		memset(&ca->usage, 0, sizeof(ca->usage));
	for (u32 i = 0; i < a->nr; i++) {
		const struct accounting_mem_entry *e = a->entries[i];
		s64 d[BCH_ACCOUNTING_MAX_COUNTERS];

		for (unsigned int j = 0; j < ARRAY_SIZE(d); j++)
			d[j] = atomic64_read(&e->v[BCH_ACCOUNTING_live][j]);
		derived_add(c, &e->acc, d);
	}
	up_write(&a->lock);
}

/* --- changing counters --- */

/* A name to count under: which @k is, and whether it can be one at all. */
static bool name_countable(const struct disk_accounting_pos *acc)
{
	if (acc->type >= BCH_DISK_ACCOUNTING_TYPE_NR)
		return false;
	return acc->type != BCH_DISK_ACCOUNTING_replicas ||
		acc->replicas.nr_devs <= NAME_DEVS_MAX;
}

static void entry_add(struct bch_fs *c, struct accounting_mem_entry *e, struct bkey_s_c k,
		      enum bch_accounting_set set, s64 sign)
{
	s64 d[BCH_ACCOUNTING_MAX_COUNTERS] = {};

	for (unsigned int i = 0; i < e->nr_counters; i++) {
		d[i] = sign * (s64) bch2_accounting_counter(k, i);
		if (d[i])
			atomic64_add(d[i], &e->v[set][i]);
	}
	if (set == BCH_ACCOUNTING_live)
		derived_add(c, &e->acc, d);
}

/*
 * Add @sign times @k. With @need_marked, nothing is done for a replicas name that
 * must be in the superblock first.
 */
static int mem_add(struct bch_fs *c, struct bkey_s_c k, enum bch_accounting_set set, s64 sign,
		   bool need_marked)
{
	struct bch_fs_accounting *a = &c->accounting;
	struct disk_accounting_pos acc;
	int ret = 0;

	bch2_accounting_pos_decode(&acc, k.k->p, true);
	if (!name_countable(&acc))
		return 0;

	down_read(&a->lock);
	while (true) {
		struct accounting_mem_entry *e = entry_find(a, k.k->p);

		if (e && need_marked && !READ_ONCE(e->replicas_marked))
			ret = -BCH_ERR_btree_insert_need_mark_replicas;
		else if (e)
			entry_add(c, e, k, set, sign);
		if (e || ret)
			break;

		up_read(&a->lock);
		ret = entry_insert(c, k.k->p, &acc, bch2_accounting_type_nr_counters(acc.type));
		down_read(&a->lock);
		if (ret)
			break;
	}
	up_read(&a->lock);
	return ret;
}

/**
 * bch2_accounting_mem_add - add counters to a set
 * @c:		filesystem
 * @k:		accounting key; its position in the order of today
 * @set:	which set
 *
 * The live set does not have the types that are not mirrored (spec 41 §4.1).
 * Returns 0 or no memory.
 */
int bch2_accounting_mem_add(struct bch_fs *c, struct bkey_s_c k, enum bch_accounting_set set)
{
	struct disk_accounting_pos acc;

	bch2_accounting_pos_decode(&acc, k.k->p, true);
	if (!bch2_accounting_is_mem(acc.type) &&
	    (set == BCH_ACCOUNTING_live || !c->accounting.gc_all))
		return 0;
	return mem_add(c, k, set, 1, false);
}

/**
 * bch2_accounting_apply - a delta of a transaction that commits
 * @trans:	transaction; node locks are held, the journal reservation too
 * @k:		delta
 *
 * Returns 0; -BCH_ERR_btree_insert_need_mark_replicas if the name has to be
 * recorded in the superblock first, or no memory: then nothing has changed. Spec
 * 41 §3.1. The check against the superblock itself is left to the cure, which
 * may sleep.
 */
int bch2_accounting_apply(struct btree_trans *trans, const struct bkey_i *k)
{
	struct disk_accounting_pos acc;

	bch2_accounting_pos_decode(&acc, k->k.p, true);
	if (!bch2_accounting_is_mem(acc.type))
		return 0;
	return mem_add(trans->c, bkey_i_to_s_c(k), BCH_ACCOUNTING_live, 1, true);
}

/**
 * bch2_accounting_unapply - take back what bch2_accounting_apply() did
 * @trans:	transaction whose commit is undone
 * @k:		delta
 *
 * The name is still there: nothing drops one whose counters changed.
 */
void bch2_accounting_unapply(struct btree_trans *trans, const struct bkey_i *k)
{
	struct bch_fs_accounting *a = &trans->c->accounting;
	struct accounting_mem_entry *e;

	down_read(&a->lock);
	e = entry_find(a, k->k.p);
	if (e)
		entry_add(trans->c, e, bkey_i_to_s_c(k), BCH_ACCOUNTING_live, -1);
	up_read(&a->lock);
}

/* --- deltas --- */

/* Normal form of a name: devices ascending, nothing behind the last one. */
static void name_normalise(struct disk_accounting_pos *dst, const struct disk_accounting_pos *acc)
{
	*dst = *acc;
	if (dst->type == BCH_DISK_ACCOUNTING_replicas) {
		const unsigned int nr = min_t(unsigned int, dst->replicas.nr_devs, NAME_DEVS_MAX);

		memset(dst->replicas.devs + nr, 0, NAME_DEVS_MAX - nr);
		dst->replicas.nr_devs = nr;
		bch2_replicas_entry_sort(&dst->replicas);
	}
}

/**
 * bch2_accounting_mod - count something
 * @trans:	transaction
 * @gc:		into the recount, at once, instead of with the commit
 * @acc:	name; bytes that its type does not use are 0
 * @d:		what to add
 * @nr:		counters in @d, at most BCH_ACCOUNTING_MAX_COUNTERS
 *
 * Returns 0, a restart, or no memory.
 */
int bch2_accounting_mod(struct btree_trans *trans, bool gc,
			const struct disk_accounting_pos *acc, const s64 *d, unsigned int nr)
{
	struct {
		struct bkey_i	k;
		__le64		d[BCH_ACCOUNTING_MAX_COUNTERS];
	} buf;
	struct disk_accounting_pos name;
	bool zero = true;

	for (unsigned int i = 0; i < nr; i++)
		zero &= !d[i];
	if (zero)
		return 0;

	name_normalise(&name, acc);
	if (!gc)
		return PTR_ERR_OR_ZERO(bch2_trans_accounting_add(trans,
					bch2_accounting_pos_encode(&name), d, nr));

	bkey_init(&buf.k.k);
	buf.k.k.type = KEY_TYPE_accounting;
	buf.k.k.p = bch2_accounting_pos_encode(&name);
	set_bkey_val_u64s(&buf.k.k, nr);
	for (unsigned int i = 0; i < nr; i++)
		buf.d[i] = cpu_to_le64(d[i]);
	return bch2_accounting_mem_add(trans->c, bkey_i_to_s_c(&buf.k), BCH_ACCOUNTING_gc);
}

/**
 * bch2_disk_accounting_mod - count something when a transaction commits
 * @trans:	transaction
 * @acc:	name; bytes that its type does not use are 0
 * @d:		what to add
 * @nr:		counters in @d
 *
 * Returns 0, a restart, or no memory.
 */
int bch2_disk_accounting_mod(struct btree_trans *trans, const struct disk_accounting_pos *acc,
			     const s64 *d, unsigned int nr)
{
	return bch2_accounting_mod(trans, false, acc, d, nr);
}

/* --- replicas names --- */

/* Names of the transaction's deltas that are not known to be in the superblock. */
static unsigned int unmarked_names(struct btree_trans *trans, struct bch_replicas_padded *r,
				   unsigned int max)
{
	struct bch_fs_accounting *a = &trans->c->accounting;
	const struct trans_words *w = &trans->s.accounting;
	unsigned int nr = 0;

	down_read(&a->lock);
	for (u32 i = 0; i < w->nr && nr < max;) {
		const struct bkey_i *k = (const struct bkey_i *) (w->d + i);
		struct accounting_mem_entry *e = entry_find(a, k->k.p);

		if (e && !READ_ONCE(e->replicas_marked)) {
			memset(&r[nr], 0, sizeof(r[nr]));
			memcpy(&r[nr].e, &e->acc.replicas,
			       min_t(size_t, replicas_entry_bytes(&e->acc.replicas), sizeof(*r)));
			nr++;
		}
		i += k->k.u64s;
	}
	up_read(&a->lock);
	return nr;
}

static void names_marked(struct bch_fs *c, const struct bch_replicas_padded *r, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_replicas };

		memcpy(&acc.replicas, &r[i].e, replicas_entry_bytes(&r[i].e));
		bch2_accounting_mem_set_marked(c, bch2_accounting_pos_encode(&acc));
	}
}

/**
 * bch2_accounting_replicas_cure - record what the deltas of a transaction need
 * @trans:	transaction without locks, whose commit was refused with
 *		btree_insert_need_mark_replicas
 *
 * Writes the superblock, which must be durable before the data that it describes
 * (spec 41 §3.1). At most a batch of names at a time; the commit that is tried
 * again asks for the rest. Returns 0 or an error from the superblock.
 */
int bch2_accounting_replicas_cure(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct bch_replicas_padded r[16];
	unsigned int nr = unmarked_names(trans, r, ARRAY_SIZE(r));
	int ret;

	if (!nr)
		return 0;

	/* sb_lock up to the end: whoever drops entries must not come in between */
	mutex_lock(&c->sb_lock);
	ret = bch2_replicas_mark_locked(c, r, nr);
	if (!ret)
		names_marked(c, r, nr);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/* --- reading and cleaning --- */

/**
 * bch2_accounting_mem_read - live counters of a name
 * @c:		filesystem
 * @acc:	name, in normal form
 * @v:		counters; 0 for what is not there
 * @nr:		how many are wanted
 */
void bch2_accounting_mem_read(struct bch_fs *c, const struct disk_accounting_pos *acc,
			      u64 *v, unsigned int nr)
{
	struct accounting_mem_entry *e;

	memset(v, 0, nr * sizeof(*v));
	down_read(&c->accounting.lock);
	e = entry_find(&c->accounting, bch2_accounting_pos_encode(acc));
	if (e)
		for (unsigned int i = 0; i < min_t(unsigned int, nr, e->nr_counters); i++)
			v[i] = atomic64_read(&e->v[BCH_ACCOUNTING_live][i]);
	up_read(&c->accounting.lock);
}

static bool entry_is_zero(const struct accounting_mem_entry *e, bool gc)
{
	for (unsigned int i = 0; i < e->nr_counters; i++)
		if (atomic64_read(&e->v[BCH_ACCOUNTING_live][i]) ||
		    (gc && atomic64_read(&e->v[BCH_ACCOUNTING_gc][i])))
			return false;
	return true;
}

/**
 * bch2_accounting_mem_drop_zeros - forget names whose counters are all 0
 * @c:		filesystem
 *
 * Spec 41 §3.4, step 1.
 */
void bch2_accounting_mem_drop_zeros(struct bch_fs *c)
{
	struct bch_fs_accounting *a = &c->accounting;
	u32 dst = 0;

	down_write(&a->lock);
	for (u32 i = 0; i < a->nr; i++) {
		if (entry_is_zero(a->entries[i], a->gc_running))
			kfree(a->entries[i]);
		else
			a->entries[dst++] = a->entries[i];
	}
	a->nr = dst;
	up_write(&a->lock);
}

/* Forget one name if its live counters are 0; true if it is gone. */
static bool entry_drop_if_zero(struct bch_fs_accounting *a, struct bpos pos)
{
	bool gone = true;
	u32 i;

	down_write(&a->lock);
	i = entry_search(a, pos);
	if (i < a->nr && bpos_eq(a->entries[i]->pos, pos)) {
		gone = entry_is_zero(a->entries[i], a->gc_running);
		if (gone) {
			kfree(a->entries[i]);
			a->nr--;
			memmove(a->entries + i, a->entries + i + 1,
				(a->nr - i) * sizeof(*a->entries));
		}
	}
	up_write(&a->lock);
	return gone;
}

/**
 * bch2_accounting_counter_zeroed - a flush has brought a counter to 0
 * @c:		filesystem; no node locks held
 * @pos:	position of the counter
 *
 * Only replicas names go: from memory and from the superblock (spec 41 §3.2,
 * §6.4). An error of the superblock only leaves an entry too many.
 */
void bch2_accounting_counter_zeroed(struct bch_fs *c, struct bpos pos)
{
	struct disk_accounting_pos acc;

	bch2_accounting_pos_decode(&acc, pos, true);
	if (acc.type != BCH_DISK_ACCOUNTING_replicas || !name_countable(&acc))
		return;

	mutex_lock(&c->sb_lock);
	if (entry_drop_if_zero(&c->accounting, pos) &&
	    bch2_replicas_type_in_sb(c, acc.replicas.data_type))
		bch2_replicas_unmark_locked(c, &acc.replicas);
	mutex_unlock(&c->sb_lock);
}

/**
 * bch2_accounting_mem_reset - empty the mirror
 * @c:		filesystem; the pass accounting_read begins (again)
 */
void bch2_accounting_mem_reset(struct bch_fs *c)
{
	struct bch_fs_accounting *a = &c->accounting;

	down_write(&a->lock);
	entries_free(a);
	a->ready = false;
	up_write(&a->lock);
	bch2_accounting_totals_recalc(c);
}

/**
 * bch2_accounting_mem_for_each - visit all names in the order of their positions
 * @c:		filesystem
 * @fn:		called with the table locked for reading; not 0 ends the walk
 * @arg:	for @fn
 *
 * Returns what @fn returned last.
 */
int bch2_accounting_mem_for_each(struct bch_fs *c,
				 int (*fn)(struct bch_fs *c, struct accounting_mem_entry *e,
					   void *arg), void *arg)
{
	struct bch_fs_accounting *a = &c->accounting;
	int ret = 0;

	down_read(&a->lock);
	for (u32 i = 0; !ret && i < a->nr; i++)
		ret = fn(c, a->entries[i], arg);
	up_read(&a->lock);
	return ret;
}

/**
 * bch2_accounting_mem_next - copy of the first name at or behind a position
 * @c:		filesystem
 * @pos:	position
 * @dst:	result
 *
 * Returns false at the end. For walks that cannot keep the table locked.
 */
bool bch2_accounting_mem_next(struct bch_fs *c, struct bpos pos,
			      struct accounting_mem_entry *dst)
{
	struct bch_fs_accounting *a = &c->accounting;
	bool found;
	u32 i;

	down_read(&a->lock);
	i = entry_search(a, pos);
	found = i < a->nr;
	if (found)
		*dst = *a->entries[i];
	up_read(&a->lock);
	return found;
}

/**
 * bch2_accounting_mem_set - give a name live counters
 * @c:		filesystem; before commits change the mirror
 * @pos:	name
 * @v:		BCH_ACCOUNTING_MAX_COUNTERS numbers
 *
 * Totals and device usage do not follow: bch2_accounting_totals_recalc().
 */
void bch2_accounting_mem_set(struct bch_fs *c, struct bpos pos, const s64 *v)
{
	struct accounting_mem_entry *e;

	down_read(&c->accounting.lock);
	e = entry_find(&c->accounting, pos);
	if (e)
		for (unsigned int i = 0; i < e->nr_counters; i++)
			atomic64_set(&e->v[BCH_ACCOUNTING_live][i], v[i]);
	up_read(&c->accounting.lock);
}

/**
 * bch2_accounting_mem_set_marked - the superblock has a replicas name
 * @c:		filesystem
 * @pos:	name
 */
void bch2_accounting_mem_set_marked(struct bch_fs *c, struct bpos pos)
{
	struct accounting_mem_entry *e;

	down_read(&c->accounting.lock);
	e = entry_find(&c->accounting, pos);
	if (e)
		WRITE_ONCE(e->replicas_marked, true);
	up_read(&c->accounting.lock);
}

/* --- usage --- */

static u64 not_negative(const atomic64_t *v)
{
	const s64 n = atomic64_read(v);

	return max_t(s64, n, 0);
}

/**
 * bch2_dev_usage_read - what a device holds
 * @ca:		device
 * @u:		result, by data type
 */
void bch2_dev_usage_read(struct bch_dev *ca, struct bch_dev_usage_snapshot *u)
{
	for (unsigned int i = 0; i < BCH_DATA_NR; i++) {
		u->d[i].buckets		= not_negative(&ca->usage.buckets[i]);
		u->d[i].sectors		= not_negative(&ca->usage.sectors[i]);
		u->d[i].fragmented	= not_negative(&ca->usage.fragmented[i]);
	}
}

/**
 * bch2_fs_usage_read - totals of the filesystem, in sectors
 * @c:		filesystem
 * @u:		result
 */
void bch2_fs_usage_read(struct bch_fs *c, struct bch_fs_usage_base *u)
{
	const struct bch_fs_usage_totals *t = &c->accounting.totals;

	*u = (struct bch_fs_usage_base) {
		.hidden		= not_negative(&t->hidden),
		.btree		= not_negative(&t->btree),
		.data		= not_negative(&t->data),
		.cached		= not_negative(&t->cached),
		.reserved	= not_negative(&t->reserved),
	};
}
