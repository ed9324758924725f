// SPDX-License-Identifier: GPL-2.0
/*
 * Reading superblocks from devices: one copy, and the choice of the copy (spec
 * 10 sections 8.1, 11); and decoding the chosen one.
 *
 * Invariant: a handle that bch2_sb_read_copy() accepted holds all bytes that
 * its header claims, checksummed; one that bch2_read_super_err() returned has
 * passed validation as well. Devices are only read.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/misc_sections.h"
#include "util/log.h"

/* Reads go through a buffer of this size, which is contiguous in memory. */
#define BOUNCE_BYTES		(64U << 10)

/* First guess at the size of a superblock. */
#define SB_READ_BYTES		8192U

static int read_chunk(struct block_device *bdev, u64 sector, void *buf, size_t bytes)
{
	struct bio_vec bvec;
	struct bio bio;
	int ret;

	bio_init(&bio, bdev, &bvec, 1, REQ_OP_READ|REQ_SYNC|REQ_META);
	bio.bi_iter.bi_sector = sector;
	__bio_add_page(&bio, virt_to_page(buf), bytes, offset_in_page(buf));
	ret = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return ret;
}

/**
 * bch2_bdev_read() - read bytes from a device, synchronously
 * @bdev:	device
 * @sector:	where (512 bytes)
 * @buf:	any memory
 * @bytes:	how many; neither end needs to be a block boundary
 *
 * Return: 0, -BCH_ERR_EIO_superblock_read, -BCH_ERR_EIO_short_read past the end
 * of the device, or no memory.
 */
int bch2_bdev_read(struct block_device *bdev, u64 sector, void *buf, size_t bytes)
{
	const unsigned block = bdev_logical_block_size(bdev) >> 9 ?: 1;
	const u64 end = sector + DIV_ROUND_UP(bytes, 512);
	const size_t bounce_bytes = max_t(size_t, BOUNCE_BYTES, (size_t) block << 9);
	u64 at = round_down(sector, block);
	u8 *bounce;
	int ret = 0;

	if (end < sector || end > bdev_nr_sectors(bdev))
		return -BCH_ERR_EIO_short_read;

	bounce = kmalloc(bounce_bytes, GFP_KERNEL);
	if (!bounce)
		return -BCH_ERR_ENOMEM_sb_bio;

	while (bytes) {
		const size_t skip = (sector - at) << 9;
		const u64 want = round_up(min_t(u64, end - at, bounce_bytes >> 9), block);
		/* a device may end inside a block if it is a file */
		const u64 nr = min_t(u64, want, bdev_nr_sectors(bdev) - at);
		const size_t n = min_t(size_t, bytes, (nr << 9) - skip);

		if (read_chunk(bdev, at, bounce, nr << 9)) {
			ret = -BCH_ERR_EIO_superblock_read;
			break;
		}
		memcpy(buf, bounce + skip, n);
		buf += n;
		bytes -= n;
		at += nr;
		sector = at;
	}
	kfree(bounce);
	return ret;
}

/**
 * bch2_sb_handle_alloc() - room for a superblock of @bytes
 * @handle:	what it holds is kept; the buffer may move
 * @bytes:	size
 *
 * Return: 0 or -BCH_ERR_ENOMEM_sb.
 */
int bch2_sb_handle_alloc(struct bch_sb_handle *handle, size_t bytes)
{
	struct bch_sb *sb;

	bytes = max_t(size_t, bytes, sizeof(*sb));
	if (handle->sb && bytes <= handle->buffer_size)
		return 0;

	bytes = roundup_pow_of_two(bytes);
	sb = kvzalloc(bytes, GFP_KERNEL);
	if (!sb)
		return -BCH_ERR_ENOMEM_sb;

	if (handle->sb)
		memcpy(sb, handle->sb, handle->buffer_size);
	kvfree(handle->sb);
	handle->sb = sb;
	handle->buffer_size = bytes;
	return 0;
}

/**
 * bch2_sb_handle_copy() - a superblock of one's own
 * @dst:	handle; what it held is replaced
 * @src:	superblock, complete in memory
 *
 * Return: 0 or -BCH_ERR_ENOMEM_sb.
 */
