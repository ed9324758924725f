// SPDX-License-Identifier: GPL-2.0
/*
 * Labels and targets (spec 10 section 9.6).
 *
 * Labels form a tree by parent numbers; nothing that is read from disk
 * guarantees that it is one, so every walk towards the root is bounded and
 * checks the numbers it follows. The section is only read here.
 */
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/disk_groups.h"
#include "sb/io.h"
#include "sb/members.h"

struct label_table {
	const struct bch_disk_group	*d;
	unsigned			nr;
};

static struct label_table label_table(const struct bch_sb *sb)
{
	const struct bch_sb_field_disk_groups *f = bch2_sb_field_get(sb, disk_groups);

	if (!f)
		return (struct label_table) {};
	return (struct label_table) {
		f->entries,
		(bch2_sb_field_bytes(&f->field) - sizeof(*f)) / sizeof(f->entries[0])
	};
}

static size_t label_len(const struct bch_disk_group *g)
{
	return strnlen((const char *) g->label, sizeof(g->label));
}

/* Entry @id if it exists and is not deleted. */
static const struct bch_disk_group *label_get(const struct label_table *t, unsigned id)
{
	return id < t->nr && !BCH_GROUP_DELETED(&t->d[id]) ? &t->d[id] : NULL;
}

static int label_child(const struct label_table *t, unsigned parent, const char *name, size_t len)
{
	for (unsigned i = 0; i < t->nr; i++) {
		const struct bch_disk_group *g = label_get(t, i);

		if (g && BCH_GROUP_PARENT(g) == parent && label_len(g) == len &&
		    !memcmp(g->label, name, len))
			return i;
	}
	return -ENOENT;
}

/**
 * bch2_sb_label_find() - look up a label by its path
 * @sb:		superblock
 * @path:	components joined by dots
 *
 * Return: the label's id, or -ENOENT.
 */
int bch2_sb_label_find(const struct bch_sb *sb, const char *path)
{
	const struct label_table t = label_table(sb);
	int id = -1;

	do {
		const size_t len = strcspn(path, ".");

		if (!len || len > BCH_SB_LABEL_SIZE)
			return -ENOENT;
		id = label_child(&t, id + 1, path, len);
		if (id < 0)
			return id;
		path += len;
	} while (*path++);

	return id;
}

/**
 * bch2_sb_label_path_to_text() - print a label's path
 * @out:	text
 * @sb:		superblock
 * @id:		label id, any number
 */
void bch2_sb_label_path_to_text(struct printbuf *out, const struct bch_sb *sb, unsigned id)
{
	const struct label_table t = label_table(sb);
	const struct bch_disk_group *path[BCH_LABEL_DEPTH_MAX];
	unsigned depth = 0, at = id;

	for (;;) {
		const struct bch_disk_group *g = label_get(&t, at);

		if (!g || depth == BCH_LABEL_DEPTH_MAX) {
			prt_printf(out, "(invalid label %u)", id);
			return;
		}
		path[depth++] = g;
		if (!BCH_GROUP_PARENT(g))
			break;
		at = BCH_GROUP_PARENT(g) - 1;
	}

	while (depth--) {
		prt_bytes_escaped(out, path[depth]->label, label_len(path[depth]));
		if (depth)
			prt_char(out, '.');
	}
}

/**
 * bch2_sb_dev_labels() - the label of a device, and those above it
 * @sb:		superblock
 * @dev:	member index
 * @ids:	for BCH_LABEL_DEPTH_MAX label ids
 *
 * Return: how many.
 */
unsigned bch2_sb_dev_labels(const struct bch_sb *sb, unsigned dev, u16 *ids)
{
	const struct label_table t = label_table(sb);
	const struct bch_member m = bch2_sb_member_get(sb, dev);
	unsigned at = BCH_MEMBER_GROUP(&m), nr = 0;

	while (at && nr < BCH_LABEL_DEPTH_MAX) {
		const struct bch_disk_group *g = label_get(&t, at - 1);

		if (!g)
			break;
		ids[nr++] = at - 1;
		at = BCH_GROUP_PARENT(g);
	}
	return nr;
}

