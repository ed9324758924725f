// SPDX-License-Identifier: GPL-2.0
/*
 * Inode keys in their three layouts: decoding, validation, text.
 *
 * All layouts are a fixed head followed by numbers of variable length; which
 * number is which field is said by two tables below, one per field list. The
 * decoder never reads past the value and always leaves a usable inode behind:
 * what cannot be decoded is 0, and unpack_failed_at says from where on. Any
 * code that meets a key of the inodes btree may call this.
 */
#include <linux/array_size.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/iter.h"
#include "fs/inode.h"
#include "fs/inode_fields.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "snapshots/subvolume.h"
#include "util/log.h"
#include "util/printbuf.h"
#include "util/varint.h"

/* --- field lists --- */

#define FIELD_AT(_name, _wide) {						\
	.offset	= offsetof(struct bch_inode_unpacked, bi_##_name),		\
	.bytes	= sizeof_field(struct bch_inode_unpacked, bi_##_name),		\
	.wide	= _wide,							\
	.name	= "bi_" #_name,							\
}
#define FIELD(_name)		FIELD_AT(_name, false)
#define TIME_FIELD(_name)	FIELD_AT(_name, true)

#define FIELDS_TIMES								\
	TIME_FIELD(atime), TIME_FIELD(ctime), TIME_FIELD(mtime), TIME_FIELD(otime)

#define FIELDS_COMMON								\
	FIELD(uid), FIELD(gid), FIELD(nlink), FIELD(generation), FIELD(dev),	\
	FIELD(data_checksum), FIELD(compression), FIELD(project),		\
	FIELD(background_compression), FIELD(data_replicas),			\
	FIELD(promote_target), FIELD(foreground_target),			\
	FIELD(background_target), FIELD(erasure_code), FIELD(fields_set),	\
	FIELD(dir), FIELD(dir_offset), FIELD(subvol), FIELD(parent_subvol)

/* inode and inode_v2: size and sectors are among the fields */
static const struct inode_field fields_v2[] = {
	FIELDS_TIMES,
	FIELD(size), FIELD(sectors),
	FIELDS_COMMON,
};

const struct inode_field bch2_inode_fields_v3[BCH_INODE_NR_FIELDS_v3] = {
	FIELDS_TIMES,
	FIELDS_COMMON,
	FIELD(nocow), FIELD(depth), FIELD(inodes_32bit), FIELD(casefold),
	FIELD(unused_ec_max_data_blocks),
};

static_assert(ARRAY_SIZE(fields_v2) == 25);
static_assert(ARRAY_SIZE(bch2_inode_fields_v3) == BCH_INODE_NR_FIELDS_v3);

/* --- decoding --- */

/* The stored numbers of one inode, not yet read ones. */
struct number_reader {
	const u8		*p;
	const u8		*end;
	bool			old;	/* spec 60 §2.2 instead of §2.1 */
};

static int read_number(struct number_reader *r, u64 *v)
{
	int bytes = r->old
		? bch2_varint_old_decode(r->p, r->end, v)
		: bch2_varint_decode(r->p, r->end, v);

	if (bytes < 0)
		return -EINVAL;
	r->p += bytes;
	return 0;
}

static int read_field(struct number_reader *r, const struct inode_field *f,
		      struct bch_inode_unpacked *inode)
{
	void *dst = (void *) inode + f->offset;
	u64 v, high = 0;
	int ret = read_number(r, &v);

	if (!ret && f->wide && !r->old)
		ret = read_number(r, &high);
	if (ret)
		return ret;
	if (high || (f->bytes < 8 && v >> (f->bytes * 8)))
		return -EINVAL;

	switch (f->bytes) {
	case 1:	*(u8 *) dst = v;	break;
	case 2:	*(u16 *) dst = v;	break;
	case 4:	*(u32 *) dst = v;	break;
	case 8:	*(u64 *) dst = v;	break;
	}
	return 0;
}

static void read_fields(struct number_reader *r, const struct inode_field *fields,
			unsigned int nr_known, unsigned int nr,
			struct bch_inode_unpacked *inode)
{
	/* A newer version may have more fields than we know. */
	nr = min(nr, nr_known);

	for (unsigned int i = 0; i < nr; i++)
		if (read_field(r, fields + i, inode)) {
			inode->unpack_failed_at = i;
			return;
		}
}

static void unpack_v1(struct bkey_s_c k, struct bch_inode_unpacked *inode)
{
	const struct bch_inode *v = bkey_val(k, inode);
	struct number_reader r = {
		.p	= v->fields,
		.end	= (const u8 *) v + bkey_val_bytes(k.k),
		.old	= !INODEv1_NEW_VARINT(v),
	};

	inode->bi_hash_seed	= v->bi_hash_seed;
	inode->bi_mode		= le16_to_cpu(v->bi_mode);
	inode->bi_flags		= INODEv1_FLAGS(v);
	inode->bi_str_hash	= INODEv1_STR_HASH(v);
	read_fields(&r, fields_v2, ARRAY_SIZE(fields_v2), INODEv1_NR_FIELDS(v), inode);
}

static void unpack_v2(struct bkey_s_c k, struct bch_inode_unpacked *inode)
{
	const struct bch_inode_v2 *v = bkey_val(k, inode_v2);
	struct number_reader r = {
		.p	= v->fields,
		.end	= (const u8 *) v + bkey_val_bytes(k.k),
	};

	inode->bi_journal_seq	= le64_to_cpu(v->bi_journal_seq);
	inode->bi_hash_seed	= v->bi_hash_seed;
	inode->bi_mode		= le16_to_cpu(v->bi_mode);
	inode->bi_flags		= INODEv2_FLAGS(v);
	inode->bi_str_hash	= INODEv2_STR_HASH(v);
	read_fields(&r, fields_v2, ARRAY_SIZE(fields_v2), INODEv2_NR_FIELDS(v), inode);
}

static void unpack_v3(struct bkey_s_c k, struct bch_inode_unpacked *inode)
{
	const struct bch_inode_v3 *v = bkey_val(k, inode_v3);
	unsigned int start = INODEv3_FIELDS_START(v);
	struct number_reader r = {
		.end	= (const u8 *) v + bkey_val_bytes(k.k),
	};

	inode->bi_journal_seq	= le64_to_cpu(v->bi_journal_seq);
	inode->bi_hash_seed	= v->bi_hash_seed;
	inode->bi_sectors	= le64_to_cpu(v->bi_sectors);
	inode->bi_size		= le64_to_cpu(v->bi_size);
	inode->bi_version	= le64_to_cpu(v->bi_version);
	inode->bi_mode		= INODEv3_MODE(v);
	inode->bi_flags		= INODEv3_FLAGS(v);
	inode->bi_str_hash	= INODEv3_STR_HASH(v);

	if (start < INODEv3_FIELDS_START_INITIAL || start > bkey_val_u64s(k.k)) {
		inode->unpack_failed_at = 0;
		return;
	}

	r.p = (const u8 *) v + start * 8;
	read_fields(&r, bch2_inode_fields_v3, ARRAY_SIZE(bch2_inode_fields_v3),
		    INODEv3_NR_FIELDS(v), inode);
}

/**
 * bch2_inode_unpack - decode an inode key of any layout
 * @k:		key of the inodes btree
 * @inode:	result; independent of @k
 *
 * Fields that are not stored are 0. If a field cannot be decoded, it and all
 * that follow are 0 and unpack_failed_at is its index; that is not an error
 * return, because the rest is good (spec 60 §3.3).
 *
 * Returns 0; -ENOENT if @k is not an inode (whiteout, inode_generation, ...);
 * -EINVAL if the value is shorter than its layout's head.
 */
int bch2_inode_unpack(struct bkey_s_c k, struct bch_inode_unpacked *inode)
{
	memset(inode, 0, sizeof(*inode));
	inode->bi_inum		= k.k->p.offset;
	inode->bi_snapshot	= k.k->p.snapshot;
	inode->unpack_failed_at	= -1;

	switch (k.k->type) {
	case KEY_TYPE_inode:
		if (bkey_val_bytes(k.k) < 16)
			return -EINVAL;
		unpack_v1(k, inode);
		return 0;
	case KEY_TYPE_inode_v2:
		if (bkey_val_bytes(k.k) < 32)
			return -EINVAL;
		unpack_v2(k, inode);
		return 0;
	case KEY_TYPE_inode_v3:
		if (bkey_val_bytes(k.k) < 48)
			return -EINVAL;
		unpack_v3(k, inode);
		return 0;
	default:
		return -ENOENT;
	}
}

/* --- damage --- */

/* Index of the field that is kept at @offset, or the number of fields. */
static unsigned int field_index(const struct inode_field *fields, unsigned int nr,
				unsigned int offset)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (fields[i].offset == offset)
			break;
	return i;
}

