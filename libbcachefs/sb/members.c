// SPDX-License-Identifier: GPL-2.0
/*
 * Member entries in a superblock: sections members_v1 and members_v2 (spec 10
 * section 9.8), and the devices made from them.
 *
 * Entries are only reached through bch2_sb_member_get(), which copies what the
 * stored stride has and zeroes the rest; so the rest of the code never sees how
 * long an entry is on disk, and never reads behind the section.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/disk_groups.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/replicas.h"

/* Where the entries of a superblock lie. */
struct member_table {
	const u8	*d;
	unsigned	stride;
	unsigned	nr;		/* entries that lie inside the section */
};

static struct member_table member_table(const struct bch_sb *sb)
{
	const struct bch_sb_field_members_v2 *v2 = bch2_sb_field_get(sb, members_v2);
	const struct bch_sb_field_members_v1 *v1;
	struct member_table t = {};
	size_t room;

	if (v2) {
		if (bch2_sb_field_bytes(&v2->field) < sizeof(*v2))
			return t;
		t.d = v2->_members;
		t.stride = le16_to_cpu(v2->member_bytes);
		room = bch2_sb_field_bytes(&v2->field) - sizeof(*v2);
	} else {
		v1 = bch2_sb_field_get(sb, members_v1);
		if (!v1)
			return t;
		t.d = v1->_members;
		t.stride = BCH_MEMBER_V1_BYTES;
		room = bch2_sb_field_bytes(&v1->field) - sizeof(*v1);
	}

	if (t.stride)
		t.nr = min_t(size_t, sb->nr_devices, room / t.stride);
	return t;
}

/**
 * bch2_sb_member_get() - a member's entry
 * @sb:		superblock
 * @idx:	member index
 *
 * Return: the entry; fields that the stored entry does not have are zero. All
 * zero for indexes without an entry.
 */
struct bch_member bch2_sb_member_get(const struct bch_sb *sb, unsigned idx)
{
	const struct member_table t = member_table(sb);
	struct bch_member m = {};

	if (idx < t.nr)
		memcpy(&m, t.d + (size_t) idx * t.stride, min_t(size_t, t.stride, sizeof(m)));
	return m;
}

/**
 * bch2_member_deleted() - was the device removed, with stale pointers left?
 * @m:		entry
 */
bool bch2_member_deleted(const struct bch_member *m)
{
	const __uuid_t deleted = BCH_SB_MEMBER_DELETED_UUID;

	return !memcmp(&m->uuid, &deleted, sizeof(deleted));
}

/**
 * bch2_member_alive() - is the slot in use?
 * @m:		entry
 *
 * Return: false for empty and deleted slots.
 */
bool bch2_member_alive(const struct bch_member *m)
{
	return memchr_inv(&m->uuid, 0, sizeof(m->uuid)) && !bch2_member_deleted(m);
}

/**
 * bch2_sb_has_member() - is there an alive member of this index?
 * @sb:		superblock
 * @idx:	member index, any number
 */
bool bch2_sb_has_member(const struct bch_sb *sb, unsigned idx)
{
	const struct bch_member m = bch2_sb_member_get(sb, idx);

	return idx < sb->nr_devices && bch2_member_alive(&m);
}

/**
 * bch2_sb_nr_alive() - number of devices of the filesystem
 * @sb:		superblock
 */
unsigned bch2_sb_nr_alive(const struct bch_sb *sb)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < sb->nr_devices; i++)
		nr += bch2_sb_has_member(sb, i);
	return nr;
}

/**
 * bch2_mi_to_cpu() - decode a member entry
 * @m:		entry
 */
struct bch_member_cpu bch2_mi_to_cpu(const struct bch_member *m)
{
	const unsigned durability = BCH_MEMBER_DURABILITY(m);

