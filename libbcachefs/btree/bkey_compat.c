// SPDX-License-Identifier: GPL-2.0
/*
 * What keys and nodes of versions before 0.12 need before they are interpreted
 * (spec 20 section 12). Only reading: nothing is written in old versions.
 *
 * Foreign byte order is refused when the superblock is opened and again for each
 * bset, so no transform here swaps bytes.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "bcachefs_format.h"
#include "btree/bkey_methods.h"

#define VERSION_RENUMBER	BCH_VERSION(0, 10)
#define VERSION_INODE_BTREE	BCH_VERSION(0, 11)
#define VERSION_SNAPSHOT	BCH_VERSION(0, 12)

/* x(btree, old type, type); the first match counts, interior nodes are one "btree" */
#define OLD_KEY_TYPES(x)					\
	x(BTREE_ID_extents,	128,	KEY_TYPE_extent)	\
	x(BTREE_ID_extents,	129,	KEY_TYPE_extent)	\
	x(BTREE_ID_extents,	130,	KEY_TYPE_reservation)	\
	x(BTREE_ID_inodes,	128,	KEY_TYPE_inode)		\
	x(BTREE_ID_inodes,	130,	KEY_TYPE_inode_generation) \
	x(BTREE_ID_dirents,	128,	KEY_TYPE_dirent)	\
	x(BTREE_ID_dirents,	129,	KEY_TYPE_hash_whiteout)	\
	x(BTREE_ID_xattrs,	128,	KEY_TYPE_xattr)		\
	x(BTREE_ID_xattrs,	129,	KEY_TYPE_hash_whiteout)	\
	x(BTREE_ID_alloc,	128,	KEY_TYPE_alloc)		\
	x(BTREE_ID_quotas,	128,	KEY_TYPE_quota)

static const struct {
	u8	btree, old, type;
} old_types[] = {
#define x(b, o, t)	{ b, o, t },
	OLD_KEY_TYPES(x)
#undef x
};

/**
 * bch2_bkey_renumber - types before 0.10 were numbered per btree
 * @leaf:	key of a leaf, as opposed to an interior node
 * @type:	changed in place
 */
void bch2_bkey_renumber(bool leaf, unsigned btree, unsigned version, u8 *type)
{
	size_t i;

	if (version >= VERSION_RENUMBER)
		return;
	if (!leaf) {
		if (*type == 128)
			*type = KEY_TYPE_btree_ptr;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(old_types); i++)
		if (old_types[i].btree == btree && old_types[i].old == *type) {
			*type = old_types[i].type;
			return;
		}
}

static bool inodes_swapped(unsigned btree, unsigned version)
{
	return version < VERSION_INODE_BTREE && btree == BTREE_ID_inodes;
}

static bool snapshots_missing(unsigned level, unsigned btree, unsigned version)
{
	return version < VERSION_SNAPSHOT && (level || btree_type_has_snapshots(btree));
}

static struct bpos pos_swapped(struct bpos p)
{
	return SPOS(p.offset, p.inode, p.snapshot);
}

/* min_key of a node: exclusive start of extents btrees became inclusive. */
static struct bpos min_key_compat(unsigned btree, unsigned version, struct bpos p)
{
	if (inodes_swapped(btree, version))
		p = pos_swapped(p);
	if (version < VERSION_INODE_BTREE && btree_id_is_extents(btree) &&
	    !bpos_eq(p, POS_MIN) && !bkey_eq(p, POS_MAX))
		p = bpos_nosnap_successor(p);
	return p;
}

/* A value that holds positions. */
static void val_compat(unsigned btree, unsigned version, struct bkey_i *k)
{
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) &k->v;

	if (k->k.type == KEY_TYPE_btree_ptr_v2 && bkey_val_bytes(&k->k) >= sizeof(*v))
		v->min_key = min_key_compat(btree, version, v->min_key);
}

