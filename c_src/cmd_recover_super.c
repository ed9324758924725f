// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs recover-super: superblocks that survived on a device whose first
 * copy or layout was overwritten (Documentation/format/73 section 3).
 *
 * The device is opened for reading while it is scanned and shown. Only after
 * consent it is opened again, for writing and exclusively, and the superblock
 * goes to every place of its own layout.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>

#include "bcachefs.h"
#include "commands.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/recover.h"
#include "sb/write.h"
#include "show_super.h"
#include "tools.h"

#define SCAN_LEN_DEFAULT	(16ULL << 20)

/* Bytes at the start of a device that are never a superblock. */
#define SCAN_START_SECTOR	8

struct recover_opts {
	uint64_t	dev_size;
	uint64_t	offset;
	uint64_t	scan_len;
	uint64_t	dev_idx;
	const char	*src;
	bool		have_idx;
	bool		yes;
	bool		report_only;
	bool		verbose;
};

static void found(struct bch_sb_scan *s, const struct bch_sb *sb, u64 sector)
{
	const struct recover_opts *o = s->priv;
	struct printbuf out = PRINTBUF;

	if (!o->verbose)
		return;
	out.utc_offset = tools_utc_offset;
	prt_printf(&out, "found superblock at sector %llu: ", sector);
	prt_uuid(&out, sb->user_uuid.b);
	prt_printf(&out, " device %u seq %llu last mount ", sb->dev_idx, le64_to_cpu(sb->seq));
	prt_datetime(&out, bch2_sb_last_mount(sb));
	puts(printbuf_str(&out));
	printbuf_exit(&out);
}

static void bad(struct bch_sb_scan *s, u64 sector, const char *reason)
{
	fprintf(stderr, "%s: superblock at sector %llu: %s\n", s->dev->path,
		(unsigned long long) sector, reason);
}

static void inspect_opts(struct bch_opts *opts)
{
	*opts = bch2_opts_empty();
	opt_set(*opts, noexcl, true);
	opt_set(*opts, nochanges, true);
}

static void show(struct bch_sb *sb)
{
	const struct bch_sb_text t = {
		.layout	= true,
		.fields	= (1UL << BCH_SB_FIELD_members_v2)|(1UL << BCH_SB_FIELD_members_v1),
	};

	printf("Found superblock:\n");
	show_super_print(sb, &t);
}

/* Opens the device anew and writes; it may not have changed its size meanwhile. */
static int write_to(struct bch_sb *sb, const struct bch_sb_handle *found_on)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_sb_handle dev = {};
	struct printbuf err = PRINTBUF;
	int ret = bch2_sb_handle_open(&dev, found_on->path, &opts, &err);

	if (ret) {
		ret = tools_error("%s: %s", found_on->path, printbuf_str(&err));
		goto out;
	}
	ret = bch2_sb_validate(sb, &opts, 0, 0, &err);
	if (ret) {
		ret = tools_error("%s: not written: %s", found_on->path, printbuf_str(&err));
		goto out;
	}
	ret = bch2_sb_write_device(dev.bdev, sb, bdev_physical_block_size(dev.bdev));
	if (ret)
		ret = tools_error("%s: error writing superblocks: %s", found_on->path,
				  tools_strerror(ret));
out:
	printbuf_exit(&err);
	bch2_free_super(&dev);
	return ret;
}

/* Every place of the layout must lie on the device, or the copies there would be lost. */
static int places_fit(const struct bch_sb *sb, const struct bch_sb_handle *dev)
{
	const struct bch_sb_layout *l = &sb->layout;
	const u64 end = le64_to_cpu(l->sb_offset[l->nr_superblocks - 1]) +
		DIV_ROUND_UP(bch2_sb_bytes(sb), 512);

	if (end <= bdev_nr_sectors(dev->bdev))
		return 0;
	return tools_error("%s: too small for the last copy of the superblock (%llu sectors, "
			   "needs %llu)", dev->path,
			   (unsigned long long) bdev_nr_sectors(dev->bdev),
			   (unsigned long long) end);
}

/* Shows the superblock; writes it if wanted. */
static int offer(struct bch_sb *sb, const struct bch_sb_handle *dev, const struct recover_opts *o)
{
	int ret;

	show(sb);
	if (o->report_only) {
		printf("\nRecovering would write the layout at sector %u and the superblock at "
		       "sectors", BCH_SB_LAYOUT_SECTOR);
		for (unsigned i = 0; i < sb->layout.nr_superblocks; i++)
			printf(" %llu",
			       (unsigned long long) le64_to_cpu(sb->layout.sb_offset[i]));
		printf(" of %s.\nNothing was written.\n", dev->path);
		return 0;
	}

	ret = places_fit(sb, dev);
	if (ret)
		return ret;
	if (o->yes)
		printf("Recovering\n");
	else if (!tools_confirm("Recover?"))
		return 0;
	return write_to(sb, dev);
}