	return (struct bch_member_cpu) {
		.nbuckets		= le64_to_cpu(m->nbuckets),
		.seq			= le64_to_cpu(m->seq),
		.first_bucket		= le16_to_cpu(m->first_bucket),
		.bucket_size		= le16_to_cpu(m->bucket_size),
		.group			= BCH_MEMBER_GROUP(m),
		.state			= BCH_MEMBER_STATE(m),
		.durability		= durability ? durability - 1 : 1,
		.data_allowed		= BCH_MEMBER_DATA_ALLOWED(m),
		.discard		= BCH_MEMBER_DISCARD(m),
		.freespace_initialized	= BCH_MEMBER_FREESPACE_INITIALIZED(m),
		.rotational		= BCH_MEMBER_ROTATIONAL(m),
		.valid			= bch2_member_alive(m),
		.btree_bitmap_shift	= m->btree_bitmap_shift,
		.btree_allocated_bitmap	= le64_to_cpu(m->btree_allocated_bitmap),
	};
}

/**
 * bch2_mi_update() - decode a member entry again
 * @mi:		decoded form, which others read without a lock
 * @m:		entry
 *
 * Only what has changed is written.
 */
void bch2_mi_update(struct bch_member_cpu *mi, const struct bch_member *m)
{
	const struct bch_member_cpu new = bch2_mi_to_cpu(m);

#define update(_field)								\
	do {									\
		if (mi->_field != new._field)					\
			WRITE_ONCE(mi->_field, new._field);			\
	} while (0)
	update(nbuckets);
	update(seq);
	update(first_bucket);
	update(bucket_size);
	update(group);
	update(state);
	update(durability);
	update(data_allowed);
	update(discard);
	update(freespace_initialized);
	update(rotational);
	update(valid);
	update(btree_bitmap_shift);
	update(btree_allocated_bitmap);
#undef update
}

/**
 * bch2_sb_members_upgrade() - make members_v2 with entries of today's size
 * @handle:	superblock in memory; may move
 *
 * From members_v1 if that is all there is, and from shorter members_v2 entries
 * (spec 10 section 9.8.4). Longer entries are kept as they are.
 *
 * Return: 0, -BCH_ERR_ENOSPC_sb_members, -ENOMEM.
 */
int bch2_sb_members_upgrade(struct bch_sb_handle *handle)
{
	const struct member_table t = member_table(handle->sb);
	const unsigned nr = handle->sb->nr_devices;
	struct bch_sb_field_members_v2 *v2;
	struct bch_member *m;
	unsigned u64s;
	int ret = 0;

	if (bch2_sb_field_get(handle->sb, members_v2) && t.stride >= sizeof(*m))
		return 0;

	m = kvcalloc(nr ?: 1, sizeof(*m), GFP_KERNEL);
	if (!m)
		return -BCH_ERR_ENOMEM_sb_members;
	for (unsigned i = 0; i < nr; i++)
		m[i] = bch2_sb_member_get(handle->sb, i);

	u64s = (sizeof(*v2) + nr * sizeof(*m)) / sizeof(u64);
	v2 = bch2_sb_field_get(handle->sb, members_v2);
	if (!v2 || le32_to_cpu(v2->field.u64s) < u64s) {
		v2 = bch2_sb_field_resize(handle, members_v2, u64s);
		if (IS_ERR(v2)) {
			ret = PTR_ERR(v2);
			if (ret == -BCH_ERR_ENOSPC_sb)
				ret = -BCH_ERR_ENOSPC_sb_members;
			goto out;
		}
	}
	v2->member_bytes = cpu_to_le16(sizeof(*m));
	memcpy(v2->_members, m, nr * sizeof(*m));
out:
	kvfree(m);
	return ret;
}

/* --- validation (spec 10 section 9.8.2) --- */