/**
 * bch2_bkey_compat_read - bring an unpacked key of an old version up to date
 * @level:	of the node it is in; for a root pointer its level plus one
 * @version:	of the journal entry, superblock or bset it comes from
 * @k:		changed in place; u64s has been checked
 */
void bch2_bkey_compat_read(unsigned level, unsigned btree, unsigned version, struct bkey_i *k)
{
	if (!bch2_bkey_compat_needed(version))
		return;
	bch2_bkey_renumber(!level, btree, version, &k->k.type);
	if (inodes_swapped(btree, version))
		k->k.p = pos_swapped(k->k.p);
	if (snapshots_missing(level, btree, version))
		k->k.p.snapshot = KEY_SNAPSHOT_MAX;
	val_compat(btree, version, k);
}

static void format_swap_pos_fields(struct bkey_format *f)
{
	swap(f->bits_per_field[BKEY_FIELD_INODE], f->bits_per_field[BKEY_FIELD_OFFSET]);
	swap(f->field_offset[BKEY_FIELD_INODE], f->field_offset[BKEY_FIELD_OFFSET]);
}

/**
 * bch2_bkey_format_compat_read - the same for the format of a node
 *
 * The result can hold every key of the node after its own transform.
 */
void bch2_bkey_format_compat_read(unsigned level, unsigned btree, unsigned version,
				  struct bkey_format *f)
{
	if (inodes_swapped(btree, version))
		format_swap_pos_fields(f);
	if (snapshots_missing(level, btree, version)) {
		const unsigned bits = min_t(unsigned, f->bits_per_field[BKEY_FIELD_SNAPSHOT], 32);

		f->field_offset[BKEY_FIELD_SNAPSHOT] =
			cpu_to_le64((u64) KEY_SNAPSHOT_MAX - ((1ULL << bits) - 1));
	}
}

/**
 * bch2_bkey_packed_compat_read - the same for a key inside a node
 * @f:		format of the node after bch2_bkey_format_compat_read(), valid
 * @k:		changed in place; lies inside its bset, u64s has been checked
 */
void bch2_bkey_packed_compat_read(unsigned level, unsigned btree, unsigned version,
				  const struct bkey_format *f, struct bkey_packed *k)
{
	struct bkey_format stored = *f;
	struct bch_btree_ptr_v2 *v;
	struct bkey u;

	if (!bch2_bkey_compat_needed(version))
		return;
	if (k->format == KEY_FORMAT_CURRENT) {
		bch2_bkey_compat_read(level, btree, version, (struct bkey_i *) k);
		return;
	}

	/* Fields lie where the format on disk has them. */
	if (inodes_swapped(btree, version))
		format_swap_pos_fields(&stored);
	bch2_bkey_renumber(!level, btree, version, &k->type);
	u = bch2_bkey_unpack_key(&stored, k);
	if (inodes_swapped(btree, version))
		u.p = pos_swapped(u.p);
	if (snapshots_missing(level, btree, version))
		u.p.snapshot = KEY_SNAPSHOT_MAX;
	bch2_bkey_pack_key(k, &u, f);

	v = (struct bch_btree_ptr_v2 *) ((u64 *) k + f->key_u64s);
	if (k->type == KEY_TYPE_btree_ptr_v2 &&
	    (k->u64s - f->key_u64s) * sizeof(u64) >= sizeof(*v))
		v->min_key = min_key_compat(btree, version, v->min_key);
}

/**
 * bch2_btree_range_compat_read - the same for the range in a node's header
 */
void bch2_btree_range_compat_read(unsigned btree, unsigned version,
				  struct bpos *min_key, struct bpos *max_key)
{
	*min_key = min_key_compat(btree, version, *min_key);
	if (inodes_swapped(btree, version))
		*max_key = pos_swapped(*max_key);
	if (version < VERSION_SNAPSHOT)
		max_key->snapshot = KEY_SNAPSHOT_MAX;
}