int bch2_sb_handle_copy(struct bch_sb_handle *dst, const struct bch_sb *src)
{
	int ret = bch2_sb_handle_alloc(dst, bch2_sb_bytes(src));

	if (!ret)
		memcpy(dst->sb, src, bch2_sb_bytes(src));
	return ret;
}

/**
 * bch2_free_super() - close the device and free the superblock
 * @handle:	handle, also a cleared one
 */
void bch2_free_super(struct bch_sb_handle *handle)
{
	if (!IS_ERR_OR_NULL(handle->bdev_file))
		bdev_fput(handle->bdev_file);
	kfree(handle->holder);
	kvfree(handle->sb);
	kfree(handle->path);
	memset(handle, 0, sizeof(*handle));
}

/* Why a device cannot be opened, for people. */
static const char *open_error_str(int err)
{
	switch (err) {
	case -ENOENT:
		return "No such file or directory";
	case -EACCES:
	case -EPERM:
		return "Permission denied";
	case -EBUSY:
		return "Device or resource busy (mounted, or open in another program)";
	case -ENOTBLK:
	case -EISDIR:
		return "Neither a block device nor an image file";
	case -ENXIO:
	case -ENODEV:
	case -ENOMEDIUM:
		return "No such device, or nothing in it";
	case -EROFS:
		return "Read-only device";
	default:
		return bch2_err_str(err);
	}
}

/**
 * bch2_sb_handle_open() - open the device of a handle
 * @handle:	cleared handle; bch2_free_super() is due also after an error
 * @path:	device or image file
 * @opts:	nochanges: open for reading only; noexcl
 * @err:	what is wrong
 *
 * Return: 0 or a negative errno.
 */
int bch2_sb_handle_open(struct bch_sb_handle *handle, const char *path,
			const struct bch_opts *opts, struct printbuf *err)
{
	blk_mode_t mode = BLK_OPEN_READ;
	int ret;

	/* recovery writes for a read-only start, too (spec 31 §13) */
	if (!opts->nochanges)
		mode |= BLK_OPEN_WRITE;

	handle->path = kstrdup(path, GFP_KERNEL);
	if (!handle->path)
		return -BCH_ERR_ENOMEM_sb;

	if (!opts->noexcl) {
		handle->holder = kmalloc(1, GFP_KERNEL);
		if (!handle->holder)
			return -BCH_ERR_ENOMEM_sb;
	}

	handle->bdev_file = bdev_file_open_by_path(path, mode, handle->holder, NULL);
	if (IS_ERR(handle->bdev_file)) {
		ret = PTR_ERR(handle->bdev_file);
		handle->bdev_file = NULL;
		prt_printf(err, "cannot open: %s", open_error_str(ret));
		return ret;
	}
	handle->bdev = file_bdev(handle->bdev_file);
	return 0;
}

/* Checks that need no more than the header (spec 10 section 8.1 steps 2 to 4). */
static int copy_header_validate(const struct bch_sb *sb, struct printbuf *err)
{
	const u64 bytes = bch2_sb_bytes(sb);
	const u64 max = 512ULL << min_t(u8, sb->layout.sb_max_size_bits,
					BCH_SB_LAYOUT_SIZE_BITS_MAX);
	int ret;

	if (!bch2_is_sb_magic(&sb->magic)) {
		prt_str(err, "not a bcachefs superblock (bad magic ");
		prt_uuid(err, sb->magic.b);
		prt_char(err, ')');
		return -BCH_ERR_invalid_sb_magic;
	}

	ret = bch2_sb_version_validate(sb, err);
	if (ret)
		return ret;

	if (bytes > max) {
		prt_printf(err, "superblock too big: %llu bytes (max %llu)", bytes, max);
		return -BCH_ERR_invalid_sb_too_big;
	}
	return 0;
}

/**
 * bch2_sb_read_copy() - read one copy and check it by itself (spec 10 section 8.1)
 * @handle:	open handle; its buffer is overwritten, also on error
 * @sector:	where the copy is
 * @err:	what is wrong with it
 *
 * Return: 0, a kind of -BCH_ERR_invalid_sb, a read error, or no memory.
 */
