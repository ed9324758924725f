// SPDX-License-Identifier: GPL-2.0
/*
 * undump: unpack the images that dump wrote into sparse files that can be used
 * like the devices (Documentation/format/73, section 2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "qcow2.h"
#include "tools.h"

#define SUFFIX	".qcow2"

/* Name of the output; NULL if @in does not end in .qcow2. */
static char *output_name(const char *in)
{
	size_t len = strlen(in);

	if (len <= strlen(SUFFIX) || strcmp(in + len - strlen(SUFFIX), SUFFIX))
		return NULL;

	char *out = tools_strdup(in);

	out[len - strlen(SUFFIX)] = '\0';
	return out;
}

static int undump_one(const char *in_name, const char *out_name, bool force)
{
	const char *reason = NULL;
	int in, out, ret;

	in = open(in_name, O_RDONLY|O_CLOEXEC);
	if (in < 0)
		return tools_error("%s: %s", in_name, strerror(errno));

	out = open(out_name, O_WRONLY|O_CREAT|O_CLOEXEC|(force ? O_TRUNC : O_EXCL), 0600);
	if (out < 0) {
		ret = tools_error("%s: %s", out_name, strerror(errno));
		close(in);
		return ret;
	}

	ret = qcow2_unpack(in, out, &reason);
	if (close(out) && !ret)
		ret = -errno;
	close(in);

	if (!ret)
		return 0;
	unlink(out_name);
	return tools_error("%s: %s", in_name, reason ? reason : strerror(-ret));
}

int cmd_undump(int argc, char *argv[])
{
	bool force = false;
	const struct tools_arg args[] = {
		{ .name = "force", .letter = 'f', .type = TOOLS_ARG_FLAG,
		  .dest = &force,
		  .help = "Overwrite existing files" },
		{}
	};
	const struct tools_cmdline cmdline = {
		.name			= "undump",
		.positionals		= "FILE.qcow2...",
		.summary		= "Unpack images written by dump into sparse files.",
		.details		= "Each file is unpacked to its name without .qcow2.",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= ~0U,
	};
	char **files, **out;
	unsigned nr = tools_args(&cmdline, argc, argv, &files);
	int ret = 0;

	/* All names first, so that nothing is written if one of them is wrong. */
	out = tools_calloc(nr, sizeof(*out));
	for (unsigned i = 0; i < nr && !ret; i++) {
		out[i] = output_name(files[i]);
		if (!out[i])
			ret = tools_error("%s not a qcow2 image?", files[i]);
		else if (!force && !access(out[i], F_OK))
			ret = tools_error("%s already exists", out[i]);
	}

	for (unsigned i = 0; i < nr && !ret; i++)
		ret = undump_one(files[i], out[i], force);

	for (unsigned i = 0; i < nr; i++)
		free(out[i]);
	free(out);
	return ret;
}
