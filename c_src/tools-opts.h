/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mount options ("-o name=value,noname") on the command line.
 */
#ifndef _BCACHEFS_TOOLS_OPTS_H
#define _BCACHEFS_TOOLS_OPTS_H

struct bch_opts;

/**
 * tools_mount_opts_add() - add options from the command line
 * @opts:	options
 * @list:	comma separated: name=value, name, noname
 *
 * Return: NULL, or what is wrong, to be freed.
 */
char *tools_mount_opts_add(struct bch_opts *opts, const char *list);

#endif /* _BCACHEFS_TOOLS_OPTS_H */
