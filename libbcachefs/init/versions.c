// SPDX-License-Identifier: GPL-2.0
/*
 * What the metadata version of a filesystem means for a start: passes that
 * become necessary, and errors that are to be expected and not worth a report
 * (spec 12 §5-§7, spec 31 §3).
 *
 * Only the current version is written. A start that may write brings an older
 * filesystem up to it, if all passes that this needs are there; otherwise it is
 * refused before anything changes. With option nochanges everything is decided
 * in memory, and the version stays. Called once per start, by its thread.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "init/passes.h"
#include "init/recovery.h"
#include "sb/downgrade_format.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/misc_sections.h"
#include "sb/text.h"
#include "sb/write.h"
#include "util/log.h"
#include "util/printbuf.h"

struct version_change {
	unsigned	version;
	u64		passes;		/* stable */
	const u16	*errors;
	unsigned	nr_errors;
};

#define x(name, passes, ...)	static const u16 upgrade_errors_##name[] = { __VA_ARGS__ };
BCH_UPGRADE_TABLE(x)
#undef x

static const struct version_change upgrade_table[] = {
#define x(name, _passes, ...)							\
	{									\
		.version	= bcachefs_metadata_version_##name,		\
		.passes		= _passes,					\
		.errors		= upgrade_errors_##name,			\
		.nr_errors	= ARRAY_SIZE(upgrade_errors_##name),		\
	},
	BCH_UPGRADE_TABLE(x)
#undef x
};

/* The version that a start brings the filesystem to (spec 12 §5.2). */
static unsigned upgrade_target(const struct bch_fs *c, unsigned old)
{
	const unsigned current_version = bcachefs_metadata_version_current;
	const unsigned compatible =
		BCH_VERSION_MAJOR(c->sb.version) == BCH_VERSION_MAJOR(current_version)
		? current_version : c->sb.version;
	const bool incompat = c->opts.version_upgrade == BCH_VERSION_UPGRADE_incompatible;

	if (old < bcachefs_metadata_required_upgrade_below)
		return incompat || compatible < bcachefs_metadata_required_upgrade_below
			? current_version : compatible;
	if (incompat)
		return current_version;
	return c->opts.version_upgrade == BCH_VERSION_UPGRADE_none
		? min(old, current_version) : compatible;
}

/* Passes that the way from @old to @new asks for (stable); silences their errors. */
static u64 upgrade_passes(struct bch_fs *c, unsigned old, unsigned new)
{
	u64 passes = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(upgrade_table); i++) {
		const struct version_change *v = &upgrade_table[i];

		if (v->version <= old || v->version > new)
			continue;
		passes |= v->passes;
		for (unsigned e = 0; e < v->nr_errors; e++)
			__set_bit(v->errors[e], c->sb.errors_silent);
	}
	return passes;
}

/* A filesystem that is written is of the current version, or is not written. */
static int upgrade_possible(struct bch_fs *c, unsigned old, unsigned new, u64 passes)
{
	CLASS(printbuf, buf)();
	const u64 need = bch2_recovery_passes_from_stable(passes);
	u64 missing = 0;

	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if ((need & BIT_ULL(i)) && !bch2_recovery_pass_available(i))
			missing |= BIT_ULL(i);
	if (!missing && new == bcachefs_metadata_version_current)
		return 0;

	prt_str(&buf, "cannot be written: the filesystem is of version ");
	bch2_sb_version_to_text(&buf, old);
	prt_str(&buf, ", only ");
	bch2_sb_version_to_text(&buf, bcachefs_metadata_version_current);
	prt_str(&buf, " is written");
	if (missing) {
		prt_str(&buf, ", and these passes of the upgrade are not available: ");
		bch2_recovery_passes_to_text(&buf, missing);
	}
	bch_err(c, "%s", printbuf_str(&buf));
	return -BCH_ERR_erofs_version_upgrade;
}

/* In the superblock in memory; the first write of it carries all of this. */
static void upgrade_superblock(struct bch_fs *c, unsigned new, u64 passes)
{
	struct bch_sb_field_ext *ext;

	mutex_lock(&c->sb_lock);
	c->disk_sb.sb->version = cpu_to_le16(new);
	ext = bch2_sb_field_get(c->disk_sb.sb, ext);
	if (ext && bch2_sb_field_has(ext, errors_silent)) {
		ext->recovery_passes_required[0] |= cpu_to_le64(passes);
		for (unsigned i = 0; i < ARRAY_SIZE(c->sb.errors_silent); i++)
			ext->errors_silent[i] |= cpu_to_le64(c->sb.errors_silent[i]);
	}
	c->sb.version = new;
	mutex_unlock(&c->sb_lock);
}

