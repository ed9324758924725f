// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock of a new filesystem, and writing it to its devices (spec 71
 * sections 6, 7).
 *
 * One superblock is built for all devices; only the index of the device and
 * the layout differ. What is written has passed validation. Nothing but the
 * first 4096 bytes and the superblocks' places is written.
 */
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uuid.h>

#include "bcachefs.h"
#include "sb/disk_groups.h"
#include "sb/format.h"
#include "sb/io.h"
#include "sb/layout.h"
#include "sb/members.h"
#include "sb/write.h"

/* Shift of backpointer positions; those without the field in their code use another. */
#define EXTENT_BP_SHIFT		16
#define EXTENT_BP_SHIFT_FROM	bcachefs_metadata_version_reconcile

/* Version from which on features are set when formatting. */
#define FEATURES_ABOVE		bcachefs_metadata_version_disk_accounting_big_endian

/* --- header and options (spec 71 sections 6.1, 6.2) --- */

static void init_header(struct bch_format *f, struct bch_sb *sb)
{
	static const __uuid_t no_uuid;

	sb->version = sb->version_min = cpu_to_le16(f->version);
	sb->magic = BCHFS_MAGIC;
	generate_random_uuid(sb->uuid.b);
	sb->user_uuid = f->user_uuid;
	if (!memcmp(&f->user_uuid, &no_uuid, sizeof(no_uuid)))
		generate_random_uuid(sb->user_uuid.b);
	memcpy(sb->label, f->label, sizeof(sb->label));
	sb->nr_devices = f->nr_devs;
	sb->time_base_lo = cpu_to_le64(ktime_get_real_ns());
	sb->time_precision = cpu_to_le32(1);
	if (f->version > FEATURES_ABOVE)
		sb->features[0] = cpu_to_le64(BCH_SB_FEATURES_ALL);

	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb, f->version);
	SET_BCH_SB_META_REPLICAS_REQ(sb, 1);
	SET_BCH_SB_DATA_REPLICAS_REQ(sb, 1);
	SET_BCH_SB_EXTENT_BP_SHIFT(sb, f->version >= EXTENT_BP_SHIFT_FROM ?
				   EXTENT_BP_SHIFT : BCH_EXTENT_BP_SHIFT_DEFAULT);

	/* resizing sections looks at it; bch2_format_dev_super() makes the rest */
	sb->layout.sb_max_size_bits = ilog2(f->sb_bytes >> 9);
}

/* What was given, or the default; what depends on other options is adjusted. */
static u64 option_value(const struct bch_format *f, enum bch_opt_id id)
{
	switch (id) {
	case Opt_block_size:
		return f->block_bytes;
	case Opt_btree_node_size:
		return f->node_bytes;
	case Opt_shard_inode_numbers_bits:
		return f->shard_bits;
	case Opt_data_replicas:
		return opt_get(f->opts, erasure_code)
			? min_t(u64, opt_get(f->opts, data_replicas), 3)
			: opt_get(f->opts, data_replicas);
	default:
		return bch2_opt_get_by_id(&f->opts, id);
	}
}

static int init_options(const struct bch_format *f, struct bch_sb_handle *h,
			struct printbuf *err)
{
	if (IS_ERR(bch2_sb_field_resize(h, ext, sizeof(struct bch_sb_field_ext) / sizeof(u64))))
		return -BCH_ERR_ENOSPC_sb_ext;

	for (unsigned id = 0; id < bch2_opts_nr; id++) {
		const u64 v = option_value(f, id);
		int ret;

		if (bch2_opt_table[id].storage != BCH_OPT_IN_SB &&
		    bch2_opt_table[id].storage != BCH_OPT_IN_EXT)
			continue;

		ret = bch2_opt_validate(id, v, err);
		if (ret)
			return ret;
		bch2_opt_set_sb(h->sb, id, v);
	}
	SET_BCH_SB_CSUM_TYPE(h->sb,
			     bch2_csum_opt_to_type(opt_get(f->opts, metadata_checksum), false));
	return 0;
}

