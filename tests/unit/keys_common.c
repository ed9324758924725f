// SPDX-License-Identifier: GPL-2.0
/*
 * See keys_common.h. Keys are allocated with their exact length, so that a
 * sanitizer sees every byte read behind them.
 */
#include <ctype.h>
#include <stdlib.h>

#include "keys_common.h"

/**
 * key_new - a key with a copy of a value
 * @type:	value type
 * @pos:	position
 * @size:	sectors; 0 outside of extent btrees
 * @val:	value; rounded up to words with zeros
 * @bytes:	its length
 */
struct bkey_i *key_new(unsigned type, struct bpos pos, unsigned size, const void *val,
		       size_t bytes)
{
	size_t u64s = (bytes + 7) / 8;
	struct bkey_i *k;

	assert_true(u64s <= BKEY_VAL_U64s_MAX);
	k = calloc(1, sizeof(*k) + u64s * 8);
	assert_non_null(k);

	bkey_init(&k->k);
	k->k.type	= type;
	k->k.p		= pos;
	k->k.size	= size;
	set_bkey_val_u64s(&k->k, u64s);
	if (bytes)
		memcpy(&k->v, val, bytes);
	return k;
}

static unsigned hex_digit(char c)
{
	return isdigit((unsigned char) c) ? c - '0' : tolower((unsigned char) c) - 'a' + 10;
}

/**
 * key_hex - a key whose value is written as hexadecimal digits
 * @type:	value type
 * @pos:	position
 * @size:	sectors
 * @hex:	digits in pairs; anything else is skipped
 */
struct bkey_i *key_hex(unsigned type, struct bpos pos, unsigned size, const char *hex)
{
	u8 val[BKEY_VAL_BYTES_MAX];
	size_t n = 0;

	for (; *hex; hex++) {
		if (!isxdigit((unsigned char) *hex))
			continue;
		assert_true(isxdigit((unsigned char) hex[1]) && n < sizeof(val));
		val[n++] = hex_digit(hex[0]) << 4 | hex_digit(hex[1]);
		hex++;
	}
	return key_new(type, pos, size, val, n);
}

/** key_free - free what key_new() or key_hex() returned */
void key_free(struct bkey_i *k)
{
	free(k);
}

/**
 * key_context - context of a key that is read from a node
 * @btree:	btree id
 * @level:	level of the node
 * @flags:	enum bch_validate_flags
 */
struct bkey_validate_context key_context(unsigned btree, unsigned level, unsigned flags)
{
	return (struct bkey_validate_context) {
		.from	= flags & BCH_VALIDATE_commit ? BKEY_VALIDATE_commit
						      : BKEY_VALIDATE_btree_node,
		.btree	= btree,
		.level	= level,
		.flags	= flags|BCH_VALIDATE_silent,
	};
}

/**
 * key_verdict - validate a key
 * @c:		filesystem or NULL
 * @k:		key
 * @btree:	btree id
 * @level:	level of the node that the key is in
 * @flags:	enum bch_validate_flags
 *
 * Returns KEY_OK or the id of the error; fails the test if an error comes
 * without a reason or without meaning "delete".
 */
int key_verdict(struct bch_fs *c, const struct bkey_i *k, unsigned btree, unsigned level,
		unsigned flags)
{
	struct bkey_validate_context from = key_context(btree, level, flags);
	struct printbuf err = PRINTBUF;
	u16 id = 0;
	int ret;

	from.err	= &err;
	from.err_id	= &id;
	ret = bch2_bkey_validate(c, bkey_i_to_s_c(k), from);
	if (ret) {
		assert_int_equal(ret, -BCH_ERR_fsck_delete_bkey);
		assert_true(err.pos > 0);
	} else {
		assert_int_equal(err.pos, 0);
	}
	printbuf_exit(&err);
	return ret ? id : KEY_OK;
}

/**
 * key_text - text of a key's value
 * @c:		filesystem or NULL
 * @k:		key
 *
 * Returns a string that lives until the next call.
 */
const char *key_text(struct bch_fs *c, const struct bkey_i *k)
{
	static struct printbuf out;

	printbuf_exit(&out);
	out = PRINTBUF;
	bch2_val_to_text(&out, c, bkey_i_to_s_c(k));
	return printbuf_str(&out);
}

/**
 * fake_fs_new - a filesystem that has a geometry and nothing else
 *
 * Device 0: buckets 1 .. 999 of 512 sectors, durability 1; device 1: the same
 * with durability 2. Nodes of 512 sectors, encoded extents up to 512 sectors.
 */
struct bch_fs *fake_fs_new(void)
{
	struct bch_fs *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->opts.btree_node_size		= 256 << 10;
	c->encoded_extent_max_bits	= 9;
	c->sb.version			= BCH_VERSION(1, 38);
	c->sb.version_min		= BCH_VERSION(1, 38);
	c->sb.version_upgrade_complete	= BCH_VERSION(1, 38);
	c->sb.time_units_per_sec	= 1000000000;
	c->sb.nsec_per_time_unit	= 1;

	for (unsigned i = 0; i < 2; i++) {
		struct bch_dev *ca = calloc(1, sizeof(*ca));

		assert_non_null(ca);
		ca->fs			= c;
		ca->dev_idx		= i;
		ca->mi.nbuckets		= 1000;
		ca->mi.first_bucket	= 1;
		ca->mi.bucket_size	= 512;
		ca->mi.durability	= i + 1;
		ca->mi.valid		= true;
		memcpy(ca->name, i ? "devb" : "deva", 5);
		c->devs[i] = ca;
	}
	return c;
}

/** fake_fs_free - free what fake_fs_new() returned */
void fake_fs_free(struct bch_fs *c)
{
	for (unsigned i = 0; i < 2; i++)
		free(c->devs[i]);
	free(c);
}
