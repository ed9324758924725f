// SPDX-License-Identifier: GPL-2.0
/*
 * The work: threads that change keys in several btrees, a few in each
 * transaction, while the journal, the write buffer and the caches are pushed
 * around; and captures of what a loss of power would leave, at any moment.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <shim/crashdev.h>
#include <shim/shim.h>

#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/node_write.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "btree/write_buffer.h"
#include "data/extents_format.h"
#include "data/reconcile_format.h"
#include "fs/inode_write.h"
#include "fs/quota_format.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "torture.h"

struct worker {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	unsigned		nr;
	u64			rnd;
	u64			tag;
	bool			shrink;
	u64			cur[KIND_NR][TORTURE_SLOTS];
	pthread_t		id;

	/* of the operation under way */
	struct op		*op;
	u64			extent[16];	/* struct bkey_i, as it is to be inserted */
	struct disk_reservation	res;
	struct open_bucket_refs	refs;
};

static unsigned workers_left;

static void expect(const struct worker *w, int ret, const char *what)
{
	if (ret)
		die("thread %u, operation %u: %s: %s", w->nr, sh->t[w->nr].nr, what,
		    bch2_err_str(ret));
}

static u64 r(struct worker *w, u64 n)
{
	return rnd(&w->rnd) % n;
}

/* --- one change --- */

static int put_plain(struct btree_trans *trans, unsigned btree, unsigned type, struct bpos pos,
		     unsigned u64s, u64 v)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, (BKEY_U64s + u64s) * sizeof(u64));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= type;
	k->k.p		= pos;
	set_bkey_val_u64s(&k->k, u64s);
	for (unsigned i = 0; i < u64s; i++)
		((u64 *) &k->v)[i] = v;
	return bch2_btree_insert_nonextent(trans, btree, k, 0);
}

static int change_plain(struct btree_trans *trans, unsigned btree, unsigned type,
			struct bpos pos, unsigned u64s, u64 v)
{
	return v ? put_plain(trans, btree, type, pos, u64s, v)
		 : bch2_btree_delete(trans, btree, pos, 0);
}

