/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of format: what the command line said, and what was on the devices
 * before. Private to c_src/cmd_format*.c.
 */
#ifndef _BCACHEFS_C_SRC_FORMAT_H
#define _BCACHEFS_C_SRC_FORMAT_H

#include <stdbool.h>

#include "bcachefs.h"
#include "sb/format.h"

/* One device of the command line. Strings are those of argv. */
struct format_target {
	const char		*path;
	const char		*label;
	u64			fs_size;	/* bytes; 0: all of it */
	struct bch_opts		opts;		/* device options in force at this device */

	/* the open device */
	struct bch_sb_handle	sb;
	bool			is_block;
};

struct format_args {
	struct bch_format	f;		/* devices are filled in from the targets */
	struct format_target	*targets;
	unsigned		nr;

	const char		*passphrase_file;
	const char		*source;
	bool			version_given;
	bool			no_passphrase;
	bool			no_initialize;
	bool			trim;
	bool			force;
	bool			quiet;
};

/**
 * format_args_parse() - understand the command line (Documentation/format/71, 2)
 * @a:		result; to be freed also after an error
 * @argc:	number of arguments, the command's name included
 * @argv:	arguments
 * @help:	result: the usage was asked for and printed
 *
 * Return: 0, or 1 after a message.
 */
int format_args_parse(struct format_args *a, int argc, char *argv[], bool *help);

/**
 * format_args_free() - close the devices and free what was parsed
 * @a:		arguments
 */
void format_args_free(struct format_args *a);

/**
 * format_usage() - print the usage on standard output
 */
void format_usage(void);

/**
 * format_probe() - tell what is on a device (Documentation/format/71, 4)
 * @t:		open device
 *
 * One line on standard output for each filesystem and partition table.
 *
 * Return: the number of lines, or -1 after a message.
 */
int format_probe(struct format_target *t);

/**
 * format_wipe() - erase all signatures on a device
 * @t:		open device
 *
 * Return: 0, or 1 after a message.
 */
int format_wipe(struct format_target *t);

/**
 * format_warn_shared_disks() - are there fewer disks than replicas?
 * @a:		arguments, devices are open
 *
 * If so, says so on standard error.
 */
void format_warn_shared_disks(const struct format_args *a);

#endif /* _BCACHEFS_C_SRC_FORMAT_H */
