/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mount options ("-o name=value,noname") on the command line.
 */
#ifndef _BCACHEFS_TOOLS_OPTS_H
#define _BCACHEFS_TOOLS_OPTS_H

struct bch_opts;

/*
 * Adds the options of the comma separated list @list to @opts. Returns NULL, or
 * what is wrong with it; free().
 */
char *tools_mount_opts_add(struct bch_opts *opts, const char *list);

#endif /* _BCACHEFS_TOOLS_OPTS_H */