/* --- members and labels (spec 71 section 6.3) --- */

static int init_member(const struct bch_format_dev *d, struct bch_member *m,
		       struct printbuf *err)
{
	struct bch_opts opts = d->opts;

	opt_set(opts, bucket_size, d->bucket_bytes);
	opt_set_if_undefined(opts, rotational, d->rotational);

	generate_random_uuid(m->uuid.b);
	m->nbuckets = cpu_to_le64(d->nbuckets);

	for (unsigned id = 0; id < bch2_opts_nr; id++) {
		const u64 v = bch2_opt_get_by_id(&opts, id);
		int ret;

		if (bch2_opt_table[id].storage != BCH_OPT_IN_MEMBER)
			continue;

		ret = bch2_opt_validate(id, v, err);
		if (ret)
			return ret;
		bch2_opt_set_member(m, id, v);
	}
	return 0;
}

static struct bch_member *member_at(const struct bch_sb_handle *h, unsigned idx)
{
	struct bch_sb_field_members_v2 *v2 = bch2_sb_field_get(h->sb, members_v2);

	return (struct bch_member *) v2->_members + idx;
}

static int init_members(const struct bch_format *f, struct bch_sb_handle *h,
			struct printbuf *err)
{
	const unsigned bytes = sizeof(struct bch_sb_field_members_v2) +
		f->nr_devs * sizeof(struct bch_member);
	struct bch_sb_field_members_v2 *v2;
	int ret = 0;

	v2 = bch2_sb_field_resize(h, members_v2, bytes / sizeof(u64));
	if (IS_ERR(v2))
		return -BCH_ERR_ENOSPC_sb_members;
	v2->member_bytes = cpu_to_le16(sizeof(struct bch_member));

	for (unsigned i = 0; !ret && i < f->nr_devs; i++)
		ret = init_member(&f->devs[i], member_at(h, i), err);
	return ret;
}

/* What old readers look at: the start of each entry. */
static int init_members_v1(const struct bch_format *f, struct bch_sb_handle *h)
{
	const unsigned bytes = sizeof(struct bch_sb_field_members_v1) +
		f->nr_devs * BCH_MEMBER_V1_BYTES;
	struct bch_sb_field_members_v1 *v1;

	v1 = bch2_sb_field_resize(h, members_v1, bytes / sizeof(u64));
	if (IS_ERR(v1))
		return -BCH_ERR_ENOSPC_sb_members;
	for (unsigned i = 0; i < f->nr_devs; i++)
		memcpy(v1->_members + i * BCH_MEMBER_V1_BYTES, member_at(h, i),
		       BCH_MEMBER_V1_BYTES);
	return 0;
}

/* Appends a label below @parent (0, or an id + 1); its id or an error. */
static int label_append(struct bch_sb_handle *h, unsigned parent, const char *name, size_t len)
{
	struct bch_sb_field_disk_groups *groups = bch2_sb_field_get(h->sb, disk_groups);
	const unsigned entry_u64s = sizeof(groups->entries[0]) / sizeof(u64);
	const unsigned u64s = groups ? le32_to_cpu(groups->field.u64s)
				     : sizeof(*groups) / sizeof(u64);
	const unsigned id = (u64s - sizeof(*groups) / sizeof(u64)) / entry_u64s;
	struct bch_disk_group *g;

	groups = bch2_sb_field_resize(h, disk_groups, u64s + entry_u64s);
	if (IS_ERR(groups))
		return -BCH_ERR_ENOSPC_sb_disk_groups;

	g = &groups->entries[id];
	memcpy(g->label, name, len);
	SET_BCH_GROUP_DATA_ALLOWED(g, LE_BITS_MAX(BCH_GROUP_DATA_ALLOWED));
	SET_BCH_GROUP_PARENT(g, parent);
	return id;
}

