// SPDX-License-Identifier: GPL-2.0
/*
 * The text of a superblock (spec 70 section 7.1).
 *
 * What is printed is what is stored: no corrections, no defaults. Everything
 * works on any superblock whose sections lie inside it, so that newer and
 * damaged ones can be looked at, too. Nothing but the superblock is needed; what
 * only a tool can know (paths, models, the text of journal entries) comes
 * through struct bch_sb_text.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/disk_groups.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/text.h"

/* Where values start in the text of a layout. */
#define LAYOUT_TEXT_COLUMN	27

/* Width of a member's path when something stands behind it. */
#define DEVICE_PATH_WIDTH	16

static const char *const feature_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_SB_FEATURES(x)
#undef x
	NULL
};

static const char *const compat_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_SB_COMPAT(x)
#undef x
	NULL
};

static const char *const btree_names[] = {
#define x(nr, name, ...)	[nr] = #name,
	BCH_BTREE_IDS(x)
#undef x
};

static const struct {
	u16		version;
	const char	*name;
} version_names[] = {
#define x(major, minor, name, gate)	{ BCH_VERSION(major, minor), #name },
	BCH_METADATA_VERSIONS(x)
#undef x
};

/**
 * bch2_sb_btree_name() - name of a btree
 * @btree:	any number
 *
 * Return: the name, or NULL.
 */
const char *bch2_sb_btree_name(unsigned btree)
{
	return btree < ARRAY_SIZE(btree_names) ? btree_names[btree] : NULL;
}

/**
 * bch2_sb_data_type_name() - name of a data type
 * @type:	any number
 *
 * Return: the name, or NULL.
 */
const char *bch2_sb_data_type_name(unsigned type)
{
	return type < BCH_DATA_NR ? bch2_data_type_names[type] : NULL;
}

/**
 * bch2_sb_data_types_to_text() - names of data types, or "(none)"
 * @out:	text
 * @types:	bitmap by enum bch_data_type
 */
void bch2_sb_data_types_to_text(struct printbuf *out, unsigned long types)
{
	if (types)
		prt_bitflags(out, bch2_data_type_names, types);
	else
		prt_str(out, "(none)");
}

/**
 * bch2_sb_version_to_text() - print a version: "name (major.minor)"
 * @out:	text
 * @v:		any number
 */
void bch2_sb_version_to_text(struct printbuf *out, unsigned v)
{
	const char *name = "(unknown version)";

	for (unsigned i = 0; i < ARRAY_SIZE(version_names); i++)
		if (version_names[i].version == v)
			name = version_names[i].name;
	prt_printf(out, "%s (%u.%u)", name, BCH_VERSION_MAJOR(v), BCH_VERSION_MINOR(v));
}

/**
 * bch2_sb_string_to_text() - print text stored in a field of fixed size
 * @out:	text
 * @s:		NUL padded bytes, maybe not terminated
 * @size:	size of the field
 */
void bch2_sb_string_to_text(struct printbuf *out, const void *s, size_t size)
{
	prt_bytes_escaped(out, s, strnlen(s, size));
}

/**
 * bch2_sb_label_to_text() - start a line: label, and blanks up to its value
 * @out:	text, at the start of a line
 * @indent:	blanks before the label
 * @column:	where the value starts, counted from 0; a label that is too long
 *		is followed by the value directly
 * @label:	with its colon
 */
void bch2_sb_label_to_text(struct printbuf *out, unsigned indent, unsigned column,
			   const char *label)
{
	prt_printf(out, "%*s%-*s", (int) indent, "",
		   (int) (column > indent ? column - indent : 0), label);
}

/* --- header --- */

static void header_line(struct printbuf *out, const struct bch_sb_text *t, const char *label)
{
	bch2_sb_label_to_text(out, 0, bch2_sb_text_column(t), label);
}

static void header_u64(struct printbuf *out, const struct bch_sb_text *t, const char *label,
		       u64 v)
{
	header_line(out, t, label);
	prt_printf(out, "%llu\n", v);
}

static void header_uuid(struct printbuf *out, const struct bch_sb_text *t, const char *label,
			const __uuid_t *uuid)
{
	header_line(out, t, label);
	prt_uuid(out, uuid->b);
	prt_newline(out);
}

static void header_version(struct printbuf *out, const struct bch_sb_text *t,
			   const char *label, unsigned version)
{
	header_line(out, t, label);
	bch2_sb_version_to_text(out, version);
	prt_newline(out);
}

