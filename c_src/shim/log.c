// SPDX-License-Identifier: GPL-2.0
/*
 * Messages and assertions: printk() and what BUG and WARN do.
 *
 * Invariant: a message reaches the sink whole, one at a time, in the order of the calls that
 * produced it. Anybody may call in from any thread; the sink must not call printk().
 */
#include <stdio.h>
#include <unistd.h>
#include <execinfo.h>

#include "internal.h"

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <shim/log.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*log_sink)(int level, const char *text, void *arg);
static void *log_arg;

/**
 * shim_set_log_sink - choose where messages go
 * @fn:		gets level and text of each message; NULL: standard output
 * @arg:	handed to @fn
 */
void shim_set_log_sink(void (*fn)(int level, const char *text, void *arg), void *arg)
{
	pthread_mutex_lock(&log_lock);
	log_sink = fn;
	log_arg = arg;
	pthread_mutex_unlock(&log_lock);
}

/* Splits the level prefix off; 4 (warning) is the level of a message without one. */
static const char *split_level(const char *text, int *level)
{
	*level = 4;
	while (text[0] == KERN_SOH[0] && text[1]) {
		if (text[1] >= '0' && text[1] <= '7')
			*level = text[1] - '0';
		else if (text[1] == 'c')
			*level = -1;
		text += 2;
	}
	return text;
}

/**
 * vprintk - printk() with an argument list
 * @fmt:	format with an optional KERN_ level in front
 * @args:	its arguments
 *
 * Return: length of the text.
 */
int vprintk(const char *fmt, va_list args)
{
	char small[512], *big = NULL;
	const char *text;
	va_list again;
	int len, level;

	va_copy(again, args);
	len = vsnprintf(small, sizeof(small), fmt, args);
	if (len >= (int) sizeof(small)) {
		big = malloc(len + 1);
		if (big)
			vsnprintf(big, len + 1, fmt, again);
	}
	va_end(again);

	text = split_level(big ? big : small, &level);
	pthread_mutex_lock(&log_lock);
	if (log_sink) {
		log_sink(level, text, log_arg);
	} else {
		fputs(text, stdout);
		fflush(stdout);
	}
	pthread_mutex_unlock(&log_lock);
	free(big);
	return len;
}

/**
 * _printk - print a message of the core
 * @fmt:	format with an optional KERN_ level in front
 *
 * Return: length of the text.
 */
int _printk(const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vprintk(fmt, args);
	va_end(args);
	return len;
}

/**
 * dump_stack - print the call chain of the caller to standard error
 */
void dump_stack(void)
{
	void *frames[48];
	int n = backtrace(frames, ARRAY_SIZE(frames));

	backtrace_symbols_fd(frames, n, STDERR_FILENO);
}

/**
 * shim_bug - end the process because an invariant is broken
 * @file:	where
 * @line:	where
 * @what:	the condition that held
 */
void shim_bug(const char *file, int line, const char *what)
{
	fflush(stdout);
	fprintf(stderr, "BUG at %s:%d: %s\n", file, line, what);
	dump_stack();
	abort();
}

/**
 * shim_warn - report a broken expectation and go on
 * @file:	where
 * @line:	where
 * @fmt:	what
 */
void shim_warn(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "WARNING at %s:%d: %s\n", file, line, text);
	dump_stack();
}

/**
 * panic - end the process with a message
 * @fmt:	the message
 */
void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fflush(stdout);
	fputs("panic: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	dump_stack();
	abort();
}

/**
 * ___ratelimit - may one more message of this kind be printed now?
 * @rs:		the limit's state
 * @func:	the caller's name, for the note about what was left out
 *
 * Return: nonzero if so.
 */
int ___ratelimit(struct ratelimit_state *rs, const char *func)
{
	unsigned long now = jiffies;
	int missed = 0, ok;

	if (!rs->interval)
		return 1;

	spin_lock(&rs->lock);
	if (!rs->begin || time_is_before_jiffies(rs->begin + rs->interval)) {
		missed = rs->missed;
		rs->begin = now ? now : 1;
		rs->printed = rs->missed = 0;
	}
	ok = rs->printed < rs->burst;
	if (ok)
		rs->printed++;
	else
		rs->missed++;
	spin_unlock(&rs->lock);

	if (missed)
		pr_warn("%s: %d messages left out\n", func, missed);
	return ok;
}
