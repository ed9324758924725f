// SPDX-License-Identifier: GPL-2.0
/*
 * Checksum types, ChaCha20/Poly1305 and the superblock's key box (spec 13).
 *
 * Every checksum is an initialised state, updates and a final step; the
 * one-call forms are built from these. Lengths are unlimited: the kernel's
 * 32-bit lengths are fed in pieces.
 */
#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include <crypto/utils.h>
#include <linux/bug.h>
#include <linux/crc32c.h>
#include <linux/crc64.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/xxhash.h>

#include "errcode.h"
#include "util/checksum.h"
#include "util/printbuf.h"

/* Key words of the cipher's state. */
#define KEY_WORDS		(CHACHA_KEY_SIZE / sizeof(u32))

/* Longest piece given to primitives with 32-bit lengths; whole cipher blocks. */
#define PIECE_MAX		(1U << 30)

/* --- ChaCha20 --- */

static void chacha_start(u32 state[CHACHA_STATE_WORDS], const struct bch_key *key,
			 struct nonce nonce)
{
	u32 words[KEY_WORDS];

	for (unsigned int i = 0; i < KEY_WORDS; i++)
		words[i] = get_unaligned_le32((const u8 *) key + i * sizeof(u32));

	chacha_init(state, words, (const u8 *) &nonce);
	memzero_explicit(words, sizeof(words));
}

/**
 * bch2_chacha20 - en- or decrypt in place
 * @key:	256-bit key
 * @nonce:	block counter and nonce of the first byte (spec 13 §4.1)
 * @data:	text
 * @len:	bytes
 */
void bch2_chacha20(const struct bch_key *key, struct nonce nonce, void *data, size_t len)
{
	u32 state[CHACHA_STATE_WORDS];
	u8 *p = data;

	chacha_start(state, key, nonce);
	while (len) {
		unsigned int n = min_t(size_t, len, PIECE_MAX);

		chacha20_crypt(state, p, p, n);
		p	+= n;
		len	-= n;
	}
	memzero_explicit(state, sizeof(state));
}

/**
 * bch2_encrypt - en- or decrypt what a checksum type says is encrypted
 * @type:	checksum type; one that does not encrypt leaves the data alone
 * @nonce:	nonce of the first byte
 * @key:	master key, or NULL if there is none
 * @data:	text, changed in place
 * @len:	bytes
 *
 * Return: 0, or -BCH_ERR_no_encryption_key with the data unchanged.
 */
int bch2_encrypt(unsigned int type, struct nonce nonce, const struct bch_key *key,
		 void *data, size_t len)
{
	if (!bch2_csum_type_is_encryption(type))
		return 0;
	if (!key)
		return -BCH_ERR_no_encryption_key;

	bch2_chacha20(key, nonce, data, len);
	return 0;
}

/* --- checksums --- */

/* One-time key of the authenticator (spec 13 §4.2). */
static void poly_start(struct poly1305_desc_ctx *poly, struct nonce nonce,
		       const struct bch_key *key)
{
	u8 poly_key[POLY1305_KEY_SIZE] = { 0 };

	nonce.d[3] ^= cpu_to_le32(BCH_NONCE_POLY);
	bch2_chacha20(key, nonce, poly_key, sizeof(poly_key));
	poly1305_init(poly, poly_key);
	memzero_explicit(poly_key, sizeof(poly_key));
}

/**
 * bch2_csum_init - begin a checksum
 * @s:		state
 * @type:	enum bch_csum_type, or any number found on disk
 * @nonce:	for MACs; ignored by the others
 * @key:	for MACs; may be NULL for the others
 */
void bch2_csum_init(struct bch_csum_state *s, unsigned int type, struct nonce nonce,
		    const struct bch_key *key)
{
	s->type		= type;
	s->broken	= !bch2_checksum_type_usable(type, key != NULL);

	if (s->broken)
		return;

	switch (type) {
	case BCH_CSUM_crc32c_nonzero:
		s->crc = U32_MAX;
		break;
	case BCH_CSUM_crc64_nonzero:
		s->crc = U64_MAX;
		break;
	case BCH_CSUM_xxhash:
		xxh64_reset(&s->xxh, 0);
		break;
	case BCH_CSUM_chacha20_poly1305_80:
	case BCH_CSUM_chacha20_poly1305_128:
		poly_start(&s->poly, nonce, key);
		break;
	default:
		s->crc = 0;
	}
}

static void csum_piece(struct bch_csum_state *s, const void *data, unsigned int len)
{
	switch (s->type) {
	case BCH_CSUM_crc32c_nonzero:
	case BCH_CSUM_crc32c:
		s->crc = crc32c((u32) s->crc, data, len);
		break;
	case BCH_CSUM_crc64_nonzero:
	case BCH_CSUM_crc64:
		s->crc = crc64_be(s->crc, data, len);
		break;
	case BCH_CSUM_xxhash:
		xxh64_update(&s->xxh, data, len);
		break;
	case BCH_CSUM_chacha20_poly1305_80:
	case BCH_CSUM_chacha20_poly1305_128:
		poly1305_update(&s->poly, data, len);
		break;
	}
}

