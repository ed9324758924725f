// SPDX-License-Identifier: GPL-2.0
/*
 * list: print keys, node pointers, node formats or the raw contents of nodes of
 * one btree (Documentation/format/70, section 9.1).
 *
 * Nothing is written; what is in the journal is merged in. Memory is bounded by
 * the node cache: the text is written out as it is made. What cannot be read is
 * reported and left out.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/node_text.h"
#include "init/fs.h"

#include "commands.h"
#include "shim/log.h"
#include "tools-open.h"
#include "tools.h"

#define OUT_BYTES	(1U << 20)

enum list_mode {
	LIST_keys,
	LIST_formats,
	LIST_nodes,
	LIST_nodes_ondisk,
};

static const char *const list_modes[] = { "keys", "formats", "nodes", "nodes-ondisk", NULL };

struct list_args {
	int			mode;
	unsigned		btree;
	int			key_type;	/* -1: all */
	uint64_t		level;
	struct bpos		start;
	struct bpos		end;
	bool			json;
	bool			fsck;
	bool			colour;
	unsigned		verbose;
	const char		*passphrase_file;
};

struct list {
	struct list_args	a;
	struct bch_fs		*c;
	struct printbuf		out;
	int			write_error;
};

/* --- output --- */

static void out_flush(struct list *l)
{
	if (l->out.pos && !l->write_error &&
	    fwrite(l->out.buf, 1, l->out.pos, stdout) != l->out.pos)
		l->write_error = errno ?: EIO;
	printbuf_reset_keep_tabstops(&l->out);
}

/* After each item; an error ends the listing. */
static int out_item(struct list *l)
{
	if (l->out.pos >= OUT_BYTES)
		out_flush(l);
	return -l->write_error;
}

static json_t *pos_json(struct bpos p)
{
	/* 64 bits do not fit jansson's integers; JSON readers lose them too. */
	char inode[24], offset[24];

	snprintf(inode, sizeof(inode), "%llu", (unsigned long long) p.inode);
	snprintf(offset, sizeof(offset), "%llu", (unsigned long long) p.offset);
	return json_pack("{s:s, s:s, s:I}", "inode", inode, "offset", offset,
			 "snapshot", (json_int_t) p.snapshot);
}

static json_t *text_json(const struct printbuf *text)
{
	json_t *s = json_string(printbuf_str(text));

	return s ?: json_string("(not UTF-8)");
}

static void out_json(struct list *l, json_t *o)
{
	char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (s) {
		prt_bytes(&l->out, s, strlen(s));
		prt_char(&l->out, '\n');
	} else {
		l->write_error = ENOMEM;
	}
	free(s);
	json_decref(o);
}

static void key_json(struct list *l, struct bkey_s_c k, unsigned level)
{
	struct printbuf type = PRINTBUF, value = PRINTBUF;
	json_t *o;

	bch2_bkey_type_to_text(&type, k.k->type);
	if (bkey_val_u64s(k.k))
		bch2_val_to_text(&value, l->c, k);
	o = json_pack("{s:s, s:i, s:i, s:s, s:o, s:I, s:I, s:o}",
		      "btree", bch2_btree_id_name(l->a.btree), "level", (int) level,
		      "u64s", (int) k.k->u64s, "type", printbuf_str(&type),
		      "pos", pos_json(k.k->p), "size", (json_int_t) k.k->size,
		      "version", (json_int_t) k.k->bversion.lo, "value", text_json(&value));
	out_json(l, o);
	printbuf_exit(&type);
	printbuf_exit(&value);
}

static int key_out(struct list *l, struct bkey_s_c k, unsigned level)
{
	if (l->a.json) {
		key_json(l, k, level);
	} else {
		bch2_bkey_to_text(&l->out, k.k);
		if (bkey_val_u64s(k.k)) {
			prt_str(&l->out, "  : ");
			printbuf_indent_add(&l->out, 2);
			bch2_val_to_text(&l->out, l->c, k);
			printbuf_indent_sub(&l->out, 2);
		}
		prt_newline(&l->out);
	}
	return out_item(l);
}

/* --- modes --- */

