// SPDX-License-Identifier: GPL-2.0
/*
 * start_fs [-o OPTIONS] [-k] [-n NAME]... DEVICE...: start a filesystem as a mount
 * would, for writing, and stop it.
 *
 * Does what no command of its own is for: brings a formatted filesystem of an
 * older version up, replays a journal, goes clean. -n makes directories in
 * lost+found's parent, so that btrees change; -k dies after that without
 * stopping, its journal flushed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/err.h>

#include "bcachefs.h"
#include "btree/commit.h"
#include "btree/trans.h"
#include "fs/inode_write.h"
#include "init/fs.h"
#include "journal/journal.h"
#include "util/printbuf.h"

static int make_dir(struct btree_trans *trans, const char *name)
{
	struct bch_fs *c = trans->c;
	struct bch_inode_unpacked dir, parent;
	int ret = bch2_inode_find_by_inum_snapshot(trans, BCACHEFS_ROOT_INO, KEY_SNAPSHOT_MAX,
						   &parent);

	if (ret)
		return ret;
	bch2_inode_init(c, &dir, 0, 0, S_IFDIR|0755, 0, bch2_current_time(c), &parent);
	return bch2_create_trans(trans, BCACHEFS_ROOT_INO, KEY_SNAPSHOT_MAX, &dir, name,
				 strlen(name));
}

static int change(struct bch_fs *c, char **names, unsigned nr)
{
	int ret = 0;

	for (unsigned i = 0; i < nr && !ret; i++)
		ret = bch2_trans_commit_do(c, NULL, NULL, 0, make_dir(trans, names[i]));
	return ret;
}

static struct bch_fs *start(char **devs, unsigned nr, const char *options)
{
	struct bch_opts opts = bch2_opts_empty();
	struct printbuf err = {};
	struct bch_fs *c;
	int ret;

	if (options && bch2_parse_mount_opts(NULL, &opts, NULL, options, &err)) {
		fprintf(stderr, "%s\n", printbuf_str(&err));
		exit(2);
	}
	c = bch2_fs_open((const char *const *) devs, nr, &opts);
	if (IS_ERR(c)) {
		fprintf(stderr, "open: %s\n", bch2_err_str(PTR_ERR(c)));
		exit(1);
	}
	ret = bch2_fs_start(c);
	if (ret) {
		fprintf(stderr, "start: %s\n", bch2_err_str(ret));
		bch2_fs_stop(c);
		exit(1);
	}
	return c;
}

int main(int argc, char *argv[])
{
	const char *options = NULL;
	char **names = calloc(argc, sizeof(*names));
	unsigned nr_names = 0;
	bool kill = false;
	struct bch_fs *c;
	int opt, ret;

	while ((opt = getopt(argc, argv, "o:kn:")) != -1) {
		if (opt == 'o')
			options = optarg;
		else if (opt == 'k')
			kill = true;
		else if (opt == 'n')
			names[nr_names++] = optarg;
		else
			return 2;
	}

	c = start(argv + optind, argc - optind, options);
	ret = change(c, names, nr_names);
	if (ret)
		fprintf(stderr, "changing: %s\n", bch2_err_str(ret));
	if (kill) {
		ret = ret ?: bch2_journal_flush(c);
		_exit(ret ? 1 : 0);
	}
	ret = bch2_fs_stop(c) ?: ret;
	if (ret)
		fprintf(stderr, "stop: %s\n", bch2_err_str(ret));
	free(names);
	return ret ? 1 : 0;
}