static int member_validate(const struct bch_sb *sb, unsigned idx, struct printbuf *err)
{
	const struct bch_member m = bch2_sb_member_get(sb, idx);
	const u64 nbuckets = le64_to_cpu(m.nbuckets);
	const unsigned first = le16_to_cpu(m.first_bucket);
	const unsigned bucket = le16_to_cpu(m.bucket_size);
	const unsigned block = le16_to_cpu(sb->block_size);
	const unsigned node = BCH_SB_BTREE_NODE_SIZE(sb);

	if (nbuckets > BCH_MEMBER_NBUCKETS_MAX)
		prt_printf(err, "device %u: too many buckets (%llu, max %u)",
			   idx, nbuckets, BCH_MEMBER_NBUCKETS_MAX);
	else if (nbuckets < first || nbuckets - first < BCH_MIN_NR_NBUCKETS)
		prt_printf(err, "device %u: not enough buckets (%llu, first usable %u, min %u)",
			   idx, nbuckets, first, BCH_MIN_NR_NBUCKETS);
	else if (!bucket || bucket < block)
		prt_printf(err, "device %u: bucket size %u smaller than block size %u (sectors)",
			   idx, bucket, block);
	else if (bucket < node)
		prt_printf(err,
			"device %u: bucket size %u smaller than btree node size %u (sectors)",
			idx, bucket, node);
	else if (m.btree_bitmap_shift >= BCH_MI_BTREE_BITMAP_SHIFT_MAX)
		prt_printf(err, "device %u: invalid btree_bitmap_shift %u (max %u)",
			   idx, m.btree_bitmap_shift, BCH_MI_BTREE_BITMAP_SHIFT_MAX - 1);
	else if (BCH_MEMBER_FREESPACE_INITIALIZED(&m) &&
		 (le64_to_cpu(sb->features[0]) & BCH_FEATURE_BIT(no_alloc_info)))
		prt_printf(err, "device %u: freespace initialized, but feature no_alloc_info set",
			   idx);
	else
		return 0;

	return -BCH_ERR_invalid_sb_members;
}

static int members_validate(const struct bch_sb *sb, struct printbuf *err)
{
	for (unsigned i = 0; i < sb->nr_devices; i++) {
		int ret = member_validate(sb, i, err);

		if (ret)
			return ret;
	}
	return 0;
}

/**
 * bch2_sb_members_v1_validate() - check section members_v1
 * @sb:		superblock without members_v2
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_members.
 */
int bch2_sb_members_v1_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
				struct printbuf *err)
{
	const size_t need = sizeof(*f) + sb->nr_devices * BCH_MEMBER_V1_BYTES;

	if (bch2_sb_field_bytes(f) < need) {
		prt_printf(err, "too small for %u devices (%zu bytes, need %zu)",
			   sb->nr_devices, bch2_sb_field_bytes(f), need);
		return -BCH_ERR_invalid_sb_members;
	}
	return members_validate(sb, err);
}

/**
 * bch2_sb_members_v2_validate() - check section members_v2
 * @sb:		superblock
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_members.
 */
int bch2_sb_members_v2_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
				struct printbuf *err)
{
	const struct bch_sb_field_members_v2 *v2 = sb_field_as(f, members_v2);
	const unsigned stride = le16_to_cpu(v2->member_bytes);
	const size_t need = sizeof(*v2) + (size_t) sb->nr_devices * stride;

	if (!stride) {
		prt_str(err, "member entries of 0 bytes");
		return -BCH_ERR_invalid_sb_members;
	}
	if (bch2_sb_field_bytes(f) < need) {
		prt_printf(err, "too small for %u devices of %u bytes (%zu bytes, need %zu)",
			   sb->nr_devices, stride, bch2_sb_field_bytes(f), need);
		return -BCH_ERR_invalid_sb_members;
	}
	return members_validate(sb, err);
}

/* --- devices --- */

/**
 * bch2_dev_alloc() - a device, offline, decoded from c->disk_sb
 * @c:		filesystem being opened
 * @idx:	index of an alive member
 *
 * Return: the device, not yet in c->devs[]; NULL without memory.
 */
