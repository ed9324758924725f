/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers of the test_keys_* programs: keys made of bytes, in memory that ends
 * where the key ends; the verdict of validation as an error id; texts.
 */
#ifndef _TESTS_UNIT_KEYS_COMMON_H
#define _TESTS_UNIT_KEYS_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/array_size.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* What key_verdict() returns for a valid key. */
#define KEY_OK		(-1)

struct bkey_i *key_new(unsigned type, struct bpos pos, unsigned size, const void *val,
		       size_t bytes);
struct bkey_i *key_hex(unsigned type, struct bpos pos, unsigned size, const char *hex);
void key_free(struct bkey_i *k);

struct bkey_validate_context key_context(unsigned btree, unsigned level, unsigned flags);
int key_verdict(struct bch_fs *c, const struct bkey_i *k, unsigned btree, unsigned level,
		unsigned flags);
const char *key_text(struct bch_fs *c, const struct bkey_i *k);

struct bch_fs *fake_fs_new(void);
void fake_fs_free(struct bch_fs *c);

/* A key in a leaf, checked without a filesystem, then freed. */
#define expect_key(_btree, _flags, _id, _k)					\
do {										\
	struct bkey_i *expect_k = (_k);						\
										\
	assert_int_equal(key_verdict(NULL, expect_k, BTREE_ID_##_btree, 0, _flags), _id); \
	key_free(expect_k);							\
} while (0)

/* The text of a key's value, checked without a filesystem; the key is freed. */
#define expect_text(_text, _k)							\
do {										\
	struct bkey_i *expect_k = (_k);						\
										\
	assert_string_equal(key_text(NULL, expect_k), _text);			\
	key_free(expect_k);							\
} while (0)

#endif /* _TESTS_UNIT_KEYS_COMMON_H */
