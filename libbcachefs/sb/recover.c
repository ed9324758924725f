// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks without a layout to find them by (spec 10 section 11, spec 73
 * section 3), and a look at all copies that a layout names (spec 10 section 14).
 *
 * A candidate counts only if it passes all of the validation, checksum
 * included, as a superblock at the very sector where it was found: copies of
 * other filesystems inside files fail that. The work for one scan is bounded,
 * whatever lies on the device.
 */
#include <linux/blkdev.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/layout.h"
#include "sb/members.h"
#include "sb/recover.h"

/* Bytes read at a time while scanning. */
#define SCAN_CHUNK		(1U << 20)

/* Bytes of candidates that one scan reads at most: many times what is real. */
#define SCAN_BUDGET		(1ULL << 30)

/**
 * bch2_sb_scan_init() - prepare a search
 * @s:		search
 * @dev:	open device
 * @opts:	option no_version_check
 */
void bch2_sb_scan_init(struct bch_sb_scan *s, struct bch_sb_handle *dev,
		       const struct bch_opts *opts)
{
	memset(s, 0, sizeof(*s));
	s->dev = dev;
	s->opts = *opts;
	s->budget = SCAN_BUDGET;
}

/**
 * bch2_sb_scan_exit() - free what a search found
 * @s:		search
 */
void bch2_sb_scan_exit(struct bch_sb_scan *s)
{
	kvfree(s->best.sb);
	memset(&s->best, 0, sizeof(s->best));
}

/**
 * bch2_sb_last_mount() - newest time at which a member was mounted
 * @sb:		superblock
 *
 * Return: seconds since 1970.
 */
u64 bch2_sb_last_mount(const struct bch_sb *sb)
{
	u64 newest = 0;

	for (unsigned i = 0; i < sb->nr_devices; i++) {
		const struct bch_member m = bch2_sb_member_get(sb, i);

		newest = max(newest, le64_to_cpu(m.last_mount));
	}
	return newest;
}

/* Is @a to be preferred to @b, which was found before it? */
static bool sb_better(const struct bch_sb *a, const struct bch_sb *b)
{
	const u64 mount_a = bch2_sb_last_mount(a), mount_b = bch2_sb_last_mount(b);

	if (mount_a != mount_b)
		return mount_a > mount_b;
	if (a->seq != b->seq)
		return le64_to_cpu(a->seq) > le64_to_cpu(b->seq);
	return le64_to_cpu(a->write_time) >= le64_to_cpu(b->write_time);
}

/* Reads and judges the superblock at @sector, which must end before @end. */
static int scan_candidate(struct bch_sb_scan *s, u64 sector, u64 end)
{
	struct bch_sb_handle copy = { .bdev = s->dev->bdev, .path = s->dev->path };
	struct printbuf reason = PRINTBUF;
	int ret;

	ret = bch2_sb_read_copy(&copy, sector, &reason);
	if (bch2_err_matches(ret, ENOMEM))
		goto out;
	s->budget -= min_t(u64, s->budget, copy.buffer_size);

	if (!ret && sector + DIV_ROUND_UP(bch2_sb_bytes(copy.sb), 512) > end) {
		prt_str(&reason, "superblock runs past the end of what is scanned");
		ret = -BCH_ERR_invalid_sb_too_big;
	}
	if (!ret)
		ret = bch2_sb_validate(copy.sb, &s->opts, sector, 0, &reason);

	if (ret) {
		s->nr_bad++;
		if (s->bad)
			s->bad(s, sector, printbuf_str(&reason));
		ret = 0;
		goto out;
	}

	s->nr_found++;
	if (s->found)
		s->found(s, copy.sb, sector);
	if (!s->best.sb || sb_better(copy.sb, s->best.sb)) {
		swap(s->best.sb, copy.sb);
		swap(s->best.buffer_size, copy.buffer_size);
		s->best.read_sector = sector;
		s->best.seq = le64_to_cpu(s->best.sb->seq);
	}
out:
	printbuf_exit(&reason);
	kvfree(copy.sb);
	return ret;
}

static bool magic_at(const u8 *p)
{
	return bch2_is_sb_magic((const __uuid_t *) (p + offsetof(struct bch_sb, magic)));
}

/**
 * bch2_sb_scan_range() - look for superblocks at every sector of a range
 * @s:		search
 * @start:	first sector
 * @end:	sector behind the range; cut to the device
 *
 * Return: 0 (see @s->nr_found), or no memory. What cannot be read is skipped.
 */
int bch2_sb_scan_range(struct bch_sb_scan *s, u64 start, u64 end)
{
	u8 *buf = kvmalloc(SCAN_CHUNK, GFP_KERNEL);
	int ret = 0;

	if (!buf)
		return -BCH_ERR_ENOMEM_sb;

	end = min_t(u64, end, bdev_nr_sectors(s->dev->bdev));

	for (u64 at = start; at < end && !ret; at += SCAN_CHUNK >> 9) {
		const u64 nr = min_t(u64, SCAN_CHUNK >> 9, end - at);

		if (bch2_bdev_read(s->dev->bdev, at, buf, nr << 9)) {
			if (s->bad)
				s->bad(s, at, "cannot be read");
			continue;
		}
		for (u64 i = 0; i < nr && !ret; i++) {
			if (!magic_at(buf + (i << 9)))
				continue;
			if (!s->budget) {
				if (s->bad)
					s->bad(s, at + i, "too many candidates, giving up");
				goto out;
			}
			ret = scan_candidate(s, at + i, end);
		}
	}
out:
	kvfree(buf);
	return ret;
}

/**
 * bch2_sb_scan_at() - look at one place only
 * @s:		search
 * @sector:	where
 *
 * Return: 0 (see @s->nr_found), or no memory.
 */