static void header_times(struct printbuf *out, const struct bch_sb *sb,
			 const struct bch_sb_text *t)
{
	header_line(out, t, "Created:");
	if (sb->time_base_lo)
		prt_datetime(out, div_u64(le64_to_cpu(sb->time_base_lo), NSEC_PER_SEC));
	else
		prt_str(out, "(not set)");
	prt_newline(out);

	header_u64(out, t, "Sequence number:", le64_to_cpu(sb->seq));
	header_line(out, t, "Time of last write:");
	prt_datetime(out, le64_to_cpu(sb->write_time));
	prt_newline(out);

	header_line(out, t, "Superblock size:");
	prt_human_readable_u64(out, bch2_sb_bytes(sb));
	prt_char(out, '/');
	prt_human_readable_u64(out, 512ULL << min_t(u8, sb->layout.sb_max_size_bits, 54));
	prt_newline(out);
}

static void header_sets(struct printbuf *out, const struct bch_sb *sb,
			const struct bch_sb_text *t)
{
	bool first = true;

	header_line(out, t, "Sections:");
	for (unsigned i = 0; i < BCH_SB_FIELD_NR; i++)
		if (bch2_sb_field_get_id(sb, i)) {
			prt_printf(out, "%s%s", first ? "" : ",", bch2_sb_field_name(i));
			first = false;
		}
	prt_newline(out);

	header_line(out, t, "Features:");
	prt_bitflags(out, feature_names, le64_to_cpu(sb->features[0]));
	prt_newline(out);

	header_line(out, t, "Compat features:");
	prt_bitflags(out, compat_names, le64_to_cpu(sb->compat[0]));
	prt_newline(out);
}

static void target_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx, u64 v)
{
	bch2_target_to_text(out, ctx->c, ctx->sb, v);
}

static void options_to_text(struct printbuf *out, struct bch_sb *sb,
			    const struct bch_sb_text *t)
{
	const struct bch_opt_ctx ctx = {
		.c = t->c, .sb = sb, .target_to_text = target_to_text
	};
	char label[64];

	prt_str(out, "\nOptions:\n");
	for (unsigned i = 0; i < bch2_opts_nr; i++) {
		const struct bch_option *opt = &bch2_opt_table[i];

		if (opt->storage != BCH_OPT_IN_SB && opt->storage != BCH_OPT_IN_EXT)
			continue;
		snprintf(label, sizeof(label), "%s:", opt->name);
		bch2_sb_label_to_text(out, 2, bch2_sb_text_column(t), label);
		bch2_opt_to_text(out, &ctx, i, bch2_opt_from_sb(sb, i), OPT_SHOW_FULL_LIST);
		/* every choice is followed by a blank */
		if (opt->kind == BCH_OPT_STR)
			prt_char(out, ' ');
		prt_newline(out);
	}
}

/**
 * bch2_sb_header_to_text() - print everything but sections and layout
 * @out:	text
 * @sb:		superblock
 * @t:		columns
 */
void bch2_sb_header_to_text(struct printbuf *out, struct bch_sb *sb,
			    const struct bch_sb_text *t)
{
	header_uuid(out, t, "External UUID:", &sb->user_uuid);
	header_uuid(out, t, "Internal UUID:", &sb->uuid);
	header_uuid(out, t, "Magic number:", &sb->magic);
	header_u64(out, t, "Device index:", sb->dev_idx);

	header_line(out, t, "Label:");
	if (sb->label[0])
		bch2_sb_string_to_text(out, sb->label, sizeof(sb->label));
	else
		prt_str(out, "(none)");
	prt_newline(out);

	header_version(out, t, "Version:", le16_to_cpu(sb->version));
	header_version(out, t, "Incompatible features allowed:",
		       BCH_SB_VERSION_INCOMPAT_ALLOWED(sb));
	header_version(out, t, "Incompatible features in use:", BCH_SB_VERSION_INCOMPAT(sb));
	header_version(out, t, "Version upgrade complete:", BCH_SB_VERSION_UPGRADE_COMPLETE(sb));
	header_version(out, t, "Oldest version on disk:", le16_to_cpu(sb->version_min));

	header_times(out, sb, t);
	header_u64(out, t, "Clean:", BCH_SB_CLEAN(sb));
	header_u64(out, t, "Devices:", bch2_sb_nr_alive(sb));
	header_sets(out, sb, t);
	options_to_text(out, sb, t);
}

/**
 * bch2_sb_layout_to_text() - print a layout
 * @out:	text
 * @l:		layout; validated or not
 */
void bch2_sb_layout_to_text(struct printbuf *out, const struct bch_sb_layout *l)
{
	const unsigned nr = min_t(unsigned, l->nr_superblocks, BCH_SB_LAYOUT_NR_MAX);

	bch2_sb_label_to_text(out, 2, LAYOUT_TEXT_COLUMN, "Type:");
	prt_printf(out, "%u\n", l->layout_type);
	bch2_sb_label_to_text(out, 2, LAYOUT_TEXT_COLUMN, "Superblock max size:");
	prt_human_readable_u64(out, 512ULL << min_t(u8, l->sb_max_size_bits, 54));
	prt_newline(out);
	bch2_sb_label_to_text(out, 2, LAYOUT_TEXT_COLUMN, "Nr superblocks:");
	prt_printf(out, "%u\n", l->nr_superblocks);
	bch2_sb_label_to_text(out, 2, LAYOUT_TEXT_COLUMN, "Offsets:");
	for (unsigned i = 0; i < nr; i++)
		prt_printf(out, "%s%llu", i ? ", " : "", le64_to_cpu(l->sb_offset[i]));
	prt_newline(out);
}

