// SPDX-License-Identifier: GPL-2.0
/*
 * Directory entries: where the names are in a value, validation, text.
 *
 * A plain name has no stored length: it ends where the zero bytes of the last
 * word begin. A casefolded entry stores the lengths of both its names, which are
 * cut to what the value has. Any floor that holds a dirent key may call this.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "fs/dirent.h"
#include "util/printbuf.h"

#define DIRENT_NAME_OFFSET	offsetof(struct bch_dirent, d_name)
#define DIRENT_CF_NAMES_OFFSET	offsetof(struct bch_dirent, d_cf_name_block.d_names)

/* Bytes of the value up to the zero padding of its last word. */
static unsigned int dirent_used_bytes(struct bkey_s_c k)
{
	const u8 *v = (const u8 *) k.v;
	unsigned int bytes = bkey_val_bytes(k.k);
	unsigned int word = bytes - min(bytes, 8U);

	while (bytes > word && !v[bytes - 1])
		bytes--;
	return bytes;
}

/* Bytes for names behind a fixed part of @offset bytes. */
static unsigned int dirent_names_bytes(struct bkey_s_c k, unsigned int offset)
{
	unsigned int used = dirent_used_bytes(k);

	return used > offset ? used - offset : 0;
}

static bool dirent_val_readable(struct bkey_s_c k)
{
	return bkey_val_bytes(k.k) >= 16;
}

/**
 * bch2_dirent_type - d_type of an entry
 * @k:		dirent
 *
 * Returns the type nibble of the target's mode, or DT_SUBVOL (spec 60 §11.2).
 */
u8 bch2_dirent_type(struct bkey_s_c k)
{
	return dirent_val_readable(k) ? DIRENT_D_TYPE(bkey_val(k, dirent)) : 0;
}

/**
 * bch2_dirent_casefold - does the entry carry a casefolded name?
 * @k:		dirent
 */
bool bch2_dirent_casefold(struct bkey_s_c k)
{
	return dirent_val_readable(k) && DIRENT_D_CASEFOLD(bkey_val(k, dirent));
}

/**
 * bch2_dirent_get_name - the name as it was given
 * @k:		dirent, may be invalid
 *
 * Returns bytes inside @k, not terminated.
 */
struct bch_bytes bch2_dirent_get_name(struct bkey_s_c k)
{
	const struct bch_dirent *d = bkey_val(k, dirent);

	if (!dirent_val_readable(k))
		return (struct bch_bytes) {};

	if (!DIRENT_D_CASEFOLD(d))
		return (struct bch_bytes) {
			.p	= d->d_name,
			.len	= dirent_names_bytes(k, DIRENT_NAME_OFFSET),
		};

	return (struct bch_bytes) {
		.p	= d->d_cf_name_block.d_names,
		.len	= min_t(unsigned int, dirent_names_bytes(k, DIRENT_CF_NAMES_OFFSET),
				get_unaligned_le16(d->d_cf_name_block.d_name_len)),
	};
}

/**
 * bch2_dirent_get_casefold_name - the name with case folded away
 * @k:		dirent, may be invalid
 *
 * Returns bytes inside @k; none if the entry is not casefolded.
 */
struct bch_bytes bch2_dirent_get_casefold_name(struct bkey_s_c k)
{
	const struct bch_dirent *d = bkey_val(k, dirent);
	struct bch_bytes name;
	unsigned int room;

	if (!bch2_dirent_casefold(k))
		return (struct bch_bytes) {};

	name = bch2_dirent_get_name(k);
	room = dirent_names_bytes(k, DIRENT_CF_NAMES_OFFSET) - name.len;
	return (struct bch_bytes) {
		.p	= name.p + name.len,
		.len	= min_t(unsigned int, room,
				get_unaligned_le16(d->d_cf_name_block.d_cf_name_len)),
	};
}

/**
 * bch2_dirent_get_lookup_name - the name that is hashed and compared
 * @k:		dirent, may be invalid
 */
struct bch_bytes bch2_dirent_get_lookup_name(struct bkey_s_c k)
{
	return bch2_dirent_casefold(k)
		? bch2_dirent_get_casefold_name(k)
		: bch2_dirent_get_name(k);
}

/**
 * bch2_dirent_get_target - what the entry names
 * @k:		dirent, may be invalid
 */
struct bch_dirent_target bch2_dirent_get_target(struct bkey_s_c k)
{
	const struct bch_dirent *d = bkey_val(k, dirent);
	struct bch_dirent_target t = { .type = bch2_dirent_type(k) };

	if (!dirent_val_readable(k))
		return t;

	if (t.type == DT_SUBVOL) {
		t.child_subvol	= le32_to_cpu(d->d_child_subvol);
		t.parent_subvol	= le32_to_cpu(d->d_parent_subvol);
	} else {
		t.inum		= le64_to_cpu(d->d_inum);
	}
	return t;
}