int bch2_sb_read_copy(struct bch_sb_handle *handle, u64 sector, struct printbuf *err)
{
	const u64 left = bdev_nr_sectors(handle->bdev);
	u64 bytes = SB_READ_BYTES;
	int ret;

	if (sector >= left || left - sector < DIV_ROUND_UP(sizeof(struct bch_sb), 512)) {
		prt_printf(err, "past end of device (%llu sectors)", left);
		return -BCH_ERR_EIO_short_read;
	}
	bytes = min_t(u64, bytes, (left - sector) << 9);

	for (;;) {
		ret = bch2_sb_handle_alloc(handle, bytes);
		if (ret)
			return ret;

		ret = bch2_bdev_read(handle->bdev, sector, handle->sb, bytes);
		if (ret) {
			prt_printf(err, "error reading superblock: %s", bch2_err_str(ret));
			return ret;
		}

		ret = copy_header_validate(handle->sb, err);
		if (ret)
			return ret;
		if (bch2_sb_bytes(handle->sb) <= bytes)
			break;

		bytes = bch2_sb_bytes(handle->sb);
		if (bytes > (left - sector) << 9) {
			prt_printf(err, "superblock of %llu bytes runs past end of device", bytes);
			return -BCH_ERR_invalid_sb_too_big;
		}
	}

	ret = bch2_sb_csum_validate(handle->sb, err);
	if (ret)
		return ret;

	handle->read_sector = sector;
	handle->seq = le64_to_cpu(handle->sb->seq);
	return 0;
}

/* Exchanges the superblocks of two handles, not their devices. */
static void swap_copies(struct bch_sb_handle *a, struct bch_sb_handle *b)
{
	swap(a->sb, b->sb);
	swap(a->buffer_size, b->buffer_size);
	swap(a->read_sector, b->read_sector);
	swap(a->seq, b->seq);
}

/* A line about one copy: "/dev/sdb: sector 8: ..." */
static void copy_bad(struct printbuf *out, const struct bch_sb_handle *handle, u64 sector,
		     const struct printbuf *reason)
{
	prt_printf(out, "%s: superblock at sector %llu: %s\n", handle->path, sector,
		   printbuf_str(reason));
}

static int read_layout(struct bch_sb_handle *handle, struct bch_sb_layout *layout,
		       struct printbuf *reason)
{
	int ret = bch2_bdev_read(handle->bdev, BCH_SB_LAYOUT_SECTOR, layout, sizeof(*layout));

	if (ret) {
		prt_printf(reason, "error reading superblock layout: %s", bch2_err_str(ret));
		return ret;
	}
	return bch2_sb_layout_validate(layout, reason);
}

/*
 * Reads the copies of @layout behind the first; the newest one ends up in
 * @handle. Copies of the same seq are the same: then the first one is kept, and
 * the place that messages name is the one that everybody knows.
 */
static int read_backups(struct bch_sb_handle *handle, const struct bch_sb_layout *layout,
			bool have_copy, struct printbuf *bad)
{
	struct bch_sb_handle copy = {
		.bdev = handle->bdev, .path = handle->path
	};
	struct printbuf reason = PRINTBUF;
	int ret = have_copy ? 0 : -BCH_ERR_no_valid_superblock;

	for (unsigned i = 1; i < layout->nr_superblocks; i++) {
		const u64 sector = le64_to_cpu(layout->sb_offset[i]);
		int err;

		printbuf_reset(&reason);
		err = bch2_sb_read_copy(&copy, sector, &reason);
		if (bch2_err_matches(err, ENOMEM)) {
			ret = err;
			break;
		}
		if (err) {
			handle->copies_bad++;
			copy_bad(bad, handle, sector, &reason);
			continue;
		}
		if (ret || copy.seq > handle->seq)
			swap_copies(handle, &copy);
		ret = 0;
	}

	printbuf_exit(&reason);
	kvfree(copy.sb);
	return ret;
}

/*
 * Chooses a copy (spec 10 section 11). @bad gets a line per copy that was
 * tried and is damaged; it is the caller's to show it.
 */
