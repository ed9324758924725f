// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs show-super (Documentation/format/70 section 7.1).
 *
 * One device, taken literally; its superblock is printed as it is stored. The
 * device is opened for reading only, without exclusive access, and newer
 * versions are no obstacle. Other members are looked for only to print where
 * they are.
 */
#include <stdlib.h>
#include <string.h>

#include "bcachefs.h"
#include "commands.h"
#include "journal/text.h"
#include "sb/io.h"
#include "sb/members.h"
#include "show_super.h"
#include "tools-json.h"
#include "tools.h"

/* Where each member was found, by index. */
struct member_paths {
	char	*path[BCH_SB_MEMBERS_MAX];
	char	*model[BCH_SB_MEMBERS_MAX];
	char	*serial[BCH_SB_MEMBERS_MAX];
};

static void member_found(void *priv, const char *path, unsigned idx)
{
	struct member_paths *m = priv;

	if (idx >= BCH_SB_MEMBERS_MAX || m->path[idx])
		return;
	m->path[idx] = tools_strdup(path);
	m->model[idx] = tools_dev_model(path);
	m->serial[idx] = tools_dev_serial(path);
}

static void member_paths_free(struct member_paths *m)
{
	for (unsigned i = 0; i < BCH_SB_MEMBERS_MAX; i++) {
		free(m->path[i]);
		free(m->model[i]);
		free(m->serial[i]);
	}
	free(m);
}

static bool dev_name(const struct bch_sb_text *t, unsigned idx, struct bch_sb_dev_name *name)
{
	const struct member_paths *m = t->priv;

	if (!m->path[idx])
		return false;
	*name = (struct bch_sb_dev_name) {
		.path = m->path[idx], .model = m->model[idx], .serial = m->serial[idx]
	};
	return true;
}

/* "a,b,c" or "all"; exits after a message if a name is unknown. */
static unsigned long parse_fields(const char *list)
{
	unsigned long fields = 0;

	if (!strcmp(list, "all"))
		return ~0UL;

	while (*list) {
		const size_t len = strcspn(list, ",");
		int type = bch2_sb_field_by_name(list, len);

		if (type < 0)
			tools_die("invalid superblock field '%.*s'", (int) len, list);
		fields |= 1UL << type;
		list += len + (list[len] == ',');
	}
	return fields;
}

static void print_text(const struct printbuf *out)
{
	fputs(printbuf_str(out), stdout);
	if (out->allocation_failure)
		tools_die("out of memory");
}

void show_super_print(struct bch_sb *sb, const struct bch_sb_text *t)
{
	struct printbuf out = PRINTBUF;

	out.utc_offset = tools_utc_offset;
	bch2_sb_text(&out, sb, t);
	print_text(&out);
	printbuf_exit(&out);
}

/* One section's body and nothing else. */
static void print_field(struct bch_sb *sb, unsigned type, const struct bch_sb_text *t)
{
	struct bch_sb_field *f = bch2_sb_field_get_id(sb, type);
	struct printbuf out = PRINTBUF;

	out.utc_offset = tools_utc_offset;
	if (f)
		bch2_sb_field_to_text(&out, sb, f, t);
	print_text(&out);
	printbuf_exit(&out);
}

/* The default set names members_v2; older filesystems only have members_v1. */
static unsigned long default_fields(const struct bch_sb *sb)
{
	unsigned long fields = BCH_SB_TEXT_FIELDS_DEFAULT;

	if (!bch2_sb_field_get_id(sb, BCH_SB_FIELD_members_v2))
		fields |= 1UL << BCH_SB_FIELD_members_v1;
	return fields;
}

static void show(struct bch_sb_handle *sb, const char *path, struct bch_sb_text *t,
		 int field_only, bool json)
{
	struct member_paths *members = tools_calloc(1, sizeof(*members));

	member_found(members, path, sb->sb->dev_idx);
	if (!json && bch2_sb_nr_alive(sb->sb) > 1)
		tools_find_members(sb->sb->user_uuid.b, member_found, members);

	t->dev_name = dev_name;
	t->entry_to_text = bch2_journal_entry_to_text;
	t->priv = members;

	if (json) {
		json_t *o = show_super_json(sb->sb);

		tools_json_set(o, "device", tools_json_bytes(path, strlen(path)));
		tools_json_set(o, "read_sector", tools_json_u64(sb->read_sector));
		tools_json_print(o, false);
	} else if (field_only >= 0) {
		t->column = BCH_SB_TEXT_COLUMN_SECTION;
		print_field(sb->sb, field_only, t);
	} else {
		if (!t->fields)
			t->fields = default_fields(sb->sb);
		show_super_print(sb->sb, t);
	}
	member_paths_free(members);
}

int cmd_show_super(int argc, char *argv[])
{
	const char *fields = NULL, *only = NULL;
	struct bch_sb_text t = {};
	bool json = false;
	const struct tools_arg args[] = {
		{ .name = "fields", .letter = 'f', .type = TOOLS_ARG_STRING, .dest = &fields,
		  .value = "LIST",
		  .help = "Sections to print, comma separated, or 'all'\n"
			  "(default: ext,members_v2,errors)" },
		{ .name = "field-only", .letter = 'F', .type = TOOLS_ARG_STRING, .dest = &only,
		  .value = "NAME", .help = "Print only this section, without heading" },
		{ .name = "layout", .letter = 'l', .type = TOOLS_ARG_FLAG, .dest = &t.layout,
		  .help = "Also print where the superblocks lie" },
		{ .name = "json", .type = TOOLS_ARG_FLAG, .dest = &json,
		  .help = "Print everything as one JSON object" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "show-super",
		.positionals		= "DEVICE",
		.summary		= "Print the superblock of a device",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 1,
		.no_short_help		= true,
	};
	struct bch_opts opts = bch2_opts_empty();
	struct printbuf err = PRINTBUF;
	struct bch_sb_handle sb;
	int field_only = -1, ret;
	char **pos;

	tools_args(&cmd, argc, argv, &pos);

	if (fields)
		t.fields = parse_fields(fields);
	if (only) {
		field_only = bch2_sb_field_by_name(only, strlen(only));
		if (field_only < 0)
			tools_die("invalid superblock field '%s'", only);
	}

	opt_set(opts, noexcl, true);
	opt_set(opts, nochanges, true);
	opt_set(opts, no_version_check, true);
	ret = bch2_read_super_err(pos[0], &opts, &sb, &err);

	/* After success these are notices; JSON must stay alone on standard output. */
	fputs(printbuf_str(&err), ret || json ? stderr : stdout);
	printbuf_exit(&err);
	if (ret)
		return tools_error("%s: cannot read the superblock: %s", pos[0],
				   tools_strerror(ret));

	show(&sb, pos[0], &t, field_only, json);
	bch2_free_super(&sb);
	return 0;
}
