// SPDX-License-Identifier: GPL-2.0
/*
 * Printing into growing buffers (printbuf.h says what callers rely on).
 *
 * Everything that adds text ends in append(), which is the only place that
 * grows the buffer, so the invariants hold there: pos < size whenever there is
 * a buffer, buf[pos] is NUL, and size never exceeds PRINTBUF_MAX. Indentation
 * is put in when the first byte of a line arrives, so empty lines stay empty.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "errcode.h"
#include "util/printbuf.h"

/**
 * printbuf_exit - free the buffer
 * @out:	printbuf; may be used again afterwards, as if new
 */
void printbuf_exit(struct printbuf *out)
{
	if (!out->fixed) {
		kvfree(out->buf);
		out->buf	= NULL;
		out->size	= 0;
	}
	out->pos = 0;
}

/**
 * printbuf_make_room - make sure that @extra more bytes fit
 * @out:	printbuf
 * @extra:	bytes, without the terminating NUL
 *
 * Return: 0, or an error after which part of the text is dropped.
 */
int printbuf_make_room(struct printbuf *out, size_t extra)
{
	size_t want = (size_t) out->pos + extra + 1;

	if (extra < PRINTBUF_MAX && want <= out->size)
		return 0;

	if (out->fixed || extra >= PRINTBUF_MAX || want > PRINTBUF_MAX) {
		out->allocation_failure = true;
		return -BCH_ERR_ENOSPC_printbuf;
	}

	size_t new_size = clamp_t(size_t, out->size * 2UL, 128, PRINTBUF_MAX);
	char *n;

	while (new_size < want)
		new_size *= 2;

	n = kvmalloc(new_size, GFP_KERNEL);
	if (!n) {
		out->allocation_failure = true;
		return -BCH_ERR_ENOMEM_printbuf;
	}

	if (out->buf)
		memcpy(n, out->buf, out->pos);
	n[out->pos] = '\0';
	kvfree(out->buf);
	out->buf	= n;
	out->size	= new_size;
	return 0;
}

/* Add @n bytes, or as many of them as fit. @b NULL adds spaces. */
static void append(struct printbuf *out, const char *b, size_t n)
{
	if (printbuf_make_room(out, n)) {
		size_t room = out->size > out->pos ? out->size - out->pos - 1 : 0;

		n = min(n, room);
	}
	if (!n)
		return;

	if (b)
		memcpy(out->buf + out->pos, b, n);
	else
		memset(out->buf + out->pos, ' ', n);
	out->pos += n;
	out->buf[out->pos] = '\0';
}

/* Add text without control characters to the current line. */
static void append_to_line(struct printbuf *out, const char *b, size_t n)
{
	if (!n)
		return;

	if (!out->line_begun) {
		out->line_begun = true;
		append(out, NULL, out->indent);
		out->field = out->pos;
	}
	append(out, b, n);
}

/**
 * prt_newline - end the line
 * @out:	printbuf
 */
void prt_newline(struct printbuf *out)
{
	append(out, "\n", 1);
	out->line		= out->pos;
	out->field		= out->pos;
	out->cur_tabstop	= 0;
	out->line_begun		= false;
}

/* Column of the next tab stop, or 0 if there is none left. */
static unsigned int next_tabstop(const struct printbuf *out)
{
	return out->cur_tabstop < out->nr_tabstops
		? out->tabstops[out->cur_tabstop]
		: 0;
}

/**
 * prt_tab - go to the next column, at least one space away
 * @out:	printbuf
 *
 * Without a column left this prints a tab character.
 */
void prt_tab(struct printbuf *out)
{
	unsigned int stop = next_tabstop(out);
	unsigned int at = out->pos - out->line;

	if (!stop) {
		append_to_line(out, "\t", 1);
		return;
	}

	if (!out->line_begun)
		at += out->indent;
	append_to_line(out, NULL, at < stop ? stop - at : 1);
	out->field = out->pos;
	out->cur_tabstop++;
}

/**
 * prt_tab_rjust - end the column, its text flush with the right edge
 * @out:	printbuf
 *
 * The text since the last column is moved right up to the next tab stop.
 */
void prt_tab_rjust(struct printbuf *out)
{
	unsigned int stop = next_tabstop(out);
	unsigned int at = out->pos - out->line;

	if (stop > at) {
		unsigned int shift = stop - at;
		unsigned int field = out->field;
		u32 end = out->pos;

		append(out, NULL, shift);
		if (out->pos == end + shift) {
			memmove(out->buf + field + shift, out->buf + field, end - field);
			memset(out->buf + field, ' ', shift);
		}
		out->line_begun = true;
	}
	out->field = out->pos;
	if (stop)
		out->cur_tabstop++;
}

