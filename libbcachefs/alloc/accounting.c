// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of the accounting btree: conversion between positions and names,
 * validation, text (spec 41 §2).
 *
 * A name is twenty bytes that were never meant to be a position; byte i of the
 * name is byte 19 - i of the stored position since 1.15, and byte i before. The
 * number of devices in a replicas name is the only length in it and is checked
 * before it is used, also when printing.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/alloc_keys.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "util/printbuf.h"

/* Devices that fit a replicas name. */
#define ACCOUNTING_DEVS_MAX		16

static_assert(offsetof(struct disk_accounting_pos, replicas.devs) + ACCOUNTING_DEVS_MAX ==
	      sizeof(struct disk_accounting_pos));

/* --- names --- */

/**
 * bch2_accounting_pos_reversed - which byte order the positions have
 * @c:		filesystem; NULL: the current order
 */
bool bch2_accounting_pos_reversed(const struct bch_fs *c)
{
	return !c || c->accounting.names_new ||
		c->sb.version_upgrade_complete >= BCH_VERSION(1, 15);
}

static void copy_reversed(u8 *dst, const u8 *src, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		dst[i] = src[n - 1 - i];
}

/**
 * bch2_accounting_pos_decode - the name that a position stands for
 * @acc:	result
 * @pos:	position in the accounting btree
 * @reversed:	byte order, bch2_accounting_pos_reversed()
 */
void bch2_accounting_pos_decode(struct disk_accounting_pos *acc, struct bpos pos, bool reversed)
{
	if (reversed)
		copy_reversed((u8 *) acc, (const u8 *) &pos, sizeof(*acc));
	else
		memcpy(acc, &pos, sizeof(*acc));
}

/**
 * bch2_accounting_pos_encode - position of a counter set, in the current order
 * @acc:	name; unused bytes are 0
 */
struct bpos bch2_accounting_pos_encode(const struct disk_accounting_pos *acc)
{
	struct bpos pos;

	copy_reversed((u8 *) &pos, (const u8 *) acc, sizeof(pos));
	return pos;
}

/**
 * bch2_accounting_type_nr_counters - counters that a type has today
 * @type:	enum disk_accounting_type; 0 is returned for unknown ones
 */
unsigned int bch2_accounting_type_nr_counters(unsigned int type)
{
	switch (type) {
#define x(nr, name, counters)	case nr: return counters;
	BCH_DISK_ACCOUNTING_TYPES(x)
#undef x
	default:
		return 0;
	}
}

/* Bytes of the name in use, with the type; @acc is of a known type. */
static unsigned int name_bytes(const struct disk_accounting_pos *acc)
{
	switch (acc->type) {
	case BCH_DISK_ACCOUNTING_persistent_reserved:
		return 1 + sizeof(acc->persistent_reserved);
	case BCH_DISK_ACCOUNTING_replicas:
		return min_t(unsigned int, sizeof(*acc),
			     1 + replicas_entry_bytes(&acc->replicas));
	case BCH_DISK_ACCOUNTING_dev_data_type:
		return 1 + sizeof(acc->dev_data_type);
	case BCH_DISK_ACCOUNTING_compression:
		return 1 + sizeof(acc->compression);
	case BCH_DISK_ACCOUNTING_snapshot:
		return 1 + sizeof(acc->snapshot);
	case BCH_DISK_ACCOUNTING_btree:
		return 1 + sizeof(acc->btree);
	case BCH_DISK_ACCOUNTING_inum:
		return 1 + sizeof(acc->inum);
	case BCH_DISK_ACCOUNTING_reconcile_work:
		return 1 + sizeof(acc->reconcile_work);
	case BCH_DISK_ACCOUNTING_dev_leaving:
		return 1 + sizeof(acc->dev_leaving);
	default:
		return 1;
	}
}

/* --- values --- */

/**
 * bch2_accounting_counter - one counter of a key
 * @k:		accounting key
 * @idx:	which; missing ones are 0
 *
 * The number is signed; the caller casts.
 */
u64 bch2_accounting_counter(struct bkey_s_c k, unsigned int idx)
{
	return idx < bkey_val_u64s(k.k) ? le64_to_cpu(bkey_val(k, accounting)->d[idx]) : 0;
}

/**
 * bch2_accounting_key_is_zero - are all counters of a key zero?
 * @k:		accounting key
 *
 * Such a key counts as absent (spec 41 §2.4).
 */
bool bch2_accounting_key_is_zero(struct bkey_s_c k)
{
	for (unsigned int i = 0; i < bkey_val_u64s(k.k); i++)
		if (bch2_accounting_counter(k, i))
			return false;
	return true;
}

/* --- validation --- */