/**
 * bch2_dev_has_label() - does a device belong to a label or one below it?
 * @ca:		device of an open filesystem, or NULL
 * @id:		label id
 *
 * Takes no lock: labels do not change while a filesystem is open.
 */
bool bch2_dev_has_label(const struct bch_dev *ca, unsigned id)
{
	for (unsigned i = 0; ca && i < ca->nr_labels; i++)
		if (ca->labels[i] == id)
			return true;
	return false;
}

/* --- targets --- */

/**
 * bch2_target_to_text() - print a target value (spec 11 section 5.5)
 * @out:	text
 * @c:		filesystem, or NULL
 * @sb:		superblock
 * @v:		target as stored
 */
void bch2_target_to_text(struct printbuf *out, struct bch_fs *c, const struct bch_sb *sb,
			 unsigned v)
{
	const struct bch_target t = bch2_target_decode(v);
	const struct bch_dev *ca;

	switch (t.type) {
	case BCH_TARGET_none:
		prt_str(out, "none");
		break;
	case BCH_TARGET_dev:
		ca = c ? bch2_dev(c, t.id) : NULL;
		if (ca && ca->path) {
			prt_str(out, ca->path);
		} else if (bch2_sb_has_member(sb, t.id)) {
			const struct bch_member m = bch2_sb_member_get(sb, t.id);

			prt_str(out, "Device ");
			prt_uuid(out, m.uuid.b);
			prt_printf(out, " (%u)", t.id);
		} else {
			prt_printf(out, "Bad device %u", t.id);
		}
		break;
	case BCH_TARGET_label:
		bch2_sb_label_path_to_text(out, sb, t.id);
		break;
	}
}

/**
 * bch2_target_parse() - target from text (spec 11 section 5.5)
 * @c:		open filesystem, for device names; may be NULL
 * @sb:		superblock
 * @s:		"", "none", a device, or a label's path
 * @v:		result
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_EINVAL_target.
 */
int bch2_target_parse(struct bch_fs *c, const struct bch_sb *sb, const char *s, u64 *v,
		      struct printbuf *err)
{
	int id;

	if (!*s || !strcmp(s, "none")) {
		*v = 0;
		return 0;
	}

	if (c)
		for_each_online_member(c, ca)
			if ((ca->path && !strcmp(s, ca->path)) || !strcmp(s, ca->name)) {
				*v = bch2_target_dev(ca->dev_idx);
				return 0;
			}

	id = bch2_sb_label_find(sb, s);
	if (id < 0) {
		prt_printf(err, "%s: no such device or label", s);
		return -BCH_ERR_EINVAL_target;
	}
	*v = bch2_target_label(id);
	return 0;
}

/**
 * bch2_dev_in_target() - is a device one of those that a target names?
 * @c:		filesystem
 * @dev:	member index
 * @target:	as stored; a target that names nothing contains no device
 */
bool bch2_dev_in_target(struct bch_fs *c, unsigned dev, unsigned target)
{
	const struct bch_target t = bch2_target_decode(target);

	switch (t.type) {
	case BCH_TARGET_dev:
		return t.id == dev;
	case BCH_TARGET_label:
		return dev < ARRAY_SIZE(c->devs) && bch2_dev_has_label(c->devs[dev], t.id);
	default:
		return false;
	}
}

/* --- the section --- */

static int label_cmp(const void *l, const void *r)
{
	const struct bch_disk_group *a = *(const struct bch_disk_group *const *) l;
	const struct bch_disk_group *b = *(const struct bch_disk_group *const *) r;
	const u64 pa = BCH_GROUP_PARENT(a), pb = BCH_GROUP_PARENT(b);

	if (pa != pb)
		return pa > pb ? 1 : -1;
	return strncmp((const char *) a->label, (const char *) b->label, sizeof(a->label));
}