struct bch_dev *bch2_dev_alloc(struct bch_fs *c, unsigned idx)
{
	const struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, idx);
	struct bch_dev *ca = kzalloc(sizeof(*ca), GFP_KERNEL);

	if (!ca)
		return NULL;

	ca->fs = c;
	ca->dev_idx = idx;
	ca->mi = bch2_mi_to_cpu(&m);
	ca->uuid = m.uuid;
	ca->nr_labels = bch2_sb_dev_labels(c->disk_sb.sb, idx, ca->labels);
	snprintf(ca->name, sizeof(ca->name), "dev-%u", idx);
	return ca;
}

/**
 * bch2_dev_free() - close and free a device
 * @ca:		device, or NULL
 */
void bch2_dev_free(struct bch_dev *ca)
{
	if (!ca)
		return;
	bch2_free_super(&ca->disk_sb);
	kfree(ca->path);
	kfree(ca);
}

/**
 * bch2_dev_io_error() - count an I/O or checksum error of a device
 * @ca:		device
 * @type:	which
 */
void bch2_dev_io_error(struct bch_dev *ca, enum bch_member_error_type type)
{
	if ((unsigned) type < BCH_MEMBER_ERROR_NR)
		atomic64_inc(&ca->errors[type]);
}

/**
 * bch2_dev_to_text() - name a member device
 * @out:	text
 * @sb:		superblock that lists it
 * @idx:	member index
 * @path:	where it is, or NULL if it is missing
 *
 * A missing device is described by all that is known about it: index, label,
 * uuid and the name it last had.
 */
void bch2_dev_to_text(struct printbuf *out, const struct bch_sb *sb, unsigned idx,
		      const char *path)
{
	const struct bch_member m = bch2_sb_member_get(sb, idx);

	prt_printf(out, "device %u", idx);
	if (path) {
		prt_printf(out, " (%s)", path);
		return;
	}

	if (BCH_MEMBER_GROUP(&m)) {
		prt_str(out, " label ");
		bch2_sb_label_path_to_text(out, sb, BCH_MEMBER_GROUP(&m) - 1);
	}
	prt_str(out, " uuid ");
	prt_uuid(out, m.uuid.b);
	if (m.device_name[0]) {
		prt_str(out, " last known as ");
		bch2_sb_string_to_text(out, m.device_name, sizeof(m.device_name));
	}
}

/* --- text (spec 70 section 7.1) --- */

static void member_line(struct printbuf *out, const struct bch_sb_text *t, const char *label)
{
	bch2_sb_label_to_text(out, 2, bch2_sb_text_column(t), label);
}

static __printf(4, 5)
void member_value(struct printbuf *out, const struct bch_sb_text *t, const char *label,
			 const char *fmt, ...)
{
	va_list args;

	member_line(out, t, label);
	va_start(args, fmt);
	prt_vprintf(out, fmt, args);
	va_end(args);
	prt_newline(out);
}

static void member_size(struct printbuf *out, const struct bch_sb_text *t, const char *label,
			u64 bytes)
{
	member_line(out, t, label);
	prt_human_readable_u64(out, bytes);
	prt_newline(out);
}

static void member_string(struct printbuf *out, const struct bch_sb_text *t, const char *label,
			  const void *s, size_t size)
{
	member_line(out, t, label);
	bch2_sb_string_to_text(out, s, size);
	prt_newline(out);
}

static void member_types(struct printbuf *out, const struct bch_sb_text *t, const char *label,
			 unsigned long types)
{
	member_line(out, t, label);
	bch2_sb_data_types_to_text(out, types);
	prt_newline(out);
}

static void member_counts_to_text(struct printbuf *out, const struct bch_member *m,
				  const struct bch_sb_text *t)
{
	static const char *const errors[] = {
		"read errors:", "write errors:", "checksum errors:",
	};
	static const char *const iops[] = {
#define x(nr, name)	#name " iops:",
		BCH_IOPS_MEASUREMENTS(x)
#undef x
	};

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		member_value(out, t, errors[i], "%llu", le64_to_cpu(m->errors[i]));
	for (unsigned i = 0; i < ARRAY_SIZE(iops); i++)
		member_value(out, t, iops[i], "%u", le32_to_cpu(m->iops[i]));
}