static int replicas_name_validate(struct bch_fs *c, struct bkey_s_c k,
				  struct bkey_validate_context from,
				  const struct bch_replicas_entry_v1 *r)
{
	int ret = 0;

	bkey_fsck_err_on(!r->nr_devs || r->nr_devs > ACCOUNTING_DEVS_MAX, c,
			 accounting_key_replicas_nr_devs_0,
			 "replicas entry of %u devices", r->nr_devs);
	bkey_fsck_err_on(r->nr_required > r->nr_devs ||
			 (r->nr_required > 1 && r->nr_required == r->nr_devs), c,
			 accounting_key_replicas_nr_required_bad,
			 "replicas entry requires %u of %u devices", r->nr_required, r->nr_devs);

	for (unsigned int i = 0; i + 1 < r->nr_devs; i++)
		bkey_fsck_err_on(r->devs[i] != BCH_SB_MEMBER_INVALID &&
				 r->devs[i] >= r->devs[i + 1], c,
				 accounting_key_replicas_devs_unsorted,
				 "replicas entry lists device %u before %u",
				 r->devs[i], r->devs[i + 1]);
fsck_err:
	return ret;
}

static bool accounting_version_needed(struct bkey_validate_context from)
{
	return (from.flags & BCH_VALIDATE_commit) ||
		((from.flags & BCH_VALIDATE_write) && from.from == BKEY_VALIDATE_journal);
}

/* Could this be a name that somebody has written? */
static bool name_plausible(const struct disk_accounting_pos *acc)
{
	if (acc->type >= BCH_DISK_ACCOUNTING_TYPE_NR ||
	    (acc->type == BCH_DISK_ACCOUNTING_replicas &&
	     (!acc->replicas.nr_devs || acc->replicas.nr_devs > ACCOUNTING_DEVS_MAX)))
		return false;
	return acc->type == BCH_DISK_ACCOUNTING_inum ||
		acc->type == BCH_DISK_ACCOUNTING_dev_leaving ||
		!memchr_inv((const u8 *) acc + name_bytes(acc), 0, sizeof(*acc) - name_bytes(acc));
}

/**
 * bch2_accounting_pos_is_old - is a name stored in the byte order of before 1.15?
 * @pos:	position in the accounting btree of a filesystem that is upgraded
 *
 * An upgrade that was interrupted leaves names of both orders (spec 41 §2.2). Read
 * the wrong way, a name begins with the zeros that are at its end.
 */
bool bch2_accounting_pos_is_old(struct bpos pos)
{
	struct disk_accounting_pos acc;

	bch2_accounting_pos_decode(&acc, pos, true);
	if (!name_plausible(&acc))
		return true;
	bch2_accounting_pos_decode(&acc, pos, false);
	return name_plausible(&acc) && !bpos_eq(bch2_accounting_pos_encode(&acc), pos);
}

/* Is this a name in the other order, while an upgrade replaces one by the other? */
static bool name_of_other_order(const struct bch_fs *c, struct bpos pos)
{
	struct disk_accounting_pos acc;

	if (!c || !c->recovery.upgrade_from || c->recovery.upgrade_from >= BCH_VERSION(1, 15) ||
	    c->sb.version_upgrade_complete >= BCH_VERSION(1, 15))
		return false;
	bch2_accounting_pos_decode(&acc, pos, !bch2_accounting_pos_reversed(c));
	return name_plausible(&acc);
}

/**
 * bch2_accounting_validate - check a KEY_TYPE_accounting key (spec 41 §2.7)
 * @c:		filesystem, may be NULL: then positions are in the current order
 * @k:		key
 * @from:	where the key is from
 *
 * Names of unknown type are valid, whatever they hold. Returns 0 or
 * -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_accounting_validate(struct bch_fs *c, struct bkey_s_c k,
			     struct bkey_validate_context from)
{
	struct disk_accounting_pos acc;
	int ret = 0;

	bch2_accounting_pos_decode(&acc, k.k->p, bch2_accounting_pos_reversed(c));
	if (acc.type >= BCH_DISK_ACCOUNTING_TYPE_NR || name_of_other_order(c, k.k->p))
		return 0;

	bkey_fsck_err_on(accounting_version_needed(from) &&
			 !k.k->bversion.hi && !k.k->bversion.lo, c,
			 accounting_key_version_0, "key has version 0");

	if (acc.type == BCH_DISK_ACCOUNTING_replicas)
		ret = replicas_name_validate(c, k, from, &acc.replicas);
	if (ret)
		return ret;

	if (acc.type != BCH_DISK_ACCOUNTING_inum &&
	    acc.type != BCH_DISK_ACCOUNTING_dev_leaving)
		for (unsigned int i = name_bytes(&acc); i < sizeof(acc); i++)
			bkey_fsck_err_on(((u8 *) &acc)[i], c, accounting_key_junk_at_end,
					 "byte %u of the name is %u, not 0", i,
					 ((u8 *) &acc)[i]);

	bkey_fsck_err_on(!bkey_val_u64s(k.k) ||
			 bkey_val_u64s(k.k) > BCH_ACCOUNTING_MAX_COUNTERS, c,
			 accounting_key_nr_counters_wrong, "%u counters, must be 1 to %u",
			 bkey_val_u64s(k.k), BCH_ACCOUNTING_MAX_COUNTERS);
fsck_err:
	return ret;
}

/* --- text --- */

static const char * const accounting_type_names[] = {
#define x(nr, name, counters)	[nr] = #name,
	BCH_DISK_ACCOUNTING_TYPES(x)
#undef x
};