static int members_labels_validate(const struct bch_sb *sb, const struct label_table *t,
				   struct printbuf *err)
{
	for (unsigned i = 0; i < sb->nr_devices; i++) {
		const struct bch_member m = bch2_sb_member_get(sb, i);
		const unsigned group = BCH_MEMBER_GROUP(&m);

		if (!group)
			continue;
		if (group - 1 >= t->nr) {
			prt_printf(err, "device %u: label %u does not exist (there are %u)",
				   i, group - 1, t->nr);
			return -BCH_ERR_invalid_sb_disk_groups;
		}
		if (BCH_GROUP_DELETED(&t->d[group - 1])) {
			prt_printf(err, "device %u: label %u is deleted", i, group - 1);
			return -BCH_ERR_invalid_sb_disk_groups;
		}
	}
	return 0;
}

static int labels_unique(const struct label_table *t, struct printbuf *err)
{
	const struct bch_disk_group **sorted;
	unsigned nr = 0;
	int ret = 0;

	sorted = kvmalloc_array(t->nr ?: 1, sizeof(*sorted), GFP_KERNEL);
	if (!sorted)
		return -BCH_ERR_ENOMEM_disk_groups;

	for (unsigned i = 0; i < t->nr; i++)
		if (!BCH_GROUP_DELETED(&t->d[i]))
			sorted[nr++] = &t->d[i];
	sort(sorted, nr, sizeof(*sorted), label_cmp, NULL);

	for (unsigned i = 1; i < nr; i++)
		if (!label_cmp(&sorted[i - 1], &sorted[i])) {
			prt_str(err, "duplicate label ");
			prt_bytes_escaped(err, sorted[i]->label, label_len(sorted[i]));
			prt_printf(err, " (labels %u and %u)",
				   (unsigned) (sorted[i - 1] - t->d),
				   (unsigned) (sorted[i] - t->d));
			ret = -BCH_ERR_invalid_sb_disk_groups;
			break;
		}
	kvfree(sorted);
	return ret;
}

/**
 * bch2_sb_disk_groups_validate() - check section disk_groups (spec 10 section 9.6.4)
 * @sb:		superblock, its member section is valid
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_invalid_sb_disk_groups, or no memory.
 */
int bch2_sb_disk_groups_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
				 struct printbuf *err)
{
	const struct bch_sb_field_disk_groups *groups = sb_field_as(f, disk_groups);
	const struct label_table t = {
		groups->entries,
		(bch2_sb_field_bytes(f) - sizeof(*groups)) / sizeof(groups->entries[0])
	};
	int ret = members_labels_validate(sb, &t, err);

	if (ret)
		return ret;

	for (unsigned i = 0; i < t.nr; i++)
		if (!BCH_GROUP_DELETED(&t.d[i]) && !label_len(&t.d[i])) {
			prt_printf(err, "label %u is empty", i);
			return -BCH_ERR_invalid_sb_disk_groups;
		}

	return labels_unique(&t, err);
}

/**
 * bch2_sb_disk_groups_to_text() - body of section disk_groups for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @text:	unused
 */
void bch2_sb_disk_groups_to_text(struct printbuf *out, struct bch_sb *sb,
				 struct bch_sb_field *f, const struct bch_sb_text *text)
{
	const struct bch_sb_field_disk_groups *groups = sb_field_as(f, disk_groups);
	const unsigned nr =
		(bch2_sb_field_bytes(f) - sizeof(*groups)) / sizeof(groups->entries[0]);

	for (unsigned i = 0; i < nr; i++) {
		const struct bch_disk_group *g = &groups->entries[i];

		if (i)
			prt_char(out, ' ');
		if (BCH_GROUP_DELETED(g)) {
			prt_str(out, "[deleted]");
			continue;
		}
		prt_printf(out, "[parent %u name ", (unsigned) BCH_GROUP_PARENT(g));
		prt_bytes_escaped(out, g->label, label_len(g));
		prt_char(out, ']');
	}
}
