// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes: where name and value are, validation, text.
 *
 * The accessors cut what the lengths in the key say to what its value has, so
 * they may be used on keys that were not validated.
 */
#include <linux/array_size.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "fs/xattr.h"
#include "util/printbuf.h"

/* Historical keys have up to this many bytes too much. */
#define XATTR_SLACK_BYTES	4

#define XATTR_DATA_OFFSET	offsetof(struct bch_xattr, x_name_and_value)

/* --- access --- */

static unsigned int xattr_data_bytes(struct bkey_s_c k)
{
	unsigned int bytes = bkey_val_bytes(k.k);

	return bytes > XATTR_DATA_OFFSET ? bytes - XATTR_DATA_OFFSET : 0;
}

/**
 * bch2_xattr_type - name space of an attribute
 * @k:		xattr key
 *
 * Returns enum bch_xattr_type, or a number that is none in an invalid key.
 */
unsigned int bch2_xattr_type(struct bkey_s_c k)
{
	return xattr_data_bytes(k) ? bkey_val(k, xattr)->x_type : KEY_TYPE_XATTR_INDEX_NR;
}

/**
 * bch2_xattr_get_name - name without the prefix of its name space
 * @k:		xattr key, may be invalid
 *
 * Returns bytes inside @k, not terminated.
 */
struct bch_bytes bch2_xattr_get_name(struct bkey_s_c k)
{
	const struct bch_xattr *x = bkey_val(k, xattr);
	unsigned int room = xattr_data_bytes(k);

	if (!room)
		return (struct bch_bytes) {};

	return (struct bch_bytes) {
		.p	= x->x_name_and_value,
		.len	= min_t(unsigned int, room, x->x_name_len),
	};
}

/**
 * bch2_xattr_get_value - value of an attribute
 * @k:		xattr key, may be invalid
 *
 * Returns bytes inside @k. For ACLs that is the stored form (spec 60 §14).
 */
struct bch_bytes bch2_xattr_get_value(struct bkey_s_c k)
{
	const struct bch_xattr *x = bkey_val(k, xattr);
	struct bch_bytes name = bch2_xattr_get_name(k);
	unsigned int room = xattr_data_bytes(k);

	if (!room)
		return (struct bch_bytes) {};

	return (struct bch_bytes) {
		.p	= name.p + name.len,
		.len	= min_t(unsigned int, room - name.len, le16_to_cpu(x->x_val_len)),
	};
}

/**
 * bch2_xattr_prefix - what a name space puts before the name
 * @type:	enum bch_xattr_type
 *
 * Returns NULL for unknown types. For ACLs the prefix is the whole name.
 */
const char *bch2_xattr_prefix(unsigned int type)
{
	static const char * const prefixes[] = {
#define x(nr, name, prefix)	[nr] = prefix,
		BCH_XATTR_TYPES(x)
#undef x
	};

	return type < ARRAY_SIZE(prefixes) ? prefixes[type] : NULL;
}

/* --- validation --- */

/**
 * bch2_xattr_validate - check an extended attribute (spec 60 §13)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 8 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_xattr_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	const struct bch_xattr *x = bkey_val(k, xattr);
	unsigned int bytes = XATTR_DATA_OFFSET + x->x_name_len + le16_to_cpu(x->x_val_len);
	unsigned int u64s_min = DIV_ROUND_UP(bytes, 8);
	unsigned int u64s_max = DIV_ROUND_UP(bytes + XATTR_SLACK_BYTES, 8);
	struct bch_bytes name = bch2_xattr_get_name(k);
	int ret = 0;

	bkey_fsck_err_on(bkey_val_u64s(k.k) < u64s_min, c, xattr_val_size_too_small,
			 "value has %u words, name and value need %u",
			 bkey_val_u64s(k.k), u64s_min);
	bkey_fsck_err_on(bkey_val_u64s(k.k) > u64s_max, c, xattr_val_size_too_big,
			 "value has %u words, name and value need at most %u",
			 bkey_val_u64s(k.k), u64s_max);
	bkey_fsck_err_on(x->x_type >= KEY_TYPE_XATTR_INDEX_NR, c, xattr_invalid_type,
			 "unknown name space %u", x->x_type);
	bkey_fsck_err_on(memchr(name.p, 0, name.len) != NULL, c, xattr_name_invalid_chars,
			 "zero byte in the name");
fsck_err:
	return ret;
}

/* --- text --- */

static bool bytes_printable(struct bch_bytes b)
{
	for (unsigned int i = 0; i < b.len; i++)
		if (b.p[i] < 0x20 || b.p[i] >= 0x7f)
			return false;
	return true;
}

/* One entry of an ACL: its length, or 0 if there is no whole entry. */
static unsigned int acl_entry_to_text(struct printbuf *out, struct bch_bytes b)
{
	static const struct {
		u16		tag;
		bool		has_id;
		const char	*name;
	} tags[] = {
		{ 0x01, false, "user_obj" },
		{ 0x02, true,  "user" },
		{ 0x04, false, "group_obj" },
		{ 0x08, true,  "group" },
		{ 0x10, false, "mask" },
		{ 0x20, false, "other" },
	};
	unsigned int tag, perm;

	if (b.len < sizeof(struct bch_acl_entry_short))
		return 0;
	tag	= get_unaligned_le16(b.p);
	perm	= get_unaligned_le16(b.p + 2);

	for (unsigned int i = 0; i < ARRAY_SIZE(tags); i++) {
		unsigned int bytes = tags[i].has_id
			? sizeof(struct bch_acl_entry)
			: sizeof(struct bch_acl_entry_short);

		if (tags[i].tag != tag || b.len < bytes)
			continue;
		prt_printf(out, " %s", tags[i].name);
		if (tags[i].has_id)
			prt_printf(out, ":%u", get_unaligned_le32(b.p + 4));
		prt_printf(out, ":%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-',
			   perm & 1 ? 'x' : '-');
		return bytes;
	}
	return 0;
}

static void acl_to_text(struct printbuf *out, struct bch_bytes b)
{
	u32 version = b.len >= sizeof(__le32) ? get_unaligned_le32(b.p) : 0;

	prt_str(out, "acl");
	if (version != BCH_ACL_VERSION) {
		prt_printf(out, " (unknown version %u)", version);
		return;
	}

	b.p += sizeof(__le32);
	b.len -= sizeof(__le32);
	while (b.len) {
		unsigned int bytes = acl_entry_to_text(out, b);

		if (!bytes) {
			prt_printf(out, " (%u bytes that are no entry)", b.len);
			return;
		}
		b.p += bytes;
		b.len -= bytes;
	}
}

/**
 * bch2_xattr_to_text - text of an extended attribute
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 *
 * Values that are not plain text are printed in hexadecimal.
 */
void bch2_xattr_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	unsigned int type = bch2_xattr_type(k);
	const char *prefix = bch2_xattr_prefix(type);
	struct bch_bytes name = bch2_xattr_get_name(k);
	struct bch_bytes val = bch2_xattr_get_value(k);

	if (prefix)
		prt_str(out, prefix);
	else
		prt_printf(out, "(unknown name space %u).", type);
	prt_bytes_escaped(out, name.p, name.len);
	prt_str(out, " = ");

	if (type == KEY_TYPE_XATTR_INDEX_posix_acl_access ||
	    type == KEY_TYPE_XATTR_INDEX_posix_acl_default) {
		acl_to_text(out, val);
	} else if (bytes_printable(val)) {
		prt_bytes(out, val.p, val.len);
	} else {
		prt_str(out, "0x");
		prt_hex_bytes(out, val.p, val.len);
	}
}