/* Passes that mend what depends on a field or one of those before it (spec 60 §3.3). */
static const struct {
	u16		offset;
	u16		pass;
} field_passes[] = {
	{ offsetof(struct bch_inode_unpacked, bi_nlink),
	  BCH_RECOVERY_PASS_STABLE_check_nlinks },
	{ offsetof(struct bch_inode_unpacked, bi_subvol),
	  BCH_RECOVERY_PASS_STABLE_check_subvols },
	{ offsetof(struct bch_inode_unpacked, bi_parent_subvol),
	  BCH_RECOVERY_PASS_STABLE_check_subvolume_structure },
	{ offsetof(struct bch_inode_unpacked, bi_casefold),
	  BCH_RECOVERY_PASS_STABLE_check_dirents },
};

static int inode_damaged(struct bch_fs *c, struct bkey_s_c k, unsigned int failed_at)
{
	bool v3 = k.k->type == KEY_TYPE_inode_v3;
	const struct inode_field *fields = v3 ? bch2_inode_fields_v3 : fields_v2;
	unsigned int nr = v3 ? ARRAY_SIZE(bch2_inode_fields_v3) : ARRAY_SIZE(fields_v2);
	int ret = 0;

	bch_err(c, "inode %llu in snapshot %u: field %s and those behind it cannot be decoded",
		(u64) k.k->p.offset, k.k->p.snapshot,
		failed_at < nr ? fields[failed_at].name : "(none)");
	bch2_count_fsck_err(c, BCH_FSCK_ERR_inode_unpack_error);

	for (unsigned int i = 0; i < ARRAY_SIZE(field_passes) && !ret; i++) {
		unsigned int field = field_index(fields, nr, field_passes[i].offset);

		if (field < nr && failed_at <= field && c->up.request_pass)
			ret = c->up.request_pass(c, field_passes[i].pass);
	}
	return ret;
}

