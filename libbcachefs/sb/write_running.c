// SPDX-License-Identifier: GPL-2.0
/*
 * Sections that a filesystem in use brings up to date with every superblock
 * update: what older software has to repair (downgrade), errors that were found,
 * event counters (spec 10 §9.10, §9.11, §9.13; spec 12 §4, §7.1).
 *
 * Sections only grow here: a larger one was written by newer software, and what
 * it says beyond what is known stays. Callers hold c->sb_lock. Filesystems that
 * are only opened for their superblock leave these sections alone.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "sb/counters_format.h"
#include "sb/downgrade_format.h"
#include "sb/io.h"
#include "sb/write.h"

/* --- downgrade --- */

/* What one version asks of software that is older than it. */
struct downgrade_row {
	u64		passes;		/* stable */
	const u16	*errors;
	unsigned	nr_errors;
	unsigned	version;
};

#define x(name, passes, ...)	static const u16 downgrade_errors_##name[] = { __VA_ARGS__ };
BCH_DOWNGRADE_TABLE(x)
#undef x

static const struct downgrade_row downgrade_rows[] = {
#define x(name, _passes, ...)							\
	{									\
		.passes		= _passes,					\
		.errors		= downgrade_errors_##name,			\
		.nr_errors	= ARRAY_SIZE(downgrade_errors_##name),		\
		.version	= bcachefs_metadata_version_##name,		\
	},
	BCH_DOWNGRADE_TABLE(x)
#undef x
};

/* Bytes of all rows together: what a buffer for them needs. */
#define x(name, passes, ...)	+ sizeof(struct bch_sb_field_downgrade_entry) +		\
				sizeof(downgrade_errors_##name) + sizeof(u16)
#define DOWNGRADE_BYTES_MAX	(0 BCH_DOWNGRADE_TABLE(x))

/* Only filesystems with stripes need the row of the version that counts their sectors. */
static bool has_stripes(const struct bch_fs *c)
{
	const struct btree_root *r = &c->btree.roots[BTREE_ID_stripes];

	return r->level || (r->b && r->b->live_u64s);
}

/* Append an entry at @out. Return: its bytes; 0 if this filesystem does not need it. */
static unsigned downgrade_entry(const struct bch_fs *c, const struct downgrade_row *row, u8 *out)
{
	struct bch_sb_field_downgrade_entry *e = (void *) out;
	const struct bch_sb *sb = c->disk_sb.sb;
	u64 passes = row->passes;
	unsigned nr = 0;

	if (BCH_VERSION_MAJOR(row->version) != BCH_VERSION_MAJOR(le16_to_cpu(sb->version)) ||
	    row->version < BCH_SB_VERSION_INCOMPAT(sb))
		return 0;

	for (; nr < row->nr_errors; nr++)
		e->errors[nr] = cpu_to_le16(row->errors[nr]);
	if (row->version == bcachefs_metadata_version_bucket_stripe_sectors && has_stripes(c)) {
		passes |= PASS_STABLE(check_allocations);
		e->errors[nr++] = cpu_to_le16(BCH_FSCK_ERR_alloc_key_dirty_sectors_wrong);
	}
	if (!passes && !nr)
		return 0;

	e->version		= cpu_to_le16(row->version);
	e->recovery_passes[0]	= cpu_to_le64(passes);
	e->recovery_passes[1]	= 0;
	e->nr_errors		= cpu_to_le16(nr);
	return sizeof(*e) + nr * sizeof(e->errors[0]);
}

static int downgrade_refresh(struct bch_fs *c)
{
	struct bch_sb_field_downgrade *f = bch2_sb_field_get(c->disk_sb.sb, downgrade);
	const unsigned have = f ? le32_to_cpu(f->field.u64s) : 0;
	u8 *buf = kzalloc(DOWNGRADE_BYTES_MAX, GFP_KERNEL);
	unsigned bytes = 0, u64s;
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(downgrade_rows); i++)
		bytes += downgrade_entry(c, &downgrade_rows[i], buf + bytes);

	u64s = DIV_ROUND_UP(sizeof(*f) + bytes, sizeof(u64));
	if (u64s >= have) {
		f = bch2_sb_field_resize(&c->disk_sb, downgrade, u64s);
		ret = PTR_ERR_OR_ZERO(f);
		if (!ret) {
			memset(f->entries, 0, bch2_sb_field_bytes(&f->field) - sizeof(*f));
			memcpy(f->entries, buf, bytes);
		}
	}
	kfree(buf);
	return ret;
}

/* --- errors --- */

static unsigned errors_nr(const struct bch_sb_field_errors *f)
{
	return f ? (bch2_sb_field_bytes(&f->field) - sizeof(*f)) / sizeof(f->entries[0]) : 0;
}

/* Count @nr more of error @id; entries are in the order of their ids. */
static int errors_add(struct bch_fs *c, unsigned id, u64 nr)
{
	struct bch_sb_field_errors *f = bch2_sb_field_get(c->disk_sb.sb, errors);
	const unsigned old = errors_nr(f);
	struct bch_sb_field_error_entry *e;
	unsigned i = 0;

	while (i < old && BCH_SB_ERROR_ENTRY_ID(&f->entries[i]) < id)
		i++;
	if (i == old || BCH_SB_ERROR_ENTRY_ID(&f->entries[i]) != id) {
		f = bch2_sb_field_resize(&c->disk_sb, errors,
				DIV_ROUND_UP(sizeof(*f) + (old + 1) * sizeof(*e), sizeof(u64)));
		if (IS_ERR(f))
			return PTR_ERR(f);
		memmove(&f->entries[i + 1], &f->entries[i], (old - i) * sizeof(*e));
		memset(&f->entries[i], 0, sizeof(*e));
		SET_BCH_SB_ERROR_ENTRY_ID(&f->entries[i], id);
	}
	e = &f->entries[i];
	SET_BCH_SB_ERROR_ENTRY_NR(e, min(BCH_SB_ERROR_ENTRY_NR(e) + nr, (1ULL << 48) - 1));
	e->last_error_time = cpu_to_le64(ktime_get_real_seconds());
	return 0;
}

/* Errors that were found since the last update; the section is there without any, too. */
static int errors_refresh(struct bch_fs *c)
{
	struct bch_sb_field_errors *f = bch2_sb_field_get(c->disk_sb.sb, errors);
	int ret = 0;

	if (!f)
		f = bch2_sb_field_resize(&c->disk_sb, errors, sizeof(*f) / sizeof(u64));
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!c->fsck.seen)
		return 0;

	mutex_lock(&c->fsck.lock);
	for (unsigned id = 0; id < BCH_FSCK_ERR_MAX && !ret; id++) {
		struct fsck_err_seen *s = &c->fsck.seen[id];

		if (s->nr > s->nr_in_sb)
			ret = errors_add(c, id, s->nr - s->nr_in_sb);
		if (!ret)
			s->nr_in_sb = s->nr;
	}
	mutex_unlock(&c->fsck.lock);
	return ret;
}