/* --- sections --- */

/**
 * bch2_sb_field_to_text() - print the body of a section
 * @out:	text
 * @sb:		superblock
 * @f:		one of its sections
 * @t:		columns and callbacks
 */
void bch2_sb_field_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			   const struct bch_sb_text *t)
{
	const struct bch_sb_field_ops *ops = bch2_sb_field_ops(le32_to_cpu(f->type));

	if (!ops || !ops->to_text)
		return;
	if (bch2_sb_field_bytes(f) < ops->min_bytes)
		prt_printf(out, "(too short: %zu bytes)\n", bch2_sb_field_bytes(f));
	else
		ops->to_text(out, sb, f, t);
}

/* Sections that are printed like the others: under a title, in stored order. */
static bool field_selected(const struct bch_sb_field *f, const struct bch_sb_text *t)
{
	const unsigned type = le32_to_cpu(f->type);

	return type < BCH_SB_FIELD_NR && (t->fields & (1UL << type)) &&
		type != BCH_SB_FIELD_members_v1 && type != BCH_SB_FIELD_members_v2;
}

static bool errors_printed(const struct bch_sb *sb, const struct bch_sb_text *t)
{
	return (t->fields & (1UL << BCH_SB_FIELD_errors)) &&
		bch2_sb_field_get_id(sb, BCH_SB_FIELD_errors);
}

/* First line of a member: index, path, and what kind of thing is there. */
static void member_title_to_text(struct printbuf *out, struct bch_sb *sb, unsigned idx,
				 const struct bch_sb_text *t)
{
	struct bch_sb_dev_name dev = {};
	const bool found = t->dev_name && t->dev_name(t, idx, &dev);
	const char *path = found && dev.path ? dev.path : "(not found)";
	char label[32];

	snprintf(label, sizeof(label), "Device %u:", idx);
	header_line(out, t, label);

	/* Whoever printed the errors has set up a column that this line uses, too. */
	if (!errors_printed(sb, t))
		prt_printf(out, "%s\t", path);
	else if (strlen(path) < DEVICE_PATH_WIDTH)
		prt_printf(out, "%-*s", DEVICE_PATH_WIDTH, path);
	else
		prt_printf(out, "%s ", path);

	if (found && dev.model)
		prt_str(out, dev.model);
	if (found && dev.serial)
		prt_printf(out, "\tS/N: %s", dev.serial);
	prt_newline(out);
}

/**
 * bch2_sb_members_to_text() - print all members of a superblock
 * @out:	text
 * @sb:		superblock
 * @f:		unused: the entries are those of bch2_sb_member_get()
 * @t:		columns and callbacks
 *
 * Deleted and empty slots are left out.
 */
void bch2_sb_members_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			     const struct bch_sb_text *t)
{
	for (unsigned i = 0; i < sb->nr_devices; i++)
		if (bch2_sb_has_member(sb, i)) {
			member_title_to_text(out, sb, i, t);
			bch2_member_to_text(out, sb, i, t);
		}
}

/**
 * bch2_sb_text() - print a superblock: what show-super shows
 * @out:	text
 * @sb:		superblock
 * @t:		what to print
 */
void bch2_sb_text(struct printbuf *out, struct bch_sb *sb, const struct bch_sb_text *t)
{
	const unsigned long members =
		(1UL << BCH_SB_FIELD_members_v1)|(1UL << BCH_SB_FIELD_members_v2);

	bch2_sb_header_to_text(out, sb, t);

	if (t->layout) {
		prt_str(out, "\nlayout:\n");
		bch2_sb_layout_to_text(out, &sb->layout);
	}

	for_each_sb_field(sb, f) {
		if (!field_selected(f, t))
			continue;
		prt_printf(out, "\n%s (size %zu):\n", bch2_sb_field_name(le32_to_cpu(f->type)),
			   bch2_sb_field_bytes(f));
		bch2_sb_field_to_text(out, sb, f, t);
	}

	if (t->fields & members)
		bch2_sb_members_to_text(out, sb, NULL, t);
}

/**
 * bch2_sb_to_text() - bch2_sb_text() for messages
 * @out:	text
 * @c:		filesystem, or NULL
 * @sb:		superblock
 * @print_layout: also print the layout
 * @fields_mask: section types to print
 */
void bch2_sb_to_text(struct printbuf *out, struct bch_fs *c, struct bch_sb *sb,
		     bool print_layout, unsigned long fields_mask)
{
	const struct bch_sb_text t = {
		.c = c, .layout = print_layout, .fields = fields_mask
	};

	bch2_sb_text(out, sb, &t);
}
