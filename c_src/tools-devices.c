// SPDX-License-Identifier: GPL-2.0
/*
 * Naming devices: what one argument can stand for (Documentation/format/70
 * section 4), and what the system knows about a device.
 *
 * Superblocks are only read while searching, without exclusive access, whatever
 * their version; devices whose superblock cannot be read are no candidates.
 */
#include <blkid/blkid.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/members.h"
#include "tools.h"

/* Levels of device-mapper holders that are looked at. */
#define HOLDER_DEPTH_MAX	8

/* --- lists of paths --- */

static void add_device(struct tools_devices *l, const char *path)
{
	l->d = tools_realloc(l->d, (l->nr + 2) * sizeof(*l->d));
	l->d[l->nr++] = tools_strdup(path);
	l->d[l->nr] = NULL;
}

void tools_devices_free(struct tools_devices *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		free(l->d[i]);
	free(l->d);
	memset(l, 0, sizeof(*l));
}

static void add_colon_list(struct tools_devices *l, const char *list)
{
	char *copy = tools_strdup(list), *rest = copy, *path;

	while ((path = strsep(&rest, ":")))
		if (*path)
			add_device(l, path);
	free(copy);
}

/* --- looking at superblocks --- */

/* Reads a superblock only to look at it; false if there is none. */
static bool peek_super(const char *path, struct bch_sb_handle *sb)
{
	struct bch_opts opts = bch2_opts_empty();
	struct printbuf err = PRINTBUF;
	int ret;

	opt_set(opts, noexcl, true);
	opt_set(opts, nochanges, true);
	opt_set(opts, no_version_check, true);
	ret = bch2_read_super_err(path, &opts, sb, &err);
	printbuf_exit(&err);
	return !ret;
}

/* --- multipath --- */

static bool is_mpath_uuid(const char *s)
{
	/* "partN-" may stand before it, several times */
	while (!strncmp(s, "part", 4)) {
		const char *dash = s + 4 + strspn(s + 4, "0123456789");

		if (*dash != '-')
			return false;
		s = dash + 1;
	}
	return !strncmp(s, "mpath-", 6);
}

static bool dm_is_mpath(const char *sysfs_dir)
{
	char *path = tools_asprintf("%s/dm/uuid", sysfs_dir);
	char *uuid = tools_read_file(path, 4096, NULL);
	bool ret = uuid && is_mpath_uuid(uuid);

	free(uuid);
	free(path);
	return ret;
}

/* Does a device-mapper multipath map stand on this device? */
static bool is_multipath_component(const char *sysfs_dir, unsigned depth)
{
	char *path = tools_asprintf("%s/holders", sysfs_dir);
	DIR *dir = opendir(path);
	struct dirent *e;
	bool ret = false;

	while (dir && !ret && (e = readdir(dir))) {
		char *holder;

		if (e->d_name[0] == '.')
			continue;
		holder = tools_asprintf("%s/%s", path, e->d_name);
		ret = dm_is_mpath(holder) ||
			(depth < HOLDER_DEPTH_MAX && is_multipath_component(holder, depth + 1));
		free(holder);
	}
	if (dir)
		closedir(dir);
	free(path);
	return ret;
}

