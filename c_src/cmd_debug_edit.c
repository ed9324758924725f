// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs debug-edit: change single keys and superblock fields of an unmounted
 * filesystem, so that what checks must find can be made (tests/fsck/README.md).
 *
 * The filesystem is started read-write as a mount would, but runs no passes after
 * the replay of its journal, and stopped cleanly; changes of keys are ordinary
 * transactions without triggers. Superblock fields are changed afterwards. Not
 * listed in the overview: nobody needs this but tests.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <linux/mutex.h>

#include "alloc/backpointers.h"
#include "alloc/discard.h"
#include "btree/bkey_methods.h"
#include "btree/iter.h"
#include "commands.h"
#include "debug_edit.h"
#include "init/fs.h"
#include "init/passes_format.h"
#include "sb/clean.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/write.h"
#include "tools-open.h"
#include "tools.h"

#define SCRIPT_MAX	(256U << 20)
#define WORDS_MAX		64
#define VARIABLES_MAX		64

struct variable {
	char			name[32];
	char			value[24];
};

struct script {
	struct debug_edit	e;
	bool			run_triggers;	/* of all lines */
	char			*line[WORDS_MAX];
	unsigned		nr_words;
	struct variable		vars[VARIABLES_MAX];
	unsigned		nr_vars;
	struct tools_strings	later;		/* lines for the superblock */
};

/* --- variables --- */

static int set_variable(struct script *s, const char *name, uint64_t v)
{
	struct variable *var = NULL;

	for (unsigned i = 0; i < s->nr_vars; i++)
		if (!strcmp(s->vars[i].name, name))
			var = &s->vars[i];
	if (!var) {
		if (s->nr_vars == VARIABLES_MAX || strlen(name) >= sizeof(var->name))
			return tools_error("too many variables, or too long: %s", name);
		var = &s->vars[s->nr_vars++];
		strcpy(var->name, name);
	}
	snprintf(var->value, sizeof(var->value), "%llu", (unsigned long long) v);
	return 0;
}

static const char *variable(const struct script *s, const char *name, size_t len)
{
	for (unsigned i = 0; i < s->nr_vars; i++)
		if (strlen(s->vars[i].name) == len && !memcmp(s->vars[i].name, name, len))
			return s->vars[i].value;
	return NULL;
}

/* A copy of @word with the values of what is named in it; NULL after a message. */
static char *expand(const struct script *s, const char *word)
{
	char *out = tools_strdup("");

	while (*word) {
		const char *dollar = strchrnul(word, '$'), *value = "";
		size_t len = 0;
		char *more;

		if (*dollar) {
			while (isalnum((unsigned char) dollar[1 + len]) || dollar[1 + len] == '_')
				len++;
			value = variable(s, dollar + 1, len);
			if (!value) {
				tools_error("unknown variable in %s", word);
				free(out);
				return NULL;
			}
		}
		more = tools_asprintf("%s%.*s%s", out, (int) (dollar - word), word, value);
		free(out);
		out = more;
		word = *dollar ? dollar + 1 + len : dollar;
	}
	return out;
}

static int predefine(struct script *s)
{
	int ret = set_variable(s, "SHIFT", s->e.shift);

	for_each_member_device(s->e.c, ca) {
		char name[32];

		snprintf(name, sizeof(name), "BUCKET_SIZE%u", ca->dev_idx);
		ret |= set_variable(s, name, ca->mi.bucket_size);
		snprintf(name, sizeof(name), "NBUCKETS%u", ca->dev_idx);
		ret |= set_variable(s, name, ca->mi.nbuckets);
		snprintf(name, sizeof(name), "FIRST_BUCKET%u", ca->dev_idx);
		ret |= set_variable(s, name, ca->mi.first_bucket);
		if (ca->dev_idx >= 4)
			break;
	}
	return ret;
}

/* --- lines --- */

static void drop_words(struct script *s)
{
	while (s->nr_words)
		free(s->line[--s->nr_words]);
}

/* Words of @text, with variables replaced. 0, or 1 after a message. */
static int split_line(struct script *s, char *text)
{
	char *word;

	text[strcspn(text, "#")] = '\0';
	while ((word = strsep(&text, " \t\r"))) {
		if (!*word)
			continue;
		if (s->nr_words == WORDS_MAX)
			return tools_error("too many words");
		s->line[s->nr_words] = expand(s, word);
		if (!s->line[s->nr_words])
			return 1;
		s->nr_words++;
	}
	return 0;
}