static const char * const reconcile_type_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_RECONCILE_ACCOUNTING(x)
#undef x
};

static const char * const compression_type_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_COMPRESSION_TYPES(x)
#undef x
};

static const char * const
counter_names[BCH_DISK_ACCOUNTING_TYPE_NR][BCH_ACCOUNTING_MAX_COUNTERS] = {
	[BCH_DISK_ACCOUNTING_nr_inodes]			= { "inodes" },
	[BCH_DISK_ACCOUNTING_persistent_reserved]	= { "sectors" },
	[BCH_DISK_ACCOUNTING_replicas]			= { "sectors" },
	[BCH_DISK_ACCOUNTING_dev_data_type]	= { "buckets", "sectors", "fragmented" },
	[BCH_DISK_ACCOUNTING_compression]	= { "extents", "uncompressed", "compressed" },
	[BCH_DISK_ACCOUNTING_snapshot]			= { "sectors" },
	[BCH_DISK_ACCOUNTING_btree]		= { "sectors", "nodes", "interior_nodes" },
	[BCH_DISK_ACCOUNTING_rebalance_work]		= { "sectors" },
	[BCH_DISK_ACCOUNTING_inum]		= { "extents", "sectors", "sectors_on_disk" },
	[BCH_DISK_ACCOUNTING_reconcile_work]		= { "data", "metadata" },
	[BCH_DISK_ACCOUNTING_dev_leaving]		= { "sectors" },
};

static void replicas_name_to_text(struct printbuf *out, const struct bch_replicas_entry_v1 *r)
{
	unsigned int nr = min_t(unsigned int, r->nr_devs, ACCOUNTING_DEVS_MAX);

	bch2_data_type_to_text(out, r->data_type);
	prt_printf(out, " %u/%u [", r->nr_required, r->nr_devs);
	for (unsigned int i = 0; i < nr; i++)
		prt_printf(out, "%s%u", i ? " " : "", r->devs[i]);
	prt_str(out, "]");
}

/**
 * bch2_accounting_name_to_text - name of a counter set
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @acc:	name, may be invalid
 */
void bch2_accounting_name_to_text(struct printbuf *out, struct bch_fs *c,
				  const struct disk_accounting_pos *acc)
{
	if (acc->type >= BCH_DISK_ACCOUNTING_TYPE_NR) {
		prt_printf(out, "(unknown accounting type %u)", acc->type);
		return;
	}

	prt_str(out, accounting_type_names[acc->type]);
	if (name_bytes(acc) > 1)
		prt_str(out, " ");

	switch (acc->type) {
	case BCH_DISK_ACCOUNTING_persistent_reserved:
		prt_printf(out, "replicas %u", acc->persistent_reserved.nr_replicas);
		break;
	case BCH_DISK_ACCOUNTING_replicas:
		replicas_name_to_text(out, &acc->replicas);
		break;
	case BCH_DISK_ACCOUNTING_dev_data_type:
		prt_printf(out, "dev %u ", acc->dev_data_type.dev);
		bch2_data_type_to_text(out, acc->dev_data_type.data_type);
		break;
	case BCH_DISK_ACCOUNTING_compression:
		prt_value_name(out, compression_type_names, ARRAY_SIZE(compression_type_names),
			       acc->compression.type);
		break;
	case BCH_DISK_ACCOUNTING_snapshot:
		prt_printf(out, "%u", le32_to_cpu(acc->snapshot.id));
		break;
	case BCH_DISK_ACCOUNTING_btree:
		bch2_btree_id_to_text(out, le32_to_cpu(acc->btree.id));
		break;
	case BCH_DISK_ACCOUNTING_inum:
		prt_printf(out, "%llu", (u64) le64_to_cpu(acc->inum.inum));
		break;
	case BCH_DISK_ACCOUNTING_reconcile_work:
		prt_value_name(out, reconcile_type_names, ARRAY_SIZE(reconcile_type_names),
			       acc->reconcile_work.type);
		break;
	case BCH_DISK_ACCOUNTING_dev_leaving:
		prt_printf(out, "dev %u", le32_to_cpu(acc->dev_leaving.dev));
		break;
	}
}

/**
 * bch2_accounting_to_text - name and counters of an accounting key
 * @out:	text sink
 * @c:		filesystem, may be NULL: then positions are in the current order
 * @k:		key, may be invalid
 */
void bch2_accounting_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct disk_accounting_pos acc;

	bch2_accounting_pos_decode(&acc, k.k->p, bch2_accounting_pos_reversed(c));
	bch2_accounting_name_to_text(out, c, &acc);
	prt_str(out, ":");

	for (unsigned int i = 0; i < bkey_val_u64s(k.k); i++) {
		const char *name = acc.type < BCH_DISK_ACCOUNTING_TYPE_NR &&
			i < BCH_ACCOUNTING_MAX_COUNTERS ? counter_names[acc.type][i] : NULL;

		if (name)
			prt_printf(out, " %s", name);
		prt_printf(out, " %lld", (s64) bch2_accounting_counter(k, i));
	}
}