bool tools_is_multipath_component(const char *path)
{
	struct stat st;
	char *sysfs;
	bool ret;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return false;
	sysfs = tools_asprintf("/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	ret = is_multipath_component(sysfs, 0);
	free(sysfs);
	return ret;
}

/* --- all block devices --- */

/* Calls @fn for the path of every block device but parts of multipath devices. */
static void for_each_block_device(void (*fn)(void *priv, const char *path), void *priv)
{
	FILE *f = fopen("/proc/partitions", "re");
	char *line = NULL;
	size_t size = 0;
	unsigned nr = 0;

	while (f && getline(&line, &size, f) >= 0) {
		char name[256], *sysfs, *path;

		/* two lines of heading; then major, minor, blocks, name */
		if (nr++ < 2 || sscanf(line, "%*s %*s %*s %255s", name) != 1)
			continue;

		/* a slash in a device's name is '!' in the kernel's */
		sysfs = tools_asprintf("/sys/class/block/%s", name);
		for (char *p = name; *p; p++)
			if (*p == '!')
				*p = '/';
		path = tools_asprintf("/dev/%s", name);
		if (!is_multipath_component(sysfs, 0))
			fn(priv, path);
		free(path);
		free(sysfs);
	}
	free(line);
	if (f)
		fclose(f);
}

struct member_search {
	const unsigned char	*uuid;
	void			(*found)(void *priv, const char *path, unsigned idx);
	void			*priv;
};

static void search_member(void *priv, const char *path)
{
	struct member_search *s = priv;
	struct bch_sb_handle sb;

	if (!peek_super(path, &sb))
		return;
	if (!memcmp(&sb.sb->user_uuid, s->uuid, 16))
		s->found(s->priv, path, sb.sb->dev_idx);
	bch2_free_super(&sb);
}

void tools_find_members(const unsigned char uuid[16],
			void (*found)(void *priv, const char *path, unsigned idx), void *priv)
{
	struct member_search s = { .uuid = uuid, .found = found, .priv = priv };

	for_each_block_device(search_member, &s);
}

static void collect_member(void *priv, const char *path, unsigned idx)
{
	add_device(priv, path);
}

/* --- what an argument stands for --- */

bool tools_parse_uuid(const char *s, unsigned char uuid[16])
{
	unsigned nr = 0;

	if (!strncmp(s, "urn:uuid:", 9))
		s += 9;
	for (; *s; s++) {
		const char *digits = "0123456789abcdef";
		const char *d = strchr(digits, tolower((unsigned char) *s));

		if (*s == '-' || *s == '{' || *s == '}')
			continue;
		if (!d || nr == 32)
			return false;
		uuid[nr / 2] = uuid[nr / 2] << 4 | (d - digits);
		nr++;
	}
	return nr == 32;
}

/* The one device of a filesystem that has only one, from the system's own list. */
static bool expand_uuid_fast(const char *text, const unsigned char uuid[16],
			     struct tools_devices *out)
{
	char *path = blkid_evaluate_tag("UUID", text, NULL);
	struct bch_sb_handle sb;
	bool ret = false;

	if (path && peek_super(path, &sb)) {
		ret = !memcmp(&sb.sb->user_uuid, uuid, 16) && bch2_sb_nr_alive(sb.sb) == 1;
		if (ret)
			add_device(out, path);
		bch2_free_super(&sb);
	}
	free(path);
	return ret;
}

static void expand_uuid(const char *text, struct tools_devices *out)
{
	unsigned char uuid[16] = {};

	if (!tools_parse_uuid(text, uuid)) {
		fprintf(stderr, "'%s' is not a UUID\n", text);
		return;
	}
	if (!expand_uuid_fast(text, uuid, out))
		tools_find_members(uuid, collect_member, out);
	if (!out->nr)
		fprintf(stderr, "no device of the filesystem with UUID %s found\n", text);
}

struct label_search {
	const char		*label;
	unsigned char		uuid[16];
	bool			found;
	bool			ambiguous;
	struct tools_devices	*out;
};

static void search_label(void *priv, const char *path)
{
	struct label_search *s = priv;
	struct bch_sb_handle sb;
	size_t len;

	if (!peek_super(path, &sb))
		return;

	len = strnlen((const char *) sb.sb->label, sizeof(sb.sb->label));
	if (len && len == strlen(s->label) && !memcmp(sb.sb->label, s->label, len)) {
		if (s->found && memcmp(s->uuid, &sb.sb->user_uuid, 16))
			s->ambiguous = true;
		memcpy(s->uuid, &sb.sb->user_uuid, 16);
		s->found = true;
		add_device(s->out, path);
	}
	bch2_free_super(&sb);
}

static void expand_label(const char *label, struct tools_devices *out)
{
	struct label_search s = { .label = label, .out = out };

	for_each_block_device(search_label, &s);
	if (s.ambiguous) {
		fprintf(stderr, "several filesystems have the label '%s':", label);
		for (unsigned i = 0; i < out->nr; i++)
			fprintf(stderr, " %s", out->d[i]);
		fputc('\n', stderr);
		tools_devices_free(out);
	} else if (!out->nr) {
		fprintf(stderr, "no device of a filesystem with the label '%s' found\n", label);
	}
}

static bool same_device(const char *a, const char *b)
{
	struct stat sa, sb;

	if (stat(a, &sa) || stat(b, &sb))
		return false;
	if (S_ISBLK(sa.st_mode) && S_ISBLK(sb.st_mode))
		return sa.st_rdev == sb.st_rdev;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* One member by its path: the others as well, if there are any to be found. */
static void expand_path(const char *path, struct tools_devices *out)
{
	struct bch_sb_handle sb;
	bool self = false;

	if (!peek_super(path, &sb))
		return;
	if (bch2_sb_nr_alive(sb.sb) > 1)
		tools_find_members(sb.sb->user_uuid.b, collect_member, out);
	bch2_free_super(&sb);

	/* The device that was named is used under the name that was given. */
	for (unsigned i = 0; i < out->nr && !self; i++)
		if (same_device(out->d[i], path)) {
			free(out->d[i]);
			out->d[i] = tools_strdup(path);
			self = true;
		}
	if (!self)
		add_device(out, path);
}

void tools_expand_devices(char *const *args, unsigned nr, struct tools_devices *out)
{
	static const char uuid[] = "UUID=", old_uuid[] = "OLD_BLKID_UUID=", label[] = "LABEL=";

	memset(out, 0, sizeof(*out));

	if (nr == 1) {
		const char *arg = args[0];

		if (!strncmp(arg, uuid, sizeof(uuid) - 1))
			expand_uuid(arg + sizeof(uuid) - 1, out);
		else if (!strncmp(arg, old_uuid, sizeof(old_uuid) - 1))
			expand_uuid(arg + sizeof(old_uuid) - 1, out);
		else if (!strncmp(arg, label, sizeof(label) - 1))
			expand_label(arg + sizeof(label) - 1, out);
		else if (strchr(arg, ':'))
			add_colon_list(out, arg);
		else
			expand_path(arg, out);
	}

	if (!out->nr)
		for (unsigned i = 0; i < nr; i++)
			add_device(out, args[i]);
}

/* --- what the system knows about a device --- */

/* First line of a sysfs attribute of the disk that @path is or lies on. */
static char *disk_attribute(const char *path, const char *const names[])
{
	struct stat st;
	char *ret = NULL;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return NULL;

	for (unsigned i = 0; names[i] && !ret; i++) {
		char *file = tools_asprintf("/sys/dev/block/%u:%u/%s", major(st.st_rdev),
					    minor(st.st_rdev), names[i]);

		ret = tools_read_file(file, 4096, NULL);
		free(file);
		if (!ret)
			continue;

		ret[strcspn(ret, "\n")] = '\0';
		for (size_t len = strlen(ret); len && ret[len - 1] == ' '; --len)
			ret[len - 1] = '\0';
		if (!*ret) {
			free(ret);
			ret = NULL;
		}
	}
	return ret;
}

char *tools_dev_model(const char *path)
{
	static const char *const names[] = {
		"device/model", "../device/model", "loop/backing_file", "../loop/backing_file",
		NULL
	};
	struct stat st;
	char *model;

	if (!stat(path, &st) && S_ISREG(st.st_mode))
		return tools_strdup("(image file)");

	model = disk_attribute(path, names);
	return model ?: tools_strdup("(unknown model)");
}

char *tools_dev_serial(const char *path)
{
	static const char *const names[] = {
		"device/serial", "../device/serial", "serial", "../serial", NULL
	};

	return disk_attribute(path, names);
}

/* --- local time --- */

int tools_utc_offset(long long seconds)
{
	time_t t = seconds;
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}