static bool is_superblock_command(const char *word)
{
	return !strcmp(word, "sb") || !strcmp(word, "member") || !strcmp(word, "drop-btree");
}

/* Keeps the words, joined, for when the filesystem has been stopped. */
static void keep_line(struct script *s)
{
	char *joined = tools_strdup("");

	for (unsigned i = 0; i < s->nr_words; i++) {
		char *more = tools_asprintf("%s%s ", joined, s->line[i]);

		free(joined);
		joined = more;
	}
	tools_strings_add(&s->later, joined);
}

static int run_line(struct script *s)
{
	char **words = s->line;
	unsigned nr = s->nr_words;
	uint64_t v;

	if (!nr)
		return 0;
	s->e.unchecked = !strcmp(words[0], "unchecked");
	s->e.run_triggers = s->run_triggers || !strcmp(words[0], "triggered");
	if (s->e.unchecked || !strcmp(words[0], "triggered")) {
		words++;
		nr--;
	}
	if (nr && debug_edit_is_key_command(words[0]))
		return debug_edit_keys(&s->e, words, nr);
	if (nr > 1 && !strcmp(words[0], "let"))
		return debug_edit_get(&s->e, words + 2, nr - 2, &v) ?:
			set_variable(s, words[1], v);
	if (nr > 1 && is_superblock_command(words[0])) {
		keep_line(s);
		return 0;
	}
	return tools_error("unknown command or too few words");
}

static int run_script(struct script *s, char *text)
{
	unsigned nr = 0;
	char *line;
	int ret = 0;

	while (!ret && (line = strsep(&text, "\n"))) {
		nr++;
		ret = split_line(s, line) ?: run_line(s);
		if (ret)
			tools_error("in line %u of the script", nr);
		drop_words(s);
	}
	return ret;
}

/* --- superblock --- */

static bool find_in_sb(void *obj, const char *name, struct debug_place *place)
{
	return debug_field_of_sb(obj, name, place);
}

static bool find_in_member(void *obj, const char *name, struct debug_place *place)
{
	return debug_field_of_member(obj, name, place);
}

static int edit_member(struct bch_sb *sb, char **words, unsigned nr)
{
	struct bch_member m;
	uint64_t idx;

	if (!nr || tools_parse_u64(words[0], &idx) || idx >= sb->nr_devices)
		return tools_error("no such member");
	m = bch2_sb_member_get(sb, idx);
	for (unsigned i = 1; i < nr; i++)
		if (debug_assign(words[i], find_in_member, &m))
			return tools_error("'%s' cannot be done to a member", words[i]);
	bch2_sb_member_set(sb, idx, &m);
	return 0;
}

/* The record of a root is taken out of the clean section: the btree has none. */
static int drop_btree(struct bch_sb_handle *handle, const char *name)
{
	struct bch_sb_field_clean *clean = bch2_sb_field_get(handle->sb, clean);
	const int btree = bch2_btree_id_parse(name);
	u64 *end, *at;

	if (!BCH_SB_CLEAN(handle->sb) || !clean || btree < 0)
		return tools_error("cannot drop btree %s", name);
	end = (u64 *) bch2_sb_field_end(&clean->field);
	for (at = (u64 *) clean->_data; at < end;) {
		const struct jset_entry *e = (const struct jset_entry *) at;
		const size_t u64s = 1 + le16_to_cpu(e->u64s);

		if (u64s > (size_t) (end - at))
			break;
		if (e->type == BCH_JSET_ENTRY_btree_root && e->btree_id == btree) {
			memmove(at, at + u64s, (end - at - u64s) * sizeof(u64));
			memset(end - u64s, 0, u64s * sizeof(u64));
			bch2_sb_field_resize(handle, clean,
					     le32_to_cpu(clean->field.u64s) - u64s);
			return 0;
		}
		at += u64s;
	}
	return tools_error("btree %s has no root", name);
}

static int superblock_line(struct bch_fs *c, struct script *s)
{
	struct bch_sb *sb = c->disk_sb.sb;

	if (!strcmp(s->line[0], "drop-btree"))
		return drop_btree(&c->disk_sb, s->line[1]);
	if (!strcmp(s->line[0], "member"))
		return edit_member(sb, s->line + 1, s->nr_words - 1);
	for (unsigned i = 1; i < s->nr_words; i++)
		if (debug_assign(s->line[i], find_in_sb, sb))
			return tools_error("'%s' cannot be done to a superblock", s->line[i]);
	return 0;
}

