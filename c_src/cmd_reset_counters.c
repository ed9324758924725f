// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs reset-counters: persistent counters back to zero
 * (Documentation/format/70 section 7.3, 73 section 10).
 *
 * Only counters that are known are touched. The section errors and the I/O
 * errors of devices are no counters in this sense. Names are understood before
 * any device is opened.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/mutex.h>

#include "bcachefs.h"
#include "commands.h"
#include "init/fs.h"
#include "sb/field.h"
#include "sb/misc_sections.h"
#include "tools-open.h"
#include "tools.h"

/* Which counters, by id. */
struct selection {
	bool	on[BCH_COUNTER_NR];
};

static int select_name(struct selection *s, const char *name)
{
	for (unsigned i = 0; i < BCH_COUNTER_NR; i++)
		if (!strcmp(bch2_sb_counter_name(i), name)) {
			s->on[i] = true;
			return 0;
		}
	return tools_error("unknown counter '%s'", name);
}

static int select_names(struct selection *s, const char *list)
{
	char *copy, *rest, *name;
	unsigned nr = 0;
	int ret = 0;

	if (!list) {
		memset(s->on, true, sizeof(s->on));
		return 0;
	}

	copy = rest = tools_strdup(list);
	while (!ret && (name = strsep(&rest, ",")))
		if (*name) {
			ret = select_name(s, name);
			nr++;
		}
	free(copy);
	return ret || nr ? ret : tools_error("no counter named");
}

/* The section ends where it likes: counters behind its end are 0 already. */
static bool reset(struct bch_sb *sb, const struct selection *s)
{
	struct bch_sb_field_counters *f = bch2_sb_field_get(sb, counters);
	const unsigned nr = f ? le32_to_cpu(f->field.u64s) - 1 : 0;
	bool changed = false;

	for (unsigned i = 0; i < nr && i < BCH_COUNTER_NR; i++)
		if (s->on[i] && f->d[i]) {
			f->d[i] = 0;
			changed = true;
		}
	return changed;
}

int cmd_reset_counters(int argc, char *argv[])
{
	const char *names = NULL;
	const struct tools_arg args[] = {
		{ .name = "counters", .letter = 'c', .type = TOOLS_ARG_STRING, .dest = &names,
		  .value = "NAMES", .help = "Only these counters, comma separated" },
		{ .name = "counter", .type = TOOLS_ARG_STRING, .dest = &names, .value = "NAMES",
		  .hidden = true },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "reset-counters",
		.positionals		= "DEVICE",
		.summary		= "Reset persistent counters of an unmounted filesystem",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 1,
	};
	struct bch_opts opts = bch2_opts_empty();
	struct selection s = {};
	struct bch_fs *c;
	char **pos;
	int ret = 0;

	tools_args(&cmd, argc, argv, &pos);
	if (select_names(&s, names))
		return 1;

	opt_set(opts, degraded, BCH_DEGRADED_very);
	c = tools_open_super(pos, 1, &opts);
	if (!c)
		return 1;

	mutex_lock(&c->sb_lock);
	if (reset(c->disk_sb.sb, &s))
		ret = tools_write_super(c);
	mutex_unlock(&c->sb_lock);
	bch2_fs_stop(c);
	return ret;
}