static int change_inode(struct btree_trans *trans, struct bpos pos, u64 v)
{
	struct bch_inode_unpacked inode = {};
	struct btree_iter iter;
	int ret;

	if (v) {
		bch2_inode_init(trans->c, &inode, v % 7, 0, S_IFREG|0644, 0, v, NULL);
		inode.bi_inum = pos.offset;
		inode.bi_size = v;
		return bch2_inode_write(trans, &inode, pos.snapshot);
	}
	bch2_trans_iter_init(trans, &iter, BTREE_ID_inodes, pos,
			     BTREE_ITER_intent|BTREE_ITER_cached);
	ret = bch2_btree_iter_traverse(&iter) ?: bch2_btree_delete_at(trans, &iter, 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* What is read stays locked until the commit, for the update goes through the same iterator. */
static int count_one(struct btree_trans *trans, unsigned slot)
{
	struct btree_iter iter;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_quotas,
					       slot_pos(KIND_counter, 0, slot), BTREE_ITER_intent);
	struct bkey_i_quota *q;
	struct bch_quota v = {};
	int ret = bkey_err(k);

	if (!ret && k.k->type == KEY_TYPE_quota)
		bkey_val_copy(&v, k);
	if (!ret) {
		q = bch2_bkey_alloc(trans, &iter, 0, quota);
		ret = PTR_ERR_OR_ZERO(q);
	}
	for (unsigned i = 0; !ret && i < 2; i++)
		q->v.c[i].hardlimit = q->v.c[i].softlimit =
			cpu_to_le64(le64_to_cpu(v.c[0].hardlimit) + 1);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* A run of slots is one key; it goes with the first of them. */
static int change_extent(struct worker *w)
{
	struct bkey_i *src = (void *) w->extent, *k;

	k = bch2_trans_kmalloc(w->trans, sizeof(w->extent));
	if (IS_ERR(k))
		return PTR_ERR(k);
	memcpy(k, src, src->k.u64s * sizeof(u64));
	return bch2_btree_insert_trans(w->trans, BTREE_ID_extents, k, 0);
}

static int queue(struct worker *w)
{
	const struct op *op = w->op;
	bool extent = false;
	int ret = 0;

	for (unsigned i = 0; i < op->nr && !ret; i++) {
		const struct change *c = &op->ch[i];
		const struct bpos pos = slot_pos(c->kind, w->nr, c->slot);

		switch (c->kind) {
		case KIND_xattr:
			ret = change_plain(w->trans, BTREE_ID_xattrs, KEY_TYPE_cookie, pos,
					   xattr_u64s(c->value), c->value);
			break;
		case KIND_quota:
			ret = change_plain(w->trans, BTREE_ID_quotas, KEY_TYPE_quota, pos, 4,
					   c->value);
			break;
		case KIND_inode:
			ret = change_inode(w->trans, pos, c->value);
			break;
		case KIND_extent:
			if (!extent)
				ret = change_extent(w);
			extent = true;
			break;
		case KIND_counter:
			ret = count_one(w->trans, c->slot);
			break;
		}
	}
	return ret;
}

/* --- space --- */

/* Somebody should look at it: that is another index, or two. */
static void add_pending_work(struct worker *w, struct bkey_i *k)
{
	const unsigned class = RECONCILE_WORK_hipri + r(w, 3);
	struct bch_extent_reconcile e = {};

	SET_RECONCILE_TYPE(&e, 1 << BCH_EXTENT_ENTRY_reconcile);
	SET_RECONCILE_HIPRI(&e, class == RECONCILE_WORK_hipri);
	SET_RECONCILE_PENDING(&e, class == RECONCILE_WORK_pending);
	SET_RECONCILE_NEED_RB(&e, 1 << BCH_RECONCILE_OPT_data_replicas);
	SET_RECONCILE_DATA_REPLICAS(&e, 1);
	memcpy((u64 *) k + k->k.u64s, &e, sizeof(e));
	k->k.u64s += sizeof(e) / sizeof(u64);
}

static int alloc_space(struct worker *w, struct bkey_i *k, unsigned sectors)
{
	const struct bch_alloc_request req = {
		.nr_replicas	= 1,
		.min_sectors	= sectors,
		.data_type	= BCH_DATA_user,
		.watermark	= BCH_WATERMARK_normal,
		.write_point	= w->nr + 1,
	};
	struct write_point *wp;
	int ret = bch2_alloc_sectors_start(w->trans, &req, &wp);

	if (ret)
		return ret;
	if (wp->sectors_free < sectors)
		die("asked for %u sectors in one piece, got %u", sectors, wp->sectors_free);
	bch2_alloc_sectors_append_ptrs(w->c, wp, k, sectors, false);
	if (sh->cfg.during_replay && r(w, 2))
		add_pending_work(w, k);
	bch2_alloc_sectors_get_refs(w->c, wp, &w->refs);
	bch2_alloc_sectors_done(w->trans, wp);
	return 0;
}

/* Decides what an extent is to be. 0, or no space. */
static int prepare_extent(struct worker *w, unsigned slot, unsigned nr)
{
	const unsigned sectors = nr * SLOT_SECTORS, what = r(w, 10);
	struct bkey_i *k = (void *) w->extent;
	struct op *op = w->op;
	u64 at = 0;
	int ret = 0;

	memset(w->extent, 0, sizeof(w->extent));
	bkey_init(&k->k);
	k->k.p = slot_pos(KIND_extent, w->nr, slot);
	k->k.p.offset += sectors;
	k->k.size = sectors;

	if (what >= (w->shrink ? 7 : 1)) {
		ret = bch2_disk_reservation_get(w->c, &w->res, sectors, 1, 0);
		if (ret)
			return ret;
		if (what & 1) {
			k->k.type = KEY_TYPE_extent;
			ret = lockrestart_do(w->trans, alloc_space(w, k, sectors));
			if (ret)
				return ret;
			at = EXTENT_PTR_OFFSET((struct bch_extent_ptr *) &k->v) + 1;
		} else {
			struct bch_reservation *v = (void *) &k->v;

			k->k.type = KEY_TYPE_reservation;
			set_bkey_val_bytes(&k->k, sizeof(*v));
			v->nr_replicas = 1;
			at = EXTENT_RESERVED;
		}
	}
	for (unsigned i = 0; i < nr; i++)
		op->ch[op->nr++] = (struct change) {
			.kind = KIND_extent, .slot = slot + i,
			.value = at && at != EXTENT_RESERVED ? at + i * SLOT_SECTORS : at,
		};
	return 0;
}

/* --- operations --- */

static void add_change(struct worker *w, unsigned kind, unsigned slot, u64 value)
{
	struct op *op = w->op;

	for (unsigned i = 0; i < op->nr; i++)
		if (op->ch[i].kind == kind && op->ch[i].slot == slot)
			return;
	op->ch[op->nr++] = (struct change) { .kind = kind, .slot = slot, .value = value };
}

static int prepare(struct worker *w)
{
	const unsigned nr = 1 + r(w, 3);
	int ret = 0;

	for (unsigned i = 0; i < nr; i++)
		add_change(w, r(w, KIND_extent), r(w, TORTURE_SLOTS),
			   r(w, 10) < (w->shrink ? 8 : 2) ? 0 : ++w->tag);
	if (!r(w, 4)) {
		/* something that says whether it was done must go with it */
		add_change(w, KIND_xattr, r(w, TORTURE_SLOTS), ++w->tag);
		add_change(w, KIND_counter, r(w, TORTURE_COUNTERS), 1);
	}
	if (r(w, 2)) {
		const unsigned run = 1 + r(w, 3);

		ret = prepare_extent(w, r(w, TORTURE_SLOTS - run + 1), run);
	}
	return ret;
}

static void operation(struct worker *w)
{
	struct thread_log *t = &sh->t[w->nr];
	u64 seq = 0;
	int ret;

	w->op = &t->ops[t->nr];
	memset(w->op, 0, sizeof(*w->op));
	memset(&w->res, 0, sizeof(w->res));
	w->refs.nr = 0;

	ret = prepare(w);
	if (ret && !bch2_err_matches(ret, ENOSPC))
		expect(w, ret, "allocation");
	if (!ret) {
		WRITE_ONCE(w->op->state, OP_begun);
		WRITE_ONCE(t->nr, t->nr + 1);
		ret = commit_do(w->trans, &w->res, &seq, 0, queue(w));
		expect(w, ret, "commit");
		w->op->seq = seq;
		WRITE_ONCE(w->op->state, OP_done);
		if (!test_bit(BCH_FS_replay_done, &w->c->flags))
			__atomic_add_fetch(&sh->during_replay, 1, __ATOMIC_RELAXED);
		for (unsigned i = 0; i < w->op->nr; i++)
			if (w->op->ch[i].kind < KIND_NR)
				w->cur[w->op->ch[i].kind][w->op->ch[i].slot] = w->op->ch[i].value;
	} else {
		w->shrink = true;
	}
	bch2_trans_unlock_long(w->trans);
	bch2_open_buckets_put(w->c, &w->refs);
	bch2_disk_reservation_put(w->c, &w->res);
}

/* --- what goes on beside it --- */

static void acknowledged(u64 seq)
{
	u64 old = __atomic_load_n(&sh->acked, __ATOMIC_RELAXED);

	while (old < seq && !__atomic_compare_exchange_n(&sh->acked, &old, seq, true,
							 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void look(struct worker *w)
{
	const unsigned slot = r(w, TORTURE_SLOTS);
	struct bch_quota q;
	int ret;

	ret = lockrestart_do(w->trans, bch2_bkey_get_val_typed(w->trans, BTREE_ID_quotas,
			slot_pos(KIND_quota, w->nr, slot), 0, quota, &q));
	if (bch2_err_matches(ret, ENOENT))
		memset(&q, ret = 0, sizeof(q));
	expect(w, ret, "lookup");
	if (le64_to_cpu(q.c[0].hardlimit) != w->cur[KIND_quota][slot])
		die("thread %u: quota slot %u shows %llu, was set to %llu", w->nr, slot,
		    (u64) le64_to_cpu(q.c[0].hardlimit), w->cur[KIND_quota][slot]);
	bch2_trans_unlock_long(w->trans);
}

static void disturb(struct worker *w)
{
	struct bch_fs *c = w->c;
	u64 seq;

	switch (r(w, 200)) {
	case 0:
		seq = w->op->seq;
		if (seq) {
			expect(w, bch2_journal_flush_seq(c, seq), "journal flush");
			acknowledged(seq);
		}
		break;
	case 1:
		bch2_journal_flush_seq_async(c, bch2_journal_cur_seq(c));
		break;
	case 2:
		bch2_btree_write_all_dirty(c);
		break;
	case 3:
		seq = bch2_journal_cur_seq(c);
		bch2_journal_flush_pins(c, seq - min(seq, r(w, 4)), JOURNAL_PIN_TYPES_ALL);
		break;
	case 4:
		usleep(r(w, 3000));
		break;
	case 5:
		expect(w, bch2_journal_meta(c), "journal entry");
		break;
	case 6:
		expect(w, bch2_btree_write_buffer_flush_sync(w->trans), "write buffer");
		bch2_trans_unlock_long(w->trans);
		break;
	case 7:
		shim_run_shrinkers(32);
		break;
	case 8 ... 40:
		look(w);
		break;
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->trans = bch2_trans_get(w->c);
	if (IS_ERR(w->trans))
		die("no transaction");
	for (unsigned i = 0; i < sh->cfg.ops; i++) {
		if (!r(w, 1500))
			w->shrink = !w->shrink;
		operation(w);
		disturb(w);
	}
	bch2_trans_put(w->trans);
	__atomic_sub_fetch(&workers_left, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* --- losing power --- */

static void capture(struct bch_fs *c, const char *image, u64 *state)
{
	struct capture *x = &sh->captures[sh->nr_captures];
	const u64 seed = rnd(state);
	char path[512];
	const char *p = path;
	int ret;

	snprintf(path, sizeof(path), "%s.cap%u", image, sh->nr_captures);
	x->mode  = seed % 6 ? SHIM_CRASH_random
			    : seed % 12 ? SHIM_CRASH_drop_all : SHIM_CRASH_keep_all;
	x->acked = max(__atomic_load_n(&sh->acked, __ATOMIC_ACQUIRE),
		       bch2_journal_flushed_seq_ondisk(c));
	ret = shim_crash_capture(x->mode, seed, &p, 1);
	if (ret)
		die("capture: %s", strerror(-ret));
	sh->nr_captures++;
}

static void captures(struct bch_fs *c, const char *image, u64 *state)
{
	while (__atomic_load_n(&workers_left, __ATOMIC_ACQUIRE)) {
		usleep(2000 + rnd(state) % 60000);
		if (sh->nr_captures < sh->cfg.crashes && rnd(state) % 4 == 0)
			capture(c, image, state);
	}
}

/**
 * work() - one round of work on a started filesystem
 * @c:		filesystem
 * @image:	its path; captures are put beside it
 *
 * Ends the process with a message when anything fails.
 */
void work(struct bch_fs *c, const char *image)
{
	static struct worker workers[TORTURE_THREADS];
	u64 state = sh->cfg.seed * 1000 + sh->round * 10 + 9;

	workers_left = sh->cfg.threads;
	for (unsigned i = 0; i < sh->cfg.threads; i++) {
		struct worker *w = &workers[i];

		w->c	= c;
		w->nr	= i;
		w->rnd	= sh->cfg.seed * 1000 + sh->round * 10 + i;
		w->tag	= (sh->round + 1) * 10000000;
		memcpy(w->cur, sh->t[i].base, sizeof(w->cur));
		if (pthread_create(&w->id, NULL, worker_main, w))
			die("no thread");
	}
	captures(c, image, &state);
	/* one to go on from */
	if (sh->cfg.during_replay && sh->nr_captures < TORTURE_CAPTURES)
		capture(c, image, &state);
	for (unsigned i = 0; i < sh->cfg.threads; i++)
		pthread_join(workers[i].id, NULL);
}
