/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text under construction: a buffer on the heap that grows as it is printed
 * to, with indentation and columns.
 *
 * A printbuf never fails in the face of its callers: when memory runs out or
 * the cap of PRINTBUF_MAX bytes is reached, what does not fit is dropped and
 * allocation_failure is set. buf.buf is NUL-terminated whenever pos is not 0;
 * use printbuf_str() for a string that is always valid.
 *
 *	struct printbuf buf = PRINTBUF;
 *	prt_printf(&buf, "%u keys\n", nr);
 *	pr_info("%s", printbuf_str(&buf));
 *	printbuf_exit(&buf);
 *
 * or CLASS(printbuf, buf)(); which frees itself at the end of the scope. No
 * locking: one user at a time. Any floor, any context that may sleep.
 */
#ifndef _BCACHEFS_UTIL_PRINTBUF_H
#define _BCACHEFS_UTIL_PRINTBUF_H

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/types.h>

#define PRINTBUF_MAX			(64U << 20)
#define PRINTBUF_TABSTOPS_MAX		8

struct printbuf {
	char			*buf;
	u32			size;		/* bytes allocated, with the NUL */
	u32			pos;		/* bytes printed */
	u32			line;		/* where the current line begins */
	u32			field;		/* where the current column begins */
	u16			indent;		/* spaces at the start of a line */
	u8			nr_tabstops;
	u8			cur_tabstop;
	u16			tabstops[PRINTBUF_TABSTOPS_MAX];	/* from the line's start */
	bool			fixed:1;	/* caller's memory: neither grown nor freed */
	bool			allocation_failure:1;
	bool			human_readable_units:1;
	bool			line_begun:1;	/* something stands on the line */
	/* Seconds to add to UTC at the given time, for dates; NULL prints UTC. */
	s32			(*utc_offset)(s64 seconds);
};

#define PRINTBUF			((struct printbuf) { .buf = NULL })

/* Text goes into @_buf of @_size bytes; the rest is dropped. */
#define PRINTBUF_EXTERN(_buf, _size)						\
((struct printbuf) { .buf = (_buf), .size = (_size), .fixed = true })

void printbuf_exit(struct printbuf *out);

DEFINE_CLASS(printbuf, struct printbuf, printbuf_exit(&_T), PRINTBUF, void)

/* Forget the text, keep memory, indentation and columns. */
static inline void printbuf_reset_keep_tabstops(struct printbuf *out)
{
	out->pos	= 0;
	out->line	= 0;
	out->field	= 0;
	out->cur_tabstop = 0;
	out->line_begun = false;
	out->allocation_failure = false;
	if (out->buf && out->size)
		out->buf[0] = '\0';
}

static inline void printbuf_reset(struct printbuf *out)
{
	printbuf_reset_keep_tabstops(out);
	out->indent	 = 0;
	out->nr_tabstops = 0;
}

/* The text as a string; "" when nothing was printed. */
static inline const char *printbuf_str(const struct printbuf *out)
{
	return out->buf && out->pos ? out->buf : "";
}

int printbuf_make_room(struct printbuf *out, size_t extra);

/* --- plain text: '\n', '\t' (next column), '\r' (right-justify) are obeyed --- */

__printf(2, 3) void prt_printf(struct printbuf *out, const char *fmt, ...);
__printf(2, 0) void prt_vprintf(struct printbuf *out, const char *fmt, va_list args);
void prt_str(struct printbuf *out, const char *str);
void prt_char(struct printbuf *out, char c);

/* --- bytes as they are --- */

void prt_bytes(struct printbuf *out, const void *b, size_t n);
void prt_bytes_escaped(struct printbuf *out, const void *b, size_t n);
void prt_hex_byte(struct printbuf *out, u8 byte);
void prt_hex_bytes(struct printbuf *out, const void *b, size_t n);

/* --- lines and columns --- */

void prt_newline(struct printbuf *out);
void prt_tab(struct printbuf *out);
void prt_tab_rjust(struct printbuf *out);
void printbuf_tabstop_push(struct printbuf *out, unsigned int width);
void printbuf_tabstop_pop(struct printbuf *out);
void printbuf_tabstops_reset(struct printbuf *out);
void printbuf_indent_add(struct printbuf *out, unsigned int spaces);
void printbuf_indent_sub(struct printbuf *out, unsigned int spaces);

/* Indent by two while the scope lasts. */
DEFINE_CLASS(printbuf_indent, struct printbuf *, printbuf_indent_sub(_T, 2),
	     ({ printbuf_indent_add(out, 2); out; }), struct printbuf *out)

/* --- numbers and names --- */

void prt_u64(struct printbuf *out, u64 v);
void prt_human_readable_u64(struct printbuf *out, u64 v);
void prt_human_readable_s64(struct printbuf *out, s64 v);
void prt_units_u64(struct printbuf *out, u64 v);
void prt_units_s64(struct printbuf *out, s64 v);
void prt_string_option(struct printbuf *out, const char * const list[], size_t selected);
void prt_bitflags(struct printbuf *out, const char * const list[], u64 flags);
void prt_bitflags_vector(struct printbuf *out, const char * const list[],
			 const unsigned long *v, unsigned int nr);
void prt_bits64(struct printbuf *out, u64 v, unsigned int nr);
void prt_uuid(struct printbuf *out, const u8 uuid[16]);
void prt_datetime(struct printbuf *out, s64 seconds);

#endif /* _BCACHEFS_UTIL_PRINTBUF_H */
