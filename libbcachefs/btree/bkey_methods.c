// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that hold for keys of every type (spec 20 section 11.3), dispatch to
 * the methods of each type, and the report of a damaged key.
 *
 * Invariant: a key that passed bch2_bkey_validate() has a value of at least the
 * smallest size of its type and a type that may be in its btree, so that code
 * which handles it may look at the fixed part of the value.
 */
#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "sb/fsck_err.h"
#include "util/printbuf.h"

struct type_rule {
	u8		min_val_size;
	u8		flags;
};

static const struct type_rule type_rules[KEY_TYPE_MAX] = {
#define x(nr, name, min, type_flags, ...)	[nr] = { min, type_flags },
	BCH_BKEY_TYPES(x)
#undef x
};

static const struct bkey_ops no_ops;

/** bch2_bkey_type_ops - methods of @type; all absent for types not known */
const struct bkey_ops *bch2_bkey_type_ops(unsigned type)
{
	return type < KEY_TYPE_MAX ? &bch2_bkey_ops[type] : &no_ops;
}

static const char *const src_names[BKEY_VALIDATE_NR] = {
#define x(name)	#name,
	BKEY_VALIDATE_SRCS(x)
#undef x
};

static void invalid_bkey_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k,
				 const struct bkey_validate_context *from)
{
	prt_printf(out, "invalid bkey in %s", src_names[from->from]);
	if (from->from == BKEY_VALIDATE_journal)
		prt_printf(out, " journal seq=%llu offset=%zu", from->journal_seq,
			   from->journal_offset);
	prt_char(out, ' ');
	bch2_btree_id_level_to_text(out, from->btree, from->level);
	prt_str(out, ": ");
	bch2_bkey_val_to_text(out, c, k);
}

/**
 * __bch2_bkey_fsck_err - report a damaged key
 * @c:		filesystem; NULL: only the reason is wanted
 * @k:		the key; its value need not be sound
 * @from:	where it was found
 * @id:		which check failed
 * @fmt:	the reason
 *
 * When reading, errors of keys are repaired without asking, as their ids being
 * autofix would do: the key is taken out. Returns -BCH_ERR_fsck_delete_bkey, also
 * when the decision is to leave the error: nobody may use such a key. Any other
 * error means to give up. Spec 20 section 11.3, 32 section 5.
 */
int __bch2_bkey_fsck_err(struct bch_fs *c, struct bkey_s_c k,
			 struct bkey_validate_context from,
			 enum bch_sb_error_id id, const char *fmt, ...)
{
	const bool writing = from.flags & (BCH_VALIDATE_write|BCH_VALIDATE_commit);
	const unsigned flags = writing ? 0 : FSCK_CAN_FIX|FSCK_AUTOFIX;
	struct printbuf reason = PRINTBUF, msg = PRINTBUF;
	va_list args;
	int ret;

	if (from.err_id)
		*from.err_id = id;
	if (!c && !from.err)
		return -BCH_ERR_fsck_delete_bkey;
	if (!from.err && (from.flags & BCH_VALIDATE_silent))
		return -BCH_ERR_fsck_delete_bkey;

	va_start(args, fmt);
	prt_vprintf(&reason, fmt, args);
	va_end(args);
	if (from.err)
		prt_str(from.err, printbuf_str(&reason));

	ret = -BCH_ERR_fsck_delete_bkey;
	if (!c || from.flags & BCH_VALIDATE_silent)
		goto out;

	invalid_bkey_to_text(&msg, c, k, &from);
	prt_printf(&msg, "\n%s", printbuf_str(&reason));
	ret = __bch2_fsck_err(c, flags, id, "%s, delete?", printbuf_str(&msg));
	if (!bch2_fsck_gives_up(ret))
		ret = -BCH_ERR_fsck_delete_bkey;
out:
	printbuf_exit(&msg);
	printbuf_exit(&reason);
	return ret;
}

/* May @type be in this place? Spec 20 sections 5.1, 5.2. */
static bool type_allowed(unsigned type, bool interior, unsigned btree, bool every_type)
{
	const u64 allowed = interior ? BKEY_TYPES_INTERIOR : btree_id_key_types(btree);

	if (type >= KEY_TYPE_MAX)
		return !every_type;
	if (allowed & (1ULL << type))
		return true;
	/* interior nodes hold pointers and nothing else */
	return !interior && !every_type && !(type_rules[type].flags & BKEY_TYPE_STRICT);
}

static int size_validate(struct bch_fs *c, struct bkey_s_c k,
			 struct bkey_validate_context from, bool interior)
{
	int ret = 0;

	if (!interior && btree_id_is_extents(from.btree) && !bkey_whiteout(k.k)) {
		bkey_fsck_err_on(!k.k->size, c, bkey_extent_size_zero, "size is 0");
		bkey_fsck_err_on(k.k->size > k.k->p.offset, c,
				 bkey_extent_size_greater_than_offset,
				 "size %u is larger than offset %llu", k.k->size,
				 (u64) k.k->p.offset);
	} else {
		bkey_fsck_err_on(k.k->size, c, bkey_size_nonzero, "size is %u, not 0", k.k->size);
	}
fsck_err:
	return ret;
}

