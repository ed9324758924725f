// SPDX-License-Identifier: GPL-2.0
/*
 * The tool's entry: which command is meant, and the overview of all of them
 * (Documentation/format/70, section 1).
 *
 * Commands are only known through the table in commands.h. A command whose name
 * has two words belongs to a group ("device add").
 */
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "shim/shim.h"
#include "tools.h"
#include "tools-version.h"

enum tools_group {
#define x(name, ...)	GROUP_##name,
	TOOLS_GROUPS(x)
#undef x
	GROUP_NR,
};

static const char *const group_headings[] = {
#define x(name, heading)	heading,
	TOOLS_GROUPS(x)
#undef x
};

static const struct command {
	const char		*name;
	enum tools_group	group;
	int			(*run)(int argc, char *argv[]);
	const char		*description;
} commands[] = {
#define x(fn, _name, _group, _description)				\
	{ _name, GROUP_##_group, cmd_##fn, _description },
	TOOLS_COMMANDS(x)
#undef x
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

/* Other names of commands; looked up only if the command exists. */
static const struct {
	const char	*alias;
	const char	*name;
} aliases[] = {
	{ "mkfs",	"format" },
	{ "set-option",	"set-fs-option" },
	{ "subvol",	"subvolume" },
};

/* Parts of the name the program was started with that stand for a command. */
static const struct {
	const char	*part;
	const char	*name;
} program_names[] = {
	{ "mkfs",	"format" },
	{ "fsck",	"fsck" },
	{ "mount.fuse",	"fusemount" },
	{ "mount",	"mount" },
};

static bool is_help(const char *s)
{
	return !strcmp(s, "--help") || !strcmp(s, "-h") || !strcmp(s, "help");
}

static void overview(void)
{
	printf("bcachefs %s - tools for the bcachefs filesystem\n"
	       "usage: bcachefs <command> [<args>]\n", TOOLS_VERSION);

	for (unsigned g = 0; g < GROUP_NR; g++) {
		bool heading = false;

		for (size_t i = 0; i < NR_COMMANDS; i++) {
			if (commands[i].group != g || !commands[i].description)
				continue;
			if (!heading)
				printf("\n%s:\n", group_headings[g]);
			heading = true;
			printf("  %-26s%s\n", commands[i].name, commands[i].description);
		}
	}
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static const char *unalias(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!strcmp(aliases[i].alias, name))
			return aliases[i].name;
	return name;
}

/* The word of command @c behind the group @name, or NULL if it is not of that group. */
static const char *subcommand_word(const struct command *c, const char *name)
{
	const size_t len = strlen(name);

	if (strncmp(c->name, name, len) || c->name[len] != ' ')
		return NULL;
	return c->name + len + 1;
}

static bool is_command_group(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (subcommand_word(&commands[i], name))
			return true;
	return false;
}

static int run_subcommand(const char *group, int argc, char *argv[])
{
	const char *word = argc > 1 ? argv[1] : NULL;

	if (word && !is_help(word))
		for (size_t i = 0; i < NR_COMMANDS; i++) {
			const char *sub = subcommand_word(&commands[i], group);

			if (sub && !strcmp(sub, word))
				return commands[i].run(argc - 1, argv + 1);
		}

	printf("usage: bcachefs %s <command> [<args>]\n\n", group);
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		const char *sub = subcommand_word(&commands[i], group);

		if (sub)
			printf("  %-26s%s\n", sub, commands[i].description);
	}
	return word && !is_help(word);
}

/* argv[0] is the name of the command. */
static int run_command(const char *name, int argc, char *argv[])
{
	const struct command *c = find_command(name);

	if (c)
		return c->run(argc, argv);
	if (is_command_group(name))
		return run_subcommand(name, argc, argv);

	printf("Unknown command %s\n", argv[0]);
	overview();
	return 1;
}

/*
 * A crash names its signal and place, then happens as it would have anyway.
 * Sanitizers have better reports and keep their own handlers.
 */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void crashed(int sig)
{
	static const char text[] = "bcachefs: fatal signal: ";
	const char *name = sigabbrev_np(sig);
	void *frames[64];
	int nr = backtrace(frames, 64);

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    (name && write(STDERR_FILENO, name, strlen(name)) < 0) ||
	    write(STDERR_FILENO, "\n", 1) < 0)
		nr = 0;
	backtrace_symbols_fd(frames, nr, STDERR_FILENO);

	signal(sig, SIG_DFL);
	raise(sig);
}

static void catch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGBUS, SIGFPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], crashed);
}
#else
static void catch_crashes(void)
{
}
#endif

static int run(int argc, char *argv[])
{
	const char *program = argc && argv[0] ? argv[0] : "bcachefs";
	const char *slash = strrchr(program, '/');

	if (slash)
		program = slash + 1;

	/* Only the last component counts: a directory's name means nothing. */
	for (size_t i = 0; i < sizeof(program_names) / sizeof(program_names[0]); i++)
		if (strstr(program, program_names[i].part) &&
		    find_command(program_names[i].name))
			return run_command(program_names[i].name, argc, argv);

	if (argc < 2) {
		printf("missing command\n");
		overview();
		return 1;
	}
	if (is_help(argv[1])) {
		overview();
		return 0;
	}
	return run_command(unalias(argv[1]), argc - 1, argv + 1);
}

/* Output that did not get where it was to go makes a success a failure. */
static int end_output(int ret)
{
	const bool failed = ferror(stdout);

	if (!fflush(stdout) && !failed)
		return ret;
	if (!ret)
		fputs("Error: standard output could not be written\n", stderr);
	return ret ?: 1;
}

int main(int argc, char *argv[])
{
	int ret;

	catch_crashes();
	setvbuf(stdout, NULL, _IOLBF, 1 << 16);

	ret = end_output(run(argc, argv));
	shim_exit();
	return ret;
}