/**
 * bch2_inode_fields_check - report an inode that can only be decoded in part
 * @c:		filesystem
 * @k:		any key of the inodes btree
 *
 * The error is counted and logged, and the passes that repair what the lost
 * fields say are asked for (spec 60 §3.3). Returns 0, or what asking for a pass
 * returned: recovery has to start over.
 */
int bch2_inode_fields_check(struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_inode_unpacked inode;

	if (bch2_inode_unpack(k, &inode) || inode.unpack_failed_at < 0)
		return 0;
	return inode_damaged(c, k, inode.unpack_failed_at);
}

/* --- lookup --- */

/**
 * bch2_inode_find_by_inum_snapshot - read an inode as seen from a snapshot
 * @trans:	transaction
 * @inum:	inode number
 * @snapshot:	snapshot id whose view is wanted
 * @inode:	result
 *
 * Returns 0, -BCH_ERR_ENOENT_inode, or an error from the btree.
 */
int bch2_inode_find_by_inum_snapshot(struct btree_trans *trans, u64 inum, u32 snapshot,
				     struct bch_inode_unpacked *inode)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_inodes, SPOS(0, inum, snapshot), 0);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret)
		ret = bkey_is_inode(k.k) ? bch2_inode_unpack(k, inode) : -ENOENT;
	if (ret == -ENOENT)
		ret = -BCH_ERR_ENOENT_inode;
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_inode_find_by_inum - read an inode as seen in a subvolume
 * @trans:	transaction
 * @inum:	subvolume and inode number
 * @inode:	result
 *
 * Returns 0, -BCH_ERR_ENOENT_inode, -BCH_ERR_ENOENT_subvolume, or an error from
 * the btree.
 */
int bch2_inode_find_by_inum(struct btree_trans *trans, subvol_inum inum,
			    struct bch_inode_unpacked *inode)
{
	u32 snapshot;

	return bch2_subvolume_get_snapshot(trans, inum.subvol, &snapshot) ?:
		bch2_inode_find_by_inum_snapshot(trans, inum.inum, snapshot, inode);
}

/* --- meaning --- */

