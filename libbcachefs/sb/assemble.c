// SPDX-License-Identifier: GPL-2.0
/*
 * Assembling a filesystem from the superblocks of its devices (spec 10 section
 * 13).
 *
 * Rule: no device disappears silently. Whatever keeps one from taking part is a
 * line in the caller's messages that begins with its path; devices that are
 * missing are named by all that is known about them.
 */
#include <linux/bitops.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/assemble.h"
#include "sb/io.h"
#include "sb/journal_ring.h"
#include "sb/members.h"
#include "sb/replicas.h"

/* --- which devices belong together (sections 13.2, 13.3) --- */

static bool sb_newer(const struct bch_sb *a, const struct bch_sb *b)
{
	const u64 seq_a = le64_to_cpu(a->seq), seq_b = le64_to_cpu(b->seq);

	if (seq_a != seq_b)
		return seq_a > seq_b;
	return le64_to_cpu(a->write_time) > le64_to_cpu(b->write_time);
}

/* Were these two updated independently of each other? Says so in @msgs. */
static bool split_brain(const struct bch_sb_handle *d, const struct bch_sb_handle *s,
			struct printbuf *msgs)
{
	const struct bch_member m = bch2_sb_member_get(s->sb, d->sb->dev_idx);
	const u64 seq = le64_to_cpu(d->sb->seq);

	if (seq == le64_to_cpu(s->sb->seq) && d->sb->write_time != s->sb->write_time) {
		prt_printf(msgs, "%s: split brain with %s: both have superblock seq %llu, "
			   "written at ", d->path, s->path, seq);
		prt_datetime(msgs, le64_to_cpu(d->sb->write_time));
		prt_str(msgs, " and ");
		prt_datetime(msgs, le64_to_cpu(s->sb->write_time));
		return true;
	}
	if (m.seq && le64_to_cpu(m.seq) < seq) {
		prt_printf(msgs, "%s: split brain with %s: has superblock seq %llu, "
			   "but %s saw it last at seq %llu",
			   d->path, s->path, seq, s->path, le64_to_cpu(m.seq));
		return true;
	}
	return false;
}

/*
 * May @d take part in the filesystem of @s? Returns 0, an error that drops only
 * this device, or one that makes the open fail.
 */
static int device_check(const struct bch_sb_handle *d, const struct bch_sb_handle *s,
			const struct bch_opts *opts, struct printbuf *msgs)
{
	const unsigned idx = d->sb->dev_idx;

	if (memcmp(&d->sb->uuid, &s->sb->uuid, sizeof(s->sb->uuid))) {
		prt_printf(msgs, "%s: not a member of the filesystem of %s (uuid ",
			   d->path, s->path);
		prt_uuid(msgs, d->sb->uuid.b);
		prt_str(msgs, ", not ");
		prt_uuid(msgs, s->sb->uuid.b);
		prt_str(msgs, ")\n");
		return -BCH_ERR_device_not_a_member_of_filesystem;
	}
	if (!bch2_sb_has_member(s->sb, idx)) {
		prt_printf(msgs, "%s: device %u has been removed from the filesystem, "
			   "ignoring it\n", d->path, idx);
		return -BCH_ERR_device_has_been_removed;
	}
	if (d->sb->block_size != s->sb->block_size) {
		prt_printf(msgs, "%s: block size %u does not match %s (%u sectors)\n", d->path,
			   le16_to_cpu(d->sb->block_size), s->path,
			   le16_to_cpu(s->sb->block_size));
		return -BCH_ERR_mismatched_block_size;
	}

	if (le16_to_cpu(s->sb->version) < bcachefs_metadata_version_member_seq ||
	    le16_to_cpu(d->sb->version) < bcachefs_metadata_version_member_seq)
		return 0;

	if (split_brain(d, s, msgs)) {
		prt_str(msgs, opts->no_splitbrain_check ? ", using it nevertheless\n"
							: ", ignoring it\n");
		return opts->no_splitbrain_check ? 0 : -BCH_ERR_device_splitbrain;
	}

	if (le64_to_cpu(d->sb->seq) < le64_to_cpu(s->sb->seq))
		prt_printf(msgs, "%s: device %u is behind: superblock seq %llu, newest %llu (%s)\n",
			   d->path, idx, le64_to_cpu(d->sb->seq), le64_to_cpu(s->sb->seq),
			   s->path);
	return 0;
}

static int duplicates_check(const struct bch_sb_handle *sbs, unsigned nr, struct printbuf *msgs)
{
	for (unsigned i = 0; i < nr; i++)
		for (unsigned j = i + 1; j < nr; j++)
			if (sbs[i].sb->dev_idx == sbs[j].sb->dev_idx) {
				prt_printf(msgs, "%s: device %u is already there as %s\n",
					   sbs[j].path, sbs[j].sb->dev_idx, sbs[i].path);
				return -BCH_ERR_device_already_online;
			}
	return 0;
}

