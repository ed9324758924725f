/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys of one known value type, generated from the list of value types:
 * struct bkey_i_NAME (key with value behind it), struct bkey_s_NAME and
 * struct bkey_s_c_NAME (key and value apart), and the conversions between them
 * and the untyped forms. A conversion from an untyped key does not check the
 * length of the value: that is what validation, and the minimum sizes of the
 * list, are for.
 *
 * Trivial accessors only; needs all *_format.h with values.
 */
#ifndef _BCACHEFS_BTREE_BKEY_TYPED_FORMAT_H
#define _BCACHEFS_BTREE_BKEY_TYPED_FORMAT_H

#include <linux/bug.h>
#include <linux/string.h>

#define DECLARE_BKEY_TYPED(nr, name, ...)					\
struct bkey_i_##name {								\
	union {									\
		struct bkey		k;					\
		struct bkey_i		k_i;					\
	};									\
	struct bch_##name		v;					\
};										\
										\
struct bkey_s_##name {								\
	union {									\
		struct {							\
			struct bkey		*k;				\
			struct bch_##name	*v;				\
		};								\
		struct bkey_s			s;				\
		struct bkey_s_c			s_c;				\
	};									\
};										\
										\
struct bkey_s_c_##name {							\
	union {									\
		struct {							\
			const struct bkey	*k;				\
			const struct bch_##name	*v;				\
		};								\
		struct bkey_s_c			s_c;				\
	};									\
};										\
										\
static inline struct bkey_i_##name *bkey_i_to_##name(struct bkey_i *k)		\
{										\
	WARN_ON_ONCE(k->k.type != KEY_TYPE_##name);				\
	return (struct bkey_i_##name *) k;					\
}										\
										\
static inline const struct bkey_i_##name *					\
bkey_i_to_##name##_c(const struct bkey_i *k)					\
{										\
	WARN_ON_ONCE(k->k.type != KEY_TYPE_##name);				\
	return (const struct bkey_i_##name *) k;				\
}										\
										\
static inline struct bkey_s_##name bkey_s_to_##name(struct bkey_s k)		\
{										\
	WARN_ON_ONCE(k.k->type != KEY_TYPE_##name);				\
	return (struct bkey_s_##name) { .s = k };				\
}										\
										\
static inline struct bkey_s_c_##name bkey_s_c_to_##name(struct bkey_s_c k)	\
{										\
	WARN_ON_ONCE(k.k->type != KEY_TYPE_##name);				\
	return (struct bkey_s_c_##name) { .s_c = k };				\
}										\
										\
static inline struct bkey_s_##name name##_i_to_s(struct bkey_i_##name *k)	\
{										\
	return (struct bkey_s_##name) { .s = bkey_i_to_s(&k->k_i) };		\
}										\
										\
static inline struct bkey_s_c_##name						\
name##_i_to_s_c(const struct bkey_i_##name *k)					\
{										\
	return (struct bkey_s_c_##name) { .s_c = bkey_i_to_s_c(&k->k_i) };	\
}										\
										\
static inline struct bkey_s_c_##name						\
bkey_i_to_s_c_##name(const struct bkey_i *k)					\
{										\
	return bkey_s_c_to_##name(bkey_i_to_s_c(k));				\
}										\
										\
/* Make an empty key of this type with the struct's size; position stays. */	\
static inline struct bkey_i_##name *bkey_##name##_init(struct bkey_i *_k)	\
{										\
	struct bkey_i_##name *k = (struct bkey_i_##name *) _k;			\
										\
	memset(&k->v, 0, sizeof(k->v));						\
	k->k.type = KEY_TYPE_##name;						\
	set_bkey_val_bytes(&k->k, sizeof(k->v));				\
	return k;								\
}

BCH_BKEY_TYPES(DECLARE_BKEY_TYPED)

#undef DECLARE_BKEY_TYPED

/* An empty key at POS_MIN: current format, no value, type deleted. */
static inline void bkey_init(struct bkey *k)
{
	memset(k, 0, sizeof(*k));
	k->u64s		= BKEY_U64s;
	k->format	= KEY_FORMAT_CURRENT;
}

/*
 * Copy the first bytes of a value that may be shorter or longer than the
 * struct it is read into; what is missing reads as zero (spec 20 §5.1).
 */
static inline void __bkey_val_copy_pad(void *dst, unsigned int dst_bytes, struct bkey_s_c k)
{
	unsigned int n = bkey_val_bytes(k.k) < dst_bytes ? bkey_val_bytes(k.k) : dst_bytes;

	memcpy(dst, k.v, n);
	memset((char *) dst + n, 0, dst_bytes - n);
}

#define bkey_val_copy_pad(dst_v, k)	__bkey_val_copy_pad(dst_v, sizeof(*(dst_v)), (k).s_c)

#endif /* _BCACHEFS_BTREE_BKEY_TYPED_FORMAT_H */
