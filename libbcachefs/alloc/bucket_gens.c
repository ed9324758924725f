// SPDX-License-Identifier: GPL-2.0
/*
 * Values of the bucket_gens btree: 256 generations each (spec 42 §5).
 *
 * A value has exactly one size; anything else is damage, so that whoever reads
 * a validated key may index it freely.
 */
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/bucket_gens.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "util/printbuf.h"

/**
 * bch2_bucket_gens_validate - check a KEY_TYPE_bucket_gens value (spec 42 §5)
 * @c:		filesystem, may be NULL
 * @k:		key
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_bucket_gens_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(bkey_val_bytes(k.k) != sizeof(struct bch_bucket_gens), c,
			 bucket_gens_val_size_bad, "value has %u bytes, must have %zu",
			 bkey_val_bytes(k.k), sizeof(struct bch_bucket_gens));
fsck_err:
	return ret;
}

/**
 * bch2_bucket_gens_to_text - generations of buckets, in order
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_bucket_gens_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	const struct bch_bucket_gens *v = bkey_val(k, bucket_gens);
	unsigned int nr = min_t(unsigned int, bkey_val_bytes(k.k), sizeof(v->gens));

	for (unsigned int i = 0; i < nr; i++)
		prt_printf(out, "%s%u", i ? " " : "", v->gens[i]);
}
