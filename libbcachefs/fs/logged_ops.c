// SPDX-License-Identifier: GPL-2.0
/*
 * Logged operations: text (spec 60 §17, 52 §11).
 *
 * These values are always valid; what they say is checked by whoever resumes
 * the operation.
 */
#include <linux/array_size.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "fs/logged_ops.h"
#include "util/printbuf.h"

/**
 * bch2_logged_op_truncate_to_text - text of an unfinished truncate
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_logged_op_truncate_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_logged_op_truncate v;

	bkey_val_copy(&v, k);
	prt_printf(out, "subvol=%u inum=%llu new_i_size=%llu", le32_to_cpu(v.subvol),
		   (u64) le64_to_cpu(v.inum), (u64) le64_to_cpu(v.new_i_size));
}

/**
 * bch2_logged_op_finsert_to_text - text of an unfinished insert or collapse range
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_logged_op_finsert_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	static const char * const states[] = {
#define x(nr, name)	[nr] = #name,
		BCH_LOGGED_OP_FINSERT_STATES(x)
#undef x
	};
	struct bch_logged_op_finsert v;

	bkey_val_copy(&v, k);

	prt_str(out, "state=");
	prt_value_name(out, states, ARRAY_SIZE(states), v.state);
	prt_printf(out, " subvol=%u inum=%llu dst_offset=%llu src_offset=%llu pos=%llu",
		   le32_to_cpu(v.subvol), (u64) le64_to_cpu(v.inum),
		   (u64) le64_to_cpu(v.dst_offset), (u64) le64_to_cpu(v.src_offset),
		   (u64) le64_to_cpu(v.pos));
}

/**
 * bch2_logged_op_stripe_update_to_text - text of an unfinished stripe update
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_logged_op_stripe_update_to_text(struct printbuf *out, struct bch_fs *c,
					  struct bkey_s_c k)
{
	struct bch_logged_op_stripe_update v;

	bkey_val_copy(&v, k);
	prt_printf(out, "old_idx=%llu new_idx=%llu old_blocks_nr=%u",
		   (u64) le64_to_cpu(v.old_idx), (u64) le64_to_cpu(v.new_idx),
		   v.old_blocks_nr);
}
