// SPDX-License-Identifier: GPL-2.0
/*
 * Parity arithmetic: the worked examples of spec 52 section 8, and every loss
 * that can be repaired in every geometry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/array_size.h>
#include <linux/math.h>

#include "bcachefs.h"
#include "data/ec.h"

#define BLOCKS	16
#define BYTES	1031	/* not a multiple of a word */

static void known_bytes(void **state)
{
	uint8_t b[6] = { 0x57, 0xa3, 0x10, 0xff };
	void *p[6] = { b, b + 1, b + 2, b + 3, b + 4, b + 5 };

	bch2_ec_parity(4, 2, 1, p);
	assert_int_equal(b[4], 0x1b);
	assert_int_equal(b[5], 0xe7);

	b[1] = b[3] = 0;
	assert_int_equal(bch2_ec_recover(4, 2, BIT(1)|BIT(3), 1, p), 0);
	assert_int_equal(b[1], 0xa3);
	assert_int_equal(b[3], 0xff);

	b[2] = b[4] = 0;
	assert_int_equal(bch2_ec_recover(4, 2, BIT(2)|BIT(4), 1, p), 0);
	assert_int_equal(b[2], 0x10);
	assert_int_equal(b[4], 0x1b);
}

static void powers(void **state)
{
	static const uint8_t g[] = {
		0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80,
		0x1d, 0x3a, 0x74, 0xe8, 0xcd, 0x87,
	};
	uint8_t b[BLOCKS];
	void *p[BLOCKS];

	for (unsigned i = 0; i < BLOCKS; i++)
		p[i] = b + i;

	/* Q of a single one in block i is g^i. */
	for (unsigned i = 0; i < ARRAY_SIZE(g); i++) {
		memset(b, 0, sizeof(b));
		b[i] = 1;
		bch2_ec_parity(14, 2, 1, p);
		assert_int_equal(b[14], 1);
		assert_int_equal(b[15], g[i]);
	}
}

struct stripe {
	uint8_t	*data[BLOCKS];
	uint8_t	*copy[BLOCKS];
	void	*ptr[BLOCKS];
};

static void stripe_make(struct stripe *s, unsigned nr_data, unsigned nr_red)
{
	unsigned seed = nr_data * 31 + nr_red;

	for (unsigned i = 0; i < nr_data + nr_red; i++) {
		s->ptr[i] = s->data[i] = malloc(BYTES);
		s->copy[i] = malloc(BYTES);
		for (unsigned j = 0; j < BYTES; j++)
			s->data[i][j] = (seed = seed * 1103515245 + 12345) >> 16;
	}
	bch2_ec_parity(nr_data, nr_red, BYTES, s->ptr);
	for (unsigned i = 0; i < nr_data + nr_red; i++)
		memcpy(s->copy[i], s->data[i], BYTES);
}

static void stripe_free(struct stripe *s, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		free(s->data[i]);
		free(s->copy[i]);
	}
}

static void lose_and_recover(struct stripe *s, unsigned nr_data, unsigned nr_red, uint32_t lost)
{
	unsigned nr = nr_data + nr_red;

	for (unsigned i = 0; i < nr; i++)
		if (lost & BIT(i))
			memset(s->data[i], 0xa5 + i, BYTES);

	assert_int_equal(bch2_ec_recover(nr_data, nr_red, lost, BYTES, s->ptr), 0);
	for (unsigned i = 0; i < nr; i++)
		assert_memory_equal(s->data[i], s->copy[i], BYTES);
}

static void every_loss(void **state)
{
	for (unsigned nr_red = 0; nr_red <= 2; nr_red++)
		for (unsigned nr_data = 1; nr_data + nr_red <= BLOCKS; nr_data++) {
			unsigned nr = nr_data + nr_red;
			struct stripe s;

			stripe_make(&s, nr_data, nr_red);
			lose_and_recover(&s, nr_data, nr_red, 0);
			for (unsigned i = 0; nr_red > 0 && i < nr; i++)
				lose_and_recover(&s, nr_data, nr_red, BIT(i));
			for (unsigned i = 0; nr_red > 1 && i < nr; i++)
				for (unsigned j = 0; j < i; j++)
					lose_and_recover(&s, nr_data, nr_red, BIT(i)|BIT(j));
			stripe_free(&s, nr);
		}
}

static void too_much(void **state)
{
	struct stripe s;

	stripe_make(&s, 4, 2);
	assert_int_equal(bch2_ec_recover(4, 2, BIT(0)|BIT(1)|BIT(2), BYTES, s.ptr),
			 -BCH_ERR_ec_too_many_failed);
	assert_int_equal(bch2_ec_recover(4, 2, BIT(0)|BIT(4)|BIT(5), BYTES, s.ptr),
			 -BCH_ERR_ec_too_many_failed);
	assert_int_equal(bch2_ec_recover(5, 1, BIT(0)|BIT(5), BYTES, s.ptr),
			 -BCH_ERR_ec_too_many_failed);
	assert_int_equal(bch2_ec_recover(6, 0, BIT(0), BYTES, s.ptr),
			 -BCH_ERR_ec_too_many_failed);

	/* Blocks that do not exist cannot be lost. */
	assert_int_equal(bch2_ec_recover(4, 2, (uint32_t) ~(BIT(6) - 1), BYTES, s.ptr), 0);

	assert_int_equal(bch2_ec_recover(0, 2, 0, BYTES, s.ptr), -EINVAL);
	assert_int_equal(bch2_ec_recover(14, 3, 0, BYTES, s.ptr), -EINVAL);
	assert_int_equal(bch2_ec_recover(15, 2, 0, BYTES, s.ptr), -EINVAL);
	assert_int_equal(bch2_ec_recover(~0U, 1, 0, BYTES, s.ptr), -EINVAL);
	stripe_free(&s, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_bytes),
		cmocka_unit_test(powers),
		cmocka_unit_test(every_loss),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests_name("data: erasure coding", tests, NULL, NULL);
}
