/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The recovery passes: which ones are due, running them in order, requests for
 * more of them while they run (spec 31 sections 9 to 11, 12 section 8).
 */
#ifndef _BCACHEFS_INIT_PASSES_H
#define _BCACHEFS_INIT_PASSES_H

#include "bcachefs.h"
#include "init/passes_format.h"

const char *bch2_recovery_pass_name(unsigned pass);
int bch2_recovery_pass_by_name(const char *name, size_t len);
unsigned bch2_recovery_pass_flags(unsigned pass);

u64 bch2_recovery_passes_to_stable(u64 passes);
u64 bch2_recovery_passes_from_stable(u64 stable);
u64 bch2_recovery_passes_match(unsigned flags);
bool bch2_recovery_pass_available(unsigned pass);

void bch2_recovery_passes_to_text(struct printbuf *out, u64 passes);
u64 bch2_recovery_passes_not_checked(struct bch_fs *c);

u64 bch2_recovery_passes_select(struct bch_fs *c);
int bch2_run_recovery_passes(struct bch_fs *c);

int bch2_run_explicit_recovery_pass(struct bch_fs *c, enum bch_recovery_pass pass);
int bch2_request_stable_pass(struct bch_fs *c, unsigned stable);

#endif /* _BCACHEFS_INIT_PASSES_H */
