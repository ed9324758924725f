// SPDX-License-Identifier: GPL-2.0
/*
 * dump: write the metadata of a filesystem - superblocks, journal, btree nodes -
 * to sparse images for debugging (Documentation/format/73, section 1).
 *
 * Where the nodes are is taken from the keys that point to them, so a node is
 * dumped whether it can be read or not; only what is below an unreadable node
 * cannot be found. File data is never read. The devices are not changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/math.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "sb/members.h"

#include "commands.h"
#include "dump_sanitize.h"
#include "qcow2.h"
#include "tools-open.h"
#include "tools.h"

/* Bytes of a device, half open. */
struct range {
	uint64_t	start;
	uint64_t	end;
};

struct ranges {
	struct range	*d;
	size_t		nr;
	size_t		size;
};

enum range_class {
	RANGE_sb,
	RANGE_journal,
	RANGE_btree,
	RANGE_CLASSES,
};

struct dump_dev {
	struct bch_dev	*ca;
	struct ranges	ranges[RANGE_CLASSES];
	char		*out_name;
	int		in;
	uint64_t	size;
	uint64_t	bytes_unreadable;
};

struct dump {
	const char		*out;
	bool			force;
	bool			nojournal;
	bool			noexcl;
	bool			verbose;
	const char		*passphrase_file;

	struct bch_fs		*c;
	struct dump_sanitizer	sanitizer;
	struct dump_dev		devs[BCH_SB_MEMBERS_MAX];
};

/* --- ranges --- */

static void range_add(struct ranges *r, uint64_t start, uint64_t end)
{
	if (r->nr == r->size) {
		r->size = r->size ? r->size * 2 : 64;
		r->d = tools_realloc(r->d, r->size * sizeof(*r->d));
	}
	r->d[r->nr++] = (struct range) { start, end };
}

/* Only what lies on the device. */
static void dev_range_add(struct dump_dev *dev, enum range_class class, uint64_t start,
			  uint64_t len)
{
	if (start < dev->size && len)
		range_add(&dev->ranges[class], start,
			  len < dev->size - start ? start + len : dev->size);
}

static int range_cmp(const void *_l, const void *_r)
{
	const struct range *l = _l, *r = _r;

	if (l->start != r->start)
		return l->start < r->start ? -1 : 1;
	return l->end < r->end ? -1 : l->end > r->end;
}

static void ranges_sort(struct ranges *r)
{
	if (r->nr)
		qsort(r->d, r->nr, sizeof(*r->d), range_cmp);
}

/* Sort, round outward to blocks, join what overlaps or touches. */
static void ranges_merge(struct ranges *r, uint64_t block, uint64_t size)
{
	size_t nr = 0;

	for (size_t i = 0; i < r->nr; i++) {
		r->d[i].start = round_down(r->d[i].start, block);
		r->d[i].end = round_up(r->d[i].end, block);
		if (r->d[i].end > size)
			r->d[i].end = size;
	}
	ranges_sort(r);

	for (size_t i = 0; i < r->nr; i++) {
		if (nr && r->d[i].start <= r->d[nr - 1].end) {
			if (r->d[i].end > r->d[nr - 1].end)
				r->d[nr - 1].end = r->d[i].end;
		} else {
			r->d[nr++] = r->d[i];
		}
	}
	r->nr = nr;
}

/* --- what is collected --- */

static void collect_sb(struct dump_dev *dev)
{
	const struct bch_sb_handle *h = &dev->ca->disk_sb;
	const struct bch_sb_layout *l = &h->sb->layout;
	uint64_t bytes = bch2_sb_bytes(h->sb);

	dev_range_add(dev, RANGE_sb, BCH_SB_LAYOUT_SECTOR << 9, sizeof(*l));
	/* The copy in use, in case the layout does not know it. */
	dev_range_add(dev, RANGE_sb, h->read_sector << 9, bytes);
	for (unsigned i = 0; i < l->nr_superblocks && i < BCH_SB_LAYOUT_NR_MAX; i++) {
		uint64_t sector = le64_to_cpu(l->sb_offset[i]);

		if (sector < dev->size >> 9)
			dev_range_add(dev, RANGE_sb, sector << 9, bytes);
	}
}

