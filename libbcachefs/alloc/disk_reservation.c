// SPDX-License-Identifier: GPL-2.0
/*
 * Capacity, usage and reservations (spec 40 §7).
 *
 * Invariant: what was promised and not given back or used is in
 * c->alloc.online_reserved, exactly; a promise is only made, under the lock, if
 * it fits into what is left - except for those who may not fail. Any thread.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "sb/members.h"

/* Reservations take more than they ask for, by one part in 64. */
#define RESERVE_FACTOR		6

/**
 * bch2_fs_reservations_init - make reservations usable
 * @c:	filesystem that is being opened
 */
void bch2_fs_reservations_init(struct bch_fs *c)
{
	spin_lock_init(&c->alloc.res_lock);
	atomic64_set(&c->alloc.online_reserved, 0);
}

/* --- capacity --- */

/* Sectors the filesystem must keep free on @ca to be able to work. */
static u64 dev_reserve(const struct bch_dev *ca, unsigned node_sectors)
{
	const u64 buckets = bch2_buckets_reserved(ca->mi.nbuckets, ca->mi.bucket_size,
						  node_sectors, BCH_WATERMARK_normal) + 3;

	return buckets * ca->mi.bucket_size;
}

/**
 * bch2_recalc_capacity - how much may be stored
 * @c:	filesystem
 *
 * From the devices that are read-write and the reserve options (spec 40 §7, 1-2).
 * Wakes allocators: another device may be usable now.
 */
void bch2_recalc_capacity(struct bch_fs *c)
{
	const unsigned node_sectors = c->opts.btree_node_size >> 9;
	u64 capacity = 0, dev_reserves = 0, gc_reserve, reserved;
	unsigned bucket_size_max = 0;

	for_each_member_device(c, ca) {
		if (ca->mi.state != BCH_MEMBER_STATE_rw || !ca->mi.durability)
			continue;
		dev_reserves += dev_reserve(ca, node_sectors);
		capacity += (ca->mi.nbuckets - ca->mi.first_bucket) * ca->mi.bucket_size;
		bucket_size_max = max_t(unsigned, bucket_size_max, ca->mi.bucket_size);
	}

	gc_reserve = c->opts.gc_reserve_bytes
		? c->opts.gc_reserve_bytes >> 9
		: div_u64(capacity * c->opts.gc_reserve_percent, 100);
	reserved = min(capacity, max(gc_reserve, dev_reserves * 2));

	spin_lock(&c->alloc.res_lock);
	if (c->alloc.usable > capacity - reserved)
		c->alloc.capacity_gen++;
	c->alloc.usable		= capacity - reserved;
	c->alloc.reserved	= reserved;
	c->alloc.bucket_size_max = bucket_size_max;
	spin_unlock(&c->alloc.res_lock);

	bch2_alloc_wake(c);
}

/* --- usage --- */

static u64 reserve_factor(u64 r)
{
	return r + (round_up(r, 1ULL << RESERVE_FACTOR) >> RESERVE_FACTOR);
}

static u64 avail_factor(u64 free)
{
	return div_u64(free << RESERVE_FACTOR, (1U << RESERVE_FACTOR) + 1);
}

static void usage_locked(struct bch_fs *c, struct bch_fs_usage_short *u)
{
	const s64 online = atomic64_read(&c->alloc.online_reserved);
	struct bch_fs_usage_base b;

	bch2_fs_usage_read(c, &b);
	u->capacity	= c->alloc.usable > b.hidden ? c->alloc.usable - b.hidden : 0;
	u->used		= min(u->capacity, b.data + b.btree +
			      reserve_factor(b.reserved + (online > 0 ? online : 0)));
	u->free		= u->capacity - u->used;
	u->available	= avail_factor(u->free);
	c->alloc.capacity = u->capacity;
}

/**
 * bch2_fs_usage_read_short - capacity and what is left of it
 * @c:	filesystem
 * @u:	result, in sectors (spec 40 §7, 3-6)
 */
void bch2_fs_usage_read_short(struct bch_fs *c, struct bch_fs_usage_short *u)
{
	const struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_nr_inodes };

	spin_lock(&c->alloc.res_lock);
	usage_locked(c, u);
	spin_unlock(&c->alloc.res_lock);

	u->nr_inodes = 0;
	bch2_accounting_mem_read(c, &acc, &u->nr_inodes, 1);
}

/* --- reservations --- */

