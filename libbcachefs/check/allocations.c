// SPDX-License-Identifier: GPL-2.0
/*
 * The pass check_allocations (spec 43 §4): count all uses of space anew, compare.
 *
 * Every key is visited once, in the order of alloc/gc_walk.c. What it says about
 * places on devices is checked, and repaired if it cannot be true; only then the
 * key is counted, by its own trigger. Afterwards the tables say what alloc keys,
 * counters, stripes and reference counts have to be.
 *
 * Memory: 16 bytes per bucket of all members, about 200 per stripe, 24 per shared
 * extent, and the counters; of btrees only what the node cache may keep. Nodes are
 * read in order, each once, with read-ahead.
 *
 * The pass runs before the filesystem may be written, so that nothing is given out
 * that is in use. Its repairs go into the overlay, from where replay brings them
 * into the btrees; with option nochanges they stay there. Nobody else commits
 * anything meanwhile, so nothing has to be locked against the walk. It may run
 * several times in one start: every run begins with empty tables.
 */
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/gc.h"
#include "btree/bkey_methods.h"
#include "btree/btree_bitmap.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "check/allocations.h"
#include "check/allocations_priv.h"
#include "data/extent_drop.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "sb/write.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- places and answers --- */

/**
 * bch2_alloc_check_place - what is looked at from now on
 * @x:		check
 * @btree:	btree of the key
 * @level:	level that it lives at
 * @pos:	its position; a bucket for one without key
 *
 * Returns true if it is another place than before.
 */
bool bch2_alloc_check_place(struct alloc_check *x, unsigned int btree, unsigned int level,
			    struct bpos pos)
{
	if (x->have_place && x->btree == btree && x->level == level && bpos_eq(x->pos, pos))
		return false;
	x->have_place	= true;
	x->btree	= btree;
	x->level	= level;
	x->pos		= pos;
	x->repeats	= 0;
	x->nr_answers	= 0;
	return true;
}

/**
 * bch2_alloc_check_ask - report something about the place
 * @x:		check
 * @id:		error
 * @flags:	FSCK_CAN_FIX, FSCK_CAN_IGNORE
 * @what:	what of the place is wrong: an answer to the same question is
 *		remembered
 * @k:		the key as it is, for the message; may be NULL
 * @fmt:	message
 *
 * Returns 1: repair, 0: go on without, or the error to give up with.
 */
int bch2_alloc_check_ask(struct alloc_check *x, enum bch_sb_error_id id, unsigned int flags,
			 u64 what, const struct bkey_s_c *k, const char *fmt, ...)
{
	CLASS(printbuf, buf)();
	va_list args;
	int ret;

	for (unsigned int i = 0; i < x->nr_answers; i++)
		if (x->answers[i].id == id && x->answers[i].what == what)
			return x->answers[i].fix;

	va_start(args, fmt);
	prt_vprintf(&buf, fmt, args);
	va_end(args);
	if (k) {
		prt_newline(&buf);
		bch2_btree_id_level_to_text(&buf, x->btree, x->level);
		prt_char(&buf, ' ');
		bch2_bkey_val_to_text(&buf, x->c, *k);
	}

	ret = __bch2_fsck_err(x->c, flags, id, "%s", printbuf_str(&buf));
	if (bch2_fsck_gives_up(ret))
		return ret;
	ret = ret == -BCH_ERR_fsck_fix;
	if (x->nr_answers < ALLOC_ANSWERS_MAX)
		x->answers[x->nr_answers++] = (struct alloc_answer) {
			.id	= id,
			.fix	= ret,
			.what	= what,
		};
	return ret;
}

/**
 * bch2_alloc_check_again - a repair of the place has been committed
 * @x:		check
 *
 * Returns a restart, after which the place is looked at again, or an error.
 */
int bch2_alloc_check_again(struct alloc_check *x)
{
	if (++x->repeats > ALLOC_REPEATS_MAX) {
		CLASS(printbuf, buf)();

		bch2_btree_id_level_to_text(&buf, x->btree, x->level);
		prt_char(&buf, ' ');
		bch2_bpos_to_text(&buf, x->pos);
		bch_err(x->c, "the repair of a key does not come to an end: %s",
			printbuf_str(&buf));
		return -BCH_ERR_fsck_repair_impossible;
	}
	return bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_commit);
}

