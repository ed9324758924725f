// SPDX-License-Identifier: GPL-2.0
/*
 * Every key of every btree at every level: reading a node checks all its keys,
 * so that walking all nodes checks the filesystem's metadata (spec 20 section
 * 11). What the walk itself adds is counting, and the topology report.
 *
 * Memory is bounded by the node cache. Called at the end of the startup passes of
 * fsck; where it repairs, nodes that were damaged are written anew.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "check/check.h"
#include "fs/inode.h"
#include "init/passes_format.h"
#include "util/log.h"
#include "util/printbuf.h"

static void node_count(struct bch_check_btree *s, const struct btree *b)
{
	if (test_bit(BTREE_NODE_fake, &b->flags))
		return;
	s->nodes[b->level]++;
	s->bytes	+= b->bytes;
	s->nr_dropped	+= b->stats.keys_dropped;
}

/* The pass has said what is wrong with them. */
static bool inodes_checked(const struct bch_fs *c)
{
	return c->recovery.passes_complete & BIT_ULL(BCH_RECOVERY_PASS_check_inodes);
}

/* All keys of node @b, at which the iterator stands. */
static int node_walk(struct btree_iter *iter, const struct btree *b, struct bch_check_btree *s)
{
	const struct bpos end = b->max_key;
	struct bkey_s_c k;
	int ret = 0;

	node_count(s, b);
	do {
		k = bch2_btree_iter_peek_max(iter, end);
		if (!k.k || bkey_err(k))
			break;
		s->keys[iter->level]++;

		ret = iter->level || inodes_checked(iter->trans->c)
			? 0 : bch2_inode_fields_check(iter->trans->c, k);
	} while (!ret && bch2_btree_iter_advance(iter));
	return ret ?: bkey_err(k);
}

/*
 * Go behind what cannot be read; false at the end. Gaps and missing parents were
 * reported with the level they belong to.
 */
static bool walk_skip_bad(struct btree_iter *iter, struct bch_check_btree *s)
{
	s->nr_unreadable += iter->bad.level == iter->level &&
		iter->bad.error != -BCH_ERR_btree_topology;
	return bch2_btree_iter_skip_bad(iter);
}

/*
 * A node that was damaged is good in memory, and was reported when it was read:
 * write it to a new place (spec 32 section 11.3).
 */
static int node_mend(struct bch_fs *c, unsigned btree, unsigned level, u64 seq, struct bpos pos)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	if (IS_ERR(trans))
		return PTR_ERR(trans);
	ret = lockrestart_do(trans,
			bch2_btree_node_rewrite_pos(trans, btree, level, seq, pos));
	bch2_trans_put(trans);
	if (ret)
		bch_err(c, "rewriting a node of btree %s: %s", bch2_btree_id_name(btree),
			bch2_err_str(ret));
	return ret;
}

static bool node_wants_mending(const struct bch_fs *c, const struct btree *b)
{
	return test_bit(BTREE_NODE_need_rewrite, &b->flags) &&
		!test_bit(BTREE_NODE_fake, &b->flags) &&
		test_bit(BCH_FS_rw, &c->flags);
}

