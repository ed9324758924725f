// SPDX-License-Identifier: GPL-2.0
/*
 * What a start takes from the superblock before anything is read: the version and
 * its changes, required passes, settings of older software that do not do any more
 * (spec 12 §5.1, spec 31 §3), and the first lines that it prints.
 *
 * All of this is done on the superblock in memory; the first write of it carries
 * it to the devices. Called once per start, by its thread.
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
#include "init/upgrade.h"
#include "sb/downgrade_format.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/text.h"
#include "sb/write.h"
#include "util/log.h"
#include "util/printbuf.h"

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

static void passes_to_text(struct printbuf *out, const char *what, u64 stable)
{
	const u64 passes = bch2_recovery_passes_from_stable(stable);

	if (!passes)
		return;
	prt_printf(out, "\n  %s ", what);
	bch2_recovery_passes_to_text(out, passes);
}

/* What of a version is new: decided by this start. */
static void changes_to_text(struct printbuf *out, const struct bch_version_change *down,
			    const struct bch_version_change *up)
{
	if (down->from)
		passes_to_text(out, "Version downgrade required, running recovery passes:",
			       down->passes);
	if (!up->from)
		return;
	prt_str(out, "\n  Doing compatible version upgrade from ");
	bch2_sb_version_to_text(out, up->from);
	prt_str(out, " to ");
	bch2_sb_version_to_text(out, up->to);
	passes_to_text(out, "Upgrade requires recovery passes:", up->passes);
}

/* The first lines of every start (spec 31 §22). */
static void announce(struct bch_fs *c, unsigned version, u64 required,
		     const struct bch_version_change *down, const struct bch_version_change *up)
{
	CLASS(printbuf, buf)();
	struct bch_opt_ctx ctx = { .c = c, .sb = c->disk_sb.sb };

	prt_str(&buf, "starting version ");
	bch2_sb_version_to_text(&buf, version);
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
	passes_to_text(&buf, "superblock requires following recovery passes to be run:", required);
	if (c->sb.btrees_lost_data) {
		prt_str(&buf, "\n  superblock indicates damage to following btrees:  ");
		lost_btrees_to_text(&buf, c->sb.btrees_lost_data);
	}
	changes_to_text(&buf, down, up);
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

/* May the superblock, and with it the version, change at all (spec 31 §3 step 2)? */
static bool may_change(const struct bch_fs *c)
{
	return BCH_SB_INITIALIZED(c->disk_sb.sb) &&
		!(c->sb.features & (BCH_FEATURE_BIT(small_image)|
				    BCH_FEATURE_BIT(no_default_sb)));
}

/* Errors that can be repaired do not stop anything any more (spec 12 §5.1 step 6). */
static void errors_option(struct bch_fs *c, unsigned complete)
{
	if (complete >= bcachefs_metadata_version_autofix_errors)
		return;
	SET_BCH_SB_ERROR_ACTION(c->disk_sb.sb, BCH_ON_ERROR_fix_safe);
	if (!opt_defined(c->recovery.given, errors))
		c->opts.errors = BCH_ON_ERROR_fix_safe;
}

/* Extents must fit what backpointers can say (spec 10 §5.7, 31 §3 step 9). */
static int backpointer_shift(struct bch_fs *c)
{
	const unsigned need = c->encoded_extent_max_bits + 1;
	u64 silent[BCH_FSCK_ERR_SILENT_BITS / 64] = {};

	if (c->sb.extent_bp_shift >= need)
		return 0;
	silent[BCH_FSCK_ERR_backpointer_to_missing_ptr / 64] |=
		BIT_ULL(BCH_FSCK_ERR_backpointer_to_missing_ptr % 64);
	silent[BCH_FSCK_ERR_ptr_to_missing_backpointer / 64] |=
		BIT_ULL(BCH_FSCK_ERR_ptr_to_missing_backpointer % 64);
	SET_BCH_SB_EXTENT_BP_SHIFT(c->disk_sb.sb, need);
	return bch2_sb_require(c, PASS_STABLE(check_extents_to_backpointers) |
			       PASS_STABLE(check_backpointers_to_extents), silent);
}

/**
 * bch2_fs_version_init - what versions and earlier damage ask of this start
 * @c:	filesystem; options are final
 *
 * Sets c->recovery.required_stable and lost_data and announces the start; brings
 * the superblock in memory to the current version, if the filesystem's contents
 * can be brought there.
 *
 * Return: 0; -BCH_ERR_erofs_version_upgrade for a filesystem that would have to
 * be written and cannot be brought to the current version; or no memory.
 */
int bch2_fs_version_init(struct bch_fs *c)
{
	const unsigned complete = c->sb.version_upgrade_complete;
	const unsigned version = c->sb.version;
	struct bch_version_change down = {}, up = {};
	u64 required = c->sb.recovery_passes_required;
	int ret = 0;

	if (BCH_SB_HAS_TOPOLOGY_ERRORS(c->disk_sb.sb))
		required |= PASS_STABLE(check_topology);

	c->recovery.required_stable	= required;
	c->recovery.lost_data		= c->sb.btrees_lost_data;

	if (may_change(c)) {
		mutex_lock(&c->sb_lock);
		ret   = bch2_fs_version_downgrade(c, &down) ?:
			bch2_fs_version_upgrade(c, &up);
		if (!ret) {
			errors_option(c, complete);
			ret = backpointer_shift(c);
		}
		mutex_unlock(&c->sb_lock);
	}
	announce(c, version, required, &down, &up);
	return ret;
}