/* Keys of one level in [start, end]; @fn returns non-zero to stop. */
static int each_key(struct list *l, struct btree_trans *trans, unsigned level, struct bpos end,
		    int (*fn)(struct list *, struct bkey_s_c, unsigned))
{
	const bool one_view = l->a.start.snapshot && !level;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	if (level || !one_view)
		bch2_trans_node_iter_init(trans, &iter, l->a.btree, l->a.start, 0, level,
					  BTREE_ITER_prefetch|BTREE_ITER_skip_bad);
	else
		bch2_trans_iter_init(trans, &iter, l->a.btree, l->a.start,
				     BTREE_ITER_prefetch|BTREE_ITER_skip_bad|
				     BTREE_ITER_not_extents);
	do {
		k = bch2_btree_iter_peek_max(&iter, end);
		if (!k.k)
			break;
		ret = bkey_err(k) ?: fn(l, k, level);
	} while (!ret && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int list_key(struct list *l, struct bkey_s_c k, unsigned level)
{
	if (l->a.key_type >= 0 && k.k->type != l->a.key_type)
		return 0;
	return key_out(l, k, level);
}

static int list_keys(struct list *l, struct btree_trans *trans)
{
	return each_key(l, trans, l->a.level, l->a.end, list_key);
}

#define STOP	1

/* Pointer @k to a node of level @level - 1. */
static int list_node_ptr(struct list *l, struct bkey_s_c k, unsigned level)
{
	__BKEY_PADDED(ptr, BKEY_BTREE_PTR_VAL_U64s_MAX) p;
	struct btree_ptr_info info;
	unsigned i;
	int ret = 0;

	if (k.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
		return 0;
	bkey_reassemble(&p.ptr, k);
	info = bch2_btree_ptr_info(&p.ptr);
	if (info.v2 && bpos_gt(info.min_key, l->a.end))
		return STOP;
	if (l->a.mode == LIST_nodes)
		return key_out(l, k, level);

	bch2_bkey_to_text(&l->out, k.k);
	prt_newline(&l->out);
	printbuf_indent_add(&l->out, 2);
	for (i = 0; ret != -ENOENT; i++)
		ret = bch2_btree_node_ondisk_to_text(&l->out, l->c, &p.ptr, level - 1,
						     l->a.btree, i);
	printbuf_indent_sub(&l->out, 2);
	prt_newline(&l->out);
	return out_item(l);
}

/* The pointers to the nodes of a level are the keys of the level above, or the root. */
static int list_node_ptrs(struct list *l, struct btree_trans *trans)
{
	const struct btree_root *r = &l->c->btree.roots[l->a.btree];
	unsigned level;
	int ret = 0;

	if (!r->alive)
		return 0;
	for (level = l->a.level; level < r->level && ret >= 0; level++)
		ret = each_key(l, trans, level + 1, SPOS_MAX, list_node_ptr);
	if (ret >= 0 && l->a.level <= r->level && r->key.k.u64s > BKEY_U64s)
		ret = list_node_ptr(l, bkey_i_to_s_c(&r->key), r->level + 1);
	return min(ret, 0);
}

static void node_json(struct list *l, const struct btree *b)
{
	json_t *bits = json_array();
	unsigned i;

	for (i = 0; i < BKEY_NR_FIELDS; i++)
		json_array_append_new(bits, json_integer(b->format.bits_per_field[i]));
	out_json(l, json_pack("{s:s, s:i, s:o, s:o, s:i, s:o, s:I, s:I, s:I}",
		 "btree", bch2_btree_id_name(l->a.btree), "level", (int) b->level,
		 "min", pos_json(b->min_key), "max", pos_json(b->max_key),
		 "key_u64s", (int) b->format.key_u64s, "bits_per_field", bits,
		 "bytes_used", (json_int_t) b->live_u64s * 8,
		 "packed_keys", (json_int_t) b->stats.keys_packed,
		 "unpacked_keys", (json_int_t) b->stats.keys_unpacked));
}

static int list_formats_level(struct list *l, struct btree_trans *trans, unsigned level)
{
	struct btree_iter iter;
	struct btree *b;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, l->a.btree, l->a.start, 0, level,
				  BTREE_ITER_prefetch|BTREE_ITER_skip_bad);
	for (b = bch2_btree_iter_peek_node(&iter);
	     b && !ret;
	     b = bch2_btree_iter_next_node(&iter)) {
		if (IS_ERR(b)) {
			ret = PTR_ERR(b);
			break;
		}
		if (bpos_gt(b->min_key, l->a.end))
			break;
		if (l->a.json)
			node_json(l, b);
		else
			bch2_btree_node_to_text(&l->out, l->c, b);
		ret = out_item(l);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int list_formats(struct list *l, struct btree_trans *trans)
{
	unsigned level;
	int ret = 0;

	for (level = l->a.level; level < BTREE_MAX_DEPTH && !ret; level++)
		ret = list_formats_level(l, trans, level);
	return ret;
}

static int list_run(struct list *l)
{
	struct btree_trans *trans = bch2_trans_get(l->c);
	const struct btree_root *r = &l->c->btree.roots[l->a.btree];
	int ret = 0;

	if (r->error) {
		ret = r->error;
		fprintf(stderr, "root of btree %s is unreadable: %s\n",
			bch2_btree_id_name(l->a.btree), bch2_err_str(ret));
	} else if (l->a.mode == LIST_keys) {
		ret = list_keys(l, trans);
	} else if (l->a.mode == LIST_formats) {
		ret = list_formats(l, trans);
	} else {
		ret = list_node_ptrs(l, trans);
	}
	out_flush(l);
	if (!ret)
		ret = -l->write_error;
	if (!ret && fflush(stdout))
		ret = -errno;
	if (ret && !r->error)
		fprintf(stderr, "error listing btree %s: %s\n",
			bch2_btree_id_name(l->a.btree), bch2_err_str(ret));
	if (trans->nr_bad)
		fprintf(stderr, "%llu parts of btree %s could not be read\n",
			(unsigned long long) trans->nr_bad, bch2_btree_id_name(l->a.btree));
	bch2_trans_put(trans);
	return ret;
}

/* --- command line --- */

static const char *parse_btree(void *dest, const char *v)
{
	const int id = bch2_btree_id_parse(v);

	*(unsigned *) dest = id;
	return id < 0 ? "unknown btree" : NULL;
}

static const char *parse_type(void *dest, const char *v)
{
	*(int *) dest = bch2_bkey_type_parse(v);
	return *(int *) dest < 0 ? "unknown key type" : NULL;
}

static const char *parse_pos(void *dest, const char *v)
{
	return bch2_parse_bpos(v, dest) ? "not a position (inode:offset[:snapshot])" : NULL;
}

static void log_to_stderr(int level, const char *text, void *arg)
{
	fputs(text, stderr);
}

static char **list_parse(struct list_args *a, int argc, char *argv[], unsigned *nr)
{
	const struct tools_arg args[] = {
		{ "mode", 'm', TOOLS_ARG_CHOICE, &a->mode, "MODE",
		  "What to print: keys, formats, nodes or nodes-ondisk",
		  .choices = list_modes },
		{ "btree", 'b', TOOLS_ARG_CALL, &a->btree, "BTREE",
		  "Btree, by name (default extents)", .call = parse_btree },
		{ "bkey-type", 'k', TOOLS_ARG_CALL, &a->key_type, "TYPE",
		  "Only keys of this type", .call = parse_type },
		{ "level", 'l', TOOLS_ARG_U64, &a->level, "LEVEL",
		  "Level: 0 for leaves; of other modes than keys: and all above" },
		{ "start", 's', TOOLS_ARG_CALL, &a->start, "POS", "First position",
		  .call = parse_pos },
		{ "end", 'e', TOOLS_ARG_CALL, &a->end, "POS", "Last position", .call = parse_pos },
		{ "fsck", 'f', TOOLS_ARG_FLAG, &a->fsck, NULL,
		  "Run recovery and checks before listing, in memory" },
		{ "json", 0, TOOLS_ARG_FLAG, &a->json, NULL, "One JSON object per line" },
		{ "passphrase-file", 0, TOOLS_ARG_STRING, &a->passphrase_file, "FILE",
		  "Read the passphrase from FILE" },
		{ "colorize", 'c', TOOLS_ARG_BOOL, &a->colour, "BOOL", "Colour of messages" },
		{ "verbose", 'v', TOOLS_ARG_COUNT, &a->verbose, NULL, "More messages" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "list",
		.positionals		= "DEVICE...",
		.summary		= "List the contents of a btree.",
		.details		=
	"Positions are inode:offset:snapshot; with a snapshot in the first position only\n"
	"what that snapshot sees is listed. The devices are not changed.",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 255,
	};
	char **devs;

	*nr = tools_args(&cmd, argc, argv, &devs);
	if (a->level >= BTREE_MAX_DEPTH)
		tools_usage_error("list", "level must be below %u", BTREE_MAX_DEPTH);
	if (a->json && a->mode == LIST_nodes_ondisk)
		tools_usage_error("list", "no JSON form of mode nodes-ondisk");
	return devs;
}

int cmd_list(int argc, char *argv[])
{
	struct list l = {
		.a = { .end = SPOS_MAX, .key_type = -1, .colour = isatty(STDOUT_FILENO) },
		.out = PRINTBUF,
	};
	struct bch_opts opts = bch2_opts_empty();
	unsigned nr;
	char **devs = list_parse(&l.a, argc, argv, &nr);
	int ret;

	tools_read_only_opts(&opts);
	if (l.a.fsck) {
		opt_set(opts, norecovery, false);
		opt_set(opts, fsck, true);
		opt_set(opts, fix_errors, FSCK_FIX_yes);
	}
	if (l.a.verbose)
		opt_set(opts, verbose, true);
	if (l.a.json)
		shim_set_log_sink(log_to_stderr, NULL);

	l.c = tools_open_fs(devs, nr, &opts, l.a.passphrase_file);
	if (!l.c)
		return 1;
	ret = list_run(&l);
	bch2_fs_stop(l.c);
	printbuf_exit(&l.out);
	return ret ? 1 : 0;
}
