// SPDX-License-Identifier: GPL-2.0
/*
 * What fsck tells at its end: for people, and as JSON for programs.
 */
#include <jansson.h>
#include <stdio.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "init/passes.h"
#include "sb/fsck_err.h"
#include "util/printbuf.h"

#include "fsck_run.h"

static const char *decision_name(const struct bch_fs *c, int ret)
{
	switch (ret) {
	case -BCH_ERR_fsck_fix:
		return c->opts.nochanges ? "fixable" : "fixed";
	case -BCH_ERR_fsck_ignore:
		return "not fixed";
	default:
		return "fatal";
	}
}

void fsck_report_error(struct bch_fs *c, unsigned id, const char *msg, int ret)
{
	struct fsck_run *r = c->fsck.priv;
	json_t *text = json_string(msg);

	json_array_append_new(r->errors,
		json_pack("{s:s, s:i, s:o, s:s}",
			  "id", id < BCH_FSCK_ERR_MAX ? bch2_fsck_err_name(id) : "superblock_copy",
			  "number", id < BCH_FSCK_ERR_MAX ? (int) id : -1,
			  "message", text ?: json_string("(not UTF-8)"),
			  "decision", decision_name(c, ret)));
}

static json_t *btrees_json(const struct bch_check_summary *s)
{
	json_t *out = json_array();
	unsigned i, level;

	for (i = 0; i < BTREE_ID_NR_MAX; i++) {
		const struct bch_check_btree *b = &s->btrees[i];
		json_t *nodes;

		if (!b->present && !b->keys[0])
			continue;
		nodes = json_array();
		for (level = 0; level <= b->level && level < BTREE_MAX_DEPTH; level++)
			json_array_append_new(nodes, json_integer(b->nodes[level]));
		json_array_append_new(out,
			json_pack("{s:s, s:i, s:I, s:o, s:I, s:I, s:I}",
				  "btree", bch2_btree_id_name(i), "id", (int) i,
				  "keys", (json_int_t) b->keys[0], "nodes", nodes,
				  "bytes", (json_int_t) b->bytes,
				  "unreadable", (json_int_t) b->nr_unreadable,
				  "dropped_keys", (json_int_t) b->nr_dropped));
	}
	return out;
}

static json_t *passes_json(u64 passes)
{
	json_t *out = json_array();
	unsigned i;

	for (i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (passes & BIT_ULL(i))
			json_array_append_new(out, json_string(bch2_recovery_pass_name(i)));
	return out;
}

void fsck_print_json(struct fsck_run *r, const char *state, int status)
{
	const struct bch_check_summary *s = &r->summary;
	json_t *o = json_pack("{s:s, s:i, s:I, s:O}", "state", state, "exit_status", status,
			      "nr_errors", (json_int_t) json_array_size(r->errors),
			      "errors", r->errors);

	if (r->c) {
		json_object_set_new(o, "filesystem", json_string(r->c->name));
		json_object_set_new(o, "superblock_copies", json_integer(s->sb_copies));
		json_object_set_new(o, "superblock_copies_bad", json_integer(s->sb_copies_bad));
		json_object_set_new(o, "nodes", json_integer(s->nodes));
		json_object_set_new(o, "keys", json_integer(s->keys));
		json_object_set_new(o, "bytes", json_integer(s->bytes));
		json_object_set_new(o, "btrees", btrees_json(s));
		json_object_set_new(o, "not_checked",
				    passes_json(bch2_recovery_passes_not_checked(r->c)));
	}
	json_dumpf(o, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(o);
}

/* Each kind of error that was reported, with its number. */
static void errors_to_text(struct printbuf *out, struct bch_fs *c)
{
	bool first = true;

	for (unsigned id = 0; id < BCH_FSCK_ERR_MAX; id++) {
		const u64 nr = bch2_fsck_err_count(c, id);

		if (!nr)
			continue;
		prt_printf(out, "%s  %-44s %llu\n", first ? "errors found:\n" : "",
			   bch2_fsck_err_name(id), nr);
		first = false;
	}
}

void fsck_print_summary(struct fsck_run *r)
{
	struct printbuf out = PRINTBUF;
	const u64 missing = bch2_recovery_passes_not_checked(r->c);

	bch2_check_summary_to_text(&out, &r->summary);
	errors_to_text(&out, r->c);
	if (missing) {
		prt_str(&out, "THE CHECK IS NOT COMPLETE, not checked by this version: ");
		bch2_recovery_passes_to_text(&out, missing);
		prt_newline(&out);
	}
	fputs(printbuf_str(&out), stdout);
	fflush(stdout);
	printbuf_exit(&out);
}