/**
 * bch2_d_type_str - short name of a d_type
 * @type:	d_type
 *
 * Returns "unknown" for numbers that are no file type.
 */
const char *bch2_d_type_str(unsigned int type)
{
	static const char * const names[] = {
		[1]		= "fifo",
		[2]		= "chr",
		[4]		= "dir",
		[6]		= "blk",
		[8]		= "reg",
		[10]		= "lnk",
		[12]		= "sock",
		[DT_SUBVOL]	= "subvol",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "unknown";
}

/* --- validation, spec 60 §11.4 --- */

/* Rules for the name itself. */
static int dirent_name_validate(struct bch_fs *c, struct bkey_s_c k,
				struct bkey_validate_context from, struct bch_bytes name)
{
	int ret = 0;

	bkey_fsck_err_on((from.flags & (BCH_VALIDATE_write|BCH_VALIDATE_commit)) &&
			 name.len > BCH_NAME_MAX, c, dirent_name_too_long,
			 "name of %u bytes, longest is %u", name.len, BCH_NAME_MAX);
	bkey_fsck_err_on(memchr(name.p, 0, name.len) != NULL, c, dirent_name_embedded_nul,
			 "zero byte inside the name");
	bkey_fsck_err_on((name.len == 1 && !memcmp(name.p, ".", 1)) ||
			 (name.len == 2 && !memcmp(name.p, "..", 2)), c,
			 dirent_name_dot_or_dotdot, "name is \"%s\"",
			 name.len == 1 ? "." : "..");
	bkey_fsck_err_on(memchr(name.p, '/', name.len) != NULL, c, dirent_name_has_slash,
			 "slash in the name");
fsck_err:
	return ret;
}

/* Do the stored lengths of both names fit the value? */
static int dirent_lengths_validate(struct bch_fs *c, struct bkey_s_c k,
				   struct bkey_validate_context from)
{
	const struct bch_dirent_cf_name_block *b = &bkey_val(k, dirent)->d_cf_name_block;
	unsigned int name_len = get_unaligned_le16(b->d_name_len);
	unsigned int cf_len = get_unaligned_le16(b->d_cf_name_len);
	unsigned int have = dirent_names_bytes(k, DIRENT_CF_NAMES_OFFSET);
	int ret = 0;

	bkey_fsck_err_on(name_len + cf_len > have, c, dirent_val_too_big,
			 "names of %u and %u bytes in a value with %u bytes for them",
			 name_len, cf_len, have);
fsck_err:
	return ret;
}

/**
 * bch2_dirent_validate - check a dirent (spec 60 §11.4)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 16 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_dirent_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	struct bch_bytes name = bch2_dirent_get_name(k);
	struct bch_bytes cf = bch2_dirent_get_casefold_name(k);
	struct bch_dirent_target t = bch2_dirent_get_target(k);
	bool writing = from.flags & (BCH_VALIDATE_write|BCH_VALIDATE_commit);
	int ret = 0;

	bkey_fsck_err_on(!name.len, c, dirent_empty_name, "empty name");

	if (bch2_dirent_casefold(k))
		ret = dirent_lengths_validate(c, k, from);
	if (!ret)
		ret = dirent_name_validate(c, k, from, name);
	if (ret)
		return ret;

	bkey_fsck_err_on(t.type != DT_SUBVOL && t.inum == k.k->p.inode, c, dirent_to_itself,
			 "entry points to its own directory");

	if (!bch2_dirent_casefold(k))
		return 0;
	bkey_fsck_err_on(writing && cf.len > BCH_NAME_MAX, c, dirent_cf_name_too_big,
			 "casefolded name of %u bytes, longest is %u", cf.len, BCH_NAME_MAX);
	bkey_fsck_err_on(memchr(cf.p, 0, cf.len) != NULL, c, dirent_stray_data_after_cf_name,
			 "zero byte inside the casefolded name");
fsck_err:
	return ret;
}

/* --- text --- */

static void name_to_text(struct printbuf *out, struct bch_bytes name)
{
	prt_bytes_escaped(out, name.p, name.len);
}

/**
 * bch2_dirent_to_text - text of a directory entry
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_dirent_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_dirent_target t = bch2_dirent_get_target(k);

	name_to_text(out, bch2_dirent_get_name(k));
	if (bch2_dirent_casefold(k)) {
		prt_str(out, " (casefold ");
		name_to_text(out, bch2_dirent_get_casefold_name(k));
		prt_str(out, ")");
	}

	if (t.type == DT_SUBVOL)
		prt_printf(out, " -> subvol %u parent_subvol %u", t.child_subvol,
			   t.parent_subvol);
	else
		prt_printf(out, " -> %llu", t.inum);
	prt_printf(out, " type %s", bch2_d_type_str(t.type));
}
