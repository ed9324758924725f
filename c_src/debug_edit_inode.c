// SPDX-License-Identifier: GPL-2.0
/*
 * debug-edit: fields of inodes. Those of the head are where they are; a number of
 * variable length is first written in its longest form, nine bytes, of which the
 * last eight can be set like any other number.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "btree/bkey.h"
#include "debug_edit.h"
#include "fs/inode.h"
#include "fs/inode_fields.h"
#include "util/varint.h"

static const struct {
	const char	*name;
	uint8_t		offset, lo, bits;
} head_fields[] = {
	{ "bi_journal_seq",	 0,  0, 64 },
	{ "bi_hash_seed",	 8,  0, 64 },
	{ "bi_flags",		16,  0, 20 },
	{ "unlinked",		16,  7,  1 },
	{ "has_child_snapshot",	16,  9,  1 },
	{ "has_case_insensitive", 16, 10, 1 },
	{ "bi_str_hash",	16, 20,  4 },
	{ "nr_fields",		16, 24,  7 },
	{ "bi_mode",		16, 36, 16 },
	{ "bi_sectors",		24,  0, 64 },
	{ "bi_size",		32,  0, 64 },
	{ "bi_version",		40,  0, 64 },
};

static bool head_place(struct bch_inode_v3 *v, const char *name, struct debug_place *place)
{
	for (unsigned i = 0; i < ARRAY_SIZE(head_fields); i++)
		if (!strcmp(head_fields[i].name, name)) {
			*place = (struct debug_place) {
				.p	= (uint8_t *) v + head_fields[i].offset,
				.bytes	= 8,
				.lo	= head_fields[i].lo,
				.bits	= head_fields[i].bits,
			};
			return true;
		}
	return false;
}

static uint64_t field_get(const struct bch_inode_unpacked *u, const struct inode_field *f)
{
	uint64_t v = 0;

	memcpy(&v, (const uint8_t *) u + f->offset, f->bytes);
	return v;
}

static unsigned put_longest(uint8_t *p, uint64_t v)
{
	p[0] = 0xff;
	memcpy(p + 1, &v, 8);
	return 9;
}

/* All numbers anew, up to the last one in use; that of @want is long. */
static bool fields_rewrite(struct debug_key *k, const struct bch_inode_unpacked *u, unsigned want,
			   struct debug_place *place)
{
	struct bch_inode_v3 *v = (void *) &k->k.v;
	unsigned nr = max_t(unsigned, INODEv3_NR_FIELDS(v), want + 1), at = 0;
	uint8_t buf[(BCH_INODE_NR_FIELDS_v3 + 5) * 9] = {};

	nr = min_t(unsigned, nr, BCH_INODE_NR_FIELDS_v3);
	for (unsigned i = 0; i < nr; i++) {
		const struct inode_field *f = &bch2_inode_fields_v3[i];

		if (i == want)
			*place = (struct debug_place) {
				.p = v->fields + at + 1, .bytes = 8, .bits = 64,
			};
		at += i == want ? put_longest(buf + at, field_get(u, f))
				: (unsigned) bch2_varint_encode(buf + at, field_get(u, f));
		if (f->wide)
			at += bch2_varint_encode(buf + at, 0);
	}
	if (DIV_ROUND_UP(sizeof(*v) + at, 8) + BKEY_U64s > U8_MAX)
		return false;
	set_bkey_val_bytes(&k->k.k, round_up(sizeof(*v) + at, 8));
	memset(v->fields, 0, round_up(at, 8));
	memcpy(v->fields, buf, at);
	SET_INODEv3_NR_FIELDS(v, nr);
	return true;
}

bool debug_field_of_inode(struct debug_key *k, const char *name, struct debug_place *place)
{
	struct bch_inode_unpacked u;

	if (k->k.k.type != KEY_TYPE_inode_v3 || bch2_inode_unpack(bkey_i_to_s_c(&k->k), &u))
		return false;
	if (head_place((void *) &k->k.v, name, place))
		return true;
	for (unsigned i = 0; i < BCH_INODE_NR_FIELDS_v3; i++)
		if (!strcmp(bch2_inode_fields_v3[i].name, name))
			return fields_rewrite(k, &u, i, place);
	return false;
}