static int recover_from_scan(struct bch_sb_handle *dev, const struct recover_opts *o, u64 sectors)
{
	const u64 len = min_t(u64, o->scan_len >> 9, sectors);
	struct bch_sb_scan s;
	struct bch_opts opts;
	int ret;

	inspect_opts(&opts);
	bch2_sb_scan_init(&s, dev, &opts);
	s.found	= found;
	s.bad	= bad;
	s.priv	= (void *) o;

	if (o->offset)
		ret = bch2_sb_scan_at(&s, o->offset >> 9);
	else
		/* the two ranges may meet on a small device: nothing is looked at twice */
		ret = bch2_sb_scan_range(&s, SCAN_START_SECTOR, len) ?:
			bch2_sb_scan_range(&s, max_t(u64, sectors - len,
						     max_t(u64, len, SCAN_START_SECTOR)),
					   sectors);

	if (ret)
		ret = tools_error("%s", tools_strerror(ret));
	else if (!s.best.sb)
		ret = tools_error("Found no bcachefs superblocks");
	else
		ret = offer(s.best.sb, dev, o);

	bch2_sb_scan_exit(&s);
	return ret;
}

static int recover_from_member(struct bch_sb_handle *dev, const struct recover_opts *o,
			       u64 sectors)
{
	struct bch_sb_handle src, made = {};
	struct printbuf err = PRINTBUF;
	struct bch_opts opts;
	int ret;

	inspect_opts(&opts);
	ret = bch2_read_super_err(o->src, &opts, &src, &err);
	fputs(printbuf_str(&err), stderr);
	if (ret) {
		printbuf_exit(&err);
		return tools_error("%s: cannot read the superblock: %s", o->src,
				   tools_strerror(ret));
	}

	printbuf_reset(&err);
	ret = o->dev_idx >= src.sb->nr_devices ? -BCH_ERR_invalid_sb_dev_idx :
		bch2_sb_from_member(&made, src.sb, o->dev_idx, sectors, &err);
	if (ret) {
		if (!err.pos)
			prt_printf(&err, "the filesystem has no device %llu",
				   (unsigned long long) o->dev_idx);
		ret = tools_error("%s: %s", o->src, printbuf_str(&err));
	} else {
		ret = offer(made.sb, dev, o);
		printf("Recovered device will no longer have a journal, please run fsck\n");
	}

	printbuf_exit(&err);
	bch2_free_super(&made);
	bch2_free_super(&src);
	return ret;
}

static int recover(const char *path, const struct recover_opts *o)
{
	struct bch_sb_handle dev = {};
	struct printbuf err = PRINTBUF;
	struct bch_opts opts;
	u64 sectors;
	int ret;

	inspect_opts(&opts);
	ret = bch2_sb_handle_open(&dev, path, &opts, &err);
	if (ret) {
		ret = tools_error("%s: %s", path, printbuf_str(&err));
		goto out;
	}

	sectors = bdev_nr_sectors(dev.bdev);
	if (o->dev_size)
		sectors = o->dev_size >> 9;

	if (o->src)
		ret = recover_from_member(&dev, o, sectors);
	else
		ret = recover_from_scan(&dev, o, min_t(u64, sectors, bdev_nr_sectors(dev.bdev)));
out:
	printbuf_exit(&err);
	bch2_free_super(&dev);
	return ret;
}

int cmd_recover_super(int argc, char *argv[])
{
	struct recover_opts o = { .scan_len = SCAN_LEN_DEFAULT };
	const struct tools_arg args[] = {
		{ .name = "dev_size", .letter = 'd', .type = TOOLS_ARG_SIZE, .dest = &o.dev_size,
		  .value = "SIZE", .help = "Size of the device (default: its actual size)" },
		{ .name = "offset", .letter = 'o', .type = TOOLS_ARG_SIZE, .dest = &o.offset,
		  .value = "BYTES", .help = "Look only here; a multiple of 512" },
		{ .name = "scan_len", .letter = 'l', .type = TOOLS_ARG_SIZE, .dest = &o.scan_len,
		  .value = "SIZE", .help = "How much to scan at both ends (default: 16M)" },
		{ .name = "src_device", .letter = 's', .type = TOOLS_ARG_STRING, .dest = &o.src,
		  .value = "DEVICE", .help = "Start from the superblock of another member" },
		{ .name = "dev_idx", .letter = 'i', .type = TOOLS_ARG_U64, .dest = &o.dev_idx,
		  .value = "INDEX", .given = &o.have_idx,
		  .help = "With -s: index of DEVICE in that filesystem" },
		{ .name = "report", .type = TOOLS_ARG_FLAG, .dest = &o.report_only,
		  .help = "Only tell what would be written, and where" },
		{ .name = "yes", .letter = 'y', .type = TOOLS_ARG_FLAG, .dest = &o.yes,
		  .help = "Write without asking" },
		{ .name = "verbose", .letter = 'v', .type = TOOLS_ARG_FLAG, .dest = &o.verbose,
		  .help = "Tell each superblock that is found" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "recover-super",
		.positionals		= "DEVICE",
		.summary		= "Restore overwritten superblocks",
		.details		=
	"Takes the superblock of the filesystem that was mounted last, of all that are found\n"
	"at both ends of the device, shows it, and asks before anything is written.\n",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 1,
	};
	char **pos;

	tools_args(&cmd, argc, argv, &pos);

	if (o.offset % 512)
		return tools_error("offset must be a multiple of 512");
	if (!o.src != !o.have_idx)
		tools_usage_error(cmd.name, "--src_device and --dev_idx must be given together");

	return recover(pos[0], &o);
}
