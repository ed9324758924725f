// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums and hashes: ISA-L for the CRCs, libxxhash for the rest. Pure functions.
 */
#include <isa-l/crc.h>
#include <isa-l/crc64.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "internal.h"

#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/crc64.h>
#include <linux/errno.h>
#include <linux/jhash.h>
#include <linux/minmax.h>
#include <linux/xxhash.h>

static_assert(sizeof(struct xxh64_state) >= sizeof(XXH64_state_t));

/**
 * crc32c - continue a CRC-32C
 * @crc:	register so far; neither inverted before nor after
 * @address:	data
 * @length:	bytes
 */
u32 crc32c(u32 crc, const void *address, unsigned int length)
{
	const u8 *p = address;

	/* The library counts in int. */
	while (length) {
		unsigned int n = min(length, 1U << 30);

		crc = crc32_iscsi((unsigned char *) p, n, crc);
		p += n;
		length -= n;
	}
	return crc;
}

/**
 * crc64_be - continue a CRC-64 (ECMA-182, most significant bit first)
 * @crc:	register so far; neither inverted before nor after
 * @p:		data
 * @len:	bytes
 */
u64 crc64_be(u64 crc, const void *p, size_t len)
{
	/* The library's form inverts at both ends. */
	return len ? ~crc64_ecma_norm(~crc, p, len) : crc;
}

/**
 * xxh64 - XXH64 of one block
 * @input:	data
 * @length:	bytes
 * @seed:	seed
 */
u64 xxh64(const void *input, size_t length, u64 seed)
{
	return XXH64(input, length, seed);
}

/**
 * xxh32 - XXH32 of one block
 * @input:	data
 * @length:	bytes
 * @seed:	seed
 */
u32 xxh32(const void *input, size_t length, u32 seed)
{
	return XXH32(input, length, seed);
}

/**
 * xxh64_reset - begin an XXH64 in pieces
 * @state:	state
 * @seed:	seed
 */
void xxh64_reset(struct xxh64_state *state, u64 seed)
{
	XXH64_reset((XXH64_state_t *) state, seed);
}

/**
 * xxh64_update - next piece
 * @state:	state
 * @input:	data
 * @length:	bytes
 *
 * Return: 0 or -EINVAL.
 */
int xxh64_update(struct xxh64_state *state, const void *input, size_t length)
{
	return XXH64_update((XXH64_state_t *) state, input, length) == XXH_OK ? 0 : -EINVAL;
}

/**
 * xxh64_digest - hash of all pieces so far
 * @state:	state
 */
u64 xxh64_digest(const struct xxh64_state *state)
{
	return XXH64_digest((const XXH64_state_t *) state);
}

/**
 * jhash - hash of a key for a table in memory; not stable between versions
 * @key:	key
 * @length:	bytes
 * @initval:	seed
 */
u32 jhash(const void *key, u32 length, u32 initval)
{
	return XXH32(key, length, initval);
}
