// SPDX-License-Identifier: GPL-2.0
/*
 * What the fuzz targets share: a filesystem in memory, buffers of exact size,
 * and the loop that replays files.
 */
/* main() belongs to the target. */
#undef FUZZ_MAIN
#include "fuzz.h"

#include <shim/log.h>

#include "sb/fsck_err.h"

const struct bch_key fuzz_key = { .key = {
	/* little-endian: byte i of the key is i */
	cpu_to_le64(0x0706050403020100ULL), cpu_to_le64(0x0f0e0d0c0b0a0908ULL),
	cpu_to_le64(0x1716151413121110ULL), cpu_to_le64(0x1f1e1d1c1b1a1918ULL),
} };

static void drop_message(int level, const char *text, void *arg)
{
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct bch_dev *make_dev(struct bch_fs *c)
{
	struct bch_dev *ca = must(calloc(1, sizeof(*ca)));

	ca->fs			= c;
	ca->mi.nbuckets		= FUZZ_BUCKETS;
	ca->mi.first_bucket	= 1;
	ca->mi.bucket_size	= FUZZ_BUCKET_SECTORS;
	ca->mi.durability	= 1;
	ca->mi.data_allowed	= 0xff;
	ca->mi.valid		= true;
	snprintf(ca->name, sizeof(ca->name), "fuzz");
	return ca;
}

/* Enough of a superblock for code that looks at it; its uuid is zero. */
static struct bch_sb *make_sb(void)
{
	struct bch_sb *sb = must(calloc(1, sizeof(*sb) + 64));

	sb->version	= cpu_to_le16(BCH_VERSION(1, 38));
	sb->version_min	= cpu_to_le16(BCH_VERSION(1, 0));
	sb->block_size	= cpu_to_le16(8);
	sb->nr_devices	= 1;
	return sb;
}

/**
 * fuzz_fs() - the filesystem that exists only in memory
 *
 * Return: always the same one.
 */
struct bch_fs *fuzz_fs(void)
{
	static struct bch_fs *c;

	if (c)
		return c;

	shim_set_log_sink(drop_message, NULL);

	c = must(calloc(1, sizeof(*c)));
	c->opts			= bch2_opts_default;
	c->opts.errors		= BCH_ON_ERROR_continue;
	c->opts.fix_errors	= FSCK_FIX_yes;
	c->opts.nochanges	= true;
	c->opts.block_size	= 4096;
	c->block_bits		= 3;
	c->encoded_extent_max_bits = 9;
	mutex_init(&c->sb_lock);
	c->sb.version		= BCH_VERSION(1, 38);
	c->sb.version_min	= BCH_VERSION(1, 0);
	c->sb.nr_devices	= 1;
	c->sb.time_units_per_sec = 1000000000;
	c->sb.nsec_per_time_unit = 1;
	c->sb.extent_bp_shift	= 10;
	c->disk_sb.sb		= make_sb();
	c->extent_types_known	= BCH_EXTENT_ENTRY_NR;
	for (unsigned i = 0; i < BCH_EXTENT_ENTRY_NR; i++)
		c->extent_type_u64s[i] = bch_extent_entry_words(i);
	c->chacha20_key		= fuzz_key;
	c->has_key		= true;
	c->devs[0]		= make_dev(c);

	if (bch2_fs_fsck_err_init(c))
		abort();
	return c;
}

/**
 * fuzz_copy() - copy bytes to memory that ends with them
 * @data:	bytes
 * @size:	how many
 *
 * Return: the copy; free().
 */
void *fuzz_copy(const void *data, size_t size)
{
	void *p = must(malloc(size ? size : 1));

	memcpy(p, data, size);
	return p;
}

volatile size_t fuzz_sink;

/**
 * fuzz_use_text() - make sure that a text is made, and free it
 * @out:	text
 */
void fuzz_use_text(struct printbuf *out)
{
	if (out->buf)
		fuzz_sink += strlen(out->buf);
	printbuf_exit(out);
}

static void replay(FILE *f, const char *name)
{
	size_t size = 0, room = 1 << 16, n;
	uint8_t *buf = must(malloc(room));

	while ((n = fread(buf + size, 1, room - size, f)) > 0) {
		size += n;
		if (size == room)
			buf = must(realloc(buf, room *= 2));
	}
	fprintf(stderr, "%s: %zu bytes\n", name, size);
	LLVMFuzzerTestOneInput(buf, size);
	free(buf);
}

void fuzz_replay(int argc, char *argv[]);

/**
 * fuzz_replay() - main() of targets that are built without libFuzzer
 * @argc:	as main()
 * @argv:	files to run; none: standard input
 */
void fuzz_replay(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");

		if (!f) {
			perror(argv[i]);
			exit(1);
		}
		replay(f, argv[i]);
		fclose(f);
	}
	if (argc == 1)
		replay(stdin, "standard input");
}