int bch2_sb_scan_at(struct bch_sb_scan *s, u64 sector)
{
	return scan_candidate(s, sector, U64_MAX);
}

/**
 * bch2_sb_from_member() - a superblock for one device from that of another
 * @dst:	result; cleared handle
 * @src:	valid superblock of another member
 * @dev_idx:	which member the device is to be
 * @dev_sectors: size of the device
 * @err:	what is wrong
 *
 * The journal of the device is lost with it. Spec 73 section 3.3. Nothing is
 * written; the checksum is left to whoever writes.
 *
 * Return: 0, -BCH_ERR_invalid_sb_dev_idx, what bch2_sb_layout_init() says, no
 * memory.
 */
int bch2_sb_from_member(struct bch_sb_handle *dst, const struct bch_sb *src, unsigned dev_idx,
			u64 dev_sectors, struct printbuf *err)
{
	const struct bch_member m = bch2_sb_member_get(src, dev_idx);
	const struct bch_sb_placement place = {
		.block_size	= le16_to_cpu(src->block_size),
		.bucket_size	= le16_to_cpu(m.bucket_size),
		.sb_max_size	= 1U << src->layout.sb_max_size_bits,
		.start		= BCH_SB_SECTOR,
		.end		= dev_sectors,
	};
	int ret;

	if (!bch2_sb_has_member(src, dev_idx)) {
		prt_printf(err, "the filesystem has no device %u", dev_idx);
		return -BCH_ERR_invalid_sb_dev_idx;
	}

	ret = bch2_sb_handle_copy(dst, src);
	if (ret)
		return ret;
	bch2_sb_field_resize(dst, journal, 0);
	bch2_sb_field_resize(dst, journal_v2, 0);
	dst->sb->dev_idx = dev_idx;
	dst->sb->offset = cpu_to_le64(BCH_SB_SECTOR);
	return bch2_sb_layout_init(&dst->sb->layout, &place, err);
}

/* --- all copies of a device --- */

/* Bytes that differ by nature between copies: checksum and sector. */
static bool copies_equal(const struct bch_sb *a, const struct bch_sb *b)
{
	const size_t from = sizeof(a->csum);
	const size_t offset = offsetof(struct bch_sb, offset);
	const size_t behind = offset + sizeof(a->offset);

	return a->u64s == b->u64s &&
		!memcmp((const u8 *) a + from, (const u8 *) b + from, offset - from) &&
		!memcmp((const u8 *) a + behind, (const u8 *) b + behind,
			bch2_sb_bytes(a) - behind);
}

static int check_layout_sector(struct bch_sb_handle *dev, struct printbuf *out)
{
	struct bch_sb_layout l;
	struct printbuf reason = PRINTBUF;
	int ret = bch2_bdev_read(dev->bdev, BCH_SB_LAYOUT_SECTOR, &l, sizeof(l));

	if (ret)
		prt_printf(&reason, "cannot be read: %s", bch2_err_str(ret));
	else
		ret = bch2_sb_layout_validate(&l, &reason);

	if (ret)
		prt_printf(out, "%s: layout at sector %u: %s\n", dev->path, BCH_SB_LAYOUT_SECTOR,
			   printbuf_str(&reason));
	else if (memcmp(&l, &dev->sb->layout, sizeof(l)))
		prt_printf(out, "%s: layout at sector %u differs from the one in the superblock\n",
			   dev->path, BCH_SB_LAYOUT_SECTOR);
	else
		goto out;
	ret = 1;
out:
	printbuf_exit(&reason);
	return ret;
}

/**
 * bch2_sb_check_copies() - compare all copies on a device (spec 10 section 14)
 * @dev:	handle as read by bch2_read_super_err()
 * @out:	a line for each copy that is damaged or differs from the chosen one,
 *		and for the layout sector
 *
 * Return: number of lines, or a negative error (no memory).
 */
int bch2_sb_check_copies(struct bch_sb_handle *dev, struct printbuf *out)
{
	struct bch_sb_handle copy = { .bdev = dev->bdev, .path = dev->path };
	struct printbuf reason = PRINTBUF;
	int nr = 0, ret = 0;

	/* Layouts of migrated filesystems need not include the default places. */
	if (le64_to_cpu(dev->sb->layout.sb_offset[0]) == BCH_SB_SECTOR)
		nr += check_layout_sector(dev, out);

	for (unsigned i = 0; i < dev->sb->layout.nr_superblocks; i++) {
		const u64 sector = le64_to_cpu(dev->sb->layout.sb_offset[i]);

		if (sector == dev->read_sector)
			continue;

		printbuf_reset(&reason);
		ret = bch2_sb_read_copy(&copy, sector, &reason);
		if (bch2_err_matches(ret, ENOMEM))
			break;
		if (!ret && le64_to_cpu(copy.sb->offset) != sector) {
			prt_printf(&reason, "says that it is at sector %llu",
				   le64_to_cpu(copy.sb->offset));
			ret = -BCH_ERR_invalid_sb_offset;
		}
		if (!ret && copy.seq != dev->seq) {
			prt_printf(&reason, "seq %llu, but the newest copy (sector %llu) has %llu",
				   copy.seq, dev->read_sector, dev->seq);
			ret = -BCH_ERR_invalid_sb;
		}
		if (!ret && !copies_equal(copy.sb, dev->sb)) {
			prt_printf(&reason, "differs from the copy at sector %llu",
				   dev->read_sector);
			ret = -BCH_ERR_invalid_sb;
		}
		if (ret) {
			prt_printf(out, "%s: superblock at sector %llu: %s\n", dev->path, sector,
				   printbuf_str(&reason));
			nr++;
			ret = 0;
		}
	}

	printbuf_exit(&reason);
	kvfree(copy.sb);
	return ret ?: nr;
}
