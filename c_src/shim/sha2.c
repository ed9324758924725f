// SPDX-License-Identifier: GPL-2.0
/*
 * SHA-256 over libsodium.
 */
#include <sys/types.h>
#include <sodium.h>

#include <crypto/sha2.h>

/**
 * sha256 - hash a buffer
 * @data: message
 * @len: bytes
 * @out: SHA256_DIGEST_SIZE bytes
 */
void sha256(const u8 *data, unsigned int len, u8 *out)
{
	crypto_hash_sha256(out, data, len);
}
