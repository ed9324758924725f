// SPDX-License-Identifier: GPL-2.0
/*
 * Pass check_reconcile_work (spec 53 §7): the work btrees of data keys, and the
 * order of all parts of the pass.
 *
 * Keys are walked together with the three work btrees, which have the same
 * order. First the indexes are made to agree with what the key records, then the
 * key with its options; the second changes the indexes through triggers. The work
 * btrees are buffered: nothing is reported before the write buffer was flushed
 * and both sides were read again.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/reconcile.h"
#include "data/reconcile.h"
#include "data/reconcile_scan.h"
#include "sb/versions_format.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* A data btree and the parts of the work btrees that belong to it. */
struct data_walk {
	struct reconcile_check	*x;
	unsigned		btree;
	struct bpos		data_end;
	struct bpos		work_end;
};

/* Iterators: x->iters[0] walks the data btree, [class] a work btree. */

/* What was found at one position. */
struct work_position {
	struct bpos		pos;		/* in the work btrees */
	struct bkey_s_c		data;		/* its key, or .k is NULL */
	struct bkey_s_c		work[RECONCILE_WORK_NR];
};

static void class_to_text(struct printbuf *out, unsigned class)
{
	const int btree = bch2_reconcile_class_btree(class, false);

	prt_str(out, btree < 0 ? "none" : bch2_btree_id_name(btree));
}

static int mismatch_report(struct reconcile_check *x, const struct work_position *w,
			   unsigned wanted, unsigned present)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "work btrees hold the wrong entries at ");
	bch2_bpos_to_text(&buf, w->pos);
	prt_str(&buf, "\nshould be: ");
	class_to_text(&buf, wanted);
	prt_str(&buf, "\nfound:");
	for (unsigned i = 1; i < RECONCILE_WORK_NR; i++)
		if (present & BIT(i)) {
			prt_char(&buf, ' ');
			class_to_text(&buf, i);
		}
	if (w->data.k) {
		prt_char(&buf, '\n');
		bch2_bkey_val_to_text(&buf, x->c, w->data);
	}

	if (!fsck_err_trans(x->trans, reconcile_work_incorrectly_set, "%s", printbuf_str(&buf)))
		return 0;
	for (unsigned i = 1; !ret && i < RECONCILE_WORK_NR; i++)
		if (!!(present & BIT(i)) != (i == wanted))
			ret = bch2_btree_bit_mod_buffered(x->trans,
					bch2_reconcile_class_btree(i, false), w->pos, i == wanted);
fsck_err:
	return ret;
}

/* A cookie of before 1.33 has no place in reconcile_work. */
static int cookie_drop(struct reconcile_check *x, struct bpos pos)
{
	return x->c->opts.nochanges ? 0
		: bch2_btree_bit_mod_buffered(x->trans, BTREE_ID_reconcile_work, pos, false);
}

static int index_check(struct reconcile_check *x, const struct work_position *w)
{
	const unsigned wanted = w->data.k ? bch2_bkey_reconcile_class(x->c, w->data)
					  : RECONCILE_WORK_none;
	const unsigned right = wanted ? BIT(wanted) : 0;
	struct bkey_s_c referring = w->data;
	unsigned present = 0;
	int ret = 0;

	for (unsigned i = 1; i < RECONCILE_WORK_NR; i++) {
		if (!w->work[i].k)
			continue;
		if (i == RECONCILE_WORK_normal && w->work[i].k->type == KEY_TYPE_cookie)
			ret = cookie_drop(x, w->pos);
		else
			present |= BIT(i);
		if (!referring.k)
			referring = w->work[i];
		if (ret)
			return ret;
	}
	if (present == right)
		return 0;
	return  bch2_btree_write_buffer_maybe_flush(x->trans, referring, &x->wb) ?:
		mismatch_report(x, w, wanted, present);
}

/* --- the walk --- */

static struct bpos work_pos_of(const struct data_walk *d, unsigned i, struct bkey_s_c k)
{
	return i ? k.k->p : bch2_reconcile_work_pos(d->btree, k.k->p);
}

static void walk_set_pos(struct data_walk *d, struct bpos work)
{
	struct bpos data = work;

	if (d->btree == BTREE_ID_reflink)
		data.inode--;
	/* stripes and reflink have no snapshots; their work btrees do */
	if (d->btree != BTREE_ID_extents && work.snapshot)
		data = bpos_nosnap_successor(data);
	bch2_btree_iter_set_pos(d->x->iters, data);
	for (unsigned i = 1; i < RECONCILE_WORK_NR; i++)
		bch2_btree_iter_set_pos(d->x->iters + i, work);
}