static int leaf_pos_validate(struct bch_fs *c, struct bkey_s_c k,
			     struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(btree_type_has_snapshots(from.btree) && !k.k->p.snapshot,
			 c, bkey_snapshot_zero, "snapshot is 0");
	bkey_fsck_err_on(!btree_type_has_snapshot_field(from.btree) && k.k->p.snapshot,
			 c, bkey_snapshot_nonzero, "snapshot is %u, not 0", k.k->p.snapshot);
	bkey_fsck_err_on(bkey_eq(k.k->p, POS_MAX), c, bkey_at_pos_max, "position is POS_MAX");
fsck_err:
	return ret;
}

/**
 * __bch2_bkey_validate - the checks that do not look at the value
 * @c:		may be NULL
 * @k:		unpacked key; its value may be anything
 * @from:	where it was found; level is that of the node the key is in, and
 *		with .root that of the node it points to
 *
 * 0, or -BCH_ERR_fsck_delete_bkey, or the error to give up with. Spec 20
 * section 11.3.
 */
int __bch2_bkey_validate(struct bch_fs *c, struct bkey_s_c k,
			 struct bkey_validate_context from)
{
	const bool interior = from.level || from.root;
	int ret = 0;

	bkey_fsck_err_on(k.k->u64s < BKEY_U64s, c, bkey_u64s_too_small,
			 "key has %u words, fewer than %zu", k.k->u64s, BKEY_U64s);
	if (from.btree >= BTREE_ID_NR)
		return 0;

	bkey_fsck_err_on(!type_allowed(k.k->type, interior, from.btree,
				       from.flags & BCH_VALIDATE_commit),
			 c, bkey_invalid_type_for_btree, "type %s not allowed in %s of btree %s",
			 bch2_bkey_type_name(k.k->type), interior ? "interior nodes" : "leaves",
			 bch2_btree_id_name(from.btree));

	ret = size_validate(c, k, from, interior);
	if (!ret && !interior)
		ret = leaf_pos_validate(c, k, from);
fsck_err:
	return ret;
}

/**
 * bch2_bkey_val_validate - check the value of a key
 *
 * Arguments and result as __bch2_bkey_validate(), which comes first. Leaf keys of
 * btrees this version does not know are not looked at (spec 20 section 5.2).
 */
int bch2_bkey_val_validate(struct bch_fs *c, struct bkey_s_c k,
			   struct bkey_validate_context from)
{
	const struct bkey_ops *ops = bch2_bkey_type_ops(k.k->type);
	const struct type_rule *rule;
	int ret = 0;

	if (k.k->type >= KEY_TYPE_MAX)
		return 0;
	if (from.btree >= BTREE_ID_NR && !from.level && !from.root)
		return 0;

	rule = &type_rules[k.k->type];
	bkey_fsck_err_on(bkey_val_bytes(k.k) < rule->min_val_size, c, bkey_val_size_too_small,
			 "value has %u bytes, fewer than %u", bkey_val_bytes(k.k),
			 rule->min_val_size);
	bkey_fsck_err_on(rule->flags & BKEY_TYPE_EMPTY && bkey_val_u64s(k.k),
			 c, bkey_val_size_nonzero, "value has %u bytes, not 0",
			 bkey_val_bytes(k.k));

	ret = ops->key_validate ? ops->key_validate(c, k, from) : 0;
fsck_err:
	return ret;
}

/** bch2_bkey_validate - all checks of a key: header, then value */
int bch2_bkey_validate(struct bch_fs *c, struct bkey_s_c k,
		       struct bkey_validate_context from)
{
	return __bch2_bkey_validate(c, k, from) ?: bch2_bkey_val_validate(c, k, from);
}

/**
 * bch2_bkey_merge - make @l cover @r too, if both can be one key
 *
 * @l is changed, and has room for the merged value, which is not larger than
 * before. True if merged.
 */
bool bch2_bkey_merge(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r)
{
	const struct bkey_ops *ops = bch2_bkey_type_ops(l.k->type);

	return l.k->type == r.k->type && ops->key_merge &&
		bkey_val_u64s(l.k) == bkey_val_u64s(r.k) &&
		bversion_cmp(l.k->bversion, r.k->bversion) == 0 &&
		bpos_eq(l.k->p, bkey_start_pos(r.k)) &&
		(u64) l.k->size + r.k->size <= KEY_SIZE_MAX &&
		ops->key_merge(c, l, r);
}

/** bch2_bkey_val_min_bytes - smallest value of @type, for printing damaged keys */
unsigned bch2_bkey_val_min_bytes(unsigned type)
{
	return type < KEY_TYPE_MAX ? type_rules[type].min_val_size : 0;
}
