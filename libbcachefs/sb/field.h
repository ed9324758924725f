/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sections ("optional fields") of a superblock: finding and resizing them
 * (spec 10 section 9.0).
 *
 * All lookups cope with sections that lie about their length: what they return
 * lies inside the superblock's u64s.
 */
#ifndef _BCACHEFS_SB_FIELD_H
#define _BCACHEFS_SB_FIELD_H

#include <linux/stddef.h>

#include "bcachefs_format.h"

struct bch_sb_handle;
struct bch_sb_text;
struct printbuf;

/* Walks the sections in stored order; stops at the first one that does not fit. */
struct bch_sb_field *bch2_sb_field_first(const struct bch_sb *);
struct bch_sb_field *bch2_sb_field_next(const struct bch_sb *, const struct bch_sb_field *);

#define for_each_sb_field(_sb, _f)					\
	for (struct bch_sb_field *_f = bch2_sb_field_first(_sb);	\
	     _f;							\
	     _f = bch2_sb_field_next(_sb, _f))

struct bch_sb_field *bch2_sb_field_get_id(const struct bch_sb *, enum bch_sb_field_type);

struct bch_sb_field *bch2_sb_field_resize_id(struct bch_sb_handle *, enum bch_sb_field_type,
					     unsigned u64s);

/* Does the section @f reach as far as the member @_member of its type? */
#define bch2_sb_field_has(_f, _member)						\
	(bch2_sb_field_bytes(&(_f)->field) >= offsetofend(typeof(*(_f)), _member))

/* First byte behind a section. */
static inline void *bch2_sb_field_end(const struct bch_sb_field *f)
{
	return (u8 *) f + bch2_sb_field_bytes(f);
}

/*
 * Typed forms: bch2_sb_field_get(sb, clean) is a struct bch_sb_field_clean *,
 * NULL if there is none. The caller has to know that the fixed part is there:
 * bch2_sb_validate() has seen to that for sections it accepts.
 */
#define bch2_sb_field_get(_sb, _name)						\
	((struct bch_sb_field_##_name *)					\
	 bch2_sb_field_get_id(_sb, BCH_SB_FIELD_##_name))

#define bch2_sb_field_resize(_handle, _name, _u64s)				\
	((struct bch_sb_field_##_name *)					\
	 bch2_sb_field_resize_id(_handle, BCH_SB_FIELD_##_name, _u64s))

/* The typed section that @f is known to be. */
#define sb_field_as(_f, _name)							\
	((struct bch_sb_field_##_name *) (_f))

/* Methods of one section type; the table is in sb/sections.c. */
struct bch_sb_field_ops {
	const char	*name;
	/* Bytes a section of this type must have at least. */
	unsigned	min_bytes;
	/* Error of a section that is too short. */
	int		min_bytes_err;
	/* Validation; @flags are enum bch_validate_flags. NULL: nothing to check. */
	int		(*validate)(struct bch_sb *, struct bch_sb_field *, unsigned flags,
				    struct printbuf *err);
	/* Body of the section for people. */
	void		(*to_text)(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
				   const struct bch_sb_text *);
};

const struct bch_sb_field_ops *bch2_sb_field_ops(unsigned type);
const char *bch2_sb_field_name(unsigned type);
int bch2_sb_field_by_name(const char *name, size_t len);

#endif /* _BCACHEFS_SB_FIELD_H */