static void collect_journal(struct dump *d, struct dump_dev *dev)
{
	const struct journal_device *j = &dev->ca->journal;
	uint64_t bytes = (uint64_t) dev->ca->mi.bucket_size << 9;
	uint64_t last_seq = d->c->journal.start.seq_read_start;

	for (unsigned i = 0; i < j->nr; i++) {
		if (d->nojournal && j->bucket_seq && j->bucket_seq[i] < last_seq)
			continue;
		if (j->buckets[i] < dev->size / bytes)
			dev_range_add(dev, RANGE_journal, j->buckets[i] * bytes, bytes);
	}
}

static void collect_ptrs(struct dump *d, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(d->c, k);
	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr) {
		unsigned idx = EXTENT_PTR_DEV(ptr);

		if (idx < BCH_SB_MEMBERS_MAX && d->devs[idx].ca)
			dev_range_add(&d->devs[idx], RANGE_btree, EXTENT_PTR_OFFSET(ptr) << 9,
				      d->c->opts.btree_node_size);
	}
}

/* The nodes that the keys of @level point to. */
static void collect_level(struct dump *d, unsigned btree, unsigned level)
{
	struct btree_trans *trans = bch2_trans_get(d->c);
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (!trans)
		tools_die("out of memory");

	bch2_trans_node_iter_init(trans, &iter, btree, POS_MIN, 0, level,
				  BTREE_ITER_prefetch|BTREE_ITER_all_snapshots|
				  BTREE_ITER_skip_bad);
	do {
		k = bch2_btree_iter_peek(&iter);
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		collect_ptrs(d, k);
	} while (bch2_btree_iter_advance(&iter));

	if (ret || trans->nr_bad) {
		struct printbuf buf = PRINTBUF;

		bch2_btree_id_to_text(&buf, btree);
		fprintf(stderr, "btree %s, level %u: some nodes cannot be read; "
			"what is below them is left out\n", buf.buf, level);
		printbuf_exit(&buf);
	}
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);
}

static void collect_btrees(struct dump *d)
{
	for (unsigned id = 0; id < BTREE_ID_NR_MAX; id++) {
		const struct btree_root *r = &d->c->btree.roots[id];

		if (!r->alive || r->key.k.u64s <= BKEY_U64s)
			continue;

		collect_ptrs(d, bkey_i_to_s_c(&r->key));
		for (unsigned level = r->level; level; level--)
			collect_level(d, id, level);
	}
}

/* --- writing --- */

/* Read what can be read of [start, start + len); the rest becomes zeros. */
static void read_range(struct dump *d, struct dump_dev *dev, char *buf, uint64_t start, size_t len)
{
	size_t block = bch2_block_bytes(d->c), pos, n;

	if (pread(dev->in, buf, len, start) == (ssize_t) len)
		return;

	for (pos = 0; pos < len; pos += n) {
		n = len - pos < block ? len - pos : block;
		if (pread(dev->in, buf + pos, n, start + pos) != (ssize_t) n) {
			memset(buf + pos, 0, n);
			dev->bytes_unreadable += n;
		}
	}
}

static int write_range(struct dump *d, struct dump_dev *dev, struct qcow2_writer *w,
		       enum range_class class, const struct range *r)
{
	bool whole = d->sanitizer.level && class != RANGE_sb;
	uint64_t chunk = whole ? r->end - r->start : 1U << 20;
	char *buf = tools_malloc(chunk < r->end - r->start ? chunk : r->end - r->start);
	int ret = 0;

	for (uint64_t pos = r->start; pos < r->end && !ret; pos += chunk) {
		size_t len = r->end - pos < chunk ? r->end - pos : chunk;

		read_range(d, dev, buf, pos, len);
		if (whole && class == RANGE_journal)
			dump_sanitize_journal(&d->sanitizer, buf, len);
		if (whole && class == RANGE_btree)
			dump_sanitize_node(&d->sanitizer, buf, len);
		ret = qcow2_write(w, pos, buf, len);
	}
	free(buf);
	return ret;
}

