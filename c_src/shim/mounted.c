// SPDX-License-Identifier: GPL-2.0
/*
 * Is a device, or the image behind a loop device, mounted? Asked before anything is opened for
 * writing. Reads /proc/self/mountinfo and /sys/block; keeps nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "internal.h"

#include <shim/blkdev.h>

/* "\040" and the like back to characters, in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool is_device(const char *path, dev_t rdev)
{
	struct stat st;

	return path[0] == '/' && !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == rdev;
}

/* Is @rdev in the source of a mount, which may name several devices ("/dev/a:/dev/b")? */
static bool source_names(char *source, dev_t rdev)
{
	char *one, *rest = source;

	unescape(source);
	if (is_device(source, rdev))
		return true;
	while ((one = strsep(&rest, ":")))
		if (is_device(one, rdev))
			return true;
	return false;
}

static bool mount_line_names(char *line, dev_t rdev)
{
	unsigned int ma, mi;
	char *sep, *source;

	if (sscanf(line, "%*d %*d %u:%u", &ma, &mi) == 2 && makedev(ma, mi) == rdev)
		return true;
	/* ... " - " type " " source " " options */
	sep = strstr(line, " - ");
	source = sep ? strchr(sep + 3, ' ') : NULL;
	if (!source)
		return false;
	source++;
	source[strcspn(source, " \n")] = '\0';
	return source_names(source, rdev);
}

static bool device_is_mounted(dev_t rdev)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	if (!f)
		return false;
	while (!found && getline(&line, &size, f) > 0)
		found = mount_line_names(line, rdev);
	free(line);
	fclose(f);
	return found;
}

/* First line of a file below /sys/block, for free(); NULL if there is none. */
static char *read_sys(const char *disk, const char *what)
{
	char path[512], *line = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/%s", disk, what);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	if (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
	} else {
		free(line);
		line = NULL;
	}
	fclose(f);
	return line;
}

/* Is this loop device backed by the file, and mounted? */
static bool loop_is_mounted(const char *disk, const struct stat *image)
{
	char *backing = read_sys(disk, "loop/backing_file");
	char *dev = read_sys(disk, "dev");
	unsigned int ma, mi;
	struct stat st;
	bool found = backing && dev && !stat(backing, &st) && st.st_dev == image->st_dev &&
		st.st_ino == image->st_ino && sscanf(dev, "%u:%u", &ma, &mi) == 2 &&
		device_is_mounted(makedev(ma, mi));

	free(backing);
	free(dev);
	return found;
}

static bool image_is_mounted(const struct stat *image)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *de;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (de = readdir(dir)))
		found = !strncmp(de->d_name, "loop", 4) && loop_is_mounted(de->d_name, image);
	closedir(dir);
	return found;
}

/**
 * shim_bdev_check_unmounted - may a device or image be written to?
 * @path:	device or image
 *
 * Return: 0, -EBUSY if it is mounted, or -errno.
 */
int shim_bdev_check_unmounted(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISBLK(st.st_mode) ? device_is_mounted(st.st_rdev) : image_is_mounted(&st))
		return -EBUSY;
	return 0;
}
