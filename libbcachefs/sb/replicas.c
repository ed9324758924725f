// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas entries of the superblock (spec 10 sections 9.4, 13.4).
 *
 * Entries are packed and byte aligned; they are only reached through the walk
 * bch2_sb_replicas_next(), which ends at padding, at the end of the section,
 * and at an entry that would run past it.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/replicas.h"

static struct bch_sb_replicas_iter field_iter(const struct bch_sb_field *f, bool v0)
{
	return (struct bch_sb_replicas_iter) {
		.p	= (const u8 *) (f + 1),
		.end	= bch2_sb_field_end(f),
		.v0	= v0,
	};
}

/**
 * bch2_sb_replicas_iter() - start a walk over the entries of a superblock
 * @sb:		superblock
 *
 * Section replicas if there is one, else replicas_v0, else nothing.
 */
struct bch_sb_replicas_iter bch2_sb_replicas_iter(const struct bch_sb *sb)
{
	const struct bch_sb_field *f = bch2_sb_field_get_id(sb, BCH_SB_FIELD_replicas);

	if (f)
		return field_iter(f, false);
	f = bch2_sb_field_get_id(sb, BCH_SB_FIELD_replicas_v0);
	if (f)
		return field_iter(f, true);
	return (struct bch_sb_replicas_iter) {};
}

/**
 * bch2_sb_replicas_next() - next entry
 * @iter:	walk
 * @r:		the entry
 *
 * Return: false at the end.
 */
bool bch2_sb_replicas_next(struct bch_sb_replicas_iter *iter, struct bch_sb_replica *r)
{
	const size_t head = iter->v0 ? sizeof(struct bch_replicas_entry_v0)
				     : sizeof(struct bch_replicas_entry_v1);
	const size_t left = iter->end - iter->p;

	if (left < head || !iter->p[0] || head + iter->p[1] > left)
		return false;

	*r = (struct bch_sb_replica) {
		.data_type	= iter->p[0],
		.nr_devs	= iter->p[1],
		.nr_required	= iter->v0 ? 1 : iter->p[2],
		.devs		= iter->p + head,
	};
	iter->p += head + r->nr_devs;
	return true;
}

/**
 * bch2_sb_dev_has_data() - data types that a device holds
 * @sb:		superblock
 * @dev:	member index
 *
 * Return: bitmap by enum bch_data_type.
 */
unsigned long bch2_sb_dev_has_data(const struct bch_sb *sb, unsigned dev)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(sb);
	struct bch_sb_replica r;
	unsigned long types = 0;

	while (bch2_sb_replicas_next(&iter, &r))
		if (r.data_type < BITS_PER_LONG && memchr(r.devs, dev, r.nr_devs))
			types |= 1UL << r.data_type;
	return types;
}

/* --- enough devices? --- */

static bool type_is_metadata(unsigned type)
{
	return type < BCH_DATA_user;
}

/* Entries that mean nothing any more (spec 10 section 9.4, from 1.36). */
static bool replica_obsolete(const struct bch_sb *sb, const struct bch_sb_replica *r)
{
	return r->data_type > BCH_DATA_btree &&
		BCH_SB_VERSION_INCOMPAT(sb) >= bcachefs_metadata_version_no_sb_user_data_replicas;
}

/**
 * bch2_replica_loss() - what is missing of the data an entry stands for
 * @r:		entry
 * @online:	devices at hand
 *
 * Return: enum bch_replicas_loss bits; 0 if nothing is missing.
 */
unsigned bch2_replica_loss(const struct bch_sb_replica *r, const struct bch_devs_mask *online)
{
	const bool metadata = type_is_metadata(r->data_type);
	unsigned nr_online = 0, nr_none = 0, loss = 0;

	if (r->data_type == BCH_DATA_cached)
		return 0;

	for (unsigned i = 0; i < r->nr_devs; i++)
		if (r->devs[i] == BCH_SB_MEMBER_INVALID)
			nr_none++;
		else
			nr_online += test_bit(r->devs[i], online->d);

	if (nr_none == r->nr_devs)
		return 0;
	if (nr_online < r->nr_required)
		loss |= metadata ? BCH_METADATA_LOST : BCH_DATA_LOST;
	if (nr_online + nr_none < r->nr_devs)
		loss |= metadata ? BCH_METADATA_DEGRADED : BCH_DATA_DEGRADED;
	return loss;
}

static void loss_to_text(struct printbuf *out, unsigned loss)
{
	static const char *const names[] = {
		"metadata would be degraded", "metadata would be lost",
		"data would be degraded", "data would be lost", NULL
	};

	prt_bitflags(out, names, loss);
}

/**
 * bch2_sb_have_enough_devs() - can the filesystem be read with these devices?
 * @sb:		superblock
 * @online:	devices at hand
 * @allowed:	enum bch_replicas_loss bits that are accepted
 * @err:	the entry that fails, and why
 */
bool bch2_sb_have_enough_devs(const struct bch_sb *sb, const struct bch_devs_mask *online,
			      unsigned allowed, struct printbuf *err)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(sb);
	struct bch_sb_replica r;

	while (bch2_sb_replicas_next(&iter, &r)) {
		unsigned loss;

		if (replica_obsolete(sb, &r))
			continue;
		loss = bch2_replica_loss(&r, online) & ~allowed;
		if (!loss)
			continue;

		prt_str(err, "insufficient devices online for replicas entry ");
		bch2_sb_replica_to_text(err, &r);
		prt_str(err, ": ");
		loss_to_text(err, loss);
		return false;
	}
	return true;
}

/* --- validation --- */

