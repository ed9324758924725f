// SPDX-License-Identifier: GPL-2.0
/*
 * Folding names of casefolded directories (spec 60 section 12).
 *
 * The folded form is stored next to the name, so only lookups by name need
 * this. The tables are those of Unicode 12.1.0, loaded when the filesystem has
 * ever used casefolding.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/unicode.h>

#include "bcachefs.h"
#include "fs/casefold.h"
#include "util/log.h"

/**
 * bch2_casefold_init - load the folding tables if the filesystem needs them
 * @c: filesystem with a valid superblock
 *
 * Without tables everything but lookups in casefolded directories works, so a
 * failure is only reported.
 *
 * Returns 0.
 */
int bch2_casefold_init(struct bch_fs *c)
{
	struct unicode_map *um;

	if (c->cf_encoding || !(c->sb.features & BIT_ULL(BCH_FEATURE_casefolding)))
		return 0;

	um = utf8_load(UNICODE_AGE(12, 1, 0));
	if (IS_ERR(um)) {
		bch_warn(c, "no casefolding tables: give names in casefolded directories exactly");
		return 0;
	}
	c->cf_encoding = um;
	return 0;
}

/**
 * bch2_casefold_exit - release what bch2_casefold_init() took
 * @c: filesystem
 */
void bch2_casefold_exit(struct bch_fs *c)
{
	if (c->cf_encoding)
		utf8_unload(c->cf_encoding);
	c->cf_encoding = NULL;
}

/**
 * bch2_casefold - fold a name
 * @c: filesystem
 * @name: UTF-8
 * @len: its length in bytes
 * @dst: room for BCH_NAME_MAX bytes
 * @dst_len: bytes written
 *
 * Returns 0; -EINVAL if the name is not well-formed UTF-8, folds to nothing or
 * does not fit; -EOPNOTSUPP without tables. Spec 60 section 12.
 */
int bch2_casefold(struct bch_fs *c, const char *name, unsigned len, u8 *dst, unsigned *dst_len)
{
	struct qstr str = QSTR_INIT(name, len);
	int ret;

	if (!c->cf_encoding)
		return -EOPNOTSUPP;

	ret = utf8_casefold(c->cf_encoding, &str, dst, BCH_NAME_MAX);
	if (ret <= 0)
		return -EINVAL;
	*dst_len = ret;
	return 0;
}
