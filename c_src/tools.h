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

/**
 * tools_die() - "Error: ..." on standard error; exit status 1
 * @fmt:	what is wrong
 */
void tools_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/**
 * tools_error() - "Error: ..." on standard error
 * @fmt:	what is wrong
 *
 * Return: 1, an exit status.
 */
int tools_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * tools_confirm() - "QUESTION (y,n) " on standard output, answer from standard input
 * @question:	what is asked
 *
 * Return: true for an answer that begins with y or Y. Without an answer the
 * program ends with an error.
 */
bool tools_confirm(const char *question);

/**
 * tools_strerror() - text of an error as functions return it
 * @err:	negative: errno or private code
 */
const char *tools_strerror(int err);

/**
 * tools_malloc() - memory, or the end of the program; so the four below
 * @n:		bytes
 */
void *tools_malloc(size_t n);
/** tools_calloc() - zeroed memory */
void *tools_calloc(size_t nr, size_t size);
/** tools_realloc() - as realloc() */
void *tools_realloc(void *p, size_t n);
/** tools_strdup() - as strdup() */
char *tools_strdup(const char *s);
/** tools_asprintf() - printed text; free() */
char *tools_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * tools_read_file() - whole content of a file
 * @path:	file
 * @max:	most bytes that are accepted
 * @len:	result, may be NULL: bytes without the NUL that is added
 *
 * Return: the content, to be freed; NULL with errno, EFBIG if it is longer.
 */
char *tools_read_file(const char *path, size_t max, size_t *len);

/* --- devices (tools-devices.c; Documentation/format/70, section 4) --- */

struct tools_devices {
	char		**d;		/* paths; d[nr] is NULL */
	unsigned	nr;
};

/**
 * tools_expand_devices() - paths of the devices that arguments name
 * @args:	arguments
 * @nr:		their number
 * @out:	result
 *
 * One argument is expanded: UUID=, OLD_BLKID_UUID=, LABEL=, a:b:c, or one
 * member of a filesystem with several. Several arguments are taken as they are.
 * What cannot be expanded is used literally; messages go to standard error.
 * Never fails for want of a device: opening tells that.
 */
void tools_expand_devices(char *const *args, unsigned nr, struct tools_devices *out);

/**
 * tools_devices_free() - empty the list
 * @l:		list
 */
void tools_devices_free(struct tools_devices *l);

/**
 * tools_find_members() - devices of a filesystem among all block devices
 * @uuid:	external uuid
 * @found:	told the path and member index of each
 * @priv:	passed to @found
 */
void tools_find_members(const unsigned char uuid[16],
			void (*found)(void *priv, const char *path, unsigned idx), void *priv);

/**
 * tools_parse_uuid() - a uuid from text
 * @s:		32 hex digits; dashes, braces and "urn:uuid:" do not matter
 * @uuid:	result, in the order of the text
 *
 * Return: false if it is none.
 */
bool tools_parse_uuid(const char *s, unsigned char uuid[16]);

/**
 * tools_is_multipath_component() - is this one of the paths to a multipath device?
 * @path:	device
 */
bool tools_is_multipath_component(const char *path);

/**
 * tools_utc_offset() - offset of local time to UTC, for struct printbuf
 * @seconds:	since 1970
 */
int tools_utc_offset(long long seconds);

/**
 * tools_dev_model() - what kind of thing a device is
 * @path:	device
 *
 * Return: the model as sysfs knows it, "(image file)" or "(unknown model)";
 * to be freed.
 */
char *tools_dev_model(const char *path);

/**
 * tools_dev_serial() - serial number of a device
 * @path:	device
 *
 * Return: as sysfs knows it, to be freed; NULL if it does not.
 */
char *tools_dev_serial(const char *path);

#endif /* _BCACHEFS_TOOLS_H */
