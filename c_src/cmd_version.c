// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs version: one line, nothing else (Documentation/format/70, section 17).
 */
#include <stdio.h>

#include "commands.h"
#include "tools.h"
#include "tools-version.h"

int cmd_version(int argc, char *argv[])
{
	static const struct tools_arg args[] = { {} };
	const struct tools_cmdline cmd = {
		.name		= "version",
		.positionals	= "",
		.summary	= "Print the version of this tool",
		.args		= args,
	};
	char **pos;

	tools_args(&cmd, argc, argv, &pos);
	puts(TOOLS_VERSION);
	return 0;
}