/**
 * bch2_fs_assemble() - choose the authoritative superblock, sort out devices
 * @sbs:	one validated superblock per device given
 * @nr:		their number, at least 1; afterwards of those that are left
 * @opts:	no_splitbrain_check
 * @msgs:	a line for everything that is not as it should be
 *
 * Return: 0, -BCH_ERR_device_not_a_member_of_filesystem,
 * -BCH_ERR_mismatched_block_size, -BCH_ERR_device_already_online,
 * -BCH_ERR_device_has_been_removed.
 */
int bch2_fs_assemble(struct bch_sb_handle *sbs, unsigned *nr, const struct bch_opts *opts,
		     struct printbuf *msgs)
{
	struct bch_sb_handle best;
	unsigned at = 0, kept = 1;
	int ret = 0;

	for (unsigned i = 1; i < *nr; i++)
		if (sb_newer(sbs[i].sb, sbs[at].sb))
			at = i;

	best = sbs[at];
	memmove(sbs + 1, sbs, at * sizeof(*sbs));
	sbs[0] = best;

	if (!bch2_sb_has_member(sbs[0].sb, sbs[0].sb->dev_idx)) {
		prt_printf(msgs, "%s: device %u has been removed from its filesystem\n",
			   sbs[0].path, sbs[0].sb->dev_idx);
		return -BCH_ERR_device_has_been_removed;
	}

	for (unsigned i = 1; i < *nr; i++) {
		int err = ret ? 0 : device_check(&sbs[i], &sbs[0], opts, msgs);

		if (err == -BCH_ERR_device_has_been_removed ||
		    err == -BCH_ERR_device_splitbrain) {
			bch2_free_super(&sbs[i]);
			continue;
		}
		if (err)
			ret = err;
		if (kept != i) {
			sbs[kept] = sbs[i];
			memset(&sbs[i], 0, sizeof(sbs[i]));
		}
		kept++;
	}
	*nr = kept;

	return ret ?: duplicates_check(sbs, *nr, msgs);
}

/* --- from superblocks to devices --- */

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Nothing but reading, and whatever can be read: then a short device will do. */
static bool any_device_will_do(const struct bch_fs *c)
{
	return c->opts.degraded == BCH_DEGRADED_very &&
		(c->opts.nochanges || c->opts.read_only);
}

static int attach_device(struct bch_fs *c, struct bch_sb_handle *handle, struct printbuf *msgs)
{
	struct bch_dev *ca = bch2_dev(c, handle->sb->dev_idx);
	const u64 need = ca->mi.nbuckets * ca->mi.bucket_size;
	const u64 have = bdev_nr_sectors(handle->bdev);

	if (have < need) {
		prt_printf(msgs, "%s: device is too small: %llu sectors, the filesystem has %llu "
			   "on it\n", handle->path, have, need);
		if (!any_device_will_do(c))
			return -BCH_ERR_device_size_too_small;
	}

	ca->path = kstrdup(handle->path, GFP_KERNEL);
	if (!ca->path)
		return -BCH_ERR_ENOMEM_dev_alloc;
	strscpy(ca->name, last_component(ca->path), sizeof(ca->name));

	ca->disk_sb = *handle;
	memset(handle, 0, sizeof(*handle));
	__set_bit(ca->dev_idx, c->online_devs.d);

	return bch2_journal_ring_init(ca, msgs);
}

/* The shared part of the authoritative superblock, corrected, and its options. */
static int merge_superblock(struct bch_fs *c, const struct bch_sb *sb, struct printbuf *msgs)
{
	const struct bch_opts given = c->opts;
	int ret;

	ret = bch2_sb_handle_copy(&c->disk_sb, sb);
	if (ret)
		return ret;
	bch2_sb_field_resize(&c->disk_sb, journal, 0);
	bch2_sb_field_resize(&c->disk_sb, journal_v2, 0);

	ret = bch2_sb_fixup(&c->disk_sb);
	if (ret) {
		prt_printf(msgs, "error updating superblock in memory: %s\n", bch2_err_str(ret));
		return ret;
	}

	c->opts = bch2_opts_default;
	ret = bch2_opts_from_sb(&c->opts, c->disk_sb.sb, msgs);
	if (ret) {
		prt_newline(msgs);
		return ret;
	}
	bch2_opts_apply(&c->opts, &given);
	bch2_opts_apply_implied(&c->opts);

	return bch2_sb_to_cpu(c);
}

static void name_filesystem(struct bch_fs *c, const char *path)
{
	struct printbuf name = PRINTBUF_EXTERN(c->name, sizeof(c->name));

	if (c->sb.multi_device)
		prt_uuid(&name, c->sb.user_uuid.b);
	else
		prt_str(&name, last_component(path));
}