/* First control character of [@b, @end), or @end. */
static const char *find_control(const char *b, const char *end)
{
	while (b < end && (*b > '\r' || (*b != '\n' && *b != '\t' && *b != '\r')))
		b++;
	return b;
}

/* Add text, obeying control characters. */
static void append_text(struct printbuf *out, const char *b, size_t n)
{
	const char *end = b + n;

	while (b < end) {
		const char *p = find_control(b, end);

		append_to_line(out, b, p - b);
		if (p == end)
			break;

		if (*p == '\n')
			prt_newline(out);
		else if (*p == '\t')
			prt_tab(out);
		else
			prt_tab_rjust(out);
		b = p + 1;
	}
}

/*
 * Most text has no control character but a newline at its end, if any: it can be
 * printed where it belongs. Return: false: it is something else, nothing was added.
 */
static bool print_in_place(struct printbuf *out, const char *fmt, va_list args)
{
	const u32 indent = out->line_begun ? 0 : out->indent;
	const size_t start = (size_t) out->pos + indent;
	const char *control, *end;
	size_t room;
	int len;

	if (start + 32 > out->size)
		return false;
	room	= out->size - start;
	len	= vsnprintf(out->buf + start, room, fmt, args);
	end	= out->buf + start + len;
	if (len <= 0 || (size_t) len >= room)
		goto other;
	control = find_control(out->buf + start, end);
	if (control != end && (control + 1 != end || *control != '\n' || len == 1))
		goto other;

	memset(out->buf + out->pos, ' ', indent);
	if (!out->line_begun)
		out->field = start;
	out->line_begun	= true;
	out->pos	= control - out->buf;
	if (control != end)
		prt_newline(out);
	return true;
other:
	out->buf[out->pos] = '\0';
	return false;
}

/**
 * prt_vprintf - prt_printf() with a va_list
 * @out:	printbuf
 * @fmt:	format; only what kernel and C library both understand
 * @args:	arguments
 */
void prt_vprintf(struct printbuf *out, const char *fmt, va_list args)
{
	char small[256], *text = small;
	va_list again;
	bool done;
	int len;

	va_copy(again, args);
	done = print_in_place(out, fmt, again);
	va_end(again);
	if (done)
		return;

	va_copy(again, args);
	len = vsnprintf(small, sizeof(small), fmt, args);

	if (len >= (int) sizeof(small)) {
		text = len < (int) PRINTBUF_MAX ? kvmalloc(len + 1, GFP_KERNEL) : NULL;
		if (text) {
			vsnprintf(text, len + 1, fmt, again);
		} else {
			out->allocation_failure = true;
			text = small;
			len = sizeof(small) - 1;
		}
	}
	va_end(again);

	if (len > 0)
		append_text(out, text, len);
	if (text != small)
		kvfree(text);
}

/**
 * prt_printf - print formatted text
 * @out:	printbuf
 * @fmt:	format; newlines, tabs and carriage returns in the result end lines
 *		and columns
 */
void prt_printf(struct printbuf *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	prt_vprintf(out, fmt, args);
	va_end(args);
}

/**
 * prt_str - print a string
 * @out:	printbuf
 * @str:	text; control characters are obeyed as in prt_printf()
 */
void prt_str(struct printbuf *out, const char *str)
{
	append_text(out, str, strlen(str));
}

/**
 * prt_char - print one character, control characters obeyed
 * @out:	printbuf
 * @c:		character
 */
void prt_char(struct printbuf *out, char c)
{
	append_text(out, &c, 1);
}

/**
 * prt_bytes - print bytes as they are
 * @out:	printbuf
 * @b:		bytes; control characters have no effect on lines and columns
 * @n:		how many
 */
void prt_bytes(struct printbuf *out, const void *b, size_t n)
{
	append_to_line(out, b, n);
}

/**
 * prt_bytes_escaped - print bytes so that they cannot be mistaken for layout
 * @out:	printbuf
 * @b:		bytes of unknown origin
 * @n:		how many
 *
 * Control characters and backslashes become \xNN; everything else, UTF-8
 * included, is kept.
 */
void prt_bytes_escaped(struct printbuf *out, const void *b, size_t n)
{
	const u8 *p = b;

	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\') {
			append_to_line(out, "\\x", 2);
			prt_hex_byte(out, p[i]);
		} else {
			append_to_line(out, (const char *) p + i, 1);
		}
	}
}

/**
 * prt_hex_byte - print two hexadecimal digits
 * @out:	printbuf
 * @byte:	value
 */
void prt_hex_byte(struct printbuf *out, u8 byte)
{
	static const char digits[] = "0123456789abcdef";
	char d[2] = { digits[byte >> 4], digits[byte & 15] };

	append_to_line(out, d, 2);
}

