// SPDX-License-Identifier: GPL-2.0
/*
 * Btree roots: from the records of the journal or the clean section into
 * c->btree.roots, then into memory (spec 31 §5 step 5, §6), and what follows
 * when a node is lost (§7.1).
 *
 * A root that cannot be read does not end the start: its btree stays in error,
 * or, where it can be rebuilt from other btrees, becomes empty. Only the thread
 * that starts the filesystem calls this, except for bch2_fs_btree_lost_data().
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/clocks.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "init/passes.h"
#include "init/recovery.h"
#include "journal/overlay.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "journal/validate.h"
#include "sb/clean.h"
#include "sb/field.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- records --- */

static int root_record_apply(struct bch_fs *c, const struct jset_entry *e)
{
	struct bkey_i *k = jset_entry_key_at(e, jset_entry_first_key(e));
	struct btree_root *r;
	int ret = 0;

	if (e->btree_id >= BTREE_ID_NR_MAX) {
		fsck_err(c, invalid_btree_id, "invalid btree id %u of a root (max %u), ignore?",
			 e->btree_id, BTREE_ID_NR_MAX - 1);
		return 0;
	}

	r = &c->btree.roots[e->btree_id];
	memset(&r->key, 0, sizeof(r->key));
	r->alive	= true;
	r->error	= 0;
	r->level	= e->level;

	/* an emptied record: reported when the roots are read */
	if (!k || bkey_val_u64s(&k->k) > BKEY_BTREE_PTR_VAL_U64s_MAX ||
	    e->level >= BTREE_MAX_DEPTH)
		return 0;
	bkey_copy(&r->key, k);
fsck_err:
	return ret;
}

/* One sub-entry, in order of age: later ones win (spec 31 §5 step 5). */
static int entry_apply(struct bch_fs *c, const struct jset_entry *e)
{
	const unsigned u64s = le16_to_cpu(e->u64s);
	const struct jset_entry_blacklist *b1 = (struct jset_entry_blacklist *) e;
	const struct jset_entry_clock *clock = (struct jset_entry_clock *) e;
	const struct jset_entry_blacklist_v2 *b2 = (struct jset_entry_blacklist_v2 *) e;

	switch (e->type) {
	case BCH_JSET_ENTRY_btree_root:
		return root_record_apply(c, e);
	case BCH_JSET_ENTRY_clock:
		if (u64s >= 2 && clock->rw <= BCH_IO_CLOCK_write)
			bch2_io_clock_set(c, clock->rw, le64_to_cpu(clock->time));
		return 0;
	case BCH_JSET_ENTRY_usage:
		if (u64s && e->btree_id == BCH_FS_USAGE_key_version)
			atomic64_set(&c->key_version,
				     le64_to_cpu(((struct jset_entry_usage *) e)->v));
		return 0;
	case BCH_JSET_ENTRY_blacklist:
		if (u64s != 1 || le64_to_cpu(b1->seq) == U64_MAX)
			return 0;
		return bch2_journal_seq_blacklist_add(c, le64_to_cpu(b1->seq),
						      le64_to_cpu(b1->seq) + 1);
	case BCH_JSET_ENTRY_blacklist_v2:
		if (u64s != 2 || le64_to_cpu(b2->end) == U64_MAX)
			return 0;
		return bch2_journal_seq_blacklist_add(c, le64_to_cpu(b2->start),
						      le64_to_cpu(b2->end) + 1);
	default:
		return 0;
	}
}

/**
 * bch2_roots_from_entries - take roots, key version and old blacklist records
 * @c:	filesystem; journal or clean section have been read and validated
 *
 * From the clean section if it is in use, else from the entries of the replay
 * window, oldest first.
 *
 * Return: 0, -ENOMEM, or an error of the policy.
 */
