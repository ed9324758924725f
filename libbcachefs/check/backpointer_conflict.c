// SPDX-License-Identifier: GPL-2.0
/*
 * Two keys that claim the same space (spec 43 §8.4): what lives here is called for
 * pointers whose backpointer has another one in its place.
 */
#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "check/backpointers.h"
#include "util/log.h"
#include "util/printbuf.h"

/**
 * bch2_bp_conflict - two keys claim the same space
 * @x:		check
 * @k:		key whose backpointer is missing
 * @want:	that backpointer
 * @found:	backpointer in its place
 * @other:	key that this one belongs to
 *
 * Return: an error.
 */
int bch2_bp_conflict(struct bp_check *x, struct bkey_s_c k, const struct backpointer_key *want,
		     const struct bp_entry *found, struct bkey_buf *other)
{
	CLASS(printbuf, buf)();

	bch2_bkey_val_to_text(&buf, x->c, k);
	prt_newline(&buf);
	bch2_bkey_val_to_text(&buf, x->c, bkey_i_to_s_c(other->k));
	bch_err(x->c, "two keys claim the same space:\n%s", printbuf_str(&buf));
	return -BCH_ERR_fsck_repair_unimplemented;
}