/**
 * bch2_alloc_check_commit - make a repair of the place happen
 * @x:		check; the transaction has the updates
 *
 * Returns as bch2_alloc_check_again(), or an error of the commit.
 */
int bch2_alloc_check_commit(struct alloc_check *x)
{
	return bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc) ?:
		bch2_alloc_check_again(x);
}

/* --- checks of every key, spec 43 §4.2 step 3, §4.3 --- */

/* Pointers to nodes of one level follow each other; gaps are for check_topology. */
static int check_order(struct alloc_check *x, struct bkey_s_c k)
{
	const u64 topology = BIT_ULL(BCH_RECOVERY_PASS_check_topology);
	__BKEY_PADDED(k, BKEY_BTREE_PTR_VAL_U64s_MAX) ptr;
	struct btree_ptr_info info;
	struct bpos want;

	if (k.k->u64s > BKEY_BTREE_PTR_U64s_MAX || (x->c->recovery.passes_complete & topology))
		return 0;
	bkey_reassemble(&ptr.k, k);
	info = bch2_btree_ptr_info(&ptr.k);
	want = x->have_node ? bpos_successor(x->node_end) : POS_MIN;
	x->have_node = !bpos_eq(k.k->p, SPOS_MAX);
	x->node_end = k.k->p;
	return info.v2 && !bpos_eq(info.min_key, want) ? bch2_topology_error(x->c) : 0;
}

/*
 * The walk has come to another level, that of @level + 1 being the root's own pointer:
 * was there anything at the level before, and did it reach the end?
 */
static int check_level_end(struct alloc_check *x, enum btree_id btree, unsigned int level)
{
	const u64 topology = BIT_ULL(BCH_RECOVERY_PASS_check_topology);
	const bool at_root = level > x->c->btree.roots[btree].level;

	if (x->c->recovery.passes_complete & topology)
		return 0;
	if (x->have_node ||
	    (at_root && level > 1 && (x->btree != btree || x->level != level - 1)))
		return bch2_topology_error(x->c);
	return 0;
}

static int check_version(struct alloc_check *x, struct bkey_s_c k)
{
	struct bch_fs *c = x->c;
	const u64 have = atomic64_read(&c->key_version);
	int ret;

	if (likely(k.k->bversion.lo <= have) || x->btree == BTREE_ID_accounting)
		return 0;
	ret = bch2_alloc_check_ask(x, BCH_FSCK_ERR_bkey_version_in_future,
				   FSCK_CAN_FIX|FSCK_CAN_IGNORE, 0, &k,
				   "key version number higher than recorded %llu", have);
	if (ret > 0)
		atomic64_set(&c->key_version, k.k->bversion.lo);
	return min(ret, 0);
}

static int check_bitmap(struct alloc_check *x, struct bkey_s_c k)
{
	struct bch_fs *c = x->c;
	int ret;

	if (likely(bch2_dev_btree_bitmap_marked(c, k)))
		return 0;
	ret = bch2_alloc_check_ask(x, BCH_FSCK_ERR_btree_bitmap_not_marked, FSCK_CAN_FIX, 0, &k,
				   "btree node in a region that the superblock does not mark "
				   "as having any");
	return ret > 0 ? bch2_dev_btree_bitmap_mark(c, k) : ret;
}

/* --- counting --- */

static bool drop_skipped(const struct extent_ptr_decoded *p, void *arg)
{
	return test_bit(p->idx, (const unsigned long *) arg);
}

/* Count a key; pointers in @skip are wrong and were left alone. */
static int mark(struct alloc_check *x, struct bkey_s_c k, const unsigned long *skip)
{
	struct bkey_i *n;
	int ret;

	if (likely(bitmap_empty(skip, BKEY_VAL_U64s_MAX)))
		return bch2_gc_mark_key(x->trans, x->btree, x->level, k);

	n = kmalloc(BKEY_U64s_MAX * sizeof(u64), GFP_KERNEL);
	if (!n)
		return -BCH_ERR_ENOMEM_gc;
	bkey_reassemble(n, k);
	bch2_bkey_drop_ptrs(x->c, n, drop_skipped, (void *) skip);
	ret = bch2_gc_mark_key(x->trans, x->btree, x->level, bkey_i_to_s_c(n));
	kfree(n);
	return ret;
}

