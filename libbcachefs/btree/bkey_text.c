// SPDX-License-Identifier: GPL-2.0
/*
 * Text of keys, and names of key types and btrees (spec 20 section 15).
 *
 * Any floor may print any key here, also damaged ones: values are handed to the
 * type's own printer only when they have the type's smallest size.
 */
#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "util/printbuf.h"

static const char *const type_names[KEY_TYPE_MAX] = {
#define x(nr, name, ...)	[nr] = #name,
	BCH_BKEY_TYPES(x)
#undef x
};

static const char *const btree_names[BTREE_ID_NR] = {
#define x(nr, name, ...)	[nr] = #name,
	BCH_BTREE_IDS(x)
#undef x
};

/** bch2_bkey_type_name - name of a value type; "(unknown)" */
const char *bch2_bkey_type_name(unsigned type)
{
	return type < KEY_TYPE_MAX ? type_names[type] : "(unknown)";
}

/** bch2_bkey_type_to_text - name, or the number of an unknown type */
void bch2_bkey_type_to_text(struct printbuf *out, unsigned type)
{
	if (type < KEY_TYPE_MAX)
		prt_str(out, type_names[type]);
	else
		prt_printf(out, "%u", type);
}

/** bch2_btree_id_name - name of a btree; "(unknown)" */
const char *bch2_btree_id_name(unsigned id)
{
	return id < BTREE_ID_NR ? btree_names[id] : "(unknown)";
}

/** bch2_btree_id_to_text - name, or "(unknown btree N)" */
void bch2_btree_id_to_text(struct printbuf *out, unsigned id)
{
	if (id < BTREE_ID_NR)
		prt_str(out, btree_names[id]);
	else
		prt_printf(out, "(unknown btree %u)", id);
}

static int name_lookup(const char *const *names, int nr, const char *name)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], name))
			return i;
	return -EINVAL;
}

/**
 * bch2_btree_id_parse - number of the btree called @name, or -EINVAL
 *
 * The old name of reconcile_work is understood.
 */
int bch2_btree_id_parse(const char *name)
{
	if (!strcmp(name, "rebalance_work"))
		return BTREE_ID_reconcile_work;
	return name_lookup(btree_names, BTREE_ID_NR, name);
}

/** bch2_bkey_type_parse - number of the value type called @name, or -EINVAL */
int bch2_bkey_type_parse(const char *name)
{
	return name_lookup(type_names, KEY_TYPE_MAX, name);
}

/** bch2_btree_id_level_to_text - "btree=NAME level=L" */
void bch2_btree_id_level_to_text(struct printbuf *out, unsigned btree, unsigned level)
{
	prt_str(out, "btree=");
	bch2_btree_id_to_text(out, btree);
	prt_printf(out, " level=%u", level);
}

/** bch2_bversion_to_text - the low half, as key texts show it, "HI:LO" if both are set */
void bch2_bversion_to_text(struct printbuf *out, struct bversion v)
{
	if (v.hi)
		prt_printf(out, "%u:", v.hi);
	prt_printf(out, "%llu", (u64) v.lo);
}

/** bch2_bkey_to_text - "u64s N type NAME POSITION len SIZE ver VERSION" */
void bch2_bkey_to_text(struct printbuf *out, const struct bkey *k)
{
	prt_str(out, "u64s ");
	prt_u64(out, k->u64s);
	prt_str(out, " type ");
	bch2_bkey_type_to_text(out, k->type);
	prt_char(out, ' ');
	bch2_bpos_to_text(out, k->p);
	prt_str(out, " len ");
	prt_u64(out, k->size);
	prt_str(out, " ver ");
	prt_u64(out, k->bversion.lo);
}

/**
 * bch2_val_to_text - the value's own text
 * @c:		may be NULL
 * @k:		need not be sound
 */
void bch2_val_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	const struct bkey_ops *ops = bch2_bkey_type_ops(k.k->type);

	if (k.k->u64s < BKEY_U64s || bkey_val_bytes(k.k) < bch2_bkey_val_min_bytes(k.k->type))
		prt_str(out, "(value too short)");
	else if (ops->val_to_text)
		ops->val_to_text(out, c, k);
}

/** bch2_bkey_val_to_text - the key's text, and the value's if there is one */
void bch2_bkey_val_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	bch2_bkey_to_text(out, k.k);
	if (k.k->u64s > BKEY_U64s) {
		prt_str(out, "  : ");
		bch2_val_to_text(out, c, k);
	}
}
