// SPDX-License-Identifier: GPL-2.0
/*
 * A small filesystem in image files with journal rings and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mutex.h>

#include "init/fs.h"
#include "journal/journal.h"
#include "journal/read.h"
#include "journal/ring.h"
#include "journal/validate.h"
#include "sb/format.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/write.h"
#include "shim/log.h"
#include "journal_common.h"

unsigned jtest_nr_marked;
unsigned jtest_nr_emergency;

static char dir[] = "/tmp/test_journal.XXXXXX";
static char paths[JTEST_DEVS_MAX][64];
static char messages[16384];

static void log_sink(int level, const char *text, void *arg)
{
	strncat(messages, text, sizeof(messages) - strlen(messages) - 1);
}

int jtest_setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	for (unsigned i = 0; i < JTEST_DEVS_MAX; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/dev%u", dir, i);
	shim_set_log_sink(log_sink, NULL);
	return 0;
}

int jtest_teardown(void **state)
{
	char cmd[128];

	shim_set_log_sink(NULL, NULL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

const char *jtest_path(unsigned dev)
{
	return paths[dev];
}

const char *jtest_messages(void)
{
	return messages;
}

static void shell(const char *fmt, unsigned dev, const char *suffix, bool back)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), fmt, paths[dev], back ? suffix : "", paths[dev],
		 back ? "" : suffix);
	assert_int_equal(system(cmd), 0);
}

void jtest_snapshot(const char *suffix)
{
	for (unsigned i = 0; i < JTEST_DEVS_MAX; i++)
		if (!access(paths[i], F_OK))
			shell("cp --sparse=always %s%s %s%s", i, suffix, false);
}

void jtest_use_snapshot(const char *suffix)
{
	for (unsigned i = 0; i < JTEST_DEVS_MAX; i++)
		if (!access(paths[i], F_OK))
			shell("cp --sparse=always %s%s %s%s", i, suffix, true);
}

/* --- making --- */

static void write_images(const struct jtest_spec *s)
{
	struct bch_format_dev devs[JTEST_DEVS_MAX] = {};
	struct bch_format f = {
		.version	= BCH_VERSION(1, 38),
		.sb_bytes	= BCH_FORMAT_SB_BYTES_DEFAULT,
		.ram_bytes	= 8ULL << 30,
		.nr_cpus	= 2,
		.devs		= devs,
		.nr_devs	= s->nr_devs,
	};
	CLASS(printbuf, err)();
	struct bch_sb_handle h;

	for (unsigned i = 0; i < s->nr_devs; i++)
		devs[i] = (struct bch_format_dev) {
			.path = paths[i], .bytes = s->dev_bytes, .logical_block = 512,
			.physical_block = 4096,
		};
	if (bch2_format_geometry(&f, &err))
		fail_msg("%s", printbuf_str(&err));

	for (unsigned i = 0; i < s->nr_devs; i++) {
		struct file *file;
		int fd;

		memset(&h, 0, sizeof(h));
		if (bch2_format_super(&f, &h, &err))
			fail_msg("%s", printbuf_str(&err));
		/* the same filesystem on all of them */
		memset(&h.sb->uuid, 0x11, sizeof(h.sb->uuid));
		memset(&h.sb->user_uuid, 0x22, sizeof(h.sb->user_uuid));
		for (unsigned m = 0; m < s->nr_devs; m++) {
			struct bch_member member = bch2_sb_member_get(h.sb, m);

			memset(&member.uuid, 0x30 + m, sizeof(member.uuid));
			bch2_sb_member_set(h.sb, m, &member);
		}
		SET_BCH_SB_INITIALIZED(h.sb, 1);
		SET_BCH_SB_CLEAN(h.sb, 1);
		h.sb->features[0] |= cpu_to_le64(BCH_SB_FEATURES_ALWAYS|BCH_SB_FEATURES_ALL);
		if (bch2_format_dev_super(&f, &h, i, &err))
			fail_msg("%s", printbuf_str(&err));

		unlink(paths[i]);
		fd = open(paths[i], O_RDWR|O_CREAT, 0600);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, s->dev_bytes), 0);
		close(fd);
		file = bdev_file_open_by_path(paths[i], BLK_OPEN_READ|BLK_OPEN_WRITE, NULL, NULL);
		assert_false(IS_ERR(file));
		assert_int_equal(bch2_format_write(file_bdev(file), h.sb), 0);
		bdev_fput(file);
		bch2_free_super(&h);
	}
	for (unsigned i = s->nr_devs; i < JTEST_DEVS_MAX; i++)
		unlink(paths[i]);
}

void jtest_make(const struct jtest_spec *s)
{
	struct bch_fs *c;

	write_images(s);
	c = jtest_open(s);
	for_each_online_member(c, ca) {
		u64 *b = calloc(s->ring, sizeof(*b));

		/* some runs, not in order */
		for (unsigned i = 0; i < s->ring; i++)
			b[i] = ca->mi.nbuckets / 2 + (i < s->ring / 2 ? i + s->ring : i);
		assert_int_equal(bch2_journal_ring_add_buckets(c, ca, b, s->ring), 0);
		free(b);
	}
	jtest_close(c);
}

/* --- opening --- */