/* Has the walk met damage that another pass has to deal with first? */
static int damage_met(struct bch_fs *c)
{
	return c->recovery.rewound_to ? -BCH_ERR_restart_recovery : 0;
}

static int visit(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		 struct bkey_s_c k, void *arg)
{
	DECLARE_BITMAP(skip, BKEY_VAL_U64s_MAX);
	struct alloc_check *x = arg;
	const bool other_level = !x->have_place || x->btree != btree || x->level != level;
	int ret = damage_met(trans->c);

	if (ret)
		return ret;
	if (other_level) {
		ret = check_level_end(x, btree, level);
		x->have_node = false;
		if (ret)
			return ret;
	}
	if (bch2_alloc_check_place(x, btree, level, k.k->p)) {
		if (level)
			ret = check_order(x, k) ?: check_bitmap(x, k);
		ret = ret ?: check_version(x, k);
	}
	if (ret)
		return ret;

	bitmap_zero(skip, BKEY_VAL_U64s_MAX);
	if (bkey_type_has_ptrs(k.k->type))
		ret = bch2_alloc_check_ptrs(x, k, skip);
	else if (k.k->type == KEY_TYPE_reflink_p)
		ret = bch2_alloc_check_reflink_p(x, k);
	return ret ?: mark(x, k, skip);
}

/* --- the pass --- */

/* Slots of removed devices can be used again: nothing refers to them (§4.7 step 4). */
static int forget_removed_members(struct bch_fs *c)
{
	struct bch_sb *sb;
	bool changed = false;
	int ret = 0;

	if (c->opts.nochanges || test_bit(BCH_FS_error, &c->flags) ||
	    test_bit(BCH_FS_errors_not_fixed, &c->flags))
		return 0;

	mutex_lock(&c->sb_lock);
	sb = c->disk_sb.sb;
	for (unsigned int i = 0; i < sb->nr_devices; i++) {
		struct bch_member m = bch2_sb_member_get(sb, i);

		if (!bch2_member_deleted(&m))
			continue;
		memset(&m.uuid, 0, sizeof(m.uuid));
		bch2_sb_member_set(sb, i, &m);
		changed = true;
	}
	if (changed)
		ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

static int check_allocations(struct alloc_check *x)
{
	struct bch_fs *c = x->c;
	int ret;

	ret   = bch2_gc_mark_sbs(x->trans) ?:
		bch2_gc_walk(x->trans, c->opts.fsck ? BCH_GC_WALK_all_leaves : 0, visit, x) ?:
		damage_met(c) ?:
		(x->have_node ? bch2_topology_error(c) : 0);
	return ret ?:
		bch2_alloc_check_buckets(x) ?:
		bch2_accounting_gc_done(x->trans) ?:
		bch2_alloc_check_stripes(x) ?:
		bch2_alloc_check_refcounts(x) ?:
		forget_removed_members(c);
}

/**
 * bch2_check_allocations - the pass
 * @c:		filesystem; only readable, its counters have been read
 *
 * Spec 43 §4. Returns 0; an error of the policy; that recovery has to go back; or
 * -BCH_ERR_trigger_metadata_bucket, -BCH_ERR_fsck_repair_impossible for what no
 * repair can put right.
 */
int bch2_check_allocations(struct bch_fs *c)
{
	struct alloc_check *x;
	int ret;

	/* formatted only: nothing is recorded yet, and nothing was used */
	if (!BCH_SB_INITIALIZED(c->disk_sb.sb))
		return 0;

	x = kvzalloc(sizeof(*x), GFP_KERNEL);
	ret = x ? bch2_gc_alloc(c) : -BCH_ERR_ENOMEM_gc;
	if (!ret) {
		x->c	 = c;
		x->trans = bch2_trans_get(c);
		ret = PTR_ERR_OR_ZERO(x->trans);
		if (!ret) {
			ret = check_allocations(x);
			bch2_trans_put(x->trans);
		}
		bch2_gc_free(c);
	}
	kvfree(x);
	return ret;
}
