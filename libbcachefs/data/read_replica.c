// SPDX-License-Identifier: GPL-2.0
/*
 * Which copy of an extent to read next.
 *
 * Order of preference: dirty pointers on devices that are there; cached pointers
 * whose bucket still has their generation; dirty pointers that a stripe can
 * reconstruct. Among equals: fewer checksum errors so far, then those with a
 * checksum, then all in turn, so that sequential reads use every device. A
 * cached pointer is never used before its generation was compared: its bucket
 * may have been reused (spec 50 §6.1, §6.3).
 */
#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "btree/iter.h"
#include "data/read_replica.h"
#include "sb/members.h"

/* Preference classes, best first. */
enum replica_class {
	REPLICA_dirty,
	REPLICA_cached,
	REPLICA_reconstruct,
	REPLICA_none,
};

static int bucket_gen_read(struct bch_fs *c, unsigned int dev, u64 bucket, u8 *gen)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_alloc_v4 a = {};
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (!trans)
		return -BCH_ERR_ENOMEM_btree_trans;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_alloc, POS(dev, bucket), 0);
	ret = lockrestart_do(trans, bkey_err(k = bch2_btree_iter_peek_slot(&iter)));
	if (!ret && k.k)
		bch2_alloc_to_v4(k, &a);
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);

	*gen = a.gen;
	return ret;
}

/**
 * bch2_ptr_stale() - has the bucket of a pointer been reused?
 * @c:		filesystem
 * @ptr:	pointer to a device that exists, or not
 *
 * Looks up the bucket's alloc key with a transaction of its own.
 *
 * Return: 1 if the generations differ (spec 50 §6.1), or if they cannot be
 * compared: no such bucket, alloc key not readable; 0 if they are the same; an
 * error of class ENOMEM.
 */
int bch2_ptr_stale(struct bch_fs *c, const struct bch_extent_ptr *ptr)
{
	unsigned int dev = EXTENT_PTR_DEV(ptr);
	struct bch_dev *ca = bch2_dev(c, dev);
	u64 bucket;
	int ret;
	u8 gen;

	if (!ca)
		return 1;

	bucket = sector_to_bucket(ca, EXTENT_PTR_OFFSET(ptr));
	if (!bucket_valid(ca, bucket))
		return 1;

	ret = bucket_gen_read(c, dev, bucket, &gen);
	if (bch2_err_matches(ret, ENOMEM))
		return ret;
	return ret || gen != EXTENT_PTR_GEN(ptr);
}

static enum replica_class replica_class(struct bch_fs *c, const struct extent_ptr_decoded *p,
					const struct bch_replica_state *s)
{
	bool online = bch2_dev_online(c, EXTENT_PTR_DEV(&p->ptr));

	if (EXTENT_PTR_CACHED(&p->ptr))
		return online && !s->dead ? REPLICA_cached : REPLICA_none;
	if (online && !s->dead)
		return REPLICA_dirty;
	if (p->has_ec && !s->ec_dead)
		return REPLICA_reconstruct;
	return REPLICA_none;
}

/* Smaller is better. The class counts most, then retries, then the rest. */
static u32 replica_score(enum replica_class class, const struct extent_ptr_decoded *p,
			 const struct bch_replica_state *s, unsigned int turn)
{
	return ((u32) class << 24) |
		((u32) s->retries << 16) |
		((p->crc.csum_type ? 0U : 1U) << 8) |
		turn;
}

static void note_missing(struct bch_replica_choice *choice, const struct bch_fs *c,
			 const struct bch_extent_ptr *ptr)
{
	unsigned int dev = EXTENT_PTR_DEV(ptr);

	if (!bch2_dev_online(c, dev) && !choice->saw_missing_dev) {
		choice->saw_missing_dev = true;
		choice->missing_dev = dev;
	}
}

/* The best candidate by what is known without a look at the alloc btree. */
static enum replica_class pick_best(struct bch_fs *c, struct bkey_s_c k, u64 spread,
				    struct bch_replica_choice *choice, struct bch_replica *r)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	enum replica_class best = REPLICA_none;
	u32 best_score = U32_MAX;
	unsigned int idx = 0;

	bkey_for_each_ptr_decode(k.k, ptrs, p, entry) {
		const struct bch_replica_state *s;
		enum replica_class class;
		u32 score;

		if (idx == BCH_BKEY_PTRS_MAX)
			break;

		s = &choice->state[idx];
		class = replica_class(c, &p, s);
		score = replica_score(class, &p, s, (idx ^ spread) % BCH_BKEY_PTRS_MAX);

		if (!EXTENT_PTR_CACHED(&p.ptr)) {
			choice->saw_dirty = true;
			note_missing(choice, c, &p.ptr);
		}

		if (class != REPLICA_none && score < best_score) {
			best		= class;
			best_score	= score;
			r->p		= p;
			r->idx		= idx;
			r->reconstruct	= class == REPLICA_reconstruct;
		}
		idx++;
	}

	return best;
}

/**
 * bch2_replica_pick() - choose the copy to read next
 * @c:		filesystem
 * @k:		extent or reflink_v
 * @spread:	any number: equal copies take turns with it
 * @choice:	what has been tried; stale cached pointers are marked dead
 * @r:		the choice
 *
 * Return: 1 if @r was filled, 0 if nothing is left, an error of class ENOMEM.
 */
int bch2_replica_pick(struct bch_fs *c, struct bkey_s_c k, u64 spread,
		      struct bch_replica_choice *choice, struct bch_replica *r)
{
	enum replica_class class;

	while ((class = pick_best(c, k, spread, choice, r)) != REPLICA_none) {
		const int stale = class == REPLICA_cached ? bch2_ptr_stale(c, &r->p.ptr) : 0;

		if (stale <= 0)
			return stale ?: 1;
		choice->state[r->idx].dead = true;
	}
	return 0;
}