/* --- counters --- */

static int counters_refresh(struct bch_fs *c)
{
	struct bch_sb_field_counters *f = bch2_sb_field_get(c->disk_sb.sb, counters);
	const unsigned u64s = sizeof(*f) / sizeof(u64) + BCH_COUNTER_NR;

	if (!f || le32_to_cpu(f->field.u64s) < u64s)
		f = bch2_sb_field_resize(&c->disk_sb, counters, u64s);
	if (IS_ERR(f))
		return PTR_ERR(f);
	le64_add_cpu(&f->d[BCH_COUNTER_write_super], 1);
	return 0;
}

/* --- what this start has found out and a later one has to know (spec 31 §7.1, §11.2) --- */

static void ext_refresh(struct bch_fs *c)
{
	struct bch_sb_field_ext *ext = bch2_sb_field_get(c->disk_sb.sb, ext);

	if (!ext || !bch2_sb_field_has(ext, btrees_lost_data))
		return;
	ext->recovery_passes_required[0] |= cpu_to_le64(READ_ONCE(c->recovery.required_stable));
	ext->btrees_lost_data		 |= cpu_to_le64(c->recovery.lost_data);
	for (unsigned i = 0; i < BCH_FSCK_ERR_SILENT_BITS; i++)
		if (test_bit(i, c->sb.errors_silent))
			ext->errors_silent[i / 64] |= cpu_to_le64(BIT_ULL(i % 64));
}

/**
 * bch2_sb_refresh_running() - sections that tell what a filesystem in use did
 * @c:	filesystem whose superblock is about to be written
 *
 * Does nothing until btrees can be used. Caller holds c->sb_lock. A device
 * without room for these sections is as good without them: that is no error.
 *
 * Return: 0 or no memory.
 */
int bch2_sb_refresh_running(struct bch_fs *c)
{
	int ret;

	lockdep_assert_held(&c->sb_lock);
	if (c->opts.nostart || !test_bit(BCH_FS_btree_running, &c->flags))
		return 0;

	ext_refresh(c);
	ret   = downgrade_refresh(c) ?:
		errors_refresh(c) ?:
		counters_refresh(c);
	return bch2_err_matches(ret, BCH_ERR_ENOSPC_sb) ? 0 : ret;
}

/* --- incompatible features --- */

/**
 * bch2_sb_request_incompat() - may a feature be used that older software fails on?
 * @c:		filesystem
 * @version:	metadata version that introduced it
 *
 * Raises the superblock's version_incompat in memory where that is allowed
 * (spec 12 §4). Caller holds c->sb_lock, and writes the superblock before the
 * feature is used.
 *
 * Return: whether it may be used.
 */
bool bch2_sb_request_incompat(struct bch_fs *c, unsigned version)
{
	struct bch_sb *sb = c->disk_sb.sb;

	lockdep_assert_held(&c->sb_lock);
	if (version <= BCH_SB_VERSION_INCOMPAT(sb))
		return true;
	if (!(le64_to_cpu(sb->features[0]) & BCH_FEATURE_BIT(incompat_version_field)) ||
	    version > BCH_SB_VERSION_INCOMPAT_ALLOWED(sb))
		return false;

	SET_BCH_SB_VERSION_INCOMPAT(sb, version);
	bch2_sb_to_cpu(c);
	return true;
}