/* Nodes of one level and their keys. */
static int level_walk(struct btree_trans *trans, unsigned btree, unsigned level,
		      struct bch_check_btree *s)
{
	struct bpos pos = POS_MIN;
	struct btree_iter iter;
	struct btree *b;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, btree, POS_MIN, 0, level, BTREE_ITER_prefetch);
	while (!ret && (b = bch2_btree_iter_peek_node(&iter))) {
		const struct bch_check_btree before = *s;
		struct bpos end;
		bool mend;
		u64 seq;

		if (IS_ERR(b)) {
			if (bch2_err_matches(PTR_ERR(b), BCH_ERR_transaction_restart)) {
				bch2_trans_begin(trans);
				bch2_btree_iter_set_pos(&iter, pos);
				continue;
			}
			ret = bch2_err_matches(PTR_ERR(b), ENOMEM) ? PTR_ERR(b) : 0;
			if (!ret && !walk_skip_bad(&iter, s))
				break;
			pos = iter.pos;
			continue;
		}
		end	= b->max_key;
		seq	= b->seq;
		mend	= node_wants_mending(trans->c, b);
		ret = bch2_trans_interrupted(trans) ?: node_walk(&iter, b, s);
		if (bch2_err_matches(ret, BCH_ERR_transaction_restart)) {
			/* others write: this node once more */
			*s = before;
			ret = 0;
			bch2_trans_begin(trans);
			bch2_btree_iter_set_pos(&iter, pos);
			continue;
		}
		if (!ret && mend) {
			bch2_trans_unlock(trans);
			ret = node_mend(trans->c, btree, level, seq, end);
			bch2_trans_begin(trans);
		}
		if (bpos_eq(end, SPOS_MAX))
			break;
		pos = bpos_successor(end);
		bch2_btree_iter_set_pos(&iter, pos);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int btree_check(struct bch_fs *c, unsigned btree, struct bch_check_btree *s, bool topology,
		       u64 *nr_topology)
{
	const struct btree_root *r = &c->btree.roots[btree];
	struct btree_trans *trans;
	int level, ret = 0;

	s->present	= r->alive;
	s->fake		= r->fake;
	s->root_error	= r->error;
	s->level	= r->level;
	if (r->error) {
		s->nr_unreadable = 1;
		return 0;
	}
	if (!r->b)
		return 0;

	if (topology)
		ret = bch2_check_btree_topology(c, btree, nr_topology);
	trans = bch2_trans_get(c);
	for (level = r->level; level >= 0 && !ret; --level)
		ret = level_walk(trans, btree, level, s);
	bch2_trans_put(trans);
	return ret;
}

static void summary_add(struct bch_check_summary *s, const struct bch_check_btree *b)
{
	unsigned level;

	for (level = 0; level < BTREE_MAX_DEPTH; level++)
		s->nodes += b->nodes[level];
	s->keys			+= b->keys[0];
	s->bytes		+= b->bytes;
	s->nr_unreadable	+= b->nr_unreadable;
	s->nr_dropped		+= b->nr_dropped;
}

/**
 * bch2_check_btrees - walk all btrees, with topology report
 * @c:		started filesystem
 * @s:		counts are added; zeroed by the caller
 *
 * Damage is reported and passed over. Returns an error only if the policy says to
 * give up, or without memory.
 */
int bch2_check_btrees(struct bch_fs *c, struct bch_check_summary *s)
{
	const bool topology = !(c->recovery.passes_complete &
				BIT_ULL(BCH_RECOVERY_PASS_check_topology));
	unsigned btree;
	int ret = 0;

	for (btree = 0; btree < BTREE_ID_NR_MAX && !ret; btree++) {
		ret = btree_check(c, btree, &s->btrees[btree], topology, &s->nr_topology);
		summary_add(s, &s->btrees[btree]);
	}
	if (s->nr_topology && c->up.request_pass)
		c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_topology);
	return ret;
}

static void btree_to_text(struct printbuf *out, unsigned btree, const struct bch_check_btree *b)
{
	int level;

	bch2_btree_id_to_text(out, btree);
	prt_tab(out);
	if (b->root_error) {
		prt_printf(out, "root unreadable: %s\n", bch2_err_str(b->root_error));
		return;
	}
	if (b->fake) {
		prt_printf(out, "%llu keys, no nodes\n", b->keys[0]);
		return;
	}
	prt_printf(out, "%llu keys", b->keys[0]);
	for (level = b->level; level >= 0; --level)
		prt_printf(out, ", %llu nodes at level %i", b->nodes[level], level);
	if (b->nr_dropped)
		prt_printf(out, ", %llu damaged keys left out", b->nr_dropped);
	if (b->nr_unreadable)
		prt_printf(out, ", %llu unreadable", b->nr_unreadable);
	prt_newline(out);
}

/** bch2_check_summary_to_text - what was checked, and how much of it */
void bch2_check_summary_to_text(struct printbuf *out, const struct bch_check_summary *s)
{
	unsigned btree;

	prt_printf(out, "checked %llu superblock copies, %llu btree nodes, %llu keys, %llu KiB\n",
		   s->sb_copies, s->nodes, s->keys, s->bytes >> 10);
	printbuf_tabstop_push(out, 24);
	printbuf_indent_add(out, 2);
	for (btree = 0; btree < BTREE_ID_NR_MAX; btree++)
		if (s->btrees[btree].present || s->btrees[btree].keys[0])
			btree_to_text(out, btree, &s->btrees[btree]);
	printbuf_indent_sub(out, 2);
	printbuf_tabstop_pop(out);
}