/**
 * prt_hex_bytes - print bytes as hexadecimal digits without separators
 * @out:	printbuf
 * @b:		bytes
 * @n:		how many
 */
void prt_hex_bytes(struct printbuf *out, const void *b, size_t n)
{
	const u8 *p = b;

	for (size_t i = 0; i < n; i++)
		prt_hex_byte(out, p[i]);
}

/**
 * printbuf_tabstop_push - add a column
 * @out:	printbuf
 * @width:	characters from the previous tab stop, or from the line's start
 */
void printbuf_tabstop_push(struct printbuf *out, unsigned int width)
{
	unsigned int prev = out->nr_tabstops ? out->tabstops[out->nr_tabstops - 1] : 0;

	if (out->nr_tabstops < PRINTBUF_TABSTOPS_MAX)
		out->tabstops[out->nr_tabstops++] = prev + width;
}

/**
 * printbuf_tabstop_pop - remove the last column
 * @out:	printbuf
 */
void printbuf_tabstop_pop(struct printbuf *out)
{
	if (out->nr_tabstops)
		out->nr_tabstops--;
}

/**
 * printbuf_tabstops_reset - remove all columns
 * @out:	printbuf
 */
void printbuf_tabstops_reset(struct printbuf *out)
{
	out->nr_tabstops = 0;
	out->cur_tabstop = 0;
}

/**
 * printbuf_indent_add - indent lines that begin from now on
 * @out:	printbuf
 * @spaces:	more spaces; the sum is limited to 255
 */
void printbuf_indent_add(struct printbuf *out, unsigned int spaces)
{
	out->indent = min(out->indent + spaces, 255U);
}

/**
 * printbuf_indent_sub - undo printbuf_indent_add()
 * @out:	printbuf
 * @spaces:	fewer spaces
 */
void printbuf_indent_sub(struct printbuf *out, unsigned int spaces)
{
	out->indent -= min_t(unsigned int, out->indent, spaces);
}

/**
 * prt_u64 - print a decimal number
 * @out:	printbuf
 * @v:		value
 *
 * What prt_printf() does with %llu, several times as fast: for text of which there
 * is much.
 */
void prt_u64(struct printbuf *out, u64 v)
{
	char digits[20], *p = digits + sizeof(digits);

	do {
		u32 digit;

		v = div_u64_rem(v, 10, &digit);
		*--p = '0' + digit;
	} while (v);
	append_to_line(out, p, digits + sizeof(digits) - p);
}

/**
 * prt_human_readable_u64 - print a number in powers of 1024 with a unit letter
 * @out:	printbuf
 * @v:		value; below 1024 it is printed plainly
 *
 * Three significant digits, cut off, not rounded (spec 11 §5.1): 512, 4.00k,
 * 256k, 10.0G.
 */
void prt_human_readable_u64(struct printbuf *out, u64 v)
{
	static const char units[] = "kMGTPE";
	unsigned int shift = 0, frac, digits;
	u64 whole = v;

	if (v < 1024) {
		prt_u64(out, v);
		return;
	}

	while (whole >= 1024) {
		whole >>= 10;
		shift += 10;
	}

	digits = whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
	/* The ten bits below the unit decide three decimals as well as all would. */
	frac = (unsigned int) ((v >> (shift - 10)) & 1023) * 1000 / 1024;

	prt_u64(out, whole);
	if (digits == 1)
		prt_printf(out, ".%u", frac / 100);
	else if (digits == 2)
		prt_printf(out, ".%02u", frac / 10);
	prt_char(out, units[shift / 10 - 1]);
}

/**
 * prt_human_readable_s64 - prt_human_readable_u64() with a sign
 * @out:	printbuf
 * @v:		value
 */
void prt_human_readable_s64(struct printbuf *out, s64 v)
{
	if (v < 0)
		prt_char(out, '-');
	prt_human_readable_u64(out, v < 0 ? -(u64) v : (u64) v);
}

/**
 * prt_units_u64 - print a number, human readable if the printbuf asks for it
 * @out:	printbuf, see human_readable_units
 * @v:		value, usually bytes
 */
void prt_units_u64(struct printbuf *out, u64 v)
{
	if (out->human_readable_units)
		prt_human_readable_u64(out, v);
	else
		prt_u64(out, v);
}

/**
 * prt_units_s64 - prt_units_u64() with a sign
 * @out:	printbuf
 * @v:		value
 */
void prt_units_s64(struct printbuf *out, s64 v)
{
	if (v < 0)
		prt_char(out, '-');
	prt_units_u64(out, v < 0 ? -(u64) v : (u64) v);
}

