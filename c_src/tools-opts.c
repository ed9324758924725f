// SPDX-License-Identifier: GPL-2.0
/*
 * Mount options on the command line: what -o of the commands takes
 * (Documentation/format/11, section 6).
 *
 * Words that only mount(8) and fstab know are dropped, "ro" is read_only; the
 * rest is the core's table of options.
 */
#include <stdlib.h>
#include <string.h>

#include "bcachefs.h"
#include "opts.h"
#include "tools-opts.h"
#include "tools.h"

/* Words of other parts of the system, without meaning for a filesystem. */
static const char *const foreign_words[] = {
	"rw", "atime", "noatime", "nodev", "noexec", "nosuid", "dev", "exec", "suid", "relatime",
	"strictatime", "lazytime", "sync", "async", "dirsync", "mand", "nodiratime", "diratime",
	"remount", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "group",
	"owner", "defaults", NULL
};

static bool is_foreign(const char *word)
{
	for (unsigned i = 0; foreign_words[i]; i++)
		if (!strcmp(word, foreign_words[i]))
			return true;
	return !strncmp(word, "x-", 2) || !strncmp(word, "comment=", 8);
}

char *tools_mount_opts_add(struct bch_opts *opts, const char *list)
{
	struct printbuf err = PRINTBUF;
	char *copy = tools_strdup(list), *rest = copy, *word, *ret = NULL;

	while (!ret && (word = strsep(&rest, ","))) {
		if (!*word || is_foreign(word))
			continue;
		if (!strcmp(word, "ro"))
			word = "read_only";

		printbuf_reset(&err);
		if (bch2_parse_mount_opts(NULL, opts, NULL, word, &err))
			ret = tools_strdup(err.pos ? printbuf_str(&err) : "invalid option");
	}

	printbuf_exit(&err);
	free(copy);
	return ret;
}
