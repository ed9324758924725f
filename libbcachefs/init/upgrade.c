// SPDX-License-Identifier: GPL-2.0
/*
 * Bringing a filesystem to the metadata version that is written here, from older
 * ones and from newer ones: which passes that takes, which errors are to be
 * expected meanwhile, and what of it the superblock says (spec 12 §5 to §7).
 *
 * Invariant: the superblock calls an upgrade complete only after the passes that
 * it requires, so that one that was interrupted begins anew. Everything is decided
 * on the superblock in memory; with option nochanges it stays there. A start that
 * may write and cannot bring the filesystem to the current version is refused
 * before anything has changed.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "init/passes.h"
#include "init/upgrade.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/pins.h"
#include "sb/downgrade_format.h"
#include "sb/field.h"
#include "sb/io.h"
#include "sb/misc_sections.h"
#include "sb/text.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- tables --- */

struct version_row {
	unsigned	version;
	u64		passes;		/* stable */
	const u16	*errors;
	unsigned	nr_errors;
};

#define x(name, passes, ...)	static const u16 upgrade_errors_##name[] = { __VA_ARGS__ };
BCH_UPGRADE_TABLE(x)
#undef x

static const struct version_row upgrade_table[] = {
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

#define x(name, passes, ...)	static const u16 allow_errors_##name[] = { __VA_ARGS__ };
BCH_UPGRADE_INCOMPAT_TABLE(x)
#undef x

/* The same for permissions: of incompatible features up to a version. */
static const struct version_row allow_table[] = {
#define x(name, _passes, ...)							\
	{									\
		.version	= bcachefs_metadata_version_##name,		\
		.passes		= _passes,					\
		.errors		= allow_errors_##name,				\
		.nr_errors	= ARRAY_SIZE(allow_errors_##name),		\
	},
	BCH_UPGRADE_INCOMPAT_TABLE(x)
#undef x
};

static void silence(struct bch_version_change *ch, unsigned id)
{
	if (id < BCH_FSCK_ERR_SILENT_BITS)
		ch->silent[id / 64] |= BIT_ULL(id % 64);
}

static bool row_crossed(struct bch_version_change *ch, const struct version_row *v)
{
	if (v->version <= ch->from || v->version > ch->to)
		return false;
	ch->passes |= v->passes;
	for (unsigned e = 0; e < v->nr_errors; e++)
		silence(ch, v->errors[e]);
	return true;
}

static void crossed_rows(struct bch_version_change *ch)
{
	for (unsigned i = 0; i < ARRAY_SIZE(upgrade_table); i++) {
		const struct version_row *v = &upgrade_table[i];

		if (!row_crossed(ch, v))
			continue;
		/* not in the table: the keys of rebalance_work, same btree, other places */
		if (v->version == bcachefs_metadata_version_reconcile)
			silence(ch, BCH_FSCK_ERR_reconcile_work_incorrectly_set);
	}
}

/* --- the superblock --- */

/**
 * bch2_sb_require - passes that must run, errors that are expected until they have
 * @c:		filesystem; caller holds c->sb_lock
 * @passes:	stable numbers
 * @silent:	512 bits by error id, or NULL
 *
 * In the superblock in memory, and in what is decoded of it. Makes room for them
 * in the section ext. Return: 0, or why there is none.
 */
int bch2_sb_require(struct bch_fs *c, u64 passes, const u64 *silent)
{
	struct bch_sb_field_ext *ext = bch2_sb_field_get(c->disk_sb.sb, ext);

	c->recovery.required_stable |= passes;
	if (!ext || !bch2_sb_field_has(ext, flags0)) {
		ext = bch2_sb_field_resize(&c->disk_sb, ext, sizeof(*ext) / sizeof(u64));
		if (IS_ERR(ext))
			return PTR_ERR(ext);
	}
	ext->recovery_passes_required[0] |= cpu_to_le64(passes);
	for (unsigned i = 0; silent && i < ARRAY_SIZE(ext->errors_silent); i++)
		ext->errors_silent[i] |= cpu_to_le64(silent[i]);
	return bch2_sb_to_cpu(c);
}

/* Spec 12 §5.4. */
static int set_version(struct bch_fs *c, unsigned v)
{
	struct bch_sb *sb = c->disk_sb.sb;

	if (BCH_VERSION_MAJOR(v) > BCH_VERSION_MAJOR(le16_to_cpu(sb->version)) &&
	    bch2_sb_field_get(sb, downgrade)) {
		struct bch_sb_field_downgrade *f = bch2_sb_field_resize(&c->disk_sb, downgrade, 0);

		if (IS_ERR(f))
			return PTR_ERR(f);
		sb = c->disk_sb.sb;
	}
	sb->version = cpu_to_le16(v);
	if (c->opts.version_upgrade == BCH_VERSION_UPGRADE_incompatible) {
		sb->features[0] |= cpu_to_le64(BCH_SB_FEATURES_ALL);
		SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb,
				max_t(u64, BCH_SB_VERSION_INCOMPAT_ALLOWED(sb), v));
	}
	return bch2_sb_to_cpu(c);
}

/* --- upgrade --- */

/* Incompatible features up to @v may be used from now on (spec 12 §5.3). */
static int allow_incompatible(struct bch_fs *c, unsigned v)
{
	struct bch_version_change allow = { .from = c->sb.version_incompat_allowed, .to = v };

	for (unsigned i = 0; i < ARRAY_SIZE(allow_table); i++)
		row_crossed(&allow, &allow_table[i]);
	return  (allow.passes ? bch2_sb_require(c, allow.passes, allow.silent) : 0) ?:
		set_version(c, v);
}

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

/* Counters whose names were written in another byte order (spec 41 §2.2). */
static bool names_change(const struct bch_version_change *ch)
{
	return ch->from && ch->from < bcachefs_metadata_version_disk_accounting_big_endian &&
		ch->to >= bcachefs_metadata_version_disk_accounting_big_endian;
}

/*
 * Passes of the upgrade that will not run although nobody has said so. Who leaves
 * one out with recovery_passes_exclude has the upgrade begin anew with every start;
 * but without its counters a filesystem cannot be written.
 */
static u64 passes_missing(const struct bch_fs *c, const struct bch_version_change *ch)
{
	const u64 counters = BIT_ULL(BCH_RECOVERY_PASS_check_allocations);
	const u64 need = bch2_recovery_passes_from_stable(ch->passes);
	u64 missing = 0;

	for (unsigned i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if ((need & BIT_ULL(i)) && !bch2_recovery_pass_available(i))
			missing |= BIT_ULL(i);
	missing &= ~c->opts.recovery_passes_exclude;

	if (names_change(ch) && (!bch2_recovery_pass_available(__ffs64(counters)) ||
				 (c->opts.recovery_passes_exclude & counters)))
		missing |= counters;
	return missing;
}

/* A filesystem that is written is of the current version, or is not written. */
static int upgrade_possible(struct bch_fs *c, const struct bch_version_change *ch)
{
	CLASS(printbuf, buf)();
	const u64 missing = passes_missing(c, ch);

	if (!missing && ch->to == bcachefs_metadata_version_current)
		return 0;

	prt_str(&buf, "cannot be written: the filesystem is of version ");
	bch2_sb_version_to_text(&buf, ch->from);
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

/**
 * bch2_fs_version_upgrade - decide about the version, in the superblock in memory
 * @c:	initialised filesystem; options are final; caller holds c->sb_lock
 * @ch:	result: what is done; from is 0 if the version stays
 *
 * Spec 12 §5.2.
 *
 * Return: 0; -BCH_ERR_erofs_version_upgrade for a filesystem that may be written
 * and cannot be brought to the current version; or no memory.
 */
int bch2_fs_version_upgrade(struct bch_fs *c, struct bch_version_change *ch)
{
	const unsigned old = c->sb.version_upgrade_complete ?: c->sb.version;
	struct bch_version_change change = {
		.from	= old,
		.to	= upgrade_target(c, old),
	};
	int ret = 0;

	if (change.to > old)
		crossed_rows(&change);
	if (!c->opts.nochanges && old < bcachefs_metadata_version_current)
		ret = upgrade_possible(c, &change);
	if (ret)
		return ret;

	if (change.to > old) {
		*ch = change;
		c->recovery.upgrade_from	= old;
		c->recovery.upgrade_stable	= change.passes;
		return  bch2_sb_require(c, change.passes, change.silent) ?:
			set_version(c, change.to);
	}
	if (c->opts.version_upgrade == BCH_VERSION_UPGRADE_incompatible &&
	    change.to > c->sb.version_incompat_allowed)
		ret = allow_incompatible(c, change.to);
	return ret;
}

/* --- downgrade --- */

static void lower_versions(struct bch_sb *sb, unsigned v)
{
	if (BCH_SB_VERSION_UPGRADE_COMPLETE(sb) > v)
		SET_BCH_SB_VERSION_UPGRADE_COMPLETE(sb, v);
	if (BCH_SB_VERSION_INCOMPAT_ALLOWED(sb) > v)
		SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb, v);
	sb->version	= cpu_to_le16(min_t(unsigned, le16_to_cpu(sb->version), v));
	sb->version_min	= cpu_to_le16(min_t(unsigned, le16_to_cpu(sb->version_min), v));
	sb->compat[0]	&= cpu_to_le64(BIT_ULL(BCH_COMPAT_NR) - 1);
	sb->compat[1]	= 0;
}

/**
 * bch2_fs_version_downgrade - take a filesystem of newer software down
 * @c:	initialised filesystem; caller holds c->sb_lock
 * @ch:	result: what is done; from is 0 if the version stays
 *
 * The newer software has left a list of what we must repair (spec 12 §7.2). The
 * superblock in memory becomes one of the current version. Passes that are not
 * known here stay required until software runs that knows them.
 *
 * Return: 0 or no memory.
 */
int bch2_fs_version_downgrade(struct bch_fs *c, struct bch_version_change *ch)
{
	const struct bch_sb_field_downgrade *f = bch2_sb_field_get(c->disk_sb.sb, downgrade);
	const struct bch_sb_field_downgrade_entry *e = NULL;
	const unsigned v = bcachefs_metadata_version_current;

	if (c->sb.version <= v)
		return 0;

	ch->from	= c->sb.version;
	ch->to		= v;
	while (f && (e = bch2_sb_downgrade_next(f, e))) {
		const unsigned ev = le16_to_cpu(e->version);

		if (ev <= v || ev > ch->from)
			continue;
		ch->passes |= le64_to_cpu(e->recovery_passes[0]);
		for (unsigned i = 0; i < le16_to_cpu(e->nr_errors); i++)
			silence(ch, le16_to_cpu(e->errors[i]));
	}
	lower_versions(c->disk_sb.sb, v);
	return bch2_sb_require(c, ch->passes, ch->silent);
}

/* --- btrees --- */

/**
 * bch2_fs_upgrade_renames_counters - do the names of counters change with this start?
 * @c:	filesystem whose passes have been selected
 *
 * Before 1.15 they were stored in another byte order. They are not translated: the
 * counters are deleted, and check_allocations, which the upgrade requires, counts
 * everything (spec 41 §2.2). A start that does not come to that pass, as it only
 * wants to look, reads the old names.
 */
bool bch2_fs_upgrade_renames_counters(struct bch_fs *c)
{
	const struct bch_version_change ch = {
		.from	= c->recovery.upgrade_from,
		.to	= c->sb.version,
	};

	return names_change(&ch) &&
		bch2_recovery_pass_available(BCH_RECOVERY_PASS_check_allocations) &&
		(c->recovery.passes_selected & BIT_ULL(BCH_RECOVERY_PASS_check_allocations));
}

static bool has_stripes(const struct bch_fs *c)
{
	const struct btree_root *r = &c->btree.roots[BTREE_ID_stripes];

	return r->level || (r->b && r->b->live_u64s) ||
		bch2_journal_keys_peek_max((struct bch_fs *) c, BTREE_ID_stripes, 0, POS_MIN,
					   SPOS_MAX, &(size_t) { 0 });
}

/**
 * bch2_fs_upgrade_after_roots - what an upgrade asks for only with certain contents
 * @c:	filesystem whose roots have been read
 *
 * Buckets of stripes were counted differently before 1.8 (spec 12 §5.2, end).
 *
 * Return: 0 or no memory.
 */
int bch2_fs_upgrade_after_roots(struct bch_fs *c)
{
	const unsigned v = bcachefs_metadata_version_bucket_stripe_sectors;
	struct bch_version_change ch = { .passes = PASS_STABLE(check_allocations) };
	int ret;

	if (!c->recovery.upgrade_from || c->recovery.upgrade_from >= v || c->sb.version < v ||
	    !has_stripes(c))
		return 0;

	silence(&ch, BCH_FSCK_ERR_alloc_key_dirty_sectors_wrong);
	silence(&ch, BCH_FSCK_ERR_alloc_key_stripe_sectors_wrong);
	mutex_lock(&c->sb_lock);
	c->recovery.upgrade_stable |= ch.passes;
	ret = bch2_sb_require(c, ch.passes, ch.silent);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/* Write leaf @at of the counters to a new place; @at becomes the one behind it. */
static int leaf_rewrite(struct btree_trans *trans, struct bpos *at)
{
	struct btree_iter iter;
	struct btree *b;
	struct bpos end;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, BTREE_ID_accounting, *at, 0, 0, 0);
	b = bch2_btree_iter_peek_node(&iter);
	if (IS_ERR_OR_NULL(b)) {
		ret = b ? PTR_ERR(b) : 0;
		*at = ret ? *at : SPOS_MAX;
	} else {
		end = b->max_key;
		if (!test_bit(BTREE_NODE_fake, &b->flags))
			ret = bch2_btree_node_rewrite(trans, &iter, b, 0);
		if (!ret)
			*at = bpos_eq(end, SPOS_MAX) ? end : bpos_successor(end);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_fs_upgrade_finish - leave nothing behind that the new version cannot read
 * @c:	read-write filesystem; all passes have run
 *
 * Old names of counters are still in the logs of nodes, below their deletion, and
 * in the journal. Before the superblock says that there are none.
 *
 * Return: 0, or why something could not be written.
 */
int bch2_fs_upgrade_finish(struct bch_fs *c)
{
	struct bpos at = POS_MIN;
	struct btree_trans *trans;
	int ret = 0;

	if (!c->accounting.names_new ||
	    c->sb.version_upgrade_complete >= bcachefs_metadata_version_disk_accounting_big_endian)
		return 0;

	trans = bch2_trans_get(c);
	if (IS_ERR(trans))
		return PTR_ERR(trans);
	while (!ret && !bpos_eq(at, SPOS_MAX))
		ret = lockrestart_do(trans, leaf_rewrite(trans, &at));
	bch2_trans_put(trans);
	if (ret)
		return ret;

	bch2_btree_interior_updates_flush(c);
	bch2_journal_flush_all_pins(c);
	return bch2_journal_meta(c);
}