/**
 * bch2_time_to_timespec64 - seconds and nanoseconds of a stored time
 * @c:		filesystem, for its time base and precision
 * @time:	as stored, in time units since the base (spec 60 §6)
 *
 * Returns time since the Unix epoch; tv_nsec is in 0 .. 999999999 also for
 * times before it.
 */
struct timespec64 bch2_time_to_timespec64(const struct bch_fs *c, s64 time)
{
	u64 units = max(c->sb.time_units_per_sec, 1U);
	u64 abs = (u64) time + c->sb.time_base_lo;
	struct timespec64 t;
	u64 rem;

	/* Floor division of a two's complement number. */
	if ((s64) abs >= 0) {
		t.tv_sec = div64_u64_rem(abs, units, &rem);
	} else {
		t.tv_sec = -(s64) div64_u64_rem(-abs, units, &rem);
		if (rem) {
			t.tv_sec--;
			rem = units - rem;
		}
	}
	t.tv_nsec = rem * c->sb.nsec_per_time_unit;
	return t;
}

/**
 * bch2_inode_casefold - are names in this directory matched without case?
 * @c:		filesystem
 * @inode:	directory
 *
 * The inode's own option if set, else the filesystem's (spec 60 §12).
 */
bool bch2_inode_casefold(const struct bch_fs *c, const struct bch_inode_unpacked *inode)
{
	return inode->bi_casefold ? inode->bi_casefold - 1 : c->opts.casefold;
}

/* --- validation, spec 60 §3.6 --- */

static int inode_pos_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(k.k->p.inode, c, inode_pos_inode_nonzero,
			 "inode field of the position is %llu, not 0",
			 (u64) k.k->p.inode);
	bkey_fsck_err_on(k.k->p.offset < BLOCKDEV_INODE_MAX, c, inode_pos_blockdev_range,
			 "inode number %llu below %u", (u64) k.k->p.offset,
			 BLOCKDEV_INODE_MAX);
fsck_err:
	return ret;
}

static int inode_head_validate(struct bch_fs *c, struct bkey_s_c k,
			       struct bkey_validate_context from, unsigned int hash)
{
	int ret = inode_pos_validate(c, k, from);

	if (ret)
		return ret;
	bkey_fsck_err_on(hash >= BCH_STR_HASH_NR, c, inode_str_hash_invalid,
			 "unknown string hash type %u", hash);
fsck_err:
	return ret;
}

/**
 * bch2_inode_validate - check a KEY_TYPE_inode value (spec 60 §3.6)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 16 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_inode_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	return inode_head_validate(c, k, from, INODEv1_STR_HASH(bkey_val(k, inode)));
}

/**
 * bch2_inode_v2_validate - check a KEY_TYPE_inode_v2 value (spec 60 §3.6)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 32 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_inode_v2_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	return inode_head_validate(c, k, from, INODEv2_STR_HASH(bkey_val(k, inode_v2)));
}

/**
 * bch2_inode_v3_validate - check a KEY_TYPE_inode_v3 value (spec 60 §3.6)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 48 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_inode_v3_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	const struct bch_inode_v3 *v = bkey_val(k, inode_v3);
	unsigned int start = INODEv3_FIELDS_START(v);
	int ret = inode_head_validate(c, k, from, INODEv3_STR_HASH(v));

	if (ret)
		return ret;
	bkey_fsck_err_on(start < INODEv3_FIELDS_START_INITIAL || start > bkey_val_u64s(k.k),
			 c, inode_v3_fields_start_bad,
			 "fields start at word %u of a value of %u words, first possible is %u",
			 start, bkey_val_u64s(k.k), INODEv3_FIELDS_START_INITIAL);
fsck_err:
	return ret;
}

/**
 * bch2_inode_generation_validate - check a KEY_TYPE_inode_generation (spec 60 §8.4)
 * @c:		filesystem, may be NULL
 * @k:		key
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_inode_generation_validate(struct bch_fs *c, struct bkey_s_c k,
				   struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(k.k->p.inode, c, inode_pos_inode_nonzero,
			 "inode field of the position is %llu, not 0",
			 (u64) k.k->p.inode);
fsck_err:
	return ret;
}

/**
 * bch2_inode_alloc_cursor_validate - check an allocation cursor (spec 60 §8.3)
 * @c:		filesystem, may be NULL
 * @k:		key
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_inode_alloc_cursor_validate(struct bch_fs *c, struct bkey_s_c k,
				     struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(k.k->p.inode != LOGGED_OPS_INUM_inode_cursors, c,
			 inode_alloc_cursor_inode_bad,
			 "inode field of the position is %llu, not %u",
			 (u64) k.k->p.inode, LOGGED_OPS_INUM_inode_cursors);
fsck_err:
	return ret;
}

/* --- text --- */