static int edit_superblock(struct script *s, char **devs, unsigned nr)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;
	int ret = 0;

	if (!s->later.nr)
		return 0;
	opt_set(opts, degraded, BCH_DEGRADED_very);
	c = tools_open_super(devs, nr, &opts);
	if (!c)
		return 1;
	mutex_lock(&c->sb_lock);
	for (unsigned i = 0; !ret && i < s->later.nr; i++) {
		ret = split_line(s, (char *) s->later.d[i]) ?: superblock_line(c, s);
		drop_words(s);
	}
	ret = ret ?: tools_write_super(c);
	mutex_unlock(&c->sb_lock);
	bch2_fs_stop(c);
	return ret;
}

/* --- the filesystem --- */

static struct bch_fs *start(char **devs, unsigned nr)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;

	opt_set(opts, degraded,			BCH_DEGRADED_very);
	opt_set(opts, errors,			BCH_ON_ERROR_continue);
	opt_set(opts, version_upgrade,		BCH_VERSION_UPGRADE_none);
	opt_set(opts, recovery_pass_last,	BCH_RECOVERY_PASS_journal_replay);
	opt_set(opts, recovery_passes_exclude,
		BIT_ULL(BCH_RECOVERY_PASS_scan_for_btree_nodes)|
		BIT_ULL(BCH_RECOVERY_PASS_check_topology)|
		BIT_ULL(BCH_RECOVERY_PASS_check_allocations));
	c = tools_open_fs(devs, nr, &opts, NULL);
	if (c && !test_bit(BCH_FS_rw, &c->flags)) {
		tools_error("the filesystem cannot be written");
		bch2_fs_stop(c);
		return NULL;
	}
	if (c) {
		/* nobody but the script: buckets stay as it leaves them */
		WRITE_ONCE(c->up.journal_flushed, NULL);
		bch2_discards_flush(c);
	}
	return c;
}

static int edit(struct script *s, char *text, char **devs, unsigned nr)
{
	struct bch_fs *c = start(devs, nr);
	int ret, err;

	if (!c)
		return 1;
	s->e.c		= c;
	s->e.trans	= bch2_trans_get(c);
	err = lockrestart_do(s->e.trans, bch2_backpointer_shift_detect(s->e.trans, &s->e.shift));
	ret = err ? tools_error("cannot read backpointers: %s", tools_strerror(err))
		  : predefine(s) ?: run_script(s, text);
	bch2_trans_put(s->e.trans);

	err = bch2_fs_stop(c);
	if (err && !bch2_err_matches(err, BCH_ERR_shutdown_with_errors_unfixed))
		ret = tools_error("the filesystem did not stop cleanly: %s", tools_strerror(err));
	return ret ?: edit_superblock(s, devs, nr);
}

static char *read_script(const char *name)
{
	char *text = tools_read_file(strcmp(name, "-") ? name : "/dev/stdin", SCRIPT_MAX, NULL);

	if (!text)
		tools_error("cannot read the script %s", name);
	return text;
}

int cmd_debug_edit(int argc, char *argv[])
{
	struct script s = {};
	const struct tools_arg args[] = {
		{ .name = "run-triggers", .type = TOOLS_ARG_FLAG, .dest = &s.run_triggers,
		  .help = "Keep derived information in step, as ordinary changes do" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "debug-edit",
		.positionals		= "DEVICE... SCRIPT",
		.summary		= "Change single keys, for tests",
		.details		=
	"SCRIPT is a file, or - for standard input. One change per line:\n"
	"  delete BTREE KEY | set BTREE KEY FIELD=VALUE... | print BTREE KEY\n"
	"  insert|overwrite BTREE POS TYPE [FIELD=VALUE...]\n"
	"  copy|move BTREE KEY POS [FIELD=VALUE...]\n"
	"  let NAME BTREE KEY FIELD | drop-btree BTREE | sb FIELD=VALUE... |\n"
	"  member INDEX FIELD=VALUE...\n"
	"KEY: a position, or first[:CONDITION,...] or last[:CONDITION,...]\n",
		.args			= args,
		.min_positionals	= 2,
		.max_positionals	= BCH_SB_MEMBERS_MAX + 1,
	};
	unsigned nr;
	char **pos, *text;
	int ret = 1;

	nr = tools_args(&cmd, argc, argv, &pos);
	text = read_script(pos[nr - 1]);
	if (text)
		ret = edit(&s, text, pos, nr - 1);
	free(text);
	drop_words(&s);
	for (unsigned i = 0; i < s.later.nr; i++)
		free((char *) s.later.d[i]);
	tools_strings_free(&s.later);
	return ret;
}
