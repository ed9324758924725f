/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the commands share: ending with a message, naming devices, output for
 * programs. Arguments: tools-args.h.
 */
#ifndef _BCACHEFS_TOOLS_H
#define _BCACHEFS_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tools-args.h"

/* --- ending (tools-util.c) --- */

/* "Error: ..." on standard error, exit status 1. */
void tools_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* "Error: ..." on standard error; returns 1. */
int tools_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Text of an error as functions return it: negative, errno or private code. */
const char *tools_strerror(int err);

/* Memory or the end of the program. */
void *tools_malloc(size_t);
void *tools_calloc(size_t nr, size_t size);
void *tools_realloc(void *, size_t);
char *tools_strdup(const char *);
char *tools_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whole content of @path; at most @max bytes, else NULL with errno EFBIG. */
char *tools_read_file(const char *path, size_t max, size_t *len);

/* --- devices (tools-devices.c; Documentation/format/70, section 4) --- */

struct tools_devices {
	char		**d;		/* paths; d[nr] is NULL */
	unsigned	nr;
};

/*
 * Paths of the devices that the arguments name. One argument is expanded:
 * UUID=, OLD_BLKID_UUID=, LABEL=, a:b:c, or one member of a filesystem with
 * several. Several arguments are taken as they are. What cannot be expanded is
 * used literally; messages go to standard error. Never fails for want of a
 * device: opening tells that.
 */
void tools_expand_devices(char *const *args, unsigned nr, struct tools_devices *out);
void tools_devices_free(struct tools_devices *);

/*
 * Member devices of the filesystem with this external uuid among all block
 * devices; @found is told the path and member index of each.
 */
void tools_find_members(const unsigned char uuid[16],
			void (*found)(void *priv, const char *path, unsigned idx), void *priv);

/* Offset of local time to UTC, for struct printbuf. */
int tools_utc_offset(long long seconds);

/* Model and serial number of a device as sysfs knows them; free(); may be NULL. */
char *tools_dev_model(const char *path);
char *tools_dev_serial(const char *path);

#endif /* _BCACHEFS_TOOLS_H */
