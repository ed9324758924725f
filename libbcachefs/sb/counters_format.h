/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Persistent event counters: value of counter i lies at index i of the
 * superblock section counters (spec 10 §9.10). Ids are stable.
 *
 * Data declarations only.
 */
#ifndef _BCACHEFS_SB_COUNTERS_FORMAT_H
#define _BCACHEFS_SB_COUNTERS_FORMAT_H

#include <linux/build_bug.h>

/* x(id, name, unit): EVENTS are counted one by one, SECTORS add up 512 byte units. */
#define BCH_COUNTER_EVENTS		0
#define BCH_COUNTER_SECTORS		1

#define BCH_PERSISTENT_COUNTERS(x)						\
	x(  0, data_read,					BCH_COUNTER_SECTORS)	\
	x(  1, data_write,					BCH_COUNTER_SECTORS)	\
	x(  2, data_update,					BCH_COUNTER_SECTORS)	\
	x(  3, bucket_invalidate,				BCH_COUNTER_EVENTS)	\
	x(  4, bucket_discard,					BCH_COUNTER_EVENTS)	\
	x(  5, bucket_alloc,					BCH_COUNTER_EVENTS)	\
	x(  6, bucket_alloc_fail,				BCH_COUNTER_EVENTS)	\
	x(  7, btree_cache_scan,				BCH_COUNTER_EVENTS)	\
	x(  8, btree_cache_reap,				BCH_COUNTER_EVENTS)	\
	x(  9, btree_cache_cannibalize,				BCH_COUNTER_EVENTS)	\
	x( 10, btree_cache_cannibalize_lock,			BCH_COUNTER_EVENTS)	\
	x( 11, btree_cache_cannibalize_lock_fail,		BCH_COUNTER_EVENTS)	\
	x( 12, btree_cache_cannibalize_unlock,			BCH_COUNTER_EVENTS)	\
	x( 13, btree_node_write,				BCH_COUNTER_EVENTS)	\
	x( 14, btree_node_read,					BCH_COUNTER_EVENTS)	\
	x( 15, btree_node_compact,				BCH_COUNTER_EVENTS)	\
	x( 16, btree_node_merge,				BCH_COUNTER_EVENTS)	\
	x( 17, btree_node_split,				BCH_COUNTER_EVENTS)	\
	x( 18, btree_node_rewrite,				BCH_COUNTER_EVENTS)	\
	x( 19, btree_node_alloc,				BCH_COUNTER_EVENTS)	\
	x( 20, btree_node_free,					BCH_COUNTER_EVENTS)	\
	x( 21, btree_node_set_root,				BCH_COUNTER_EVENTS)	\
	x( 22, btree_path_relock_fail,				BCH_COUNTER_EVENTS)	\
	x( 23, btree_path_upgrade_fail,				BCH_COUNTER_EVENTS)	\
	x( 24, btree_reserve_get_fail,				BCH_COUNTER_EVENTS)	\
	x( 25, journal_res_get_blocked,				BCH_COUNTER_EVENTS)	\
	x( 26, journal_full,					BCH_COUNTER_EVENTS)	\
	x( 27, journal_reclaim_finish,				BCH_COUNTER_EVENTS)	\
	x( 28, journal_reclaim_start,				BCH_COUNTER_EVENTS)	\
	x( 29, journal_write,					BCH_COUNTER_EVENTS)	\
	x( 30, data_read_promote,				BCH_COUNTER_SECTORS)	\
	x( 31, data_read_bounce,				BCH_COUNTER_EVENTS)	\
	x( 32, data_read_retry,					BCH_COUNTER_EVENTS)	\
	x( 33, data_read_split,					BCH_COUNTER_EVENTS)	\
	x( 34, data_read_reuse_race,				BCH_COUNTER_EVENTS)	\
	x( 35, data_update_read,				BCH_COUNTER_SECTORS)	\
	x( 36, data_update_write,				BCH_COUNTER_SECTORS)	\
	x( 37, data_update_key,					BCH_COUNTER_SECTORS)	\
	x( 38, data_update_key_fail,				BCH_COUNTER_SECTORS)	\
	x( 39, data_update_start_fail_obsolete,			BCH_COUNTER_EVENTS)	\
	x( 40, copygc,						BCH_COUNTER_EVENTS)	\
	x( 41, copygc_wait_obsolete,				BCH_COUNTER_EVENTS)	\
	x( 42, gc_gens_end,					BCH_COUNTER_EVENTS)	\
	x( 43, gc_gens_start,					BCH_COUNTER_EVENTS)	\
	x( 44, trans_blocked_journal_reclaim,			BCH_COUNTER_EVENTS)	\
	x( 45, trans_restart_btree_node_reused,			BCH_COUNTER_EVENTS)	\
	x( 46, trans_restart_btree_node_split,			BCH_COUNTER_EVENTS)	\
	x( 47, trans_restart_fault_inject,			BCH_COUNTER_EVENTS)	\
	x( 48, trans_restart_iter_upgrade,			BCH_COUNTER_EVENTS)	\
	x( 49, trans_restart_journal_preres_get,		BCH_COUNTER_EVENTS)	\
	x( 50, trans_restart_journal_reclaim,			BCH_COUNTER_EVENTS)	\
	x( 51, trans_restart_journal_res_get,			BCH_COUNTER_EVENTS)	\
	x( 52, trans_restart_key_cache_key_realloced,		BCH_COUNTER_EVENTS)	\
	x( 53, trans_restart_key_cache_raced,			BCH_COUNTER_EVENTS)	\
	x( 54, trans_restart_mark_replicas,			BCH_COUNTER_EVENTS)	\
	x( 55, trans_restart_mem_realloced,			BCH_COUNTER_EVENTS)	\
	x( 56, trans_restart_memory_allocation_failure,		BCH_COUNTER_EVENTS)	\
	x( 57, trans_restart_relock,				BCH_COUNTER_EVENTS)	\
	x( 58, trans_restart_relock_after_fill,			BCH_COUNTER_EVENTS)	\
	x( 59, trans_restart_relock_key_cache_fill_obsolete,	BCH_COUNTER_EVENTS)	\
	x( 60, trans_restart_relock_next_node,			BCH_COUNTER_EVENTS)	\
	x( 61, trans_restart_relock_parent_for_fill_obsolete,	BCH_COUNTER_EVENTS)	\
	x( 62, trans_restart_relock_path,			BCH_COUNTER_EVENTS)	\
	x( 63, trans_restart_relock_path_intent,		BCH_COUNTER_EVENTS)	\
	x( 64, trans_restart_too_many_iters,			BCH_COUNTER_EVENTS)	\
	x( 65, trans_restart_traverse,				BCH_COUNTER_EVENTS)	\
	x( 66, trans_restart_upgrade,				BCH_COUNTER_EVENTS)	\
	x( 67, trans_restart_would_deadlock,			BCH_COUNTER_EVENTS)	\
	x( 68, trans_restart_would_deadlock_write,		BCH_COUNTER_EVENTS)	\
	x( 69, trans_restart_injected,				BCH_COUNTER_EVENTS)	\
	x( 70, trans_restart_key_cache_upgrade,			BCH_COUNTER_EVENTS)	\
	x( 71, transaction_begin,				BCH_COUNTER_EVENTS)	\
	x( 72, transaction_commit,				BCH_COUNTER_EVENTS)	\
	x( 73, write_super,					BCH_COUNTER_EVENTS)	\
	x( 74, trans_restart_would_deadlock_recursion_limit,	BCH_COUNTER_EVENTS)	\
	x( 75, trans_restart_write_buffer_flush,		BCH_COUNTER_EVENTS)	\
	x( 76, trans_restart_split_race,			BCH_COUNTER_EVENTS)	\
	x( 77, write_buffer_flush_slowpath,			BCH_COUNTER_EVENTS)	\
	x( 78, write_buffer_flush_sync,				BCH_COUNTER_EVENTS)	\
	x( 79, bucket_discard_fast,				BCH_COUNTER_EVENTS)	\
	x( 80, data_read_inline,				BCH_COUNTER_SECTORS)	\
	x( 81, data_read_hole,					BCH_COUNTER_SECTORS)	\
	x( 82, data_update_fail,				BCH_COUNTER_SECTORS)	\
	x( 83, reconcile_set_pending,				BCH_COUNTER_SECTORS)	\
	x( 84, evacuate_bucket,					BCH_COUNTER_EVENTS)	\
	x( 85, data_read_nopromote,				BCH_COUNTER_EVENTS)	\
	x( 86, data_read_nopromote_may_not,			BCH_COUNTER_EVENTS)	\
	x( 87, data_read_nopromote_already_promoted,		BCH_COUNTER_EVENTS)	\
	x( 88, data_read_nopromote_unwritten,			BCH_COUNTER_EVENTS)	\
	x( 89, data_read_nopromote_congested,			BCH_COUNTER_EVENTS)	\
	x( 90, data_update_in_flight,				BCH_COUNTER_EVENTS)	\
	x( 91, data_update_no_io,				BCH_COUNTER_SECTORS)	\
	x( 92, data_update_noop_obsolete,			BCH_COUNTER_EVENTS)	\
	x( 93, error_throw,					BCH_COUNTER_EVENTS)	\
	x( 94, accounting_key_to_wb_slowpath,			BCH_COUNTER_EVENTS)	\
	x( 95, data_read_fail_and_poison,			BCH_COUNTER_EVENTS)	\
	x( 96, data_update_pred,				BCH_COUNTER_SECTORS)	\
	x( 97, data_read_narrow_crcs,				BCH_COUNTER_EVENTS)	\
	x( 98, data_read_narrow_crcs_fail,			BCH_COUNTER_EVENTS)	\
	x( 99, stripe_update_extent,				BCH_COUNTER_EVENTS)	\
	x(100, stripe_update_extent_fail,			BCH_COUNTER_EVENTS)	\
	x(101, btree_node_merge_attempt,			BCH_COUNTER_EVENTS)	\
	x(102, stripe_create,					BCH_COUNTER_EVENTS)	\
	x(103, stripe_create_fail,				BCH_COUNTER_EVENTS)	\
	x(104, stripe_update_bucket,				BCH_COUNTER_EVENTS)	\
	x(105, write_buffer_flush,				BCH_COUNTER_EVENTS)	\
	x(106, write_buffer_maybe_flush,			BCH_COUNTER_EVENTS)	\
	x(107, btree_key_cache_fill,				BCH_COUNTER_EVENTS)	\
	x(108, bucket_discard_worker,				BCH_COUNTER_EVENTS)	\
	x(109, bucket_discard_fast_worker,			BCH_COUNTER_EVENTS)	\
	x(110, sync_fs,						BCH_COUNTER_EVENTS)	\
	x(111, fsync,						BCH_COUNTER_EVENTS)	\
	x(112, bkey_pack_pos_fail,				BCH_COUNTER_EVENTS)	\
	x(113, reconcile_scan_fs,				BCH_COUNTER_SECTORS)	\
	x(114, reconcile_scan_metadata,				BCH_COUNTER_SECTORS)	\
	x(115, reconcile_scan_pending,				BCH_COUNTER_SECTORS)	\
	x(116, reconcile_scan_device,				BCH_COUNTER_SECTORS)	\
	x(117, reconcile_scan_inum,				BCH_COUNTER_SECTORS)	\
	x(118, reconcile_btree,					BCH_COUNTER_SECTORS)	\
	x(119, reconcile_data,					BCH_COUNTER_SECTORS)	\
	x(120, reconcile_phys,					BCH_COUNTER_SECTORS)	\
	x(121, cached_ptr_drop,					BCH_COUNTER_SECTORS)	\
	x(122, open_bucket_alloc_fail,				BCH_COUNTER_EVENTS)	\
	x(123, stripe_reuse,					BCH_COUNTER_EVENTS)	\
	x(124, stripe_delete,					BCH_COUNTER_EVENTS)	\
	x(125, stripe_alloc,					BCH_COUNTER_EVENTS)	\
	x(126, sectors_alloc,					BCH_COUNTER_SECTORS)	\
	x(127, bucket_alloc_from_stripe,			BCH_COUNTER_EVENTS)	\
	x(128, data_update_useless_write_fail,			BCH_COUNTER_SECTORS)	\
	x(129, reconcile_clear_scan,				BCH_COUNTER_EVENTS)	\
	x(130, reconcile_stripe,				BCH_COUNTER_SECTORS)	\
	x(131, stripe_repair_race,				BCH_COUNTER_EVENTS)	\
	x(132, trans_restart_deadlock_waitlist_alloc,		BCH_COUNTER_EVENTS)	\
	x(133, reconcile_scan_stripes,				BCH_COUNTER_SECTORS)	\
	x(134, journal_pin_resize,				BCH_COUNTER_EVENTS)	\
	x(135, journal_flush,					BCH_COUNTER_EVENTS)

enum bch_persistent_counters {
#define x(id, name, ...)	BCH_COUNTER_##name = id,
	BCH_PERSISTENT_COUNTERS(x)
#undef x
	BCH_COUNTER_NR,
};

static_assert(BCH_COUNTER_NR == 136);

#endif /* _BCACHEFS_SB_COUNTERS_FORMAT_H */