static int choose_copy(struct bch_sb_handle *handle, struct printbuf *bad)
{
	struct bch_sb_layout layout;
	struct printbuf reason = PRINTBUF;
	u64 primary_seq = 0;
	bool have_primary;
	int ret;

	ret = bch2_sb_read_copy(handle, BCH_SB_SECTOR, &reason);
	have_primary = !ret;
	if (bch2_err_matches(ret, ENOMEM))
		goto out;

	if (have_primary) {
		primary_seq = handle->seq;
		layout = handle->sb->layout;
		ret = bch2_sb_layout_validate(&layout, &reason);
	} else {
		handle->copies_bad++;
		copy_bad(bad, handle, BCH_SB_SECTOR, &reason);
		printbuf_reset(&reason);
		ret = read_layout(handle, &layout, &reason);
	}
	if (ret) {
		prt_printf(bad, "%s: layout at sector %u: %s\n", handle->path,
			   have_primary ? BCH_SB_SECTOR : BCH_SB_LAYOUT_SECTOR,
			   printbuf_str(&reason));
		/* A device without any magic is best described by that. */
		if (!have_primary && bch2_err_matches(ret, BCH_ERR_invalid_sb_layout))
			ret = -BCH_ERR_no_valid_superblock;
		goto out;
	}

	ret = read_backups(handle, &layout, have_primary, bad);
	if (!ret && have_primary && handle->read_sector != BCH_SB_SECTOR)
		prt_printf(bad, "%s: superblock at sector %u: is out of date (seq %llu)\n",
			   handle->path, BCH_SB_SECTOR, primary_seq);
out:
	printbuf_exit(&reason);
	return ret;
}

/* Tells that a backup is in use, and why. */
static void notice_backup(struct printbuf *err, const struct bch_sb_handle *handle,
			  const struct printbuf *bad)
{
	if (handle->read_sector == BCH_SB_SECTOR)
		return;
	prt_printf(err, "%s%s: using the backup superblock at sector %llu (seq %llu)\n",
		   printbuf_str(bad), handle->path, handle->read_sector, handle->seq);
}

static int read_super(struct bch_sb_handle *handle, const struct bch_opts *opts,
		      struct printbuf *err)
{
	struct printbuf bad = PRINTBUF, reason = PRINTBUF;
	int ret;

	if (opts->sb && opts->sb != BCH_SB_SECTOR) {
		ret = bch2_sb_read_copy(handle, opts->sb, &reason);
		if (ret)
			copy_bad(err, handle, opts->sb, &reason);
	} else {
		ret = choose_copy(handle, &bad);
		if (ret)
			prt_str(err, printbuf_str(&bad));
		else
			notice_backup(err, handle, &bad);
	}
	if (ret)
		goto out;

	printbuf_reset(&reason);
	ret = bch2_sb_validate(handle->sb, opts, handle->read_sector, 0, &reason);
	if (ret)
		copy_bad(err, handle, handle->read_sector, &reason);
	else
		handle->have_layout = true;
out:
	printbuf_exit(&reason);
	printbuf_exit(&bad);
	return ret;
}

/**
 * bch2_read_super_err() - open a device and read its superblock
 * @path:	device or image file
 * @opts:	sb (sector), noexcl, nochanges, no_version_check
 * @handle:	result; to be freed with bch2_free_super() after success
 * @err:	lines about what is wrong; after success, about damaged copies if
 *		a backup had to be used
 *
 * Spec 10 section 11.
 *
 * Return: 0; -BCH_ERR_no_valid_superblock; what the only or the chosen copy
 * fails with; a negative errno if the device cannot be opened or read.
 */
int bch2_read_super_err(const char *path, struct bch_opts *opts, struct bch_sb_handle *handle,
			struct printbuf *err)
{
	struct printbuf reason = PRINTBUF;
	int ret;

	memset(handle, 0, sizeof(*handle));
	ret = bch2_sb_handle_open(handle, path, opts, &reason);
	if (ret)
		prt_printf(err, "%s: %s\n", path, printbuf_str(&reason));
	else
		ret = read_super(handle, opts, err);

	printbuf_exit(&reason);
	if (ret)
		bch2_free_super(handle);
	return ret;
}

/**
 * bch2_read_super() - bch2_read_super_err() that logs its messages
 * @path:	device or image file
 * @opts:	options
 * @handle:	result
 *
 * Return: as bch2_read_super_err().
 */