/**
 * bch2_fs_attach_devices() - superblock, options and devices of a filesystem
 * @c:		filesystem being opened; c->opts are the options given
 * @sbs:	result of bch2_fs_assemble(); cleared as their devices are attached
 * @nr:		number of handles
 * @msgs:	what is wrong
 *
 * Return: 0, -BCH_ERR_device_size_too_small, -BCH_ERR_invalid_sb_opt or what
 * the options say, no memory. bch2_fs_detach_devices() undoes it, also after an
 * error.
 */
int bch2_fs_attach_devices(struct bch_fs *c, struct bch_sb_handle *sbs, unsigned nr,
			   struct printbuf *msgs)
{
	int ret = merge_superblock(c, sbs[0].sb, msgs);

	if (ret)
		return ret;
	name_filesystem(c, sbs[0].path);

	for (unsigned i = 0; i < c->sb.nr_devices; i++) {
		if (!bch2_sb_has_member(c->disk_sb.sb, i))
			continue;
		c->devs[i] = bch2_dev_alloc(c, i);
		if (!c->devs[i])
			return -BCH_ERR_ENOMEM_dev_alloc;
	}

	for (unsigned i = 0; i < nr && !ret; i++)
		ret = attach_device(c, &sbs[i], msgs);
	return ret;
}

/**
 * bch2_fs_detach_devices() - close all devices and free the superblock
 * @c:		filesystem
 */
void bch2_fs_detach_devices(struct bch_fs *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(c->devs); i++) {
		if (c->devs[i])
			bch2_journal_ring_exit(c->devs[i]);
		bch2_dev_free(c->devs[i]);
		c->devs[i] = NULL;
	}
	memset(&c->online_devs, 0, sizeof(c->online_devs));
	bch2_free_super(&c->disk_sb);
}

/* --- enough devices? (section 13.4) --- */

/* A member that nobody misses: to be removed, and empty. */
static bool device_dispensable(const struct bch_fs *c, const struct bch_dev *ca)
{
	return ca->mi.state == BCH_MEMBER_STATE_evacuating &&
		!bch2_sb_dev_has_data(c->disk_sb.sb, ca->dev_idx);
}

static unsigned list_missing(struct bch_fs *c, struct printbuf *msgs)
{
	unsigned nr = 0;

	for_each_member_device(c, ca) {
		if (bch2_dev_is_online(ca) || device_dispensable(c, ca))
			continue;
		prt_str(msgs, "missing ");
		bch2_dev_to_text(msgs, c->disk_sb.sb, ca->dev_idx, NULL);
		prt_newline(msgs);
		nr++;
	}
	return nr;
}

/* Is there a device to write each kind of data to? */
static bool have_writable_devs(struct bch_fs *c, struct printbuf *msgs)
{
	static const u8 types[] = { BCH_DATA_journal, BCH_DATA_btree, BCH_DATA_user };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		unsigned durability = 0;

		for_each_online_member(c, ca)
			if (ca->mi.state == BCH_MEMBER_STATE_rw &&
			    (ca->mi.data_allowed & (1U << types[i])))
				durability += ca->mi.durability;
		if (!durability) {
			prt_printf(msgs, "no device that %s data can be written to\n",
				   bch2_sb_data_type_name(types[i]));
			return false;
		}
	}
	return true;
}

/**
 * bch2_fs_may_start() - are there enough devices for what was asked?
 * @c:		filesystem with its devices attached
 * @msgs:	missing devices, one line each, whatever the result; and the reason
 *		if there are too few
 *
 * Return: 0 or -BCH_ERR_insufficient_devices_to_start.
 */
int bch2_fs_may_start(struct bch_fs *c, struct printbuf *msgs)
{
	const unsigned missing = list_missing(c, msgs);
	unsigned allowed = 0;

	switch (c->opts.degraded) {
	case BCH_DEGRADED_very:
		allowed |= BCH_METADATA_LOST|BCH_DATA_LOST;
		fallthrough;
	case BCH_DEGRADED_yes:
		allowed |= BCH_METADATA_DEGRADED|BCH_DATA_DEGRADED;
		if (!bch2_sb_have_enough_devs(c->disk_sb.sb, &c->online_devs, allowed, msgs)) {
			prt_newline(msgs);
			return -BCH_ERR_insufficient_devices_to_start;
		}
		if (c->opts.read_only || c->opts.nochanges)
			return 0;
		return have_writable_devs(c, msgs) ? 0 : -BCH_ERR_insufficient_devices_to_start;
	default:
		if (!missing)
			return 0;
		prt_printf(msgs, "%u of %u devices are missing; option degraded starts without "
			   "them\n", missing, bch2_sb_nr_alive(c->disk_sb.sb));
		return -BCH_ERR_insufficient_devices_to_start;
	}
}
