/* SPDX-License-Identifier: GPL-2.0 */
/* XXH64. */
#ifndef _SHIM_LINUX_XXHASH_H
#define _SHIM_LINUX_XXHASH_H

#include <linux/types.h>

struct xxh64_state {
	u64	shim_opaque[11];
};

u64 xxh64(const void *input, size_t length, u64 seed);
void xxh64_reset(struct xxh64_state *state, u64 seed);
int xxh64_update(struct xxh64_state *state, const void *input, size_t length);
u64 xxh64_digest(const struct xxh64_state *state);
u32 xxh32(const void *input, size_t length, u32 seed);

#endif /* _SHIM_LINUX_XXHASH_H */
