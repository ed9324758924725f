// SPDX-License-Identifier: GPL-2.0
/*
 * What a filesystem holds, read back, and what it must hold: the base, and on
 * top of it every operation whose journal entry was found, in order, whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "btree/iter.h"
#include "btree/trans.h"
#include "data/extents_format.h"
#include "fs/inode.h"
#include "fs/quota_format.h"
#include "util/bpos.h"
#include "torture.h"

#define XATTR_INODE	4096
#define EXTENT_INODE	4097
#define INODE_FIRST	100000

/**
 * rnd() - the next of a series of numbers that depends on the seed alone
 * @state:	seed
 */
u64 rnd(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/**
 * xattr_u64s() - words of the key that stands for @value
 */
unsigned xattr_u64s(u64 value)
{
	return 1 + value * 7 % 23;
}

/**
 * slot_pos() - where a slot is; extents: where it begins
 */
struct bpos slot_pos(unsigned kind, unsigned thread, unsigned slot)
{
	const u64 n = (u64) slot * TORTURE_THREADS + thread;

	switch (kind) {
	case KIND_xattr:
		return SPOS(XATTR_INODE, n, U32_MAX);
	case KIND_quota:
		return POS(0, n);
	case KIND_counter:
		return POS(1, slot);
	case KIND_inode:
		return SPOS(0, INODE_FIRST + n, U32_MAX);
	default:
		return SPOS(EXTENT_INODE, (thread * TORTURE_SLOTS + slot) * SLOT_SECTORS,
			    U32_MAX);
	}
}

/* --- reading --- */

static void set(struct contents *r, unsigned kind, u64 n, u64 v)
{
	const u64 slot = n / TORTURE_THREADS;

	if (slot >= TORTURE_SLOTS)
		die("kind %u: key %llu, which nobody made", kind, n);
	r->v[n % TORTURE_THREADS][kind][slot] = v;
}

static int read_words(struct contents *r, unsigned kind, u64 n, struct bkey_s_c k, unsigned u64s)
{
	const u64 *v = (const u64 *) k.v;

	if (bkey_val_u64s(k.k) != u64s)
		die("kind %u: key %llu has %u words, not %u", kind, n, bkey_val_u64s(k.k), u64s);
	for (unsigned i = 1; i < u64s; i++)
		if (v[i] != v[0])
			die("kind %u: key %llu: word %u is not that of the others", kind, n, i);
	if (kind == KIND_counter)
		r->counters[n % TORTURE_COUNTERS] = v[0];
	else
		set(r, kind, n, v[0]);
	return 0;
}

static int read_inode(struct contents *r, struct bkey_s_c k)
{
	static struct bch_inode_unpacked inode;

	if (k.k->p.offset < INODE_FIRST || k.k->p.offset > 1U << 24 || !bkey_is_inode(k.k))
		return 0;
	if (bch2_inode_unpack(k, &inode))
		die("inode %llu cannot be unpacked", (u64) k.k->p.offset);
	set(r, KIND_inode, k.k->p.offset - INODE_FIRST, inode.bi_size);
	return 0;
}

static int read_extent(struct contents *r, struct bkey_s_c k)
{
	const u64 start = bkey_start_offset(k.k);

	if (k.k->p.inode != EXTENT_INODE)
		return 0;
	if (start % SLOT_SECTORS || k.k->size % SLOT_SECTORS)
		die("extent at %llu, %u sectors: not cut where it should be", start, k.k->size);
	for (u64 s = start / SLOT_SECTORS; s < k.k->p.offset / SLOT_SECTORS; s++) {
		u64 v = EXTENT_RESERVED;

		if (k.k->type == KEY_TYPE_extent)
			v = EXTENT_PTR_OFFSET((const struct bch_extent_ptr *) k.v) + 1 +
				s * SLOT_SECTORS - start;
		if (s >= TORTURE_SLOTS * TORTURE_THREADS)
			die("extent behind the last slot");
		r->v[s / TORTURE_SLOTS][KIND_extent][s % TORTURE_SLOTS] = v;
	}
	return 0;
}

/**
 * contents_read() - read everything back
 * @c:		started filesystem
 * @r:		result
 */
void contents_read(struct bch_fs *c, struct contents *r)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	memset(r, 0, sizeof(*r));
	ret = for_each_btree_key(trans, iter, BTREE_ID_xattrs, SPOS(XATTR_INODE, 0, U32_MAX),
				 BTREE_ITER_all_snapshots, k,
		read_words(r, KIND_xattr, k.k->p.offset, k,
			   xattr_u64s(*(const u64 *) k.v))) ?:
	      for_each_btree_key(trans, iter, BTREE_ID_quotas, POS_MIN, 0, k,
		read_words(r, k.k->p.inode ? KIND_counter : KIND_quota, k.k->p.offset, k, 4)) ?:
	      for_each_btree_key(trans, iter, BTREE_ID_inodes, POS_MIN,
				 BTREE_ITER_all_snapshots, k, read_inode(r, k)) ?:
	      for_each_btree_key(trans, iter, BTREE_ID_extents, POS_MIN,
				 BTREE_ITER_all_snapshots, k, read_extent(r, k));
	if (ret)
		die("reading back: %s", bch2_err_str(ret));
	bch2_trans_put(trans);
}