static int write_image(struct dump *d, struct dump_dev *dev, struct qcow2_writer *w)
{
	int ret = 0;

	for (unsigned class = 0; class < RANGE_CLASSES && !ret; class++) {
		struct ranges *r = &dev->ranges[class];

		/* Buckets and nodes that are taken apart must stay whole. */
		if (d->sanitizer.level && class != RANGE_sb)
			ranges_sort(r);
		else
			ranges_merge(r, bch2_block_bytes(d->c), dev->size);

		for (size_t i = 0; i < r->nr && !ret; i++)
			ret = write_range(d, dev, w, class, &r->d[i]);
	}
	return ret ? ret : qcow2_writer_finish(w);
}

static int dump_dev(struct dump *d, struct dump_dev *dev)
{
	struct qcow2_writer *w;
	int fd, ret;

	fd = open(dev->out_name, O_WRONLY|O_CREAT|O_CLOEXEC|(d->force ? O_TRUNC : O_EXCL), 0600);
	if (fd < 0)
		return tools_error("%s: %s", dev->out_name, strerror(errno));

	w = qcow2_writer_new(fd, dev->size, bch2_block_bytes(d->c));
	ret = w ? write_image(d, dev, w) : -ENOMEM;
	qcow2_writer_free(w);
	if (close(fd) && !ret)
		ret = -errno;
	if (ret) {
		unlink(dev->out_name);
		return tools_error("%s: %s", dev->out_name, strerror(-ret));
	}

	if (dev->bytes_unreadable)
		fprintf(stderr, "%s: %llu bytes could not be read and are left out\n",
			dev->ca->name, (unsigned long long) dev->bytes_unreadable);
	return 0;
}

/* --- the command --- */

static int check_sanitize(struct dump *d)
{
	if (!d->sanitizer.level)
		return 0;

	for_each_online_member(d->c, ca)
		if (ca->mi.bucket_size & (bch2_block_sectors(d->c) - 1))
			return tools_error("%s has unaligned buckets, cannot sanitize", ca->name);

	switch (d->sanitizer.level) {
	case DUMP_SANITIZE_data:
		puts("Sanitizing inline data extents");
		break;
	case DUMP_SANITIZE_filenames:
		puts("Sanitizing filenames and inline data extents");
		break;
	default:
		puts("Sanitizing filenames, inline data extents and xattr values");
		break;
	}
	return 0;
}

static int open_devs(struct dump *d)
{
	unsigned nr = 0;

	for_each_online_member(d->c, ca)
		nr++;

	for_each_online_member(d->c, ca) {
		struct dump_dev *dev = &d->devs[ca->dev_idx];
		off_t end;

		dev->in = open(ca->path, O_RDONLY|O_CLOEXEC);
		end = dev->in < 0 ? -1 : lseek(dev->in, 0, SEEK_END);
		if (end < 0)
			return tools_error("%s: %s", ca->path, strerror(errno));

		dev->ca		= ca;
		dev->size	= end;
		dev->out_name	= nr == 1
			? tools_asprintf("%s.qcow2", d->out)
			: tools_asprintf("%s.%u.qcow2", d->out, ca->dev_idx);
		if (!d->force && !access(dev->out_name, F_OK))
			return tools_error("%s already exists", dev->out_name);
	}
	return 0;
}

static void close_devs(struct dump *d)
{
	for (unsigned i = 0; i < BCH_SB_MEMBERS_MAX; i++) {
		struct dump_dev *dev = &d->devs[i];

		for (unsigned class = 0; class < RANGE_CLASSES; class++)
			free(dev->ranges[class].d);
		free(dev->out_name);
		if (dev->ca)
			close(dev->in);
	}
}

