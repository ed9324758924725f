/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Section errors: how often each error was ever met (spec 10 section 9.11).
 */
#ifndef _BCACHEFS_SB_ERRORS_H
#define _BCACHEFS_SB_ERRORS_H

#include "bcachefs.h"

struct bch_sb_text;

unsigned bch2_sb_errors_nr(const struct bch_sb_field_errors *);

int bch2_sb_errors_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
			    struct printbuf *);
void bch2_sb_errors_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			    const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_ERRORS_H */
