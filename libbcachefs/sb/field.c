// SPDX-License-Identifier: GPL-2.0
/*
 * Finding, adding, resizing and removing the sections of a superblock in
 * memory (spec 10 section 9.0).
 *
 * Invariant: a section handed out lies completely between the header and the
 * end that the header's u64s gives. Resizing is for the merged copy and for
 * copies that are private to the caller; the lock that covers the handle is the
 * caller's.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/field.h"
#include "sb/io.h"

/* @f if it is a complete section of @sb, else NULL. */
static struct bch_sb_field *field_at(const struct bch_sb *sb, const void *f)
{
	const u8 *end = (const u8 *) sb + bch2_sb_bytes(sb);
	const size_t left = end - (const u8 *) f;
	const struct bch_sb_field *field = f;

	if (left < sizeof(*field) ||
	    bch2_sb_field_bytes(field) < sizeof(*field) ||
	    bch2_sb_field_bytes(field) > left)
		return NULL;
	return (struct bch_sb_field *) field;
}

/**
 * bch2_sb_field_first() - first section in stored order
 * @sb:		superblock; bch2_sb_bytes() of it are in memory
 *
 * Return: the section, or NULL if there is none, or none that fits.
 */
struct bch_sb_field *bch2_sb_field_first(const struct bch_sb *sb)
{
	return field_at(sb, sb->_data);
}

/**
 * bch2_sb_field_next() - the section behind another one
 * @sb:		superblock
 * @f:		one of its sections
 *
 * Return: the section, or NULL at the end.
 */
struct bch_sb_field *bch2_sb_field_next(const struct bch_sb *sb, const struct bch_sb_field *f)
{
	return field_at(sb, bch2_sb_field_end(f));
}

/**
 * bch2_sb_field_get_id() - the first section of a type
 * @sb:		superblock
 * @type:	which
 *
 * Return: the section or NULL.
 */
struct bch_sb_field *bch2_sb_field_get_id(const struct bch_sb *sb, enum bch_sb_field_type type)
{
	for_each_sb_field(sb, f)
		if (le32_to_cpu(f->type) == type)
			return f;
	return NULL;
}

/* Moves what lies behind @f (or the end, if NULL) so that the section has @u64s words. */
static struct bch_sb_field *field_set_u64s(struct bch_sb *sb, struct bch_sb_field *f,
					   enum bch_sb_field_type type, unsigned u64s)
{
	const unsigned old = f ? le32_to_cpu(f->u64s) : 0;
	u64 *start = f ? (u64 *) f : (u64 *) sb + bch2_sb_bytes(sb) / sizeof(u64);
	u64 *behind = start + old;
	const size_t tail = (u8 *) sb + bch2_sb_bytes(sb) - (u8 *) behind;

	memmove(start + u64s, behind, tail);
	if (u64s > old)
		memset(start + old, 0, (u64s - old) * sizeof(u64));
	le32_add_cpu(&sb->u64s, u64s - old);

	if (!u64s)
		return NULL;

	f = (struct bch_sb_field *) start;
	f->u64s = cpu_to_le32(u64s);
	f->type = cpu_to_le32(type);
	return f;
}

/**
 * bch2_sb_field_resize_id() - give a section another size
 * @handle:	superblock in memory; may move
 * @type:	which section; appended if there is none
 * @u64s:	new size in words, header included; 0 removes it
 *
 * What is added is zero. Pointers into the superblock become invalid.
 *
 * Return: the section, NULL if it was removed, or an ERR_PTR:
 * -BCH_ERR_ENOSPC_sb if the superblock would exceed the size of its layout,
 * -ENOMEM.
 */
struct bch_sb_field *bch2_sb_field_resize_id(struct bch_sb_handle *handle,
					     enum bch_sb_field_type type, unsigned u64s)
{
	struct bch_sb_field *f = bch2_sb_field_get_id(handle->sb, type);
	const u64 old = f ? le32_to_cpu(f->u64s) : 0;
	const u64 max = 512ULL << min_t(u8, handle->sb->layout.sb_max_size_bits,
					BCH_SB_LAYOUT_SIZE_BITS_MAX);
	u64 bytes;
	int ret;

	if (!f && !u64s)
		return NULL;

	if (u64s > old) {
		bytes = bch2_sb_bytes(handle->sb) + (u64s - old) * sizeof(u64);
		if (bytes > max)
			return ERR_PTR(-BCH_ERR_ENOSPC_sb);

		ret = bch2_sb_handle_alloc(handle, bytes);
		if (ret)
			return ERR_PTR(ret);
		/* the buffer may have moved */
		f = bch2_sb_field_get_id(handle->sb, type);
	}
	return field_set_u64s(handle->sb, f, type, u64s);
}
