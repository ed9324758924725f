// SPDX-License-Identifier: GPL-2.0
/*
 * Small things that every command needs: ending with a message, memory or the
 * end, whole files. Nothing here knows about filesystems.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errcode.h"
#include "tools.h"

static void verror(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "Error: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void tools_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verror(fmt, ap);
	va_end(ap);
	exit(1);
}

int tools_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verror(fmt, ap);
	va_end(ap);
	return 1;
}

const char *tools_strerror(int err)
{
	return -err < BCH_ERR_START ? strerror(-err) : bch2_err_str(err);
}

/**
 * tools_confirm - a question to be answered with yes or no
 * @question: without its end
 *
 * End of input is an error and ends the program.
 */
bool tools_confirm(const char *question)
{
	char *line = NULL;
	size_t size = 0;
	bool yes;

	printf("%s (y,n) ", question);
	fflush(stdout);
	if (getline(&line, &size, stdin) < 0)
		tools_die("error reading from standard input");
	yes = line[0] == 'y' || line[0] == 'Y';
	free(line);
	return yes;
}

static void *need_memory(void *p)
{
	if (!p)
		tools_die("out of memory");
	return p;
}

void *tools_malloc(size_t n)
{
	return need_memory(malloc(n ?: 1));
}

void *tools_calloc(size_t nr, size_t size)
{
	return need_memory(calloc(nr ?: 1, size ?: 1));
}

void *tools_realloc(void *p, size_t n)
{
	return need_memory(realloc(p, n ?: 1));
}

char *tools_strdup(const char *s)
{
	return need_memory(strdup(s));
}

char *tools_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? need_memory(NULL) : s;
}

char *tools_read_file(const char *path, size_t max, size_t *len)
{
	int fd = open(path, O_RDONLY|O_CLOEXEC);
	size_t nr = 0, size = 0;
	char *buf = NULL;
	int err = 0;

	if (fd < 0)
		return NULL;

	for (;;) {
		ssize_t r;

		if (size - nr < 2) {
			size = size ? size * 2 : 4096;
			buf = tools_realloc(buf, size);
		}
		r = read(fd, buf + nr, size - nr - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			err = errno;
		if (r <= 0)
			break;
		nr += r;
		if (nr > max) {
			err = EFBIG;
			break;
		}
	}
	close(fd);

	if (err) {
		free(buf);
		errno = err;
		return NULL;
	}
	buf[nr] = '\0';
	if (len)
		*len = nr;
	return buf;
}