static int version_upgrade(struct bch_fs *c)
{
	const unsigned old = c->sb.version_upgrade_complete ?: c->sb.version;
	const unsigned new = upgrade_target(c, old);
	u64 passes = 0;
	int ret = 0;

	if (new > old)
		passes = upgrade_passes(c, old, new);
	c->recovery.required_stable |= passes;

	if (c->opts.nochanges || !BCH_SB_INITIALIZED(c->disk_sb.sb))
		return 0;
	if (old < bcachefs_metadata_version_current)
		ret = upgrade_possible(c, old, new, passes);
	if (!ret && new > old)
		upgrade_superblock(c, new, passes);
	return ret;
}

/* Newer software than this has left a list of what we must expect (spec 12 §7.2). */
static void version_downgrade(struct bch_fs *c)
{
	const struct bch_sb_field_downgrade *f = bch2_sb_field_get(c->disk_sb.sb, downgrade);
	const struct bch_sb_field_downgrade_entry *e = NULL;

	if (c->sb.version <= bcachefs_metadata_version_current || !f)
		return;

	while ((e = bch2_sb_downgrade_next(f, e))) {
		const unsigned v = le16_to_cpu(e->version);

		if (v <= bcachefs_metadata_version_current || v > c->sb.version)
			continue;
		c->recovery.required_stable |= le64_to_cpu(e->recovery_passes[0]);
		for (unsigned i = 0; i < le16_to_cpu(e->nr_errors); i++)
			if (le16_to_cpu(e->errors[i]) < 512)
				__set_bit(le16_to_cpu(e->errors[i]), c->sb.errors_silent);
	}
}

static void lost_btrees_to_text(struct printbuf *out, u64 btrees)
{
	bool first = true;

	for (; btrees; btrees &= btrees - 1) {
		if (!first)
			prt_str(out, ", ");
		first = false;
		bch2_btree_id_to_text(out, __ffs64(btrees));
	}
}

/* The first lines of every start (spec 31 §22). */
static void announce(struct bch_fs *c, u64 required)
{
	CLASS(printbuf, buf)();
	struct bch_opt_ctx ctx = { .c = c, .sb = c->disk_sb.sb };
	const u64 passes = bch2_recovery_passes_from_stable(required);

	prt_str(&buf, "starting version ");
	bch2_sb_version_to_text(&buf, c->sb.version);
	prt_str(&buf, "\n  with options: ");
	bch2_opts_to_text(&buf, &ctx, &c->recovery.given, OPT_MOUNT);
	if (c->sb.multi_device) {
		bool first = true;

		prt_str(&buf, "\n  with devices: ");
		for_each_online_member(c, ca) {
			prt_printf(&buf, "%s%s", first ? "" : " ", ca->name);
			first = false;
		}
	}
	if (passes) {
		prt_str(&buf, "\n  superblock requires following recovery passes to be run: ");
		bch2_recovery_passes_to_text(&buf, passes);
	}
	if (c->sb.btrees_lost_data) {
		prt_str(&buf, "\n  superblock indicates damage to following btrees:  ");
		lost_btrees_to_text(&buf, c->sb.btrees_lost_data);
	}
	if (c->recovery.required_stable & ~required) {
		prt_str(&buf, "\n  Upgrade requires recovery passes: ");
		bch2_recovery_passes_to_text(&buf, bch2_recovery_passes_from_stable(
				c->recovery.required_stable & ~required));
	}
	bch_info(c, "%s", printbuf_str(&buf));
}

/**
 * bch2_fs_members_mounted - note in the superblock in memory that this is a start
 * @c:	filesystem that is going to be written
 *
 * When, and by which names the devices are known. Spec 10 §9.8, 31 §3 step 3.
 */
void bch2_fs_members_mounted(struct bch_fs *c)
{
	const u64 now = ktime_get_real_seconds();

	mutex_lock(&c->sb_lock);
	for_each_online_member(c, ca) {
		struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);

		m.last_mount = cpu_to_le64(now);
		memset(m.device_name, 0, sizeof(m.device_name));
		memcpy(m.device_name, ca->name, strnlen(ca->name, sizeof(m.device_name)));
		bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
	}
	mutex_unlock(&c->sb_lock);
}

/**
 * bch2_fs_version_init - what versions and earlier damage ask of this start
 * @c:	filesystem; options are final
 *
 * Sets c->recovery.required_stable and lost_data, adds to c->sb.errors_silent,
 * and announces the start.
 *
 * Return: 0, or -BCH_ERR_erofs_version_upgrade for a filesystem that would have
 * to be written and cannot be brought to the current version.
 */
int bch2_fs_version_init(struct bch_fs *c)
{
	u64 required = c->sb.recovery_passes_required;
	int ret;

	if (BCH_SB_HAS_TOPOLOGY_ERRORS(c->disk_sb.sb))
		required |= BIT_ULL(BCH_RECOVERY_PASS_STABLE_check_topology);

	c->recovery.required_stable	= required;
	c->recovery.lost_data		= c->sb.btrees_lost_data;

	version_downgrade(c);
	ret = version_upgrade(c);
	announce(c, required);
	return ret;
}
