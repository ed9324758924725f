// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs kill_btree_node: damage btree nodes on purpose, to test repair
 * (Documentation/format/73 section 5).
 *
 * The first block of a node, with its magic, checksum and range, is overwritten
 * with zeroes. All nodes are found before the first is damaged. A filesystem that
 * is not clean is recovered first: what there is to be damaged is decided then.
 * While the filesystem is read to find nodes, its devices are held for writing,
 * so that nobody else uses them.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/blkdev.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "commands.h"
#include "init/fs.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/write.h"
#include "tools-open.h"
#include "tools-passphrase.h"
#include "tools.h"

/* One node to be damaged. */
struct node {
	const char	*arg;		/* as given */
	unsigned	btree;
	unsigned	level;
	uint64_t	index;
	bool		found;
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX);
};

struct kill {
	struct tools_strings	args;
	struct node		*nodes;
	const char		*passphrase_file;
	uint64_t		dev;
	bool			dev_given;
	struct tools_devices	devs;
	struct bch_sb_handle	*handles;	/* open for writing, by index in devs */
};

/* --- command line --- */

/* A number and what ends it: ':' or the end. */
static int number(const char **s, uint64_t *v)
{
	const size_t len = strcspn(*s, ":");
	char *copy = strndup(*s, len);
	const char *wrong = copy ? tools_parse_u64(copy, v) : "out of memory";

	free(copy);
	*s += len;
	return wrong ? -1 : 0;
}

/* BTREE[:LEVEL[:INDEX]] */
static int parse_node(struct node *n, const char *arg)
{
	const size_t len = strcspn(arg, ":");
	char *name = strndup(arg, len);
	const int btree = name ? bch2_btree_id_parse(name) : -1;
	const char *s = arg + len;
	uint64_t level = 0;

	free(name);
	n->arg = arg;
	if (btree < 0)
		return tools_error("unknown btree in '%s'", arg);
	n->btree = btree;

	if (*s == ':' && (s++, number(&s, &level)))
		return tools_error("bad level in '%s'", arg);
	if (*s == ':' && (s++, number(&s, &n->index)))
		return tools_error("bad index in '%s'", arg);
	if (*s)
		return tools_error("'%s' is not BTREE[:LEVEL[:INDEX]]", arg);
	if (level >= BTREE_MAX_DEPTH)
		return tools_error("level in '%s' must be below %u", arg, BTREE_MAX_DEPTH);
	n->level = level;
	return 0;
}

static int parse_nodes(struct kill *k)
{
	int ret = 0;

	k->nodes = tools_calloc(k->args.nr, sizeof(*k->nodes));
	for (unsigned i = 0; i < k->args.nr; i++)
		ret |= parse_node(&k->nodes[i], k->args.d[i]);
	return ret;
}

/* --- devices for writing --- */

static int open_devices(struct kill *k)
{
	const struct bch_opts opts = bch2_opts_empty();
	struct printbuf err = PRINTBUF;
	int ret = 0;

	k->handles = tools_calloc(k->devs.nr, sizeof(*k->handles));
	for (unsigned i = 0; !ret && i < k->devs.nr; i++)
		if (bch2_sb_handle_open(&k->handles[i], k->devs.d[i], &opts, &err))
			ret = tools_error("%s: %s", k->devs.d[i], printbuf_str(&err));
	printbuf_exit(&err);
	return ret;
}

static void close_devices(struct kill *k)
{
	for (unsigned i = 0; k->handles && i < k->devs.nr; i++)
		bch2_free_super(&k->handles[i]);
	free(k->handles);
}

static struct block_device *writable_bdev(struct kill *k, const struct bch_dev *ca)
{
	for (unsigned i = 0; ca && ca->path && i < k->devs.nr; i++)
		if (!strcmp(ca->path, k->devs.d[i]))
			return k->handles[i].bdev;
	return NULL;
}

/* --- finding nodes --- */

static int take_node(struct node *n, struct bkey_s_c k)
{
	if (k.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
		return tools_error("the pointer to %s is too long", n->arg);
	bkey_reassemble(&n->key, k);
	n->found = true;
	return 0;
}

/* Pointers to the nodes of a level are the keys of the level above, in order. */
static int find_below(struct btree_trans *trans, struct node *n)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	uint64_t at = 0;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, n->btree, POS_MIN, 0, n->level + 1,
				  BTREE_ITER_prefetch);
	do {
		k = bch2_btree_iter_peek(&iter);
		if (!k.k)
			break;
		ret = bkey_err(k);
		if (!ret && at++ == n->index)
			ret = take_node(n, k);
	} while (!ret && !n->found && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);

	return ret < 0 ? tools_error("error walking to %s: %s", n->arg, tools_strerror(ret)) : ret;
}

static int find_node(struct bch_fs *c, struct node *n)
{
	const struct btree_root *r = &c->btree.roots[n->btree];
	struct btree_trans *trans;
	int ret = 0;

	if (r->alive && n->level < r->level) {
		trans = bch2_trans_get(c);
		ret = find_below(trans, n);
		bch2_trans_put(trans);
	} else if (r->alive && n->level == r->level && !n->index &&
		   r->key.k.u64s > BKEY_U64s) {
		ret = take_node(n, bkey_i_to_s_c(&r->key));
	}
	if (!ret && !n->found)
		ret = tools_error("%s: node at specified index not found", n->arg);
	return ret;
}