/* The first position at which there is anything: 1, or 0 at the end, or an error. */
static int walk_peek(struct data_walk *d, struct work_position *w)
{
	struct bkey_s_c k[RECONCILE_WORK_NR];
	int ret, found = 0;

	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; i < RECONCILE_WORK_NR; i++) {
		k[i] = bch2_btree_iter_peek_max(d->x->iters + i, i ? d->work_end : d->data_end);
		ret = bkey_err(k[i]);
		if (ret)
			return ret;
		if (k[i].k && (!found || bpos_lt(work_pos_of(d, i, k[i]), w->pos))) {
			w->pos = work_pos_of(d, i, k[i]);
			found = 1;
		}
	}

	for (unsigned i = 0; i < RECONCILE_WORK_NR; i++)
		if (k[i].k && bpos_eq(work_pos_of(d, i, k[i]), w->pos)) {
			if (i)
				w->work[i] = k[i];
			else
				w->data = k[i];
		}
	return found;
}

/* 1: there may be more behind *pos; 0: the end. */
static int walk_one(struct data_walk *d, struct bpos *pos)
{
	struct reconcile_check *x = d->x;
	struct work_position w;
	int ret;

	/* a repeated attempt may find something earlier than the one before it */
	walk_set_pos(d, *pos);
	ret = walk_peek(d, &w);
	if (ret <= 0)
		return ret;

	ret = bch2_trans_interrupted(x->trans) ?: index_check(x, &w);
	if (!ret && w.data.k)
		ret = bch2_reconcile_check_data_key(x, d->btree, w.data);
	if (!ret && bch2_trans_has_updates(x->trans))
		ret = bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
	if (ret)
		return ret;
	if (bpos_eq(w.pos, d->work_end))
		return 0;
	*pos = bpos_successor(w.pos);
	return 1;
}

static int check_data_btree(struct reconcile_check *x, unsigned btree, struct bpos start,
			    struct bpos work_end)
{
	const unsigned flags = BTREE_ITER_all_snapshots|BTREE_ITER_prefetch;
	struct data_walk d = { .x = x, .btree = btree, .work_end = work_end };
	struct bpos pos = start;
	int ret;

	d.data_end = work_end;
	if (btree == BTREE_ID_reflink)
		d.data_end.inode--;
	bch2_trans_iter_init(x->trans, x->iters, btree, POS_MIN, flags|BTREE_ITER_not_extents);
	for (unsigned i = 1; i < RECONCILE_WORK_NR; i++)
		bch2_trans_iter_init(x->trans, x->iters + i, bch2_reconcile_class_btree(i, false),
				     start, flags);
	do {
		ret = lockrestart_do(x->trans, walk_one(&d, &pos));
		wb_maybe_flush_inc(&x->wb);
	} while (ret > 0);

	for (unsigned i = 0; i < RECONCILE_WORK_NR; i++)
		bch2_trans_iter_exit(x->iters + i);
	return ret;
}

static int check_all(struct reconcile_check *x)
{
	return  check_data_btree(x, BTREE_ID_stripes, POS_MIN,
				 SPOS(0, KEY_OFFSET_MAX, KEY_SNAPSHOT_MAX)) ?:
		check_data_btree(x, BTREE_ID_reflink, POS(1, 0),
				 SPOS(BLOCKDEV_INODE_MAX - 1, KEY_OFFSET_MAX, KEY_SNAPSHOT_MAX)) ?:
		check_data_btree(x, BTREE_ID_extents, POS(BLOCKDEV_INODE_MAX, 0), SPOS_MAX) ?:
		bch2_reconcile_check_phys(x) ?:
		bch2_reconcile_check_nodes(x) ?:
		bch2_reconcile_check_node_entries(x);
}

/**
 * bch2_check_reconcile_work - pass check_reconcile_work
 * @c:	filesystem
 *
 * Filesystems of before 1.33 record their work in another way, which is not
 * checked (spec 53 §9.1). Return: 0 or an error.
 */
int bch2_check_reconcile_work(struct bch_fs *c)
{
	struct reconcile_check *x;
	int ret;

	if (c->sb.version < bcachefs_metadata_version_reconcile)
		return 0;
	x = kvzalloc(sizeof(*x), GFP_KERNEL);
	if (!x)
		return -BCH_ERR_ENOMEM_gc;
	x->c	 = c;
	x->trans = bch2_trans_get(c);
	if (IS_ERR(x->trans)) {
		ret = PTR_ERR(x->trans);
		goto out;
	}

	bch2_trans_keep_reads(x->trans);
	wb_maybe_flush_init(&x->wb);
	ret = check_all(x);
	wb_maybe_flush_exit(&x->wb);
	darray_exit(&x->versions);
	bch2_trans_put(x->trans);
out:
	kvfree(x);
	return ret;
}

/**
 * bch2_set_fs_needs_reconcile - pass set_fs_needs_reconcile
 * @c:	filesystem
 *
 * Asks for a look at everything (spec 53 §9.1). Return: 0 or an error.
 */
int bch2_set_fs_needs_reconcile(struct bch_fs *c)
{
	return c->opts.nochanges ? 0
		: bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_fs);
}