int bch2_read_super(const char *path, struct bch_opts *opts, struct bch_sb_handle *handle)
{
	struct printbuf err = PRINTBUF;
	int ret = bch2_read_super_err(path, opts, handle, &err);

	/* lines end with a newline, the log adds one */
	if (err.pos)
		err.buf[--err.pos] = '\0';
	if (ret)
		bch_err((struct bch_fs *) NULL, "%s", printbuf_str(&err));
	else if (err.pos)
		bch_notice((struct bch_fs *) NULL, "%s", printbuf_str(&err));
	printbuf_exit(&err);
	return ret;
}

/* --- decoding --- */

/*
 * Others read these fields without a lock while the superblock is written again
 * and again: what is as it was is not touched.
 */
#define decode_to(_dst, _v)							\
do {										\
	const typeof(_dst) _new = (_v);						\
										\
	if ((_dst) != _new)							\
		WRITE_ONCE(_dst, _new);						\
} while (0)

static void uuid_to_cpu(__uuid_t *dst, const __uuid_t *src)
{
	if (memcmp(dst, src, sizeof(*dst)))
		*dst = *src;
}

static void ext_to_cpu(struct bch_fs *c)
{
	const struct bch_sb_field_ext *ext = bch2_sb_field_get(c->disk_sb.sb, ext);
	unsigned long silent[ARRAY_SIZE(c->sb.errors_silent)] = {};

	for (unsigned i = 0; ext && i < BCH_FSCK_ERR_SILENT_BITS; i++)
		if (le64_to_cpu(ext->errors_silent[i / 64]) & (1ULL << i % 64))
			__set_bit(i, silent);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		decode_to(c->sb.errors_silent[i], silent[i]);
	decode_to(c->sb.recovery_passes_required,
		  ext ? le64_to_cpu(ext->recovery_passes_required[0]) : 0);
	decode_to(c->sb.btrees_lost_data, ext ? le64_to_cpu(ext->btrees_lost_data) : 0);
}

/**
 * bch2_sb_to_cpu() - decode c->disk_sb into c->sb
 * @c:		filesystem; c->disk_sb is validated and corrected
 *
 * Members are decoded with their devices. Called while opening and, with
 * c->sb_lock held, after changes of the superblock in memory.
 *
 * Return: 0.
 */
int bch2_sb_to_cpu(struct bch_fs *c)
{
	const struct bch_sb *sb = c->disk_sb.sb;
	const u32 precision = le32_to_cpu(sb->time_precision);

	uuid_to_cpu(&c->sb.uuid, &sb->uuid);
	uuid_to_cpu(&c->sb.user_uuid, &sb->user_uuid);
	decode_to(c->sb.version, le16_to_cpu(sb->version));
	decode_to(c->sb.version_incompat, BCH_SB_VERSION_INCOMPAT(sb));
	decode_to(c->sb.version_incompat_allowed, BCH_SB_VERSION_INCOMPAT_ALLOWED(sb));
	decode_to(c->sb.version_min, le16_to_cpu(sb->version_min));
	decode_to(c->sb.version_upgrade_complete, BCH_SB_VERSION_UPGRADE_COMPLETE(sb));
	decode_to(c->sb.nr_devices, sb->nr_devices);
	decode_to(c->sb.clean, BCH_SB_CLEAN(sb));
	decode_to(c->sb.multi_device, BCH_SB_MULTI_DEVICE(sb));
	decode_to(c->sb.encryption_type, BCH_SB_ENCRYPTION_TYPE(sb));
	decode_to(c->sb.extent_bp_shift,
		  BCH_SB_EXTENT_BP_SHIFT(sb) ?: BCH_EXTENT_BP_SHIFT_DEFAULT);
	decode_to(c->sb.nsec_per_time_unit, precision);
	decode_to(c->sb.time_units_per_sec, NSEC_PER_SEC / precision);
	decode_to(c->sb.time_base_lo, div_u64(le64_to_cpu(sb->time_base_lo), precision));
	decode_to(c->sb.time_base_hi, le32_to_cpu(sb->time_base_hi));
	decode_to(c->sb.features, le64_to_cpu(sb->features[0]));
	decode_to(c->sb.compat, le64_to_cpu(sb->compat[0]));

	decode_to(c->block_bits, ilog2(le16_to_cpu(sb->block_size)));
	decode_to(c->encoded_extent_max_bits, BCH_SB_ENCODED_EXTENT_MAX_BITS(sb));

	ext_to_cpu(c);
	bch2_sb_extent_type_u64s_to_cpu(c);
	return 0;
}
