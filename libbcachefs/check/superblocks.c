// SPDX-License-Identifier: GPL-2.0
/*
 * All copies of the superblock on all devices that are there: is each of them
 * valid, and as new as the others (spec 10 section 8)?
 *
 * Only reads. Called by fsck before the start.
 */
#include <linux/kernel.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "check/check.h"
#include "sb/fsck_err.h"
#include "sb/io.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/printbuf.h"

/*
 * There is no error id for a bad copy: it is no part of the filesystem's state.
 * A start that writes replaces all copies with its first update.
 */
static void bad_copy(struct bch_fs *c, struct bch_dev *ca, u64 sector, const char *why)
{
	const bool fixed = !c->opts.nochanges;
	struct printbuf msg = PRINTBUF;

	prt_printf(&msg, "%s sector %llu: bad superblock copy: %s", ca->name, sector, why);
	bch_err(c, "%s%s", printbuf_str(&msg), fixed ? ", rewriting" : "");
	if (fixed) {
		set_bit(BCH_FS_errors_fixed, &c->flags);
	} else {
		set_bit(BCH_FS_error, &c->flags);
		set_bit(BCH_FS_errors_not_fixed, &c->flags);
	}
	mutex_lock(&c->fsck.lock);
	if (c->fsck.report)
		c->fsck.report(c, U32_MAX, printbuf_str(&msg),
			       fixed ? -BCH_ERR_fsck_fix : -BCH_ERR_fsck_ignore);
	mutex_unlock(&c->fsck.lock);
	printbuf_exit(&msg);
}

static int copy_check(struct bch_fs *c, struct bch_dev *ca, u64 sector)
{
	struct bch_sb_handle copy = { .bdev = ca->disk_sb.bdev };
	struct printbuf why = PRINTBUF;
	int ret;

	ret =   bch2_sb_read_copy(&copy, sector, &why) ?:
		bch2_sb_validate(copy.sb, &c->opts, sector, BCH_VALIDATE_silent, &why);
	if (!ret && copy.sb->seq != ca->disk_sb.sb->seq) {
		prt_printf(&why, "has sequence number %llu, the newest copy %llu",
			   (u64) le64_to_cpu(copy.sb->seq),
			   (u64) le64_to_cpu(ca->disk_sb.sb->seq));
		ret = -BCH_ERR_invalid_sb;
	}
	if (ret) {
		if (!why.pos)
			prt_str(&why, bch2_err_str(ret));
		bad_copy(c, ca, sector, printbuf_str(&why));
	}
	kvfree(copy.sb);
	printbuf_exit(&why);
	return ret;
}

/**
 * bch2_check_superblocks - read and validate every copy of every online device
 * @c:		open filesystem
 * @s:		counts are added
 *
 * Returns 0: bad copies are reported, and remembered in c->flags.
 */
int bch2_check_superblocks(struct bch_fs *c, struct bch_check_summary *s)
{
	for_each_online_member(c, ca) {
		const struct bch_sb_layout *l = &ca->disk_sb.sb->layout;
		unsigned i;

		for (i = 0; i < l->nr_superblocks && i < ARRAY_SIZE(l->sb_offset); i++) {
			s->sb_copies++;
			s->sb_copies_bad += copy_check(c, ca, le64_to_cpu(l->sb_offset[i])) != 0;
		}
	}
	return 0;
}
