// SPDX-License-Identifier: GPL-2.0
/*
 * What was on a device before it is formatted: telling it, and erasing the
 * signatures (Documentation/format/71 section 4).
 *
 * libblkid knows other filesystems and partition tables. Older releases of it
 * do not recognise every bcachefs superblock, so those are looked for here as
 * well, at all places that their layout names. Looking changes nothing.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/blkdev.h>

#include "bcachefs.h"
#include "format.h"
#include "sb/io.h"
#include "sb/write.h"
#include "shim/blkdev.h"
#include "tools.h"

/* --- libblkid --- */

/*
 * A prober over the open device. It gets a file of its own, through the page
 * cache: libblkid knows nothing of the alignment that direct I/O asks for.
 */
static blkid_probe open_prober(struct format_target *t, int *fd)
{
	char *path = tools_asprintf("/proc/self/fd/%d", shim_bdev_fd(t->sb.bdev));
	blkid_probe pr = NULL;

	*fd = open(path, O_RDWR|O_CLOEXEC);
	free(path);
	if (*fd >= 0) {
		pr = blkid_new_probe();
		if (pr && blkid_probe_set_device(pr, *fd, 0, 0)) {
			blkid_free_probe(pr);
			pr = NULL;
		}
	}
	if (!pr) {
		tools_error("%s: cannot look for old contents: %s", t->path, strerror(errno));
		if (*fd >= 0)
			close(*fd);
		return NULL;
	}

	blkid_probe_enable_superblocks(pr, true);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_LABEL|BLKID_SUBLKS_TYPE|
					  BLKID_SUBLKS_MAGIC|BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, true);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC|BLKID_PARTS_FORCE_GPT);
	return pr;
}

static void close_prober(blkid_probe pr, int fd)
{
	blkid_free_probe(pr);
	close(fd);
}

static void print_filesystem(const char *path, const char *type, const char *label)
{
	printf("%s contains a %s filesystem", path, type);
	if (label && *label)
		printf(" labelled '%s'", label);
	printf("\n");
}

static unsigned probe_blkid(struct format_target *t, blkid_probe pr, bool *bcachefs)
{
	unsigned nr = 0;

	while (!blkid_do_probe(pr)) {
		const char *type = NULL, *label = NULL, *table = NULL;

		blkid_probe_lookup_value(pr, "TYPE", &type, NULL);
		blkid_probe_lookup_value(pr, "LABEL", &label, NULL);
		blkid_probe_lookup_value(pr, "PTTYPE", &table, NULL);

		if (type) {
			*bcachefs |= !strcmp(type, "bcachefs");
			print_filesystem(t->path, type, label);
			nr++;
		}
		if (table) {
			printf("%s contains a %s partition table\n", t->path, table);
			nr++;
		}
	}
	return nr;
}

/* --- bcachefs superblocks --- */

/* Is there a whole superblock at @sector? @h gets it. */
static bool copy_at(struct bch_sb_handle *h, u64 sector)
{
	struct printbuf reason = PRINTBUF;
	const bool ret = !bch2_sb_read_copy(h, sector, &reason);

	printbuf_exit(&reason);
	return ret;
}

/* The layout of an old superblock: its own, or the one in front of where it was. */
static bool old_layout(struct bch_sb_handle *h, struct bch_sb_layout *l)
{
	struct printbuf reason = PRINTBUF;
	bool ret = true;

	if (copy_at(h, BCH_SB_SECTOR))
		*l = h->sb->layout;
	else
		ret = !bch2_bdev_read(h->bdev, BCH_SB_LAYOUT_SECTOR, l, sizeof(*l));
	ret = ret && !bch2_sb_layout_validate(l, &reason);
	printbuf_exit(&reason);
	return ret;
}