/* Finds or makes the label of a path; its id or an error. */
static int label_make(struct bch_sb_handle *h, const char *path, struct printbuf *err)
{
	const char *end = path;
	int id = -1;

	do {
		const size_t len = strcspn(end, ".");
		char *prefix;

		if (!len || len > BCH_SB_LABEL_SIZE) {
			prt_printf(err, "invalid label %s: each part must have 1 to %u bytes",
				   path, BCH_SB_LABEL_SIZE);
			return -BCH_ERR_EINVAL_option_value;
		}

		prefix = kstrndup(path, end + len - path, GFP_KERNEL);
		if (!prefix)
			return -BCH_ERR_ENOMEM_disk_groups;
		if (bch2_sb_label_find(h->sb, prefix) >= 0)
			id = bch2_sb_label_find(h->sb, prefix);
		else
			id = label_append(h, id + 1, end, len);
		kfree(prefix);
		if (id < 0)
			return id;
		end += len;
	} while (*end++);

	return id;
}

static int init_labels(const struct bch_format *f, struct bch_sb_handle *h,
		       struct printbuf *err)
{
	for (unsigned i = 0; i < f->nr_devs; i++) {
		const char *label = f->devs[i].label;
		int id;

		if (!label || !*label || !strcmp(label, "none"))
			continue;

		id = label_make(h, label, err);
		if (id < 0)
			return id;
		if (id + 1 > LE_BITS_MAX(BCH_MEMBER_GROUP)) {
			prt_str(err, "too many labels");
			return -BCH_ERR_ENOSPC_sb_disk_groups;
		}
		SET_BCH_MEMBER_GROUP(member_at(h, i), id + 1);
	}
	return 0;
}

/* Targets name a device as it was given, or a label (spec 71 section 6.3). */
static int resolve_target(const struct bch_format *f, const struct bch_sb *sb, const char *text,
			  u64 *v, struct printbuf *err)
{
	struct printbuf reason = PRINTBUF;
	int ret = 0;

	for (unsigned i = 0; i < f->nr_devs; i++)
		if (!strcmp(text, f->devs[i].path)) {
			*v = bch2_target_dev(i);
			return 0;
		}

	if (bch2_target_parse(NULL, sb, text, v, &reason)) {
		prt_printf(err, "Invalid target %s", text);
		ret = -BCH_ERR_EINVAL_target;
	}
	printbuf_exit(&reason);
	return ret;
}

static int init_targets(const struct bch_format *f, struct bch_sb_handle *h,
			struct printbuf *err)
{
	static const enum bch_opt_id ids[] = {
#define x(name)		Opt_##name,
		BCH_FORMAT_TARGETS(x)
#undef x
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		u64 v;
		int ret;

		if (!f->targets[i])
			continue;
		ret = resolve_target(f, h->sb, f->targets[i], &v, err);
		if (ret)
			return ret;
		bch2_opt_set_sb(h->sb, ids[i], v);
	}
	return 0;
}

/* --- encryption (spec 71 section 11) --- */

/* A master key in plain text, with the parameters for wrapping it. */
static int init_crypt(struct bch_sb_handle *h)
{
	struct bch_sb_field_crypt *crypt;

	crypt = bch2_sb_field_resize(h, crypt, sizeof(*crypt) / sizeof(u64));
	if (IS_ERR(crypt))
		return -BCH_ERR_ENOSPC_sb_crypt;

	SET_BCH_CRYPT_KDF_TYPE(crypt, BCH_KDF_SCRYPT);
	SET_BCH_KDF_SCRYPT_N(crypt, BCH_FORMAT_SCRYPT_N);
	SET_BCH_KDF_SCRYPT_R(crypt, BCH_FORMAT_SCRYPT_R);
	SET_BCH_KDF_SCRYPT_P(crypt, BCH_FORMAT_SCRYPT_P);
	crypt->key.magic = cpu_to_le64(BCH_KEY_MAGIC);
	get_random_bytes(&crypt->key.key, sizeof(crypt->key.key));
	SET_BCH_SB_ENCRYPTION_TYPE(h->sb, BCH_ENCRYPTION_chacha20_poly1305);
	return 0;
}