static const char * const inode_flag_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_INODE_FLAGS(x)
#undef x
	NULL
};

static const char * const str_hash_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_STR_HASH_TYPES(x)
#undef x
};

/**
 * bch2_inode_flags_to_text - names of inode flags, comma separated
 * @out:	text sink
 * @flags:	bi_flags; bits without a name print as bitN
 */
void bch2_inode_flags_to_text(struct printbuf *out, u32 flags)
{
	if (flags)
		prt_bitflags(out, inode_flag_names, flags);
	else
		prt_str(out, "(none)");
}

static u64 field_get(const struct bch_inode_unpacked *inode, const struct inode_field *f)
{
	const void *p = (const void *) inode + f->offset;

	switch (f->bytes) {
	case 1:	 return *(const u8 *) p;
	case 2:	 return *(const u16 *) p;
	case 4:	 return *(const u32 *) p;
	default: return *(const u64 *) p;
	}
}

static void number_to_text(struct printbuf *out, const char *name, u64 v)
{
	prt_str(out, name);
	prt_char(out, ' ');
	prt_u64(out, v);
	prt_newline(out);
}

/**
 * bch2_inode_unpacked_to_text - an inode, one field per line
 * @out:	text sink
 * @inode:	inode in memory
 *
 * Fixed fields are always shown, the others when they are not 0. Numbers are
 * as stored: link count and options with their bias, times in time units.
 */
void bch2_inode_unpacked_to_text(struct printbuf *out, const struct bch_inode_unpacked *inode)
{
	prt_printf(out, "mode %o\n", inode->bi_mode);
	prt_str(out, "flags ");
	bch2_inode_flags_to_text(out, inode->bi_flags);
	prt_newline(out);
	number_to_text(out, "journal_seq", inode->bi_journal_seq);
	prt_printf(out, "hash_seed %016llx\n", (u64) le64_to_cpu(inode->bi_hash_seed));
	prt_str(out, "hash_type ");
	prt_value_name(out, str_hash_names, ARRAY_SIZE(str_hash_names), inode->bi_str_hash);
	prt_newline(out);
	number_to_text(out, "bi_size", inode->bi_size);
	number_to_text(out, "bi_sectors", inode->bi_sectors);
	number_to_text(out, "bi_version", inode->bi_version);

	for (unsigned int i = 0; i < ARRAY_SIZE(bch2_inode_fields_v3); i++) {
		const struct inode_field *f = bch2_inode_fields_v3 + i;
		u64 v = field_get(inode, f);

		if (v)
			number_to_text(out, f->name, v);
	}

	if (inode->unpack_failed_at >= 0)
		prt_printf(out, "(fields from number %d on cannot be decoded)\n",
			   inode->unpack_failed_at);
}

/**
 * bch2_inode_to_text - text of an inode value of any layout
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_inode_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_inode_unpacked inode;

	if (bch2_inode_unpack(k, &inode)) {
		prt_printf(out, "(value of %u bytes is too short)", bkey_val_bytes(k.k));
		return;
	}

	prt_newline(out);
	printbuf_indent_add(out, 2);
	bch2_inode_unpacked_to_text(out, &inode);
	printbuf_indent_sub(out, 2);
}

/**
 * bch2_inode_generation_to_text - text of a KEY_TYPE_inode_generation value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_inode_generation_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_inode_generation v;

	bkey_val_copy(&v, k);
	prt_printf(out, "generation %u", le32_to_cpu(v.bi_generation));
}

/**
 * bch2_inode_alloc_cursor_to_text - text of an allocation cursor
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_inode_alloc_cursor_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_inode_alloc_cursor v;

	bkey_val_copy(&v, k);
	prt_printf(out, "bits %u generation %u idx %llu", v.bits, le32_to_cpu(v.gen),
		   (u64) le64_to_cpu(v.idx));
}
