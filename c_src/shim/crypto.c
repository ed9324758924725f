// SPDX-License-Identifier: GPL-2.0
/*
 * Ciphers, authentication, randomness and UUIDs over libsodium and the system's generator.
 *
 * The ChaCha state is the kernel's: 16 words, of which 4..11 are the key, 12 the block counter and
 * 13..15 the nonce; encrypting advances the counter. Pure functions but for the generator.
 */
#include <errno.h>
#include <sodium.h>
#include <sys/random.h>

#include "internal.h"

#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include <crypto/utils.h>
#include <linux/bug.h>
#include <linux/ctype.h>
#include <linux/hex.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/uuid.h>

static_assert(sizeof(struct poly1305_desc_ctx) >= sizeof(crypto_onetimeauth_state));

/* Lets libsodium choose the fastest code for this processor. */
static void __attribute__((constructor)) init_sodium(void)
{
	if (sodium_init() < 0)
		BUG();
}

/**
 * shim_chacha_init - set up a ChaCha state (chacha_init)
 * @state:	16 words
 * @key:	8 words in CPU order
 * @iv:		counter and nonce as 4 le32
 */
void shim_chacha_init(u32 *state, const u32 *key, const u8 *iv)
{
	static const char sigma[] = "expand 32-byte k";
	int i;

	for (i = 0; i < 4; i++) {
		state[i] = get_unaligned_le32(sigma + 4 * i);
		state[12 + i] = get_unaligned_le32(iv + 4 * i);
	}
	for (i = 0; i < 8; i++)
		state[4 + i] = key[i];
}

/**
 * chacha20_crypt - en- or decrypt
 * @state:	state; its counter moves on by the blocks used, wrapping at 2^32
 * @dst:	result, may be @src
 * @src:	data
 * @bytes:	how many; a last partial block uses a whole block of the keystream
 */
void chacha20_crypt(u32 *state, u8 *dst, const u8 *src, unsigned int bytes)
{
	u8 key[CHACHA_KEY_SIZE], nonce[12];
	int i;

	for (i = 0; i < 8; i++)
		put_unaligned_le32(state[4 + i], key + 4 * i);
	for (i = 0; i < 3; i++)
		put_unaligned_le32(state[13 + i], nonce + 4 * i);

	while (bytes) {
		/* libsodium ends the process when its counter overflows: stop before. */
		u64 room = ((1ULL << 32) - state[12]) * CHACHA_BLOCK_SIZE;
		unsigned int n = min_t(u64, bytes, room);

		crypto_stream_chacha20_ietf_xor_ic(dst, src, n, nonce, state[12], key);
		state[12] += (n + CHACHA_BLOCK_SIZE - 1) / CHACHA_BLOCK_SIZE;
		dst += n;
		src += n;
		bytes -= n;
	}
	sodium_memzero(key, sizeof(key));
}

/**
 * poly1305_init - begin a tag
 * @desc:	state
 * @key:	32 bytes, for one message only
 */
void poly1305_init(struct poly1305_desc_ctx *desc, const u8 *key)
{
	crypto_onetimeauth_init((crypto_onetimeauth_state *) desc, key);
}

/**
 * poly1305_update - next piece of the message
 * @desc:	state
 * @src:	data
 * @nbytes:	bytes
 */
void poly1305_update(struct poly1305_desc_ctx *desc, const u8 *src, unsigned int nbytes)
{
	crypto_onetimeauth_update((crypto_onetimeauth_state *) desc, src, nbytes);
}

/**
 * poly1305_final - the tag
 * @desc:	state, cleared
 * @digest:	16 bytes
 */
void poly1305_final(struct poly1305_desc_ctx *desc, u8 *digest)
{
	crypto_onetimeauth_final((crypto_onetimeauth_state *) desc, digest);
	sodium_memzero(desc, sizeof(*desc));
}

/**
 * shim_memneq - compare in constant time (crypto_memneq)
 * @a:		memory
 * @b:		memory
 * @size:	bytes
 *
 * Return: nonzero if they differ.
 */
int shim_memneq(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) != 0;
}

/**
 * get_random_bytes - random bytes fit for keys
 * @buf:	where
 * @len:	how many
 */
void get_random_bytes(void *buf, size_t len)
{
	u8 *p = buf;

	while (len) {
		ssize_t n = getrandom(p, min_t(size_t, len, 256), 0);

		BUG_ON(n < 0 && errno != EINTR);
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

/**
 * get_random_u64 - random number
 */
u64 get_random_u64(void)
{
	u64 v;

	get_random_bytes(&v, sizeof(v));
	return v;
}

/**
 * get_random_u32 - random number
 */
u32 get_random_u32(void)
{
	return get_random_u64();
}

/**
 * get_random_u16 - random number
 */
u16 get_random_u16(void)
{
	return get_random_u64();
}

/**
 * get_random_u8 - random number
 */
u8 get_random_u8(void)
{
	return get_random_u64();
}

/**
 * get_random_u32_below - random number, all equally likely
 * @ceil:	larger than the result; 0 and 1 give 0
 */
u32 get_random_u32_below(u32 ceil)
{
	return ceil > 1 ? randombytes_uniform(ceil) : 0;
}

/**
 * get_random_u32_inclusive - random number within limits, all equally likely
 * @floor:	smallest
 * @ceil:	largest
 */
u32 get_random_u32_inclusive(u32 floor, u32 ceil)
{
	u32 span = ceil - floor + 1;

	return span ? floor + get_random_u32_below(span) : get_random_u32();
}

const shim_uuid_t uuid_null;
const guid_t guid_null;

/**
 * generate_random_uuid - a random (version 4) UUID
 * @uuid:	16 bytes
 */
void generate_random_uuid(unsigned char uuid[16])
{
	get_random_bytes(uuid, 16);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

/**
 * generate_random_guid - a random UUID in the mixed byte order of GUIDs
 * @guid:	16 bytes
 */
void generate_random_guid(unsigned char guid[16])
{
	get_random_bytes(guid, 16);
	guid[7] = (guid[7] & 0x0f) | 0x40;
	guid[8] = (guid[8] & 0x3f) | 0x80;
}

/**
 * shim_uuid_gen - a random UUID (uuid_gen)
 * @u:		result
 */
void shim_uuid_gen(shim_uuid_t *u)
{
	generate_random_uuid(u->b);
}

/**
 * guid_gen - a random GUID
 * @u:		result
 */
void guid_gen(guid_t *u)
{
	generate_random_guid(u->b);
}

/**
 * uuid_is_valid - is this text a UUID (8-4-4-4-12 hexadecimal digits, maybe more after it)?
 * @uuid:	text
 */
bool uuid_is_valid(const char *uuid)
{
	unsigned int i;

	for (i = 0; i < UUID_STRING_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? uuid[i] != '-' : !isxdigit(uuid[i]))
			return false;
	}
	return true;
}

/**
 * shim_uuid_parse - text to UUID (uuid_parse)
 * @text:	text
 * @u:		result
 *
 * Return: 0 or -EINVAL.
 */
int shim_uuid_parse(const char *text, shim_uuid_t *u)
{
	unsigned int i, n = 0;

	if (!uuid_is_valid(text))
		return -EINVAL;
	for (i = 0; n < UUID_SIZE; i += 2) {
		if (text[i] == '-')
			i++;
		u->b[n++] = hex_to_bin(text[i]) << 4 | hex_to_bin(text[i + 1]);
	}
	return 0;
}
