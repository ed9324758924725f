// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes of names and ACLs, against the vectors of the format description
 * (Documentation/format/60, sections 10 and 14).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/array_size.h>

#include "bcachefs.h"
#include "fs/acl.h"
#include "fs/str_hash.h"

#define SEED	0x1122334455667788ULL

static struct bch_hash_info hash_info(unsigned type, u64 seed, bool is_31bit)
{
	struct bch_hash_info info;

	assert_int_equal(bch2_hash_info_set(&info, type, cpu_to_le64(seed)), 0);
	info.is_31bit = is_31bit;
	return info;
}

static void dirent_vectors(void **state)
{
	static const struct {
		const char	*name;
		u64		hash[4];
		u64		hash_31;
	} v[] = {
		{ "lost+found", { 0x0a4d0a27, 0x6623aa690f885dfa, 0x6abbeea27729f76b,
				  0x4745c1ee16e7a220 }, 0x16e7a220 },
		{ "a",		{ 0x087fc519, 0x0a412e91048b8df8, 0x73082e405552d88a,
				  0x6a6d9f0917291861 }, 0x17291861 },
		{ "README",	{ 0x50bbe5de, 0x5d7325e2842cc709, 0x41244bd4476c6442,
				  0x4dce671adbc883f6 }, 0x5bc883f6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct bch_hash_info info;

		for (unsigned t = 0; t < 4; t++) {
			info = hash_info(t, SEED, false);
			assert_int_equal(bch2_dirent_hash(&info, v[i].name, strlen(v[i].name)),
					 v[i].hash[t]);
		}
		info = hash_info(3, SEED, true);
		assert_int_equal(bch2_dirent_hash(&info, v[i].name, strlen(v[i].name)),
				 v[i].hash_31);
	}
}

static void dirent_real_image(void **state)
{
	struct bch_hash_info info = hash_info(3, 0x79c418d691f08fdbULL, false);

	assert_int_equal(bch2_dirent_hash(&info, "lost+found", 10), 371162030101027847ULL);
}

static void xattr_vectors(void **state)
{
	static const struct {
		u8		type;
		const char	*name;
		u64		hash[4];
	} v[] = {
		{ 0, "foo", { 0x95a390f5, 0x6d3e42c18a9d6872, 0x230d91edb9fa182e,
			      0x298c5ea291ea82ed } },
		{ 1, "",    { 0x69b9567b, 0x017ed764615c1880, 0x1d7665fea48259df,
			      0x289f8676f7a90e78 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		for (unsigned t = 0; t < 4; t++) {
			struct bch_hash_info info = hash_info(t, SEED, false);

			assert_int_equal(bch2_xattr_hash(&info, v[i].type, v[i].name,
							 strlen(v[i].name)), v[i].hash[t]);
		}
}

static void xattr_long_names(void **state)
{
	struct bch_hash_info info = hash_info(3, SEED, false);
	char n240[240];

	memset(n240, 'n', sizeof(n240));
	assert_int_equal(bch2_xattr_hash(&info, 0, n240, 240), 0x4b03205dff6dfdabULL);
	assert_int_equal(bch2_xattr_hash(&info, 4, "capability", 10), 0x2466ab059165143fULL);
	assert_int_equal(bch2_xattr_hash(&info, 3, "overlay.opaque", 14), 0x1fba04c9a093bf89ULL);
	assert_int_equal(bch2_xattr_hash(&info, 0, "aaaaaaa", 7), 0x29d7252572ecb568ULL);

	/* As stored by a kernel. */
	info = hash_info(3, 0x7e3b6dd695d5ded0ULL, false);
	assert_int_equal(bch2_xattr_hash(&info, 0, n240, 240), 0x5c658883c401eae8ULL);
}

static void unknown_hash_type(void **state)
{
	struct bch_hash_info info;

	assert_int_equal(bch2_hash_info_set(&info, 4, 0), -EINVAL);
}

static const u8 acl[] = {
	1, 0, 0, 0,  1, 0, 6, 0,  2, 0, 4, 0, 0xe8, 3, 0, 0,  4, 0, 4, 0,
	0x10, 0, 4, 0,  0x20, 0, 0, 0,
};

static void acl_example(void **state)
{
	static const u8 expect[] = {
		2, 0, 0, 0,
		1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,	2, 0, 4, 0, 0xe8, 3, 0, 0,
		4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,	0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
		0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
	};
	u8 out[128];
	size_t len;

	assert_true(bch2_acl_xattr_size(sizeof(acl)) <= sizeof(out));
	assert_int_equal(bch2_acl_to_xattr(acl, sizeof(acl), out, &len), 0);
	assert_int_equal(len, sizeof(expect));
	assert_memory_equal(out, expect, len);
}

static void acl_damage(void **state)
{
	u8 bad[sizeof(acl)], out[128];
	size_t len;

	/* Cut anywhere but between two entries it is not readable. */
	for (size_t n = 0; n < sizeof(acl); n++) {
		bool whole = n == 4 || n == 8 || n == 16 || n == 20 || n == 24;

		assert_int_equal(bch2_acl_to_xattr(acl, n, out, &len), whole ? 0 : -EINVAL);
	}

	memcpy(bad, acl, sizeof(acl));
	bad[0] = 2;
	assert_int_equal(bch2_acl_to_xattr(bad, sizeof(bad), out, &len), -EINVAL);
	memcpy(bad, acl, sizeof(acl));
	bad[4] = 0x40;
	assert_int_equal(bch2_acl_to_xattr(bad, sizeof(bad), out, &len), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dirent_vectors),
		cmocka_unit_test(dirent_real_image),
		cmocka_unit_test(xattr_vectors),
		cmocka_unit_test(xattr_long_names),
		cmocka_unit_test(unknown_hash_type),
		cmocka_unit_test(acl_example),
		cmocka_unit_test(acl_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