/**
 * prt_string_option - print all choices, the chosen one in brackets
 * @out:	printbuf
 * @list:	names, ended by NULL
 * @selected:	index; out of range selects nothing
 */
void prt_string_option(struct printbuf *out, const char * const list[], size_t selected)
{
	for (size_t i = 0; list[i]; i++) {
		if (i)
			prt_char(out, ' ');
		prt_printf(out, i == selected ? "[%s]" : "%s", list[i]);
	}
}

/**
 * prt_bitflags - print the names of the bits that are set, comma separated
 * @out:	printbuf
 * @list:	names by bit, ended by NULL
 * @flags:	bits; those without a name are printed as bitN
 */
void prt_bitflags(struct printbuf *out, const char * const list[], u64 flags)
{
	unsigned int nr = 0;
	bool first = true;

	while (list[nr])
		nr++;

	for (unsigned int i = 0; i < 64; i++) {
		if (!(flags >> i & 1))
			continue;
		if (!first)
			prt_char(out, ',');
		first = false;
		if (i < nr)
			prt_str(out, list[i]);
		else
			prt_printf(out, "bit%u", i);
	}
}

/**
 * prt_bitflags_vector - prt_bitflags() for a bitmap of any length
 * @out:	printbuf
 * @list:	names by bit, ended by NULL
 * @v:		bitmap
 * @nr:		its length in bits; bits without a name are printed as bitN
 */
void prt_bitflags_vector(struct printbuf *out, const char * const list[],
			 const unsigned long *v, unsigned int nr)
{
	unsigned int named = 0;
	bool first = true;

	while (list[named])
		named++;

	for (unsigned int i = 0; i < nr; i++) {
		if (!test_bit(i, v))
			continue;
		if (!first)
			prt_char(out, ',');
		first = false;
		if (i < named)
			prt_str(out, list[i]);
		else
			prt_printf(out, "bit%u", i);
	}
}

/**
 * prt_bits64 - print binary digits, most significant first
 * @out:	printbuf
 * @v:		value
 * @nr:		digits, at most 64
 */
void prt_bits64(struct printbuf *out, u64 v, unsigned int nr)
{
	while (nr--)
		append_to_line(out, v >> nr & 1 ? "1" : "0", 1);
}

/**
 * prt_uuid - print a UUID in its lower case text form
 * @out:	printbuf
 * @uuid:	sixteen bytes in text order
 */
void prt_uuid(struct printbuf *out, const u8 uuid[16])
{
	for (unsigned int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			append_to_line(out, "-", 1);
		prt_hex_byte(out, uuid[i]);
	}
}

/* A calendar day of the proleptic Gregorian calendar. */
struct civil_date {
	int			year;
	unsigned int		month;		/* 0..11 */
	unsigned int		day;		/* 1..31 */
};

/* The date @days after 1970-01-01. */
static struct civil_date days_to_date(int days)
{
	static const unsigned short before[12] = {
		0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337,
	};
	/* Count from 0000-03-01 on: leap days then end the year. */
	const int cycle_days = 146097;			/* 400 years */
	int rel = days + 719468;
	int cycle = (rel < 0 ? rel - cycle_days + 1 : rel) / cycle_days;
	int d = rel - cycle * cycle_days;
	int y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	int yday = d - (365 * y + y / 4 - y / 100);
	unsigned int m = 11;

	while (before[m] > yday)
		m--;

	return (struct civil_date) {
		.year	= cycle * 400 + y + (m >= 10),
		.month	= (m + 2) % 12,
		.day	= yday - before[m] + 1,
	};
}

/**
 * prt_datetime - print a time like "Sun Nov 22 16:24:32 2026"
 * @out:	printbuf; its utc_offset says which time zone, none is UTC
 * @seconds:	since 1970
 *
 * Times too far away for a year to make sense are printed as numbers.
 */
void prt_datetime(struct printbuf *out, s64 seconds)
{
	static const char weekdays[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
	};
	const s64 limit = 1LL << 40;	/* the year 36000 or so */
	struct civil_date date;
	int days, second;

	if (seconds > limit || seconds < -limit) {
		prt_printf(out, "%lld", seconds);
		return;
	}

	if (out->utc_offset)
		seconds += out->utc_offset(seconds);

	days = div_s64_rem(seconds, 86400, &second);
	if (second < 0) {
		second += 86400;
		days--;
	}
	date = days_to_date(days);

	prt_printf(out, "%s %s %2u %02d:%02d:%02d %d",
		   weekdays[(days % 7 + 7) % 7], months[date.month], date.day,
		   second / 3600, second / 60 % 60, second % 60, date.year);
}
