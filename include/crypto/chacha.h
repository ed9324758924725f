/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20: the 32-bit block counter is the first of four le32 words of the iv and wraps by
 * itself.
 */
#ifndef _SHIM_CRYPTO_CHACHA_H
#define _SHIM_CRYPTO_CHACHA_H

#include <asm/byteorder.h>
#include <linux/types.h>
#include <linux/unaligned.h>

#define CHACHA_IV_SIZE		16
#define CHACHA_KEY_SIZE		32
#define CHACHA_BLOCK_SIZE	64
#define CHACHA_STATE_WORDS	(CHACHA_BLOCK_SIZE / sizeof(u32))

/* @key: words in CPU order. */
void shim_chacha_init(u32 *state, const u32 *key, const u8 *iv);
#define chacha_init(state, key, iv)	shim_chacha_init(state, key, iv)
void chacha20_crypt(u32 *state, u8 *dst, const u8 *src, unsigned int bytes);

#endif /* _SHIM_CRYPTO_CHACHA_H */