int bch2_roots_from_entries(struct bch_fs *c)
{
	int ret = 0;

	if (c->recovery.clean) {
		for_each_clean_entry(c->recovery.clean, e) {
			ret = entry_apply(c, e);
			if (ret)
				return ret;
		}
		return 0;
	}

	for (size_t i = 0; i < c->journal.entries.nr; i++) {
		const struct journal_replay *r = c->journal.entries.d[i];

		if (journal_replay_ignore(r) || !r->j)
			continue;
		for_each_jset_entry(e, r->j) {
			ret = entry_apply(c, e);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* --- losing nodes --- */

/* Passes that a lost node of @btree makes necessary (spec 31 §7.1). */
static u64 lost_data_passes(unsigned btree)
{
	const u64 base = BIT_ULL(BCH_RECOVERY_PASS_check_topology) |
		BIT_ULL(BCH_RECOVERY_PASS_check_allocations);

	switch (btree) {
	case BTREE_ID_alloc:
	case BTREE_ID_need_discard:
	case BTREE_ID_freespace:
	case BTREE_ID_bucket_gens:
	case BTREE_ID_lru:
		return base | BIT_ULL(BCH_RECOVERY_PASS_check_alloc_info);
	case BTREE_ID_backpointers:
		return base | BIT_ULL(BCH_RECOVERY_PASS_check_btree_backpointers) |
			BIT_ULL(BCH_RECOVERY_PASS_check_extents_to_backpointers);
	case BTREE_ID_accounting:
		return base;
	case BTREE_ID_snapshots:
		return base | BIT_ULL(BCH_RECOVERY_PASS_reconstruct_snapshots) |
			BIT_ULL(BCH_RECOVERY_PASS_scan_for_btree_nodes);
	default:
		return base | BIT_ULL(BCH_RECOVERY_PASS_scan_for_btree_nodes);
	}
}

/* Errors that follow from the loss: not worth a report each (spec 31 §7.1). */
static void lost_data_silence(struct bch_fs *c, unsigned btree)
{
	static const u16 errors[] = {
		BCH_FSCK_ERR_alloc_key_to_missing_lru_entry,
		BCH_FSCK_ERR_alloc_key_data_type_wrong,
		BCH_FSCK_ERR_alloc_key_dirty_sectors_wrong,
		BCH_FSCK_ERR_need_discard_key_wrong,
		BCH_FSCK_ERR_freespace_key_wrong,
		BCH_FSCK_ERR_backpointer_to_missing_ptr,
		BCH_FSCK_ERR_lru_entry_bad,
		BCH_FSCK_ERR_accounting_mismatch,
		BCH_FSCK_ERR_reconcile_work_incorrectly_set,
		BCH_FSCK_ERR_reconcile_work_phys_incorrectly_set,
	};
	static const u16 errors_alloc[] = {
		BCH_FSCK_ERR_alloc_key_gen_wrong,
		BCH_FSCK_ERR_alloc_key_cached_sectors_wrong,
		BCH_FSCK_ERR_alloc_key_stripe_wrong,
		BCH_FSCK_ERR_alloc_key_stripe_redundancy_wrong,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		__set_bit(errors[i], c->sb.errors_silent);
	if (btree == BTREE_ID_alloc)
		for (unsigned i = 0; i < ARRAY_SIZE(errors_alloc); i++)
			__set_bit(errors_alloc[i], c->sb.errors_silent);
}

/**
 * bch2_fs_btree_lost_data - a node of a btree cannot be read, nor replaced
 * @c:		filesystem
 * @btree:	btree
 *
 * Remembers it and requests the passes that deal with it, in memory. Callable
 * from any thread; what c->up.btree_lost_data points to.
 */
void bch2_fs_btree_lost_data(struct bch_fs *c, unsigned btree)
{
	CLASS(printbuf, buf)();
	u64 need;

	if (btree >= BTREE_ID_NR_MAX)
		return;

	mutex_lock(&c->sb_lock);
	/* what an earlier start has lost was dealt with there: this is another loss */
	if (c->recovery.lost_now & BIT_ULL(btree)) {
		mutex_unlock(&c->sb_lock);
		return;
	}
	c->recovery.lost_now  |= BIT_ULL(btree);
	c->recovery.lost_data |= BIT_ULL(btree);
	set_bit(BCH_FS_error, &c->flags);
	lost_data_silence(c, btree);

	bch2_btree_id_to_text(&buf, btree);
	bch_err(c, "flagging btree %s lost data", printbuf_str(&buf));

	for (need = lost_data_passes(btree); need; need &= need - 1)
		bch2_run_explicit_recovery_pass(c, __ffs64(need));
	mutex_unlock(&c->sb_lock);
}

/* --- reading --- */

static int root_read_one(struct bch_fs *c, unsigned btree)
{
	struct btree_root *r = &c->btree.roots[btree];
	CLASS(printbuf, buf)();
	int ret = 0, err;

	bch2_btree_id_to_text(&buf, btree);

	if (!r->key.k.u64s) {
		err = -BCH_ERR_invalid_bkey;
		r->error = err;
		mustfix_fsck_err(c, btree_root_bkey_invalid,
				 "invalid btree root %s: record in the journal is not usable",
			      printbuf_str(&buf));
	} else {
		err = bch2_btree_root_read(c, btree, &r->key, r->level);
		if (!err || bch2_err_matches(err, ENOMEM))
			return err;
		r->error = err;
		mustfix_fsck_err(c, btree_root_read_error,
				 "error reading btree root %s level %u: %s", printbuf_str(&buf),
				 r->level, bch2_err_str(err));
	}

	if (btree < BTREE_ID_NR)
		bch2_fs_btree_lost_data(c, btree);
	if (btree_id_can_reconstruct(btree)) {
		/* as if it had never had a root: made anew from other btrees */
		r->alive = false;
		r->error = 0;
	}
fsck_err:
	return ret;
}

/*
 * Interior keys of the journal above the root of their btree have nowhere to go
 * (spec 31 §14): replay would stop there, a reader has to do without them.
 */
static void check_overlay_levels(struct bch_fs *c)
{
	for (unsigned i = 0; i < BTREE_ID_NR_MAX; i++) {
		const struct btree_root *r = &c->btree.roots[i];
		const unsigned level = r->b && !r->error ? r->level : BTREE_MAX_DEPTH - 1;
		const u64 nr = bch2_journal_keys_nr_above(c, i, level);
		CLASS(printbuf, buf)();

		if (!nr)
			continue;
		bch2_btree_id_to_text(&buf, i);
		bch_err(c, "btree %s: %llu keys in the journal are above the root (level %u)",
			printbuf_str(&buf), nr, level);
		set_bit(BCH_FS_error, &c->flags);
	}
}

/**
 * bch2_read_btree_roots - read the root nodes
 * @c:	filesystem; roots are known, key is loaded
 *
 * Afterwards every known btree has a root in memory - an empty one where there
 * is none on disk - or its btree_root.error set.
 *
 * Return: 0, -ENOMEM, or an error of the policy.
 */
int bch2_read_btree_roots(struct bch_fs *c)
{
	for (unsigned i = 0; i < BTREE_ID_NR_MAX; i++) {
		struct btree_root *r = &c->btree.roots[i];
		int ret = 0;

		if (r->alive)
			ret = root_read_one(c, i);
		if (!ret && i < BTREE_ID_NR && !r->b && !r->error)
			ret = bch2_btree_root_alloc_fake(c, i, 0);
		if (ret)
			return ret;
	}
	check_overlay_levels(c);
	set_bit(BCH_FS_btree_running, &c->flags);
	return 0;
}