static int replica_validate(const struct bch_sb *sb, const struct bch_sb_replica *r,
			    struct printbuf *err)
{
	if (!r->nr_devs) {
		prt_str(err, "no devices in entry ");
		goto bad;
	}
	if (r->nr_required > 1 && r->nr_required >= r->nr_devs) {
		prt_str(err, "bad nr_required in entry ");
		goto bad;
	}
	for (unsigned i = 0; i < r->nr_devs; i++)
		if (r->devs[i] != BCH_SB_MEMBER_INVALID &&
		    !bch2_sb_has_member(sb, r->devs[i])) {
			prt_printf(err, "invalid device %u in entry ", r->devs[i]);
			goto bad;
		}
	return 0;
bad:
	bch2_sb_replica_to_text(err, r);
	return -BCH_ERR_invalid_replicas_entry;
}

/* Entries with sorted devices, for finding equal ones. */
static int replica_cmp(const void *l, const void *r)
{
	const struct bch_sb_replica *a = l, *b = r;

	if (a->data_type != b->data_type)
		return (int) a->data_type - b->data_type;
	if (a->nr_devs != b->nr_devs)
		return (int) a->nr_devs - b->nr_devs;
	if (a->nr_required != b->nr_required)
		return (int) a->nr_required - b->nr_required;
	return memcmp(a->devs, b->devs, a->nr_devs);
}

/* Insertion sort: the list is short and mostly sorted. */
static void sort_devs(u8 *d, unsigned nr)
{
	for (unsigned i = 1; i < nr; i++)
		for (unsigned j = i; j && d[j - 1] > d[j]; --j)
			swap(d[j - 1], d[j]);
}

static int replicas_unique(struct bch_sb_replica *r, size_t nr, struct printbuf *err)
{
	sort(r, nr, sizeof(*r), replica_cmp, NULL);

	for (size_t i = 1; i < nr; i++)
		if (!replica_cmp(&r[i - 1], &r[i])) {
			prt_str(err, "duplicate replicas entry ");
			bch2_sb_replica_to_text(err, &r[i]);
			return -BCH_ERR_invalid_sb_replicas;
		}
	return 0;
}

static int field_validate(const struct bch_sb *sb, const struct bch_sb_field *f, bool v0,
			  struct printbuf *err)
{
	struct bch_sb_replicas_iter iter = field_iter(f, v0);
	struct bch_sb_replica r, *all;
	const size_t bytes = bch2_sb_field_bytes(f);
	struct bch_sb_field *copy;
	size_t nr = 0;
	int ret = 0;

	while (bch2_sb_replicas_next(&iter, &r)) {
		ret = replica_validate(sb, &r, err);
		if (ret)
			return ret;
		nr++;
	}
	if (nr < 2)
		return 0;

	/* Devices may be in any order: sort them, in a copy, before comparing. */
	copy = kvmalloc(bytes, GFP_KERNEL);
	all = kvmalloc_array(nr, sizeof(*all), GFP_KERNEL);
	if (!copy || !all) {
		ret = -BCH_ERR_ENOMEM_sb_replicas;
		goto out;
	}

	memcpy(copy, f, bytes);
	iter = field_iter(copy, v0);
	nr = 0;
	while (bch2_sb_replicas_next(&iter, &all[nr])) {
		sort_devs((u8 *) all[nr].devs, all[nr].nr_devs);
		nr++;
	}
	ret = replicas_unique(all, nr, err);
out:
	kvfree(all);
	kvfree(copy);
	return ret;
}

/**
 * bch2_sb_replicas_v0_validate() - check section replicas_v0
 * @sb:		superblock, its member section is valid
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_invalid_replicas_entry, -BCH_ERR_invalid_sb_replicas, or
 * no memory.
 */
int bch2_sb_replicas_v0_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
				 struct printbuf *err)
{
	return field_validate(sb, f, true, err);
}

/**
 * bch2_sb_replicas_validate() - check section replicas
 * @sb:		superblock, its member section is valid
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: as bch2_sb_replicas_v0_validate().
 */
int bch2_sb_replicas_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			      struct printbuf *err)
{
	return field_validate(sb, f, false, err);
}

/* --- text --- */

/**
 * bch2_sb_replica_to_text() - print an entry: "btree: 1/2 [0 1]"
 * @out:	text
 * @r:		entry
 */
void bch2_sb_replica_to_text(struct printbuf *out, const struct bch_sb_replica *r)
{
	const char *name = bch2_sb_data_type_name(r->data_type);

	if (name)
		prt_printf(out, "%s: ", name);
	else
		prt_printf(out, "(unknown data type %u): ", r->data_type);

	prt_printf(out, "%u/%u [", r->nr_required, r->nr_devs);
	for (unsigned i = 0; i < r->nr_devs; i++)
		prt_printf(out, "%s%u", i ? " " : "", r->devs[i]);
	prt_char(out, ']');
}

static void field_to_text(struct printbuf *out, const struct bch_sb_field *f, bool v0)
{
	struct bch_sb_replicas_iter iter = field_iter(f, v0);
	struct bch_sb_replica r;
	bool first = true;

	while (bch2_sb_replicas_next(&iter, &r)) {
		if (!first)
			prt_char(out, ' ');
		first = false;
		bch2_sb_replica_to_text(out, &r);
	}
	prt_newline(out);
}

/**
 * bch2_sb_replicas_v0_to_text() - body of section replicas_v0 for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		unused
 */
void bch2_sb_replicas_v0_to_text(struct printbuf *out, struct bch_sb *sb,
				 struct bch_sb_field *f, const struct bch_sb_text *t)
{
	field_to_text(out, f, true);
}

/**
 * bch2_sb_replicas_to_text() - body of section replicas for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		unused
 */
void bch2_sb_replicas_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			      const struct bch_sb_text *t)
{
	field_to_text(out, f, false);
}
