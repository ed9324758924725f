/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can be done with a key according to its type: check it, print it, merge
 * it (spec 21 section 17), the checks common to all keys (spec 20 section 11.3)
 * and the transforms that old versions need (spec 20 section 12).
 *
 * bch2_bkey_ops[] is filled by the floor above (init/bkey_ops.c).
 */
#ifndef _BCACHEFS_BTREE_BKEY_METHODS_H
#define _BCACHEFS_BTREE_BKEY_METHODS_H

#include <linux/compiler.h>

#include "bcachefs_format.h"
#include "errcode.h"
#include "sb/errors_format.h"
#include "sb/sb_types.h"
#include "btree/bkey.h"

struct bch_fs;
struct btree_trans;
struct printbuf;

/* --- validation --- */

/* Where a key comes from; named in messages. */
#define BKEY_VALIDATE_SRCS(x)	\
	x(superblock)		\
	x(journal)		\
	x(btree_root)		\
	x(btree_node)		\
	x(commit)

enum bkey_validate_src {
#define x(name)	BKEY_VALIDATE_##name,
	BKEY_VALIDATE_SRCS(x)
#undef x
	BKEY_VALIDATE_NR,
};

struct bkey_validate_context {
	enum bkey_validate_src	from;
	u8			level;
	enum btree_id		btree;
	bool			root;		/* a root pointer: key of level, not level - 1 */
	u64			journal_seq;	/* from journal */
	size_t			journal_offset;
	unsigned		flags;		/* enum bch_validate_flags */
	struct printbuf		*err;		/* the reason is appended; may be NULL */
	u16			*err_id;	/* gets the error id; may be NULL */
};

/*
 * Report that @k is damaged. The reason is appended to from.err; unless silenced
 * it is reported with the id's decision rules as "invalid bkey in ...".
 * Returns -BCH_ERR_fsck_delete_bkey, or the error that ends the operation.
 */
__printf(5, 6)
int __bch2_bkey_fsck_err(struct bch_fs *c, struct bkey_s_c k,
			 struct bkey_validate_context from,
			 enum bch_sb_error_id id, const char *fmt, ...);

/*
 * For validators: need "struct bkey_s_c k", "struct bkey_validate_context from",
 * "int ret" and a label fsck_err that returns ret. c may be NULL.
 */
#define bkey_fsck_err(_c, _id, ...)						\
do {										\
	ret = __bch2_bkey_fsck_err(_c, k, from, BCH_FSCK_ERR_##_id, __VA_ARGS__);	\
	goto fsck_err;								\
} while (0)

#define bkey_fsck_err_on(_cond, _c, _id, ...)					\
do {										\
	if (unlikely(_cond))							\
		bkey_fsck_err(_c, _id, __VA_ARGS__);				\
} while (0)

/* --- methods --- */

struct bkey_ops {
	/*
	 * Check the value; the generic checks and the smallest size are done
	 * before. 0, or what __bch2_bkey_fsck_err() returned.
	 */
	int		(*key_validate)(struct bch_fs *c, struct bkey_s_c k,
					struct bkey_validate_context from);
	/* Append the value's text. @c may be NULL; @k may be invalid. */
	void		(*val_to_text)(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
	/* Append @r to @l if they can be one key; true if @l now covers both. */
	bool		(*key_merge)(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r);
	/* Effects of an update; live core. */
	int		(*trigger)(struct btree_trans *trans, enum btree_id btree, unsigned level,
				   struct bkey_s_c old, struct bkey_s new_key, unsigned flags);
	/* Smallest value accepted, bytes. */
	unsigned	min_val_size;
};

/* Indexed by enum bch_bkey_type; filled above. */
extern const struct bkey_ops bch2_bkey_ops[KEY_TYPE_MAX];

const struct bkey_ops *bch2_bkey_type_ops(unsigned type);

int __bch2_bkey_validate(struct bch_fs *c, struct bkey_s_c k,
			 struct bkey_validate_context from);
int bch2_bkey_val_validate(struct bch_fs *c, struct bkey_s_c k,
			   struct bkey_validate_context from);
int bch2_bkey_validate(struct bch_fs *c, struct bkey_s_c k,
		       struct bkey_validate_context from);

unsigned bch2_bkey_val_min_bytes(unsigned type);
bool bch2_bkey_merge(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r);

/* --- text, spec 20 section 15 --- */

const char *bch2_bkey_type_name(unsigned type);
void bch2_bkey_type_to_text(struct printbuf *out, unsigned type);
void bch2_btree_id_to_text(struct printbuf *out, unsigned id);
const char *bch2_btree_id_name(unsigned id);
int bch2_btree_id_parse(const char *name);
int bch2_bkey_type_parse(const char *name);
/* btree=NAME level=L */
void bch2_btree_id_level_to_text(struct printbuf *out, unsigned btree, unsigned level);

void bch2_bversion_to_text(struct printbuf *out, struct bversion v);
void bch2_bkey_to_text(struct printbuf *out, const struct bkey *k);
void bch2_val_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
void bch2_bkey_val_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

/* --- old versions, spec 20 section 12 --- */

/* Keys of this version and endianness need bch2_bkey_compat_read(). */
static inline bool bch2_bkey_compat_needed(unsigned version)
{
	return version < BCH_VERSION(0, 12);
}

void bch2_bkey_renumber(bool leaf, unsigned btree, unsigned version, u8 *type);
void bch2_bkey_compat_read(unsigned level, unsigned btree, unsigned version, struct bkey_i *k);
void bch2_bkey_format_compat_read(unsigned level, unsigned btree, unsigned version,
				  struct bkey_format *f);
void bch2_bkey_packed_compat_read(unsigned level, unsigned btree, unsigned version,
				  const struct bkey_format *f, struct bkey_packed *k);
void bch2_btree_range_compat_read(unsigned btree, unsigned version,
				  struct bpos *min_key, struct bpos *max_key);

#endif /* _BCACHEFS_BTREE_BKEY_METHODS_H */