/* Is there an old copy? If @wipe, all of them are made unrecognisable. */
static int old_copies(struct format_target *t, bool wipe, bool *found)
{
	static const u8 zeroes[512];
	struct bch_sb_handle h = { .bdev = t->sb.bdev };
	struct bch_sb_layout l;
	int ret = 0;

	*found = false;
	if (!old_layout(&h, &l))
		goto out;

	for (unsigned i = 0; i < l.nr_superblocks && !ret; i++) {
		const u64 sector = le64_to_cpu(l.sb_offset[i]);

		if (!copy_at(&h, sector))
			continue;
		if (!*found && !wipe) {
			char *label = tools_asprintf("%.*s", BCH_SB_LABEL_SIZE,
						     (const char *) h.sb->label);

			print_filesystem(t->path, "bcachefs", label);
			free(label);
		}
		*found = true;
		if (wipe)
			ret = bch2_bdev_write(h.bdev, sector, zeroes, sizeof(zeroes));
	}
	if (wipe && !ret)
		ret = bch2_bdev_write(h.bdev, BCH_SB_LAYOUT_SECTOR, zeroes, sizeof(zeroes));
out:
	/* the device stays the target's */
	h.bdev = NULL;
	bch2_free_super(&h);
	return ret;
}

int format_probe(struct format_target *t)
{
	bool bcachefs = false;
	blkid_probe pr;
	int fd, nr;

	pr = open_prober(t, &fd);
	if (!pr)
		return -1;
	nr = probe_blkid(t, pr, &bcachefs);
	close_prober(pr, fd);

	if (!bcachefs) {
		old_copies(t, false, &bcachefs);
		nr += bcachefs;
	}
	return nr;
}

int format_wipe(struct format_target *t)
{
	bool found;
	blkid_probe pr;
	int fd, ret;

	ret = old_copies(t, true, &found);
	if (ret)
		return tools_error("%s: cannot erase old superblocks: %s", t->path,
				   tools_strerror(ret));

	pr = open_prober(t, &fd);
	if (!pr)
		return 1;
	while (!ret && !blkid_do_probe(pr))
		if (blkid_do_wipe(pr, false))
			ret = tools_error("%s: cannot erase old signatures: %s", t->path,
					  strerror(errno));
	if (!ret && fsync(fd))
		ret = tools_error("%s: %s", t->path, strerror(errno));
	close_prober(pr, fd);
	return ret;
}

/* --- several devices on one disk --- */

static bool whole_disk(const struct format_target *t, dev_t *disk)
{
	struct stat st;

	return t->is_block && !stat(t->path, &st) &&
		!blkid_devno_to_wholedisk(st.st_rdev, NULL, 0, disk);
}

/* The first device in front of @idx on the same disk, or @idx. */
static unsigned first_on_disk(const struct format_args *a, unsigned idx)
{
	dev_t disk, other;

	if (whole_disk(&a->targets[idx], &disk))
		for (unsigned i = 0; i < idx; i++)
			if (whole_disk(&a->targets[i], &other) && other == disk)
				return i;
	return idx;
}

void format_warn_shared_disks(const struct format_args *a)
{
	const unsigned replicas = max(opt_get(a->f.opts, data_replicas),
				      opt_get(a->f.opts, metadata_replicas));
	unsigned nr_disks = 0;
	bool first = true;

	for (unsigned i = 0; i < a->nr; i++)
		nr_disks += first_on_disk(a, i) == i;
	if (replicas < 2 || nr_disks == a->nr || nr_disks >= replicas)
		return;

	fprintf(stderr, "Warning: %u replicas requested, but there is only %u physical disk%s\n",
		replicas, nr_disks, nr_disks == 1 ? "" : "s");
	fprintf(stderr, "On a disk with others:");
	for (unsigned i = 0; i < a->nr; i++)
		if (first_on_disk(a, i) != i) {
			fprintf(stderr, "%s %s (with %s)", first ? "" : ",", a->targets[i].path,
				a->targets[first_on_disk(a, i)].path);
			first = false;
		}
	fprintf(stderr, "\n");
}
