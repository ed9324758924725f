/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of options that are more than numbers; between opts.c, which lists
 * them, and opts_parse.c, which has them.
 */
#ifndef _BCACHEFS_OPTS_TEXT_H
#define _BCACHEFS_OPTS_TEXT_H

#include "opts.h"

extern const struct bch_opt_fn bch2_opt_compression;
extern const struct bch_opt_fn bch2_opt_target;
extern const struct bch_opt_fn bch2_opt_fix_errors;

#endif /* _BCACHEFS_OPTS_TEXT_H */
