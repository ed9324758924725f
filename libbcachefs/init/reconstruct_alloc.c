// SPDX-License-Identifier: GPL-2.0
/*
 * Allocation information from nothing (spec 31 §7.3, 43 §12.1, 40 §8.5): for option
 * reconstruct_alloc, and for filesystems that were stripped of it.
 *
 * All btrees that only say what others imply are thrown away before any of their
 * nodes is read; the passes that this requires make them anew, in this start or,
 * if it is interrupted, in the next. Called once per start, by its thread.
 */
#include <linux/array_size.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "init/passes_format.h"
#include "init/recovery.h"
#include "init/upgrade.h"
#include "journal/overlay.h"
#include "sb/errors_format.h"
#include "sb/write.h"
#include "util/bpos.h"
#include "util/log.h"

#define STABLE(_pass)	BIT_ULL(BCH_RECOVERY_PASS_STABLE_##_pass)

static const u64 passes_needed =
	STABLE(check_allocations)|STABLE(check_alloc_info)|STABLE(check_lrus)|
	STABLE(check_extents_to_backpointers)|STABLE(check_alloc_to_lru_refs)|
	/* the queues of pending work are thrown away, too */
	STABLE(check_reconcile_work);

/* What these passes will find, and need not say. */
static const u16 errors_expected[] = {
	BCH_FSCK_ERR_fs_usage_btree_wrong,
	BCH_FSCK_ERR_fs_usage_cached_wrong,
	BCH_FSCK_ERR_fs_usage_persistent_reserved_wrong,
	BCH_FSCK_ERR_fs_usage_replicas_wrong,
	BCH_FSCK_ERR_dev_usage_buckets_wrong,
	BCH_FSCK_ERR_dev_usage_sectors_wrong,
	BCH_FSCK_ERR_dev_usage_fragmented_wrong,
	BCH_FSCK_ERR_alloc_key_to_missing_lru_entry,
	BCH_FSCK_ERR_alloc_key_data_type_wrong,
	BCH_FSCK_ERR_alloc_key_gen_wrong,
	BCH_FSCK_ERR_alloc_key_dirty_sectors_wrong,
	BCH_FSCK_ERR_alloc_key_cached_sectors_wrong,
	BCH_FSCK_ERR_alloc_key_stripe_wrong,
	BCH_FSCK_ERR_alloc_key_stripe_redundancy_wrong,
	BCH_FSCK_ERR_need_discard_key_wrong,
	BCH_FSCK_ERR_freespace_key_wrong,
	BCH_FSCK_ERR_freespace_hole_missing,
	BCH_FSCK_ERR_bucket_gens_key_wrong,
	BCH_FSCK_ERR_lru_entry_bad,
	BCH_FSCK_ERR_ptr_to_missing_backpointer,
	BCH_FSCK_ERR_ptr_to_missing_alloc_key,
	BCH_FSCK_ERR_ptr_gen_newer_than_bucket_gen,
	BCH_FSCK_ERR_stale_dirty_ptr,
	BCH_FSCK_ERR_accounting_mismatch,
	/* follow from what is rebuilt, though upstream's list does not have them */
	BCH_FSCK_ERR_alloc_key_stripe_sectors_wrong,
	BCH_FSCK_ERR_alloc_key_stripe_refcount_wrong,
	BCH_FSCK_ERR_stripe_to_missing_bucket_ref,
	BCH_FSCK_ERR_reconcile_work_incorrectly_set,
	BCH_FSCK_ERR_reconcile_work_phys_incorrectly_set,
};

/* Does this start make it anew? A check that repairs does, as one that is to write. */
static bool wanted(const struct bch_fs *c)
{
	if (c->opts.dangerously_reconstruct_alloc)
		return true;
	return (c->sb.features & BCH_FEATURE_BIT(no_alloc_info)) && !c->opts.nochanges &&
		(!c->opts.read_only || (c->opts.fsck && c->opts.fix_errors != FSCK_FIX_no));
}

static int set_superblock(struct bch_fs *c)
{
	u64 silent[BCH_FSCK_ERR_SILENT_BITS / 64] = {};
	int ret;

	for (unsigned i = 0; i < ARRAY_SIZE(errors_expected); i++)
		silent[errors_expected[i] / 64] |= BIT_ULL(errors_expected[i] % 64);

	mutex_lock(&c->sb_lock);
	c->disk_sb.sb->compat[0] &= ~cpu_to_le64(BCH_COMPAT_BIT(alloc_info));
	c->disk_sb.sb->features[0] &= ~cpu_to_le64(BCH_FEATURE_BIT(no_alloc_info));
	ret = bch2_sb_require(c, passes_needed, silent) ?: bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

static void drop_btree(struct bch_fs *c, unsigned btree)
{
	struct btree_root *r = &c->btree.roots[btree];

	memset(&r->key, 0, sizeof(r->key));
	r->alive	= false;
	r->error	= 0;
	r->level	= 0;
	bch2_journal_keys_delete_range(c, btree, 0, BTREE_MAX_DEPTH - 1, POS_MIN, SPOS_MAX);
}

/*
 * It stays as it is. Repairs would have to allocate: what cannot be written is not
 * repaired either; and that there are no queues of pending work is known.
 */
static void repair_nothing(struct bch_fs *c)
{
	__set_bit(BCH_FSCK_ERR_reconcile_work_incorrectly_set, c->sb.errors_silent);
	__set_bit(BCH_FSCK_ERR_reconcile_work_phys_incorrectly_set, c->sb.errors_silent);
	if (c->opts.fix_errors == FSCK_FIX_yes || c->opts.fix_errors == FSCK_FIX_ask)
		c->opts.fix_errors = FSCK_FIX_no;
	if (c->opts.errors == BCH_ON_ERROR_fix_safe)
		c->opts.errors = BCH_ON_ERROR_continue;
}

/**
 * bch2_fs_reconstruct_alloc - throw allocation information away, if that is due
 * @c:	filesystem: root records and overlay are there, no node has been read
 *
 * Return: 0, or why the superblock could not be written.
 */
int bch2_fs_reconstruct_alloc(struct bch_fs *c)
{
	int ret;

	if (!wanted(c)) {
		if (c->sb.features & BCH_FEATURE_BIT(no_alloc_info))
			repair_nothing(c);
		return 0;
	}

	bch_notice(c, "dropping and reconstructing all alloc info");
	ret = set_superblock(c);
	for (unsigned i = 0; !ret && i < BTREE_ID_NR; i++)
		if (btree_id_is_alloc(i))
			drop_btree(c, i);
	return ret;
}
