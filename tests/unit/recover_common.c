// SPDX-License-Identifier: GPL-2.0
/*
 * Starting copies of real images, and comparing what is in their btrees.
 *
 * Where btree nodes lie changes with every one that is written anew. What
 * follows from that - buckets, their indexes, counters - is left out of the
 * comparison by btree; the recount (recount.h) decides about it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bitops.h>
#include <linux/err.h>

#include "btree/bkey_methods.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "recover_common.h"
#include "shim/log.h"

char recover_last_error[512];
char recover_errors[2048];
unsigned recover_nr_errors;

static void remember(int level, const char *text, void *arg)
{
	if (level < 0 || level > 3)
		return;
	const size_t len = strlen(recover_errors);

	recover_nr_errors++;
	snprintf(recover_errors + len, sizeof(recover_errors) - len, "%s", text);
	snprintf(recover_last_error, sizeof(recover_last_error), "%s", text);
}

/**
 * recover_log_quietly() - count and remember messages instead of printing them
 */
void recover_log_quietly(void)
{
	recover_nr_errors	= 0;
	recover_last_error[0]	= '\0';
	recover_errors[0]	= '\0';
	shim_set_log_sink(remember, NULL);
}

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

/* All names that were given out: they stay valid, and can be found. */
static struct file_name {
	struct file_name	*next;
	char			text[1024];
} *file_names;

/**
 * recover_file() - path of a file of this process
 * @name:	part of the file name
 *
 * Return: text that stays until the program ends.
 */
const char *recover_file(const char *name)
{
	struct file_name *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->text, sizeof(f->text), "%s/test-recover-%d-%s.img",
		 env("TEST_TMPDIR", "/tmp"), (int) getpid(), name);
	f->next = file_names;
	file_names = f;
	return f->text;
}

/**
 * recover_unpack() - unpack a fixture
 * @name:	its name
 * @path:	where to
 */
void recover_unpack(const char *name, const char *path)
{
	char cmd[1400];

	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s.img.zst'",
		 path, env("TEST_FIXTURES", "tests/fixtures"), name);
	assert_int_equal(system(cmd), 0);
}

/**
 * recover_copy() - copy an image
 * @from:	from
 * @to:		to
 */
void recover_copy(const char *from, const char *to)
{
	char cmd[1400];

	snprintf(cmd, sizeof(cmd), "cp --sparse=always '%s' '%s'", from, to);
	assert_int_equal(system(cmd), 0);
}

/**
 * recover_start() - open and start an image
 * @path:	image
 * @how:	options; NULL: read-write
 * @ret:	how it went
 *
 * Return: NULL if it could not be opened; else to be stopped.
 */
struct bch_fs *recover_start(const char *path, const struct start_how *how, int *ret)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *p[] = { path };
	struct bch_fs *c;

	if (how && how->nochanges)
		opt_set(opts, nochanges,	true);
	if (how && how->read_only)
		opt_set(opts, read_only,	true);
	if (how && how->norecovery)
		opt_set(opts, norecovery,	true);
	if (how && how->degraded)
		opt_set(opts, degraded,		how->degraded);

	c = bch2_fs_open(p, 1, &opts);
	*ret = PTR_ERR_OR_ZERO(c);
	if (*ret)
		return NULL;
	*ret = bch2_fs_start(c);
	return c;
}

/* --- what is in the btrees --- */

static u64 hash_words(u64 h, const void *p, size_t bytes)
{
	const u8 *b = p;

	while (bytes--)
		h = (h ^ *b++) * 0x100000001b3ULL;
	return h;
}

static void content_add(struct content *out, unsigned btree, struct bkey_s_c k)
{
	const struct {
		struct bpos	p;
		u32		type, size;
		struct bversion	version;
	} head = { k.k->p, k.k->type, k.k->size, k.k->bversion };
	u64 h = 0xcbf29ce484222325ULL;

	h = hash_words(h, &head.p, sizeof(head.p));
	h = hash_words(h, &head.type, sizeof(head.type));
	h = hash_words(h, &head.size, sizeof(head.size));
	h = hash_words(h, &head.version, sizeof(head.version));
	h = hash_words(h, k.v, bkey_val_bytes(k.k));
	out->nr[btree]++;
	out->hash[btree] = out->hash[btree] * 31 + h;
}

/**
 * content_read() - sum up every key
 * @c:		filesystem
 * @out:	result
 */
void content_read(struct bch_fs *c, struct content *out)
{
	struct btree_trans *trans = bch2_trans_get(c);

	assert_false(IS_ERR(trans));
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < BTREE_ID_NR; i++) {
		const int ret = for_each_btree_key(trans, iter, i, POS_MIN,
						   BTREE_ITER_all_snapshots, k, ({
			content_add(out, i, k);
			0;
		}));

		assert_int_equal(ret, 0);
	}
	bch2_trans_put(trans);
}

/**
 * content_of() - the same of an image that is only looked at
 * @path:	image
 * @out:	result
 */
void content_of(const char *path, struct content *out)
{
	const struct start_how how = { .nochanges = true };
	struct bch_fs *c;
	int ret;

	c = recover_start(path, &how, &ret);
	if (ret)
		fail_msg("%s: %s (%s)", path, bch2_err_str(ret), recover_last_error);
	content_read(c, out);
	assert_int_equal(bch2_fs_stop(c), 0);
}

static const u64 follows_from_nodes =
	BIT_ULL(BTREE_ID_alloc)		| BIT_ULL(BTREE_ID_freespace) |
	BIT_ULL(BTREE_ID_need_discard)	| BIT_ULL(BTREE_ID_lru) |
	BIT_ULL(BTREE_ID_backpointers)	| BIT_ULL(BTREE_ID_bucket_gens) |
	BIT_ULL(BTREE_ID_accounting)	| BIT_ULL(BTREE_ID_stripe_backpointers);

/**
 * content_equal() - equal, but for what follows from where btree nodes lie?
 * @a:		as it was
 * @b:		as it is
 *
 * Differences are printed.
 */
bool content_equal(const struct content *a, const struct content *b)
{
	bool same = true;

	for (unsigned i = 0; i < BTREE_ID_NR; i++) {
		if ((follows_from_nodes & BIT_ULL(i)) ||
		    (a->nr[i] == b->nr[i] && a->hash[i] == b->hash[i]))
			continue;
		print_error("%s: %llu keys, were %llu%s\n", bch2_btree_id_name(i), b->nr[i],
			    a->nr[i], a->nr[i] == b->nr[i] ? ", and differ" : "");
		same = false;
	}
	return same;
}