static int mark_replicas(struct bch_fs *c, const struct bch_devs_mask *devs)
{
	int ret;

	jtest_nr_marked++;
	mutex_lock(&c->sb_lock);
	SET_BCH_SB_CLEAN(c->disk_sb.sb, 0);
	c->disk_sb.sb->features[0] |= cpu_to_le64(BCH_SB_FEATURES_ALWAYS);
	set_bit(BCH_FS_was_rw, &c->flags);
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

static void emergency(struct bch_fs *c)
{
	__atomic_add_fetch(&jtest_nr_emergency, 1, __ATOMIC_RELEASE);
}

static struct bch_fs *open_fs(const struct jtest_spec *s, bool nochanges)
{
	const char *p[JTEST_DEVS_MAX] = { paths[0], paths[1], paths[2] };
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;

	opt_set(opts, nostart, true);
	opt_set(opts, degraded, BCH_DEGRADED_very);
	if (nochanges) {
		opt_set(opts, nochanges, true);
		opt_set(opts, norecovery, true);
	}
	if (s->replicas)
		opt_set(opts, metadata_replicas, s->replicas);
	if (s->flush_delay)
		opt_set(opts, journal_flush_delay, s->flush_delay);
	messages[0] = '\0';
	c = bch2_fs_open(p, s->nr_devs, &opts);
	if (IS_ERR(c))
		fail_msg("%s: %s", bch2_err_str(PTR_ERR(c)), messages);
	return c;
}

struct bch_fs *jtest_open(const struct jtest_spec *s)
{
	struct bch_fs *c = open_fs(s, false);

	jtest_nr_marked = jtest_nr_emergency = 0;
	c->up.journal_mark_replicas = mark_replicas;
	c->up.emergency_ro = emergency;
	if (!c->journal.w)
		assert_int_equal(bch2_fs_journal_init(c), 0);
	return c;
}

struct bch_fs *jtest_open_ro(const struct jtest_spec *s)
{
	return open_fs(s, true);
}

void jtest_close(struct bch_fs *c)
{
	bch2_fs_journal_exit(c);
	bch2_fs_stop(c);
}

/* --- what goes in --- */

int jtest_commit(struct bch_fs *c, unsigned writer, u64 nr, unsigned pad, unsigned flags,
		 u64 *seq)
{
	struct journal_res res = {};
	struct jset_entry *e;
	struct bkey_i *k;
	/* one word more than needed: puts an empty record behind */
	int ret = bch2_journal_res_get(c, &res, JTEST_REC_U64s(pad) + 1, flags);

	if (ret)
		return ret;
	e = bch2_journal_add_entry(&res, BCH_JSET_ENTRY_btree_keys, BTREE_ID_inodes, 0, 5 + pad);
	k = jset_entry_data(e);
	bkey_init(&k->k);
	/* values of unknown types are kept as they are */
	k->k.type = 200;
	k->k.p = POS(writer + 1, nr);
	k->k.p.snapshot = 1;
	k->k.u64s = 5 + pad;
	for (unsigned i = 0; i < pad; i++)
		((u64 *) &k->v)[i] = nr * 31 + writer + i;
	if (seq)
		*seq = res.seq;
	bch2_journal_res_put(c, &res);
	return 0;
}

/* --- what is found --- */

static void take_key(struct jtest_found *f, const struct bkey_i *k)
{
	const u64 writer = k->k.p.inode - 1;

	assert_true(writer < JTEST_WRITERS);
	if (!f->keys_of[writer])
		f->first_of[writer] = k->k.p.offset;
	f->ordered &= k->k.p.offset == f->first_of[writer] + f->keys_of[writer];
	f->keys_of[writer]++;
	f->nr_keys++;
	for (unsigned i = 0; i < k->k.u64s - 5U; i++)
		assert_int_equal(((u64 *) &k->v)[i], k->k.p.offset * 31 + writer + i);
}

static void take_entry(struct bch_fs *c, struct jtest_found *f, struct journal_replay *r)
{
	assert_int_equal(bch2_journal_entry_load(c, r), 0);
	f->nr_entries++;
	for_each_jset_entry(e, r->j) {
		/* nothing empty, nothing that exists in memory only */
		assert_true(e->u64s);
		assert_int_not_equal(e->type, BCH_JSET_ENTRY_write_buffer_keys);
		if (e->type == BCH_JSET_ENTRY_btree_keys)
			jset_entry_for_each_key(e, k)
				take_key(f, k);
	}
}

void jtest_read(const struct jtest_spec *s, struct jtest_found *f)
{
	struct bch_fs *c = jtest_open_ro(s);
	struct journal_start_info info = {};

	*f = (struct jtest_found) { .ordered = true };
	f->keys_of = calloc(JTEST_WRITERS, sizeof(u64));
	f->first_of = calloc(JTEST_WRITERS, sizeof(u64));

	assert_int_equal(bch2_journal_read(c, &info), 0);
	assert_int_equal(c->journal.nr_missing, 0);
	f->oldest = info.seq_read_start;
	f->newest = info.seq_read_end;
	f->clean = info.clean;
	for (size_t i = 0; i < c->journal.entries.nr; i++) {
		struct journal_replay *r = c->journal.entries.d[i];

		if (!journal_replay_ignore(r) && r->seq >= info.seq_read_start)
			take_entry(c, f, r);
	}
	bch2_journal_entries_free(c);
	bch2_fs_stop(c);
}

void jtest_found_free(struct jtest_found *f)
{
	free(f->keys_of);
	free(f->first_of);
}