static void member_state_to_text(struct printbuf *out, struct bch_sb *sb, unsigned idx,
				 const struct bch_member *m, const struct bch_sb_text *t)
{
	static const char *const states[] = {
#define x(nr, name)	[nr] = #name,
		BCH_MEMBER_STATES(x)
#undef x
	};
	const unsigned state = BCH_MEMBER_STATE(m);

	if (state < ARRAY_SIZE(states))
		member_value(out, t, "State:", "%s", states[state]);
	else
		member_value(out, t, "State:", "(unknown state %u)", state);

	/* the data types stored as bits 0.. of the field are those of the table */
	member_types(out, t, "Data allowed:", BCH_MEMBER_DATA_ALLOWED(m));
	member_types(out, t, "Has data:", bch2_sb_dev_has_data(sb, idx));
}

static void member_bitmap_to_text(struct printbuf *out, const struct bch_member *m,
				  const struct bch_sb_text *t)
{
	const u64 map = le64_to_cpu(m->btree_allocated_bitmap);

	member_size(out, t, "Btree allocated bitmap blocksize:",
		    1ULL << (m->btree_bitmap_shift & 63));
	member_line(out, t, "Btree allocated bitmap:");
	for (int bit = 63; bit >= 0; --bit)
		prt_char(out, map & (1ULL << bit) ? '1' : '0');
	prt_newline(out);
}

/**
 * bch2_member_to_text() - the lines of one member, all but the first
 * @out:	text
 * @sb:		superblock
 * @idx:	member index
 * @t:		columns
 */
void bch2_member_to_text(struct printbuf *out, struct bch_sb *sb, unsigned idx,
			 const struct bch_sb_text *t)
{
	const struct bch_member m = bch2_sb_member_get(sb, idx);
	const struct bch_member_cpu mi = bch2_mi_to_cpu(&m);

	member_line(out, t, "Label:");
	if (mi.group)
		bch2_sb_label_path_to_text(out, sb, mi.group - 1);
	else
		prt_str(out, "(none)");
	prt_newline(out);

	member_line(out, t, "UUID:");
	prt_uuid(out, m.uuid.b);
	prt_newline(out);

	member_size(out, t, "Size:", mi.nbuckets * mi.bucket_size << 9);
	member_counts_to_text(out, &m, t);
	member_size(out, t, "Bucket size:", (u64) mi.bucket_size << 9);
	member_value(out, t, "First bucket:", "%u", mi.first_bucket);
	member_value(out, t, "Buckets:", "%llu", mi.nbuckets);

	member_line(out, t, "Last mount:");
	if (m.last_mount)
		prt_datetime(out, le64_to_cpu(m.last_mount));
	else
		prt_str(out, "(never)");
	prt_newline(out);

	member_value(out, t, "Last superblock write:", "%llu", mi.seq);
	member_state_to_text(out, sb, idx, &m, t);
	member_value(out, t, "Rotational:", "%u", (unsigned) BCH_MEMBER_ROTATIONAL(&m));
	member_bitmap_to_text(out, &m, t);
	member_value(out, t, "Durability:", "%u", mi.durability);
	member_value(out, t, "Discard:", "%u", mi.discard);
	member_value(out, t, "Freespace initialized:", "%u", mi.freespace_initialized);
	member_value(out, t, "Resize on mount:", "%u",
		     (unsigned) BCH_MEMBER_RESIZE_ON_MOUNT(&m));
	member_string(out, t, "Last device name:", m.device_name, sizeof(m.device_name));
	member_string(out, t, "Last device model:", m.device_model, sizeof(m.device_model));
	member_string(out, t, "Last device serial:", m.device_serial, sizeof(m.device_serial));
	if (m.flush_errors)
		member_value(out, t, "Flush errors:", "%llu", le64_to_cpu(m.flush_errors));
}
