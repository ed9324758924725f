/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checksums, authentication and encryption of everything the format protects
 * (spec 13 §1-§5).
 *
 * Pure functions over buffers and a key: no filesystem, no locks, no
 * allocation; callable from any context by any floor. Whether a key is at hand
 * is the caller's knowledge: types that need one must be refused before
 * (bch2_checksum_type_usable()), and verification without it fails.
 */
#ifndef _BCACHEFS_UTIL_CHECKSUM_H
#define _BCACHEFS_UTIL_CHECKSUM_H

#include <crypto/poly1305.h>
#include <linux/types.h>
#include <linux/xxhash.h>

#include "util/checksum_format.h"

struct printbuf;

/* A checksum being computed over several pieces. */
struct bch_csum_state {
	unsigned int		type;
	bool			broken;		/* unknown type, or no key for a MAC */
	union {
		u64		crc;
		struct xxh64_state xxh;
		struct poly1305_desc_ctx poly;
	};
};

void bch2_csum_init(struct bch_csum_state *s, unsigned int type, struct nonce nonce,
		    const struct bch_key *key);
void bch2_csum_update(struct bch_csum_state *s, const void *data, size_t len);
struct bch_csum bch2_csum_final(struct bch_csum_state *s);

struct bch_csum bch2_checksum(unsigned int type, struct nonce nonce, const struct bch_key *key,
			      const void *data, size_t len);
int bch2_checksum_verify(unsigned int type, struct nonce nonce, const struct bch_key *key,
			 const void *data, size_t len, struct bch_csum expected);

bool bch2_checksum_type_usable(unsigned int type, bool have_key);
bool bch2_checksum_mergeable(unsigned int type);
struct bch_csum bch2_checksum_merge(unsigned int type, struct bch_csum a, struct bch_csum b,
				    u64 b_len);

int bch2_encrypt(unsigned int type, struct nonce nonce, const struct bch_key *key,
		 void *data, size_t len);
void bch2_chacha20(const struct bch_key *key, struct nonce nonce, void *data, size_t len);

void bch2_csum_to_text(struct printbuf *out, unsigned int type, struct bch_csum csum);
void bch2_csum_type_to_text(struct printbuf *out, unsigned int type);

enum bch_csum_type bch2_csum_opt_to_type(unsigned int opt, bool data);

/* Both words count (spec 13 §1.1). */
static inline bool bch2_csum_eq(struct bch_csum a, struct bch_csum b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* --- nonces (spec 13 §4.1, §4.3-§4.6) --- */

static inline struct nonce bch2_null_nonce(void)
{
	return (struct nonce) { .d = { 0 } };
}

/* Advance by @bytes of key stream, a multiple of 64. */
static inline struct nonce nonce_add(struct nonce n, unsigned int bytes)
{
	le32_add_cpu(&n.d[0], bytes / 64);
	return n;
}

static inline struct nonce bch2_journal_nonce(u64 seq)
{
	return (struct nonce) { .d = {
		[0] = 0,
		[1] = cpu_to_le32((u32) seq),
		[2] = cpu_to_le32((u32) (seq >> 32)),
		[3] = cpu_to_le32(BCH_NONCE_JOURNAL),
	} };
}

/* @offset: bytes from the start of the node; @seq, @journal_seq: of the bset. */
static inline struct nonce bch2_btree_nonce(u32 offset, u64 seq, u64 journal_seq)
{
	return (struct nonce) { .d = {
		[0] = cpu_to_le32(offset),
		[1] = cpu_to_le32((u32) seq),
		[2] = cpu_to_le32((u32) (seq >> 32)),
		[3] = cpu_to_le32((u32) journal_seq ^ BCH_NONCE_BTREE),
	} };
}

/**
 * __bch2_extent_nonce - nonce of data on disk, from its start
 * @version_lo:		low 64 bits of the key's version
 * @version_hi:		high 32 bits of the key's version
 * @compression_type:	of the checksum entry
 * @uncompressed_size:	sectors, of the checksum entry
 * @nonce:		sectors, of the checksum entry
 *
 * Spec 13 §4.5.
 */
static inline struct nonce __bch2_extent_nonce(u64 version_lo, u32 version_hi,
					       unsigned int compression_type,
					       u32 uncompressed_size, u32 nonce)
{
	u32 c = bch2_compression_type_is_compressed(compression_type) ? compression_type : 0;

	return (struct nonce) { .d = {
		[0] = cpu_to_le32((c ? uncompressed_size << 22 : 0) + nonce * 8),
		[1] = cpu_to_le32((u32) version_lo),
		[2] = cpu_to_le32((u32) (version_lo >> 32)),
		[3] = cpu_to_le32((version_hi | c << 24) ^ BCH_NONCE_EXTENT),
	} };
}

/* @uuid: the superblock's internal uuid. */
static inline struct nonce bch2_sb_key_nonce(const u8 uuid[16])
{
	struct nonce n = bch2_null_nonce();

	for (unsigned int i = 0; i < 8; i++)
		n.d[2 + i / 4] |= cpu_to_le32((u32) uuid[i] << 8 * (i % 4));
	return n;
}

/* --- the key box of the superblock (spec 13 §5) --- */

static inline bool bch2_key_is_encrypted(const struct bch_encrypted_key *box)
{
	return le64_to_cpu(box->magic) != BCH_KEY_MAGIC;
}

int bch2_decrypt_key_box(const struct bch_encrypted_key *box, const u8 uuid[16],
			 const struct bch_key *passphrase_key, struct bch_key *master_key);
void bch2_encrypt_key_box(struct bch_encrypted_key *box, const u8 uuid[16],
			  const struct bch_key *passphrase_key);

#endif /* _BCACHEFS_UTIL_CHECKSUM_H */