/**
 * bch2_csum_update - add bytes to a checksum
 * @s:		state
 * @data:	next bytes
 * @len:	how many
 */
void bch2_csum_update(struct bch_csum_state *s, const void *data, size_t len)
{
	const u8 *p = data;

	while (len && !s->broken) {
		unsigned int n = min_t(size_t, len, PIECE_MAX);

		csum_piece(s, p, n);
		p	+= n;
		len	-= n;
	}
}

/**
 * bch2_csum_final - end a checksum
 * @s:		state; unusable afterwards
 *
 * Return: the stored form. For a type that cannot be computed (unknown, or a
 * MAC without key) a value that says nothing: check with
 * bch2_checksum_type_usable() before.
 */
struct bch_csum bch2_csum_final(struct bch_csum_state *s)
{
	struct bch_csum ret = { 0 };
	u8 digest[POLY1305_DIGEST_SIZE];

	if (s->broken) {
		ret.lo = ret.hi = cpu_to_le64(U64_MAX);
		return ret;
	}

	switch (s->type) {
	case BCH_CSUM_none:
		break;
	case BCH_CSUM_crc32c_nonzero:
		ret.lo = cpu_to_le64((u32) ~s->crc);
		break;
	case BCH_CSUM_crc64_nonzero:
		ret.lo = cpu_to_le64(~s->crc);
		break;
	case BCH_CSUM_crc32c:
	case BCH_CSUM_crc64:
		ret.lo = cpu_to_le64(s->crc);
		break;
	case BCH_CSUM_xxhash:
		ret.lo = cpu_to_le64(xxh64_digest(&s->xxh));
		break;
	default:
		poly1305_final(&s->poly, digest);
		memcpy(&ret, digest, bch_csum_bytes(s->type));
	}
	return ret;
}

/**
 * bch2_checksum - checksum of one buffer
 * @type:	enum bch_csum_type, or any number found on disk
 * @nonce:	for MACs
 * @key:	master key, NULL if there is none
 * @data:	bytes as they are on disk, that is encrypted if @type encrypts
 * @len:	how many
 *
 * Return: the stored form, see bch2_csum_final().
 */
struct bch_csum bch2_checksum(unsigned int type, struct nonce nonce, const struct bch_key *key,
			      const void *data, size_t len)
{
	struct bch_csum_state s;

	bch2_csum_init(&s, type, nonce, key);
	bch2_csum_update(&s, data, len);
	return bch2_csum_final(&s);
}

/**
 * bch2_checksum_verify - compare a buffer with its checksum
 * @type:	number found on disk
 * @nonce:	for MACs
 * @key:	master key, NULL if there is none
 * @data:	bytes as they are on disk
 * @len:	how many
 * @expected:	the stored checksum
 *
 * Return: 0; -BCH_ERR_EIO_checksum; -BCH_ERR_no_encryption_key for a MAC
 * without key; -EINVAL for unknown types.
 */
int bch2_checksum_verify(unsigned int type, struct nonce nonce, const struct bch_key *key,
			 const void *data, size_t len, struct bch_csum expected)
{
	struct bch_csum have;

	if (type >= BCH_CSUM_NR)
		return -EINVAL;
	if (!bch2_checksum_type_usable(type, key != NULL))
		return -BCH_ERR_no_encryption_key;

	have = bch2_checksum(type, nonce, key, data, len);
	return crypto_memneq(&have, &expected, sizeof(have)) ? -BCH_ERR_EIO_checksum : 0;
}

/**
 * bch2_checksum_type_usable - can checksums of this type be computed?
 * @type:	number found on disk
 * @have_key:	the master key is loaded
 */
bool bch2_checksum_type_usable(unsigned int type, bool have_key)
{
	return type < BCH_CSUM_NR && (have_key || !bch2_csum_type_is_encryption(type));
}

/**
 * bch2_checksum_mergeable - can checksums of adjacent ranges be combined?
 * @type:	enum bch_csum_type
 *
 * Spec 13 §3.
 */
bool bch2_checksum_mergeable(unsigned int type)
{
	return type == BCH_CSUM_none || type == BCH_CSUM_crc32c || type == BCH_CSUM_crc64;
}

/*
 * CRC register after @bytes zero bytes, in a number of steps that grows with
 * the length's bits only: advancing is linear over GF(2), so the register's
 * images under 1, 2, 4... bytes of zeros are matrices that square.
 */
static u64 matrix_times(const u64 m[64], u64 v)
{
	u64 r = 0;

	for (unsigned int i = 0; v; i++, v >>= 1)
		if (v & 1)
			r ^= m[i];
	return r;
}

