// SPDX-License-Identifier: GPL-2.0
/*
 * The lru btree: index values and the text of positions (spec 42 §4).
 *
 * A value of 0 means "not in this list" everywhere; no entry has time 0.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/lru.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "util/printbuf.h"

/**
 * bch2_alloc_lru_idx_read - time of a bucket in its device's read list
 * @a:		alloc value
 *
 * Returns the read clock when it was last used, 0 if the bucket is not cached.
 */
u64 bch2_alloc_lru_idx_read(const struct bch_alloc_v4 *a)
{
	return a->data_type == BCH_DATA_cached ? le64_to_cpu(a->io_time[0]) : 0;
}

/**
 * bch2_alloc_lru_idx_fragmentation - time of a bucket in the fragmentation list
 * @a:			alloc value
 * @bucket_size:	in sectors, not 0
 *
 * Returns how full the bucket is, as a fraction of 2^31; 0 if emptying it is not
 * possible or gains nothing (spec 42 §4.1).
 */
u64 bch2_alloc_lru_idx_fragmentation(const struct bch_alloc_v4 *a, unsigned int bucket_size)
{
	if (!data_type_movable(a->data_type) || !alloc_sectors_fragmented(a, bucket_size))
		return 0;

	return div_u64(min_t(u64, alloc_sectors_dirty(a), bucket_size) << 31, bucket_size);
}

/**
 * bch2_lru_pos_to_text - what a position of the lru btree means
 * @out:	text sink
 * @pos:	position
 */
void bch2_lru_pos_to_text(struct printbuf *out, struct bpos pos)
{
	struct bpos bucket = u64_to_bucket(pos.offset);

	switch (lru_type(pos)) {
	case BCH_LRU_read:
		prt_printf(out, "read dev %u", lru_pos_id(pos));
		break;
	case BCH_LRU_fragmentation:
		prt_str(out, "fragmentation");
		break;
	case BCH_LRU_stripes:
		prt_printf(out, "stripes time %llu stripe %llu", lru_pos_time(pos),
			   (u64) pos.offset);
		return;
	}
	prt_printf(out, " time %llu bucket %llu:%llu", lru_pos_time(pos),
		   (u64) bucket.inode, (u64) bucket.offset);
}

/**
 * bch2_lru_validate - check a KEY_TYPE_lru value (spec 42 §4.4)
 * @c:		filesystem, may be NULL
 * @k:		key
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_lru_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(!lru_pos_time(k.k->p), c, lru_entry_at_time_0, "entry at time 0");
fsck_err:
	return ret;
}

/**
 * bch2_lru_to_text - text of a KEY_TYPE_lru value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_lru_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_lru v;

	bkey_val_copy(&v, k);
	prt_printf(out, "idx %llu", (u64) le64_to_cpu(v.idx));
}
