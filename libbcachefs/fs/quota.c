// SPDX-License-Identifier: GPL-2.0
/*
 * Quota limits: validation and text (spec 60 §16).
 *
 * A limit of 0 is no limit. Space is in sectors.
 */
#include <linux/array_size.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "fs/quota.h"
#include "util/printbuf.h"

/**
 * bch2_quota_validate - check a quota key (spec 60 §16)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 32 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_quota_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(k.k->p.inode >= QTYP_NR, c, quota_type_invalid,
			 "unknown quota type %llu", (u64) k.k->p.inode);
fsck_err:
	return ret;
}

/**
 * bch2_quota_to_text - text of a quota key
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_quota_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	static const char * const types[] = {
#define x(nr, name)	[nr] = #name,
		BCH_QUOTA_TYPES(x)
#undef x
	};
	static const char * const counters[] = {
#define x(nr, name)	[nr] = #name,
		BCH_QUOTA_COUNTERS(x)
#undef x
	};
	struct bch_quota v;

	bkey_val_copy(&v, k);

	prt_str(out, k.k->p.inode < ARRAY_SIZE(types) ? types[k.k->p.inode] : "(unknown type)");
	prt_printf(out, " %llu", (u64) k.k->p.offset);
	for (unsigned int i = 0; i < ARRAY_SIZE(counters); i++)
		prt_printf(out, " %s hardlimit %llu softlimit %llu", counters[i],
			   (u64) le64_to_cpu(v.c[i].hardlimit),
			   (u64) le64_to_cpu(v.c[i].softlimit));
}