static int dump_fs(struct dump *d)
{
	int ret = check_sanitize(d) ?: open_devs(d);

	if (ret)
		return ret;

	for_each_online_member(d->c, ca) {
		collect_sb(&d->devs[ca->dev_idx]);
		collect_journal(d, &d->devs[ca->dev_idx]);
	}
	collect_btrees(d);

	d->sanitizer.c = d->c;
	for_each_online_member(d->c, ca) {
		ret = dump_dev(d, &d->devs[ca->dev_idx]);
		if (ret)
			return ret;
	}

	if (d->sanitizer.nr_encrypted)
		fprintf(stderr, "%llu encrypted entries were left as they are: no key\n",
			(unsigned long long) d->sanitizer.nr_encrypted);
	return 0;
}

static struct bch_fs *dump_open(struct dump *d, char **devs, unsigned nr)
{
	struct bch_opts opts = bch2_opts_empty();

	tools_read_only_opts(&opts);
	opt_set(opts, fix_errors,	FSCK_FIX_no);
	opt_set(opts, noexcl,		d->noexcl);
	opt_set(opts, verbose,		d->verbose);

	return tools_open_fs(devs, nr, &opts, d->passphrase_file);
}

static const char *parse_sanitize(void *dest, const char *value)
{
	enum dump_sanitize_level *level = dest;

	if (!value || !strcmp(value, "data"))
		*level = DUMP_SANITIZE_data;
	else if (!strcmp(value, "filenames"))
		*level = DUMP_SANITIZE_filenames;
	else if (!strcmp(value, "xattrs"))
		*level = DUMP_SANITIZE_xattrs;
	else
		return "Bad sanitize option";
	return NULL;
}

int cmd_dump(int argc, char *argv[])
{
	struct dump *d = tools_calloc(1, sizeof(*d));
	const struct tools_arg args[] = {
		{ .name = "output", .letter = 'o', .type = TOOLS_ARG_STRING,
		  .dest = &d->out, .value = "OUT",
		  .help = "Write to OUT.qcow2, or OUT.INDEX.qcow2 for each of several devices" },
		{ .name = "force", .letter = 'f', .type = TOOLS_ARG_FLAG,
		  .dest = &d->force,
		  .help = "Overwrite existing files" },
		{ .name = "sanitize", .letter = 's', .type = TOOLS_ARG_CALL,
		  .dest = &d->sanitizer.level, .value = "WHAT",
		  .help = "Clear what users wrote: data (inline file data; the default), "
		  "filenames (and names), xattrs (and values of extended attributes)",
		  .optional = true, .call = parse_sanitize },
		{ .name = "nojournal", .type = TOOLS_ARG_FLAG,
		  .dest = &d->nojournal,
		  .help = "Only those parts of the journal that are still needed" },
		{ .name = "noexcl", .type = TOOLS_ARG_FLAG,
		  .dest = &d->noexcl,
		  .help = "Open devices that are in use; the result may be inconsistent" },
		{ .name = "passphrase-file", .type = TOOLS_ARG_STRING,
		  .dest = &d->passphrase_file, .value = "FILE",
		  .help = "Read the passphrase of an encrypted filesystem from FILE" },
		{ .name = "verbose", .letter = 'v', .type = TOOLS_ARG_FLAG,
		  .dest = &d->verbose,
		  .help = "Say more" },
		{}
	};
	const struct tools_cmdline cmdline = {
		.name			= "dump",
		.positionals		= "DEVICE...",
		.summary	= "Write the metadata of a filesystem to sparse qcow2 images.",
		.details		=
			"File data is not dumped, except what is stored inline in metadata.\n"
			"Parts that cannot be read are left out with a message; the dump goes on.",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= ~0U,
	};
	char **devs;
	unsigned nr = tools_args(&cmdline, argc, argv, &devs);
	int ret = 1;

	if (!d->out)
		tools_usage_error("dump", "no output given (-o)");

	d->c = dump_open(d, devs, nr);
	if (d->c) {
		ret = dump_fs(d);
		close_devs(d);
		bch2_fs_stop(d->c);
	}
	free(d);
	return ret;
}
