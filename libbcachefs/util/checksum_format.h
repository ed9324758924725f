/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stored forms of checksums, keys and nonces, and the numberings of checksum
 * and compression types and of the options that choose them (spec 13).
 *
 * Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_UTIL_CHECKSUM_FORMAT_H
#define _BCACHEFS_UTIL_CHECKSUM_FORMAT_H

#include <linux/types.h>
#include <linux/build_bug.h>
#include <asm/byteorder.h>

/* A checksum or MAC; shorter ones leave the rest zero (spec 13 §1.1). */
struct bch_csum {
	__le64			lo;
	__le64			hi;
} __packed __aligned(8);

static_assert(sizeof(struct bch_csum) == 16);

/* Sixteen bytes of ChaCha20 state: block counter and 96-bit nonce (spec 13 §4.1). */
struct nonce {
	__le32			d[4];
};

static_assert(sizeof(struct nonce) == 16);

/* A 256-bit ChaCha20 key. */
struct bch_key {
	__le64			key[4];
};

static_assert(sizeof(struct bch_key) == 32);

/* The wrapped master key of section crypt (spec 13 §5.1). */
struct bch_encrypted_key {
	__le64			magic;
	struct bch_key		key;
};

static_assert(sizeof(struct bch_encrypted_key) == 40);

/* magic of an unwrapped key: "bch**key" */
#define BCH_KEY_MAGIC			0x79656b2a2a686362ULL

/* Fourth nonce word tells apart what a nonce is for (spec 13 §4.2-§4.5). */
#define BCH_NONCE_EXTENT		(1U << 28)
#define BCH_NONCE_BTREE			(2U << 28)
#define BCH_NONCE_JOURNAL		(3U << 28)
#define BCH_NONCE_POLY			(1U << 31)

/* x(number, name, bytes stored) */
#define BCH_CSUM_TYPES(x)							\
	x(0, none,			 0)					\
	x(1, crc32c_nonzero,		 4)					\
	x(2, crc64_nonzero,		 8)					\
	x(3, chacha20_poly1305_80,	10)					\
	x(4, chacha20_poly1305_128,	16)					\
	x(5, crc32c,			 4)					\
	x(6, crc64,			 8)					\
	x(7, xxhash,			 8)

enum bch_csum_type {
#define x(nr, name, bytes)	BCH_CSUM_##name = nr,
	BCH_CSUM_TYPES(x)
#undef x
	BCH_CSUM_NR,
};

/* Bytes of a stored checksum; 0 for unknown types as well. */
static inline unsigned int bch_csum_bytes(unsigned int type)
{
	switch (type) {
#define x(nr, name, bytes)	case nr: return bytes;
	BCH_CSUM_TYPES(x)
#undef x
	default:
		return 0;
	}
}

/* Types that come with encryption. */
static inline bool bch2_csum_type_is_encryption(unsigned int type)
{
	return type == BCH_CSUM_chacha20_poly1305_80 ||
		type == BCH_CSUM_chacha20_poly1305_128;
}

/* x(number, name): values of metadata_checksum and data_checksum (spec 13 §1.3). */
#define BCH_CSUM_OPTS(x)							\
	x(0, none)								\
	x(1, crc32c)								\
	x(2, crc64)								\
	x(3, xxhash)

enum bch_csum_opt {
#define x(nr, name)		BCH_CSUM_OPT_##name = nr,
	BCH_CSUM_OPTS(x)
#undef x
	BCH_CSUM_OPT_NR,
};

/* x(number, name): types found in extents (spec 13 §6.1). */
#define BCH_COMPRESSION_TYPES(x)						\
	x(0, none)								\
	x(1, lz4_old)								\
	x(2, gzip)								\
	x(3, lz4)								\
	x(4, zstd)								\
	x(5, incompressible)

enum bch_compression_type {
#define x(nr, name)		BCH_COMPRESSION_TYPE_##name = nr,
	BCH_COMPRESSION_TYPES(x)
#undef x
	BCH_COMPRESSION_TYPE_NR,
};

/* Really compressed, as opposed to none and incompressible. */
static inline bool bch2_compression_type_is_compressed(unsigned int type)
{
	return type >= BCH_COMPRESSION_TYPE_lz4_old &&
		type <= BCH_COMPRESSION_TYPE_zstd;
}

/* x(number, name): algorithm part of the compression options. */
#define BCH_COMPRESSION_OPTS(x)							\
	x(0, none)								\
	x(1, lz4)								\
	x(2, gzip)								\
	x(3, zstd)

enum bch_compression_opt {
#define x(nr, name)		BCH_COMPRESSION_OPT_##name = nr,
	BCH_COMPRESSION_OPTS(x)
#undef x
	BCH_COMPRESSION_OPT_NR,
};

#endif /* _BCACHEFS_UTIL_CHECKSUM_FORMAT_H */