/* --- the whole --- */

/**
 * bch2_format_super() - the superblock of a new filesystem (spec 71 section 6)
 * @f:		options and devices, with their geometry
 * @h:		cleared handle; result, without a layout. If the filesystem is
 *		encrypted, the key box is in plain text: wrapping it is the caller's.
 *		To be freed with bch2_free_super() also after an error
 * @err:	what is wrong
 *
 * Return: 0, or negative.
 */
int bch2_format_super(struct bch_format *f, struct bch_sb_handle *h, struct printbuf *err)
{
	int ret = bch2_sb_handle_alloc(h, sizeof(struct bch_sb));

	if (ret)
		return ret;

	init_header(f, h->sb);
	ret =   init_options(f, h, err) ?:
		init_members(f, h, err) ?:
		init_labels(f, h, err) ?:
		init_targets(f, h, err) ?:
		(f->encrypted ? init_crypt(h) : 0) ?:
		init_members_v1(f, h);

	if (ret && bch2_err_matches(ret, BCH_ERR_ENOSPC_sb) && !err->pos)
		prt_printf(err, "superblock_size %u too small", f->sb_bytes);
	return ret;
}

/**
 * bch2_format_dev_super() - make the superblock that of one device
 * @f:		what is formatted
 * @h:		as bch2_format_super() made it; index and layout are changed
 * @idx:	which device
 * @err:	what is wrong
 *
 * Return: 0; -BCH_ERR_device_size_too_small, -BCH_ERR_invalid_sb_layout and its
 * kinds if the device has no room for the copies; -BCH_ERR_invalid_sb and its
 * kinds if it is not valid.
 */
int bch2_format_dev_super(const struct bch_format *f, struct bch_sb_handle *h, unsigned idx,
			  struct printbuf *err)
{
	const struct bch_format_dev *d = &f->devs[idx];
	const struct bch_sb_placement place = {
		.block_size	= f->block_bytes >> 9,
		.bucket_size	= d->bucket_bytes >> 9,
		.sb_max_size	= f->sb_bytes >> 9,
		.start		= BCH_SB_SECTOR,
		.end		= d->bytes >> 9,
	};
	struct printbuf reason = PRINTBUF;
	int ret;

	h->sb->dev_idx = idx;
	h->sb->offset = cpu_to_le64(BCH_SB_SECTOR);
	ret = bch2_sb_layout_init(&h->sb->layout, &place, &reason);
	if (ret) {
		prt_printf(err, "%s: insufficient space for superblocks: %s",
			   d->path, printbuf_str(&reason));
		goto out;
	}

	ret = bch2_sb_validate(h->sb, &f->opts, 0, BCH_VALIDATE_write, &reason);
	if (ret)
		prt_printf(err, "%s: %s", d->path, printbuf_str(&reason));
out:
	printbuf_exit(&reason);
	return ret;
}

/* --- writing (spec 71 section 7) --- */

/**
 * bch2_format_write() - write all copies of a superblock to a new device
 * @bdev:	device, open for writing; its first 4096 bytes are overwritten
 * @sb:		superblock with the device's index and layout, valid
 *
 * The copies are durable afterwards.
 *
 * Return: 0, or negative.
 */
int bch2_format_write(struct block_device *bdev, struct bch_sb *sb)
{
	static const u8 zeroes[BCH_SB_SECTOR << 9];

	return bch2_bdev_write(bdev, 0, zeroes, sizeof(zeroes)) ?:
		bch2_sb_write_device(bdev, sb, bdev_physical_block_size(bdev));
}