/**
 * bch2_disk_reservation_add - reserve more
 * @c:		filesystem
 * @res:	reservation, held or empty
 * @sectors:	how much more, replicas included
 * @flags:	enum bch_reservation_flags
 *
 * Sleeps only on a short lock. Return: 0, or -BCH_ERR_ENOSPC_disk_reservation and
 * nothing was reserved.
 */
int bch2_disk_reservation_add(struct bch_fs *c, struct disk_reservation *res, u64 sectors,
			      unsigned flags)
{
	struct bch_fs_usage_short u;
	int ret = 0;

	if (!sectors)
		return 0;

	spin_lock(&c->alloc.res_lock);
	if (!(flags & BCH_DISK_RESERVATION_nofail)) {
		usage_locked(c, &u);
		if (flags & BCH_DISK_RESERVATION_partial)
			sectors = min(sectors, u.available);
		if (!sectors || sectors > u.available)
			ret = -BCH_ERR_ENOSPC_disk_reservation;
	}
	if (!ret) {
		atomic64_add(sectors, &c->alloc.online_reserved);
		res->sectors += sectors;
		res->gen = c->alloc.capacity_gen;
	}
	spin_unlock(&c->alloc.res_lock);
	return ret;
}

/**
 * bch2_disk_reservation_get - begin a reservation
 * @c:		filesystem
 * @res:	set up by this
 * @sectors:	of each copy
 * @nr_replicas: number of copies
 * @flags:	enum bch_reservation_flags
 *
 * Return: as bch2_disk_reservation_add(); @res is empty then.
 */
int bch2_disk_reservation_get(struct bch_fs *c, struct disk_reservation *res, u64 sectors,
			      unsigned nr_replicas, unsigned flags)
{
	*res = (struct disk_reservation) { .nr_replicas = nr_replicas };

	if (nr_replicas && sectors > U64_MAX / nr_replicas)
		return -BCH_ERR_ENOSPC_disk_reservation;
	return bch2_disk_reservation_add(c, res, sectors * nr_replicas, flags);
}

/**
 * bch2_disk_reservation_put - end a reservation
 * @c:		filesystem
 * @res:	what is left of it is given back; empty afterwards
 */
void bch2_disk_reservation_put(struct bch_fs *c, struct disk_reservation *res)
{
	if (res->sectors)
		atomic64_sub(res->sectors, &c->alloc.online_reserved);
	res->sectors = 0;
}

/**
 * bch2_disk_reservation_use - what was promised is used now
 * @c:		filesystem
 * @res:	reservation; may be NULL
 * @sectors:	replicas included
 *
 * Return: how many of @sectors had not been reserved.
 */
u64 bch2_disk_reservation_use(struct bch_fs *c, struct disk_reservation *res, u64 sectors)
{
	const u64 n = res ? min(sectors, res->sectors) : 0;

	if (n) {
		res->sectors -= n;
		atomic64_sub(n, &c->alloc.online_reserved);
	}
	return sectors - n;
}

/* Sectors by which delta @k increases what is used (spec 40 §7, 4). */
static s64 delta_used(const struct bkey_i *k)
{
	const u64 d = bkey_val_bytes(&k->k) >= sizeof(u64)
		? bch2_accounting_counter(bkey_i_to_s_c(k), 0) : 0;
	struct disk_accounting_pos acc;

	bch2_accounting_pos_decode(&acc, k->k.p, true);
	switch (acc.type) {
	case BCH_DISK_ACCOUNTING_replicas:
		return acc.replicas.data_type == BCH_DATA_btree ||
			acc.replicas.data_type == BCH_DATA_user ||
			acc.replicas.data_type == BCH_DATA_parity ? (s64) d : 0;
	case BCH_DISK_ACCOUNTING_persistent_reserved:
		return (s64) d * acc.persistent_reserved.nr_replicas;
	default:
		return 0;
	}
}

/**
 * bch2_disk_reservation_settle - a commit has counted what it uses
 * @trans:	transaction whose deltas are in the counters
 *
 * What the commit added to data, metadata and persistent reservations, taken all
 * together, comes out of its reservation. Takes no lock.
 */
void bch2_disk_reservation_settle(struct btree_trans *trans)
{
	const u64 *d = trans->s.accounting.d, *end = d + trans->s.accounting.nr;
	s64 used = 0;

	if (!trans->s.disk_res)
		return;
	for (; d < end; d += ((const struct bkey_i *) d)->k.u64s)
		used += delta_used((const struct bkey_i *) d);
	if (used > 0)
		bch2_disk_reservation_use(trans->c, trans->s.disk_res, used);
}