static u64 crc_advance(unsigned int type, u64 crc, u64 bytes)
{
	const u8 zero = 0;
	u64 m[64], sq[64];

	for (unsigned int i = 0; i < 64; i++) {
		if (type == BCH_CSUM_crc64)
			m[i] = crc64_be(1ULL << i, &zero, 1);
		else
			m[i] = i < 32 ? crc32c(1U << i, &zero, 1) : 0;
	}

	while (bytes) {
		if (bytes & 1)
			crc = matrix_times(m, crc);
		bytes >>= 1;
		if (!bytes)
			break;

		for (unsigned int i = 0; i < 64; i++)
			sq[i] = matrix_times(m, m[i]);
		memcpy(m, sq, sizeof(m));
	}
	return crc;
}

/**
 * bch2_checksum_merge - checksum of two adjacent ranges
 * @type:	a mergeable type
 * @a:		checksum of the first range
 * @b:		checksum of the second range
 * @b_len:	bytes of the second range
 *
 * Spec 13 §3.
 */
struct bch_csum bch2_checksum_merge(unsigned int type, struct bch_csum a, struct bch_csum b,
				    u64 b_len)
{
	WARN_ON_ONCE(!bch2_checksum_mergeable(type));

	if (type == BCH_CSUM_none)
		return (struct bch_csum) { 0 };

	return (struct bch_csum) {
		.lo = cpu_to_le64(crc_advance(type, le64_to_cpu(a.lo), b_len)) ^ b.lo,
		.hi = a.hi ^ b.hi,
	};
}

/**
 * bch2_csum_opt_to_type - checksum type that an option value asks for
 * @opt:	enum bch_csum_opt
 * @data:	for file data, as opposed to metadata
 *
 * Encryption, which overrides it, is not looked at (spec 13 §1.3).
 */
enum bch_csum_type bch2_csum_opt_to_type(unsigned int opt, bool data)
{
	switch (opt) {
	case BCH_CSUM_OPT_crc32c:
		return data ? BCH_CSUM_crc32c : BCH_CSUM_crc32c_nonzero;
	case BCH_CSUM_OPT_crc64:
		return data ? BCH_CSUM_crc64 : BCH_CSUM_crc64_nonzero;
	case BCH_CSUM_OPT_xxhash:
		return BCH_CSUM_xxhash;
	default:
		return BCH_CSUM_none;
	}
}

/**
 * bch2_csum_type_to_text - print the name of a checksum type
 * @out:	text
 * @type:	number found on disk; unknown ones are printed as such
 */
void bch2_csum_type_to_text(struct printbuf *out, unsigned int type)
{
	static const char * const names[] = {
#define x(nr, name, bytes)	#name,
		BCH_CSUM_TYPES(x)
#undef x
	};

	if (type < BCH_CSUM_NR)
		prt_str(out, names[type]);
	else
		prt_printf(out, "(unknown checksum type %u)", type);
}

/**
 * bch2_csum_to_text - print a checksum, as many digits as its type stores
 * @out:	text
 * @type:	number found on disk
 * @csum:	value; printed in stored byte order
 */
void bch2_csum_to_text(struct printbuf *out, unsigned int type, struct bch_csum csum)
{
	prt_hex_bytes(out, &csum, type < BCH_CSUM_NR ? bch_csum_bytes(type) : sizeof(csum));
}

/* --- the key box --- */

/**
 * bch2_decrypt_key_box - get the master key
 * @box:		from section crypt
 * @uuid:		internal uuid of the superblock
 * @passphrase_key:	key derived from the passphrase; NULL if there is none
 * @master_key:		result
 *
 * A box that is stored in plain text needs no passphrase key (spec 13 §5.1).
 *
 * Return: 0; -BCH_ERR_ENOKEY_not_loaded if a passphrase key is needed;
 * -BCH_ERR_ENOKEY_wrong_passphrase if it does not open the box.
 */
int bch2_decrypt_key_box(const struct bch_encrypted_key *box, const u8 uuid[16],
			 const struct bch_key *passphrase_key, struct bch_key *master_key)
{
	struct bch_encrypted_key b = *box;
	int ret = 0;

	if (bch2_key_is_encrypted(&b)) {
		if (!passphrase_key)
			return -BCH_ERR_ENOKEY_not_loaded;
		bch2_chacha20(passphrase_key, bch2_sb_key_nonce(uuid), &b, sizeof(b));
		if (bch2_key_is_encrypted(&b))
			ret = -BCH_ERR_ENOKEY_wrong_passphrase;
	}

	if (!ret)
		*master_key = b.key;
	memzero_explicit(&b, sizeof(b));
	return ret;
}

/**
 * bch2_encrypt_key_box - wrap a box that is in plain text
 * @box:		changed in place
 * @uuid:		internal uuid of the superblock
 * @passphrase_key:	key derived from the passphrase
 */
void bch2_encrypt_key_box(struct bch_encrypted_key *box, const u8 uuid[16],
			  const struct bch_key *passphrase_key)
{
	WARN_ON_ONCE(bch2_key_is_encrypted(box));
	bch2_chacha20(passphrase_key, bch2_sb_key_nonce(uuid), box, sizeof(*box));
}
