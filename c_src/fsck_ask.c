// SPDX-License-Identifier: GPL-2.0
/*
 * Questions and signals of fsck.
 *
 * A signal only leaves a mark: in the filesystem that is being started, whose
 * passes look at it where they can be left, and in a pipe, so that a question
 * ends wherever the signal was delivered. The next signal ends the program, which
 * is as safe as a loss of power.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <linux/bitops.h>

#include "bcachefs.h"

#include "fsck_ask.h"
#include "fsck_progress.h"

#define PROMPT	" (y,n, or Y,N for all errors of this type) "

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

static struct bch_fs *volatile stop_fs;
static volatile sig_atomic_t interrupted;
static int wake[2] = { -1, -1 };
static FILE *questions;

static void signals_set(void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	unsigned i;

	sigfillset(&sa.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

/* Only what is safe in a handler. */
static void on_signal(int sig)
{
	static const char text[] =
		"\nfsck: stopping at the next safe point; once more to end at once\n";
	struct bch_fs *c = stop_fs;
	const int saved = errno;

	interrupted = 1;
	if (c)
		set_bit(BCH_FS_stop_passes, &c->flags);
	if (write(wake[1], "", 1) < 0 || write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		interrupted = 1;
	signals_set(SIG_DFL);
	errno = saved;
}

void fsck_ask_setup(FILE *out)
{
	questions = out;
	if (pipe2(wake, O_CLOEXEC|O_NONBLOCK))
		wake[0] = wake[1] = -1;
	signals_set(on_signal);
}

void fsck_signals_fs(struct bch_fs *c)
{
	stop_fs = c;
	/* one that came while there was nothing to mark */
	if (c && interrupted)
		set_bit(BCH_FS_stop_passes, &c->flags);
}

bool fsck_interrupted(void)
{
	return interrupted;
}

/* One byte from the terminal: 1, 0 at the end of input, or negative. */
static int read_byte(char *ch)
{
	struct pollfd p[] = {
		{ .fd = STDIN_FILENO,	.events = POLLIN },
		{ .fd = wake[0],	.events = POLLIN },
	};
	int ret;

	do {
		if (interrupted)
			return -EINTR;
		ret = poll(p, 2, -1);
		if (interrupted || p[1].revents)
			return -EINTR;
		if (ret > 0)
			ret = read(STDIN_FILENO, ch, 1);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

/* A line without blanks around it; what does not fit is left out. */
static int read_answer(char *line, size_t size)
{
	size_t len = 0;
	char ch;
	int ret;

	while ((ret = read_byte(&ch)) > 0 && ch != '\n')
		if (len + 1 < size && (len || !strchr(" \t\r", ch)))
			line[len++] = ch;
	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	line[len] = '\0';
	return ret > 0 || len ? 1 : ret;
}

static int nobody(int why, const char *text)
{
	fprintf(questions, "%s\n", text);
	fflush(questions);
	return why;
}

int fsck_ask(struct bch_fs *c, const char *msg, const char *action)
{
	char line[16];
	int ret;

	if (!isatty(STDIN_FILENO))
		return nobody(-ENOTTY,
			"standard input is not a terminal: nobody can be asked, the answer to all "
			"questions is no.\nUse -y to repair without asking, -n to check only.");

	fsck_progress_pause(true);
	fprintf(questions, "%s, %s", msg, action);
	do {
		fputs(PROMPT, questions);
		fflush(questions);
		ret = read_answer(line, sizeof(line));
		if (ret <= 0 || (strlen(line) == 1 && strchr("ynYN", line[0])))
			fsck_progress_pause(false);
		if (ret == -EINTR)
			return -EINTR;
		if (ret <= 0)
			return nobody(-ENODATA, "\nend of input: the answer to this and all "
				      "further questions is no");
	} while (strlen(line) != 1 || !strchr("ynYN", line[0]));
	return line[0];
}
