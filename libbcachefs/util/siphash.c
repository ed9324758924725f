// SPDX-License-Identifier: GPL-2.0
/*
 * SipHash with two compression and four finalisation rounds, after the paper
 * of Aumasson and Bernstein.
 */
#include <linux/bitops.h>
#include <linux/unaligned.h>

#include "util/siphash.h"

struct sip_state {
	u64			v0, v1, v2, v3;
};

static inline void sip_rounds(struct sip_state *s, unsigned int nr)
{
	while (nr--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rol64(s->v1, 13) ^ s->v0;
		s->v3 = rol64(s->v3, 16) ^ s->v2;
		s->v0 = rol64(s->v0, 32);

		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rol64(s->v1, 17) ^ s->v2;
		s->v3 = rol64(s->v3, 21) ^ s->v0;
		s->v2 = rol64(s->v2, 32);
	}
}

static inline void sip_word(struct sip_state *s, u64 m)
{
	s->v3 ^= m;
	sip_rounds(s, 2);
	s->v0 ^= m;
}

/**
 * bch2_siphash24 - keyed hash of a string of bytes
 * @key:	sixteen bytes
 * @data:	message
 * @len:	its length in bytes
 */
u64 bch2_siphash24(const u8 key[16], const void *data, size_t len)
{
	const u64 k0 = get_unaligned_le64(key);
	const u64 k1 = get_unaligned_le64(key + 8);
	const u8 *p = data;
	struct sip_state s = {
		.v0 = k0 ^ 0x736f6d6570736575ULL,	/* "somepseu" */
		.v1 = k1 ^ 0x646f72616e646f6dULL,	/* "dorandom" */
		.v2 = k0 ^ 0x6c7967656e657261ULL,	/* "lygenera" */
		.v3 = k1 ^ 0x7465646279746573ULL,	/* "tedbytes" */
	};
	u64 last = (u64) len << 56;

	for (size_t i = len / 8; i; i--, p += 8)
		sip_word(&s, get_unaligned_le64(p));

	for (unsigned int i = 0; i < len % 8; i++)
		last |= (u64) p[i] << 8 * i;
	sip_word(&s, last);

	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