/* --- comparing --- */

static void apply(struct contents *m, unsigned thread, const struct op *op)
{
	for (unsigned i = 0; i < op->nr; i++) {
		const struct change *c = &op->ch[i];

		if (c->kind == KIND_counter)
			m->counters[c->slot]++;
		else
			m->v[thread][c->kind][c->slot] = c->value;
	}
}

/* Nobody lived to note whether it was done: it was if its first change is there. */
static bool was_done(const struct contents *r, unsigned thread, const struct op *op)
{
	for (unsigned i = 0; i < op->nr; i++)
		if (op->ch[i].kind < KIND_extent && op->ch[i].value)
			return r->v[thread][op->ch[i].kind][op->ch[i].slot] == op->ch[i].value;
	for (unsigned i = 0; i < op->nr; i++)
		if (op->ch[i].kind < KIND_NR &&
		    r->v[thread][op->ch[i].kind][op->ch[i].slot] != op->ch[i].value)
			return false;
	return true;
}

static bool found(const struct contents *r, unsigned thread, const struct op *op, u64 newest)
{
	/* no number: there was nothing to change */
	if (op->state == OP_done)
		return op->seq && op->seq <= newest;
	return was_done(r, thread, op);
}

static void history(unsigned thread, unsigned kind, unsigned slot)
{
	const struct thread_log *t = &sh->t[thread];

	printf("    before: %llu\n", kind < KIND_NR ? t->base[kind][slot] : 0);
	for (unsigned i = 0; i < t->nr; i++)
		for (unsigned j = 0; j < t->ops[i].nr; j++)
			if (t->ops[i].ch[j].kind == kind && t->ops[i].ch[j].slot == slot)
				printf("    operation %u (%s), journal entry %llu: %llu\n", i,
				       t->ops[i].state == OP_done ? "done" : "under way",
				       t->ops[i].seq, t->ops[i].ch[j].value);
}

static unsigned compare(const struct contents *m, const struct contents *r)
{
	static const char * const names[] = { "xattr", "quota", "inode", "extent" };
	unsigned bad = 0;

	for (unsigned t = 0; t < TORTURE_THREADS; t++)
		for (unsigned k = 0; k < KIND_NR; k++)
			for (unsigned s = 0; s < TORTURE_SLOTS; s++) {
				if (m->v[t][k][s] == r->v[t][k][s] || bad++ >= 10)
					continue;
				printf("  thread %u %s slot %u: found %llu, must be %llu\n", t,
				       names[k], s, r->v[t][k][s], m->v[t][k][s]);
				history(t, k, s);
			}
	for (unsigned i = 0; i < TORTURE_COUNTERS; i++)
		if (m->counters[i] != r->counters[i] && bad++ < 20)
			printf("  counter %u: found %llu, must be %llu\n", i, r->counters[i],
			       m->counters[i]);
	return bad;
}

/**
 * contents_check() - is it what it must be?
 * @r:		as read
 * @newest:	newest journal entry that was found; U64_MAX: it was stopped cleanly
 * @acked:	this one at least had to be
 * @rebase:	go on from here: what was found becomes the base, the log is emptied
 */
void contents_check(const struct contents *r, u64 newest, u64 acked, bool rebase)
{
	struct contents *m = calloc(1, sizeof(*m));
	unsigned nr = 0, in = 0, bad;

	if (newest < acked)
		die("entry %llu was acknowledged, the newest found is %llu", acked, newest);
	memcpy(m->counters, sh->counters, sizeof(m->counters));
	for (unsigned t = 0; t < TORTURE_THREADS; t++) {
		memcpy(m->v[t], sh->t[t].base, sizeof(m->v[t]));
		for (unsigned i = 0; i < sh->t[t].nr; i++) {
			const struct op *op = &sh->t[t].ops[i];

			nr++;
			if (!found(r, t, op, newest))
				continue;
			apply(m, t, op);
			in++;
		}
	}
	bad = compare(m, r);
	free(m);
	if (bad)
		die("%u differences; newest entry %llu, acknowledged %llu, %u of %u operations",
		    bad, newest, acked, in, nr);
	printf("%u of %u operations found, newest entry %lld, acknowledged %llu\n", in, nr,
	       (long long) newest, acked);
	if (!rebase)
		return;
	memcpy(sh->counters, r->counters, sizeof(sh->counters));
	for (unsigned t = 0; t < TORTURE_THREADS; t++) {
		memcpy(sh->t[t].base, r->v[t], sizeof(sh->t[t].base));
		sh->t[t].nr = 0;
	}
	sh->acked = 0;
}