/* --- damaging --- */

static int kill_replica(struct bch_fs *c, struct kill *k, const struct node *n,
			const struct bch_extent_ptr *ptr)
{
	const unsigned dev = EXTENT_PTR_DEV(ptr);
	const u64 sector = EXTENT_PTR_OFFSET(ptr);
	const struct bch_dev *ca = bch2_dev(c, dev);
	struct block_device *bdev = writable_bdev(k, ca);
	const size_t bytes = bch2_block_bytes(c);
	struct printbuf key = PRINTBUF;
	void *zeroes;
	int ret;

	if (!bdev)
		return tools_error("%s: device %u is not there", n->arg, dev);
	if (sector + (bytes >> 9) > bdev_nr_sectors(bdev))
		return tools_error("%s: past the end of %s", n->arg, ca->path);

	bch2_bkey_to_text(&key, &n->key.k);
	fprintf(stderr, "%s: killing btree node %s level %u: %s\n", ca->path,
		bch2_btree_id_name(n->btree), n->level, printbuf_str(&key));
	printbuf_exit(&key);

	zeroes = tools_calloc(1, bytes);
	ret = bch2_bdev_write(bdev, sector, zeroes, bytes);
	free(zeroes);
	return ret ? tools_error("%s: error writing to %s: %s", n->arg, ca->path,
				 tools_strerror(ret)) : 0;
}

/* The node's replicas on the wanted device; with @write, damages them. 1 after a message. */
static int kill_node(struct bch_fs *c, struct kill *k, const struct node *n, bool write)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(&n->key));
	const struct bch_extent_ptr *ptr;
	unsigned nr = 0;
	int ret = 0;

	bkey_for_each_ptr(ptrs, ptr) {
		if (k->dev_given && EXTENT_PTR_DEV(ptr) != k->dev)
			continue;
		nr++;
		if (write && kill_replica(c, k, n, ptr))
			ret = 1;
	}
	return nr ? ret : tools_error("%s: no replica on device %llu", n->arg,
				      (unsigned long long) k->dev);
}

static int kill_nodes(struct bch_fs *c, struct kill *k)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < k->args.nr; i++)
		ret = find_node(c, &k->nodes[i]) ?: kill_node(c, k, &k->nodes[i], false);
	for (unsigned i = 0; !ret && i < k->args.nr; i++)
		ret = kill_node(c, k, &k->nodes[i], true);
	return ret;
}

/* --- the command --- */

static int refuse(struct bch_fs *c)
{
	const struct bch_sb *sb = c->disk_sb.sb;

	if (!BCH_SB_INITIALIZED(sb))
		return tools_error("the filesystem was never mounted and has no btrees");
	if (!BCH_SB_CLEAN(sb))
		return tools_error("recovery did not leave the filesystem clean");
	return 0;
}

static int run(struct kill *k)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;
	int ret;

	ret = tools_recover(k->devs.d, k->devs.nr, k->passphrase_file) ?: open_devices(k);
	if (ret)
		return ret;

	tools_read_only_opts(&opts);
	opt_set(opts, noexcl, true);
	c = tools_open_fs_nostart(k->devs.d, k->devs.nr, &opts, k->passphrase_file);
	if (!c)
		return 1;
	ret = refuse(c);
	if (!ret && bch2_fs_start(c))
		ret = tools_error("cannot start the filesystem");
	ret = ret ?: kill_nodes(c, k);
	bch2_fs_stop(c);
	return ret;
}

int cmd_kill_btree_node(int argc, char *argv[])
{
	struct kill k = {};
	const struct tools_arg args[] = {
		{ .name = "node", .letter = 'n', .type = TOOLS_ARG_STRINGS, .dest = &k.args,
		  .value = "BTREE[:LEVEL[:INDEX]]",
		  .help = "Node: level 0 (leaves) and index 0 if not given; may be repeated" },
		{ .name = "dev", .letter = 'd', .type = TOOLS_ARG_U64, .dest = &k.dev,
		  .value = "INDEX", .given = &k.dev_given,
		  .help = "Only the replica on this device" },
		{ .name = "passphrase-file", .type = TOOLS_ARG_STRING, .value = "FILE",
		  .dest = &k.passphrase_file, .help = "Read the passphrase from a file" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "kill_btree_node",
		.positionals		= "DEVICE...",
		.summary		= "Damage btree nodes on purpose, to test repair",
		.details		=
	"The first block of each replica is overwritten with zeroes. This cannot be undone. A\n"
	"filesystem that is not clean is recovered first.\n",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= BCH_SB_MEMBERS_MAX,
	};
	unsigned nr;
	char **pos;
	int ret;

	nr = tools_args(&cmd, argc, argv, &pos);
	if (!k.args.nr)
		return tools_error("no node given (-n BTREE[:LEVEL[:INDEX]])");

	ret = parse_nodes(&k);
	if (!ret) {
		tools_expand_devices(pos, nr, &k.devs);
		ret = run(&k);
		close_devices(&k);
		tools_devices_free(&k.devs);
	}
	free(k.nodes);
	tools_strings_free(&k.args);
	return ret;
}
