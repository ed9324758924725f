// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs device resize, device resize-journal, of unmounted filesystems
 * (Documentation/format/73 sections 8.2 and 8.3).
 *
 * The filesystem is started read-write, as a mount does, and stopped cleanly. Its
 * other devices must not be there: the one that is to be changed is the only one.
 * Nothing is ever made smaller.
 */
#include <stdio.h>

#include <linux/blkdev.h>

#include "alloc/dev_init.h"
#include "bcachefs.h"
#include "commands.h"
#include "data/reconcile_format.h"
#include "data/reconcile_scan.h"
#include "init/fs.h"
#include "sb/members.h"
#include "tools-args.h"
#include "tools-open.h"
#include "tools.h"

typedef int (*device_fn)(struct bch_fs *c, struct bch_dev *ca, uint64_t size);

static struct bch_dev *only_device(struct bch_fs *c)
{
	struct bch_dev *found = NULL;
	unsigned nr = 0;

	for_each_online_member(c, ca) {
		found = ca;
		nr++;
	}
	if (nr == 1)
		return found;
	tools_error("multiple devices online, offline resize requires exactly one");
	return NULL;
}

/* Start, change, stop; an exit status. */
static int change_device(char **pos, unsigned nr, const char *passphrase_file, uint64_t size,
			 device_fn fn)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c = tools_open_fs(pos, nr, &opts, passphrase_file);
	struct bch_dev *ca;
	int ret;

	if (!c)
		return 1;
	ca = only_device(c);
	if (ca && !test_bit(BCH_FS_rw, &c->flags)) {
		tools_error("the filesystem cannot be written");
		ca = NULL;
	}
	ret = ca ? fn(c, ca, size) : 1;
	return tools_stop_fs(c) ?: ret;
}

/* --- resize --- */

static int resize(struct bch_fs *c, struct bch_dev *ca, uint64_t size)
{
	const u64 dev_sectors = bdev_nr_sectors(ca->disk_sb.bdev);
	const u64 sectors = size ? size >> 9 : dev_sectors;
	const u64 nbuckets = sectors / ca->mi.bucket_size;
	const u64 old = ca->mi.nbuckets;
	int ret = 0;

	if (nbuckets < old)
		return tools_error("shrinking not supported (requested %llu buckets, have %llu)",
				   nbuckets, old);
	if (nbuckets > BCH_MEMBER_NBUCKETS_MAX)
		return tools_error("New device size too big: %llu buckets, at most %u", nbuckets,
				   BCH_MEMBER_NBUCKETS_MAX);
	if (nbuckets * ca->mi.bucket_size > dev_sectors)
		return tools_error("New size %llu larger than device size %llu",
				   nbuckets * ca->mi.bucket_size << 9, dev_sectors << 9);

	printf("resizing to %llu buckets\n", nbuckets);
	/* what could not be done for want of space may be possible now */
	if (nbuckets > old)
		ret = bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_pending);
	ret = ret ?: bch2_dev_resize_alloc(c, ca, nbuckets);
	return ret ? tools_error("resizing: %s", tools_strerror(ret)) : 0;
}

int cmd_device_resize(int argc, char *argv[])
{
	const char *passphrase_file = NULL, *err;
	const struct tools_arg args[] = {
		{ .name = "passphrase-file", .type = TOOLS_ARG_STRING, .dest = &passphrase_file,
		  .value = "FILE", .help = "Read the passphrase from FILE" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "device resize",
		.positionals		= "DEVICE [SIZE]",
		.summary		= "Make a device of an unmounted filesystem larger",
		.details		=
	"Without SIZE: as large as it is. A file must have been made larger before.\n",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 2,
	};
	uint64_t size = 0;
	unsigned nr;
	char **pos;

	nr = tools_args(&cmd, argc, argv, &pos);
	if (nr > 1) {
		err = tools_parse_size(pos[1], &size);
		if (err || !size)
			return tools_error("bad size '%s': %s", pos[1], err ?: "is 0");
	}
	printf("Doing offline resize of %s\n", pos[0]);
	return change_device(pos, 1, passphrase_file, size, resize);
}

/* --- resize-journal --- */

static int resize_journal(struct bch_fs *c, struct bch_dev *ca, uint64_t size)
{
	const u64 nbuckets = (size >> 9) / ca->mi.bucket_size;
	int ret;

	if (nbuckets > ca->mi.nbuckets)
		return tools_error("a journal of %llu buckets is larger than the device", nbuckets);
	printf("resizing journal to %llu buckets\n", nbuckets);
	if (nbuckets <= ca->journal.nr)
		return 0;
	ret = bch2_dev_set_nr_journal_buckets(c, ca, nbuckets);
	return ret ? tools_error("resizing the journal: %s", tools_strerror(ret)) : 0;
}

int cmd_device_resize_journal(int argc, char *argv[])
{
	const char *passphrase_file = NULL, *err;
	const struct tools_arg args[] = {
		{ .name = "passphrase-file", .type = TOOLS_ARG_STRING, .dest = &passphrase_file,
		  .value = "FILE", .help = "Read the passphrase from FILE" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "device resize-journal",
		.positionals		= "DEVICE SIZE",
		.summary		= "Make the journal of an unmounted filesystem larger",
		.args			= args,
		.min_positionals	= 2,
		.max_positionals	= 2,
	};
	uint64_t size = 0;
	char **pos;

	tools_args(&cmd, argc, argv, &pos);
	err = tools_parse_size(pos[1], &size);
	if (err || !size)
		return tools_error("bad size '%s': %s", pos[1], err ?: "is 0");
	printf("%s is offline - starting:\n", pos[0]);
	return change_device(pos, 1, passphrase_file, size, resize_journal);
}
