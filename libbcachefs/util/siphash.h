/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SipHash-2-4, the keyed hash of names in directories and attributes
 * (spec 60 §10.1). Pure function for every floor.
 */
#ifndef _BCACHEFS_UTIL_SIPHASH_H
#define _BCACHEFS_UTIL_SIPHASH_H

#include <linux/types.h>

u64 bch2_siphash24(const u8 key[16], const void *data, size_t len);

#endif /* _BCACHEFS_UTIL_SIPHASH_H */
