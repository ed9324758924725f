// SPDX-License-Identifier: GPL-2.0
/*
 * Text: strings the C library lacks, strict numbers, hexadecimal, formatting.
 *
 * Nothing here keeps state; every function may be called from anywhere.
 */
#include <stdio.h>
#include <strings.h>

#include "internal.h"

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/hex.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

/**
 * vscnprintf - vsnprintf() that returns what is really in the buffer
 * @buf:	destination
 * @size:	its size
 * @fmt:	format
 * @args:	arguments
 *
 * Return: characters written, without the terminator.
 */
int vscnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(buf, size, fmt, args);

	if (n < 0 || !size)
		return 0;
	return (size_t) n < size ? n : (int) (size - 1);
}

/**
 * scnprintf - snprintf() that returns what is really in the buffer
 * @buf:	destination
 * @size:	its size
 * @fmt:	format
 */
int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vscnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

/**
 * kvasprintf - format into memory of the right size
 * @gfp:	allocation flags
 * @fmt:	format
 * @args:	arguments
 *
 * Return: text for kfree(), or NULL.
 */
char *kvasprintf(gfp_t gfp, const char *fmt, va_list args)
{
	va_list again;
	char *text;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return NULL;
	text = kmalloc((size_t) n + 1, gfp);
	if (text)
		vsnprintf(text, (size_t) n + 1, fmt, args);
	return text;
}

/**
 * kasprintf - format into memory of the right size
 * @gfp:	allocation flags
 * @fmt:	format
 *
 * Return: text for kfree(), or NULL.
 */
char *kasprintf(gfp_t gfp, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = kvasprintf(gfp, fmt, args);
	va_end(args);
	return text;
}

/**
 * shim_strscpy - copy a string that may not fit (strscpy)
 * @dst:	destination, terminated in any case unless @size is 0
 * @src:	source
 * @size:	size of @dst
 *
 * Return: length copied, or -E2BIG if @src was cut.
 */
ssize_t shim_strscpy(char *dst, const char *src, size_t size)
{
	size_t len;

	if (!size)
		return -E2BIG;
	len = strnlen(src, size);
	if (len < size) {
		memcpy(dst, src, len + 1);
		return len;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return -E2BIG;
}

/**
 * shim_strscpy_pad - strscpy() that zeroes the rest of the destination
 * @dst:	destination
 * @src:	source
 * @size:	size of @dst
 *
 * Return: length copied, or -E2BIG if @src was cut.
 */
ssize_t shim_strscpy_pad(char *dst, const char *src, size_t size)
{
	ssize_t len = shim_strscpy(dst, src, size);

	if (len >= 0)
		memset(dst + len, 0, size - len);
	return len;
}

/**
 * memchr_inv - find the first byte that differs
 * @p:		memory
 * @c:		the byte expected everywhere
 * @n:		how many bytes
 *
 * Return: address of the first other byte, or NULL.
 */
void *memchr_inv(const void *p, int c, size_t n)
{
	const unsigned char *s = p;
	u64 word, want = 0x0101010101010101ULL * (unsigned char) c;

	for (; n >= sizeof(word); s += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		if (word != want)
			break;
	}
	for (; n; s++, n--)
		if (*s != (unsigned char) c)
			return (void *) s;
	return NULL;
}

/**
 * memscan - find a byte
 * @p:		memory
 * @c:		byte wanted
 * @n:		how many bytes
 *
 * Return: its address, or the end of the memory.
 */
void *memscan(void *p, int c, size_t n)
{
	void *at = memchr(p, c, n);

	return at ? at : (char *) p + n;
}

/**
 * memzero_explicit - clear memory that held a secret
 * @s:		memory
 * @n:		bytes
 */
void memzero_explicit(void *s, size_t n)
{
	explicit_bzero(s, n);
}

/**
 * skip_spaces - step over leading white space
 * @s:		text
 */
char *skip_spaces(const char *s)
{
	while (isspace(*s))
		s++;
	return (char *) s;
}

/**
 * strim - cut white space at both ends, in place
 * @s:		text
 *
 * Return: its first character that is not white space.
 */
char *strim(char *s)
{
	size_t n = strlen(s);

	while (n && isspace(s[n - 1]))
		n--;
	s[n] = '\0';
	return skip_spaces(s);
}

/**
 * strnchr - find a character within limited text
 * @s:		text
 * @n:		at most so many characters of it
 * @c:		wanted; not the terminator
 */
char *strnchr(const char *s, size_t n, int c)
{
	for (; n-- && *s; s++)
		if (*s == (char) c)
			return (char *) s;
	return NULL;
}

/**
 * strnstr - find text within limited text
 * @s:		where to look
 * @what:	wanted
 * @n:		at most so many characters of @s
 */
char *strnstr(const char *s, const char *what, size_t n)
{
	return memmem(s, strnlen(s, n), what, strlen(what));
}

/**
 * strreplace - exchange one character for another, in place
 * @s:		text
 * @from:	replaced
 * @to:		by this
 *
 * Return: @s.
 */
char *strreplace(char *s, char from, char to)
{
	char *p;

	for (p = s; *p; p++)
		if (*p == from)
			*p = to;
	return s;
}

/**
 * match_string - index of a string in a list
 * @array:	strings, ended by NULL if @n is too large
 * @n:		their number, or (size_t) -1
 * @string:	wanted
 *
 * Return: index or -EINVAL.
 */
int match_string(const char * const *array, size_t n, const char *string)
{
	size_t i;

	for (i = 0; i < n && array[i]; i++)
		if (!strcmp(array[i], string))
			return i;
	return -EINVAL;
}

/**
 * kbasename - last component of a path
 * @path:	path
 */
const char *kbasename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/**
 * str_has_prefix - does text start so?
 * @s:		text
 * @prefix:	start wanted
 *
 * Return: length of @prefix, or 0.
 */
size_t str_has_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) ? 0 : n;
}

/**
 * kmemdup - copy memory
 * @src:	memory
 * @len:	bytes
 * @gfp:	allocation flags
 *
 * Return: copy for kfree(), or NULL.
 */
void *kmemdup(const void *src, size_t len, gfp_t gfp)
{
	void *p = kmalloc(len, gfp);

	if (p && len)
		memcpy(p, src, len);
	return p;
}

/**
 * kvmemdup - copy memory that may be large
 * @src:	memory
 * @len:	bytes
 * @gfp:	allocation flags
 *
 * Return: copy for kvfree(), or NULL.
 */
void *kvmemdup(const void *src, size_t len, gfp_t gfp)
{
	void *p = kvmalloc(len, gfp);

	if (p && len)
		memcpy(p, src, len);
	return p;
}

/**
 * kmemdup_nul - copy characters and terminate them
 * @s:		characters
 * @len:	how many
 * @gfp:	allocation flags
 *
 * Return: string for kfree(), or NULL.
 */
char *kmemdup_nul(const char *s, size_t len, gfp_t gfp)
{
	char *p;

	if (!s)
		return NULL;
	p = kmalloc(len + 1, gfp);
	if (p) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return p;
}

/**
 * kstrdup - copy a string
 * @s:		string
 * @gfp:	allocation flags
 */
char *kstrdup(const char *s, gfp_t gfp)
{
	return s ? kmemdup_nul(s, strlen(s), gfp) : NULL;
}

/**
 * kstrndup - copy at most so much of a string
 * @s:		string
 * @max:	characters
 * @gfp:	allocation flags
 */
char *kstrndup(const char *s, size_t max, gfp_t gfp)
{
	return s ? kmemdup_nul(s, strnlen(s, max), gfp) : NULL;
}

/**
 * kfree_const - free what may be a constant; here it never is
 * @x:		memory
 */
void kfree_const(const void *x)
{
	kfree(x);
}

const char hex_asc[] = "0123456789abcdef";

/**
 * hex_to_bin - value of a hexadecimal digit
 * @ch:		digit
 *
 * Return: 0..15, or -1.
 */
int hex_to_bin(unsigned char ch)
{
	if (isdigit(ch))
		return ch - '0';
	ch = tolower(ch);
	return shim_in_(ch, 'a', 'f') ? ch - 'a' + 10 : -1;
}

/**
 * hex2bin - hexadecimal text to bytes
 * @dst:	bytes
 * @src:	two digits for each
 * @count:	how many bytes
 *
 * Return: 0 or -EINVAL.
 */
int hex2bin(u8 *dst, const char *src, size_t count)
{
	for (; count; count--, src += 2) {
		int hi = hex_to_bin(src[0]);
		int lo = hi < 0 ? -1 : hex_to_bin(src[1]);

		if (lo < 0)
			return -EINVAL;
		*dst++ = hi << 4 | lo;
	}
	return 0;
}

/**
 * bin2hex - bytes to hexadecimal text, not terminated
 * @dst:	text
 * @src:	bytes
 * @count:	how many
 *
 * Return: end of the text.
 */
char *bin2hex(char *dst, const void *src, size_t count)
{
	const u8 *s = src;

	for (; count; count--, s++) {
		*dst++ = hex_asc_hi(*s);
		*dst++ = hex_asc_lo(*s);
	}
	return dst;
}

/* Digits up to the end or one newline. */
static int parse_digits(const char *s, unsigned int base, unsigned long long *res)
{
	unsigned long long v = 0;
	bool any = false;

	if (!base)
		base = s[0] != '0' ? 10 : tolower(s[1]) == 'x' && isxdigit(s[2]) ? 16 : 8;
	if (base == 16 && s[0] == '0' && tolower(s[1]) == 'x')
		s += 2;
	for (; *s && !(*s == '\n' && !s[1]); s++, any = true) {
		int d = hex_to_bin(*s);

		if (d < 0 || (unsigned int) d >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return -ERANGE;
	}
	if (!any)
		return -EINVAL;
	*res = v;
	return 0;
}

/**
 * kstrtoull - strict text to number: only digits, an optional plus, an optional final newline
 * @s:		text
 * @base:	number base up to 16, or 0: by the prefix
 * @res:	number, unchanged on error
 *
 * Return: 0, -EINVAL, or -ERANGE.
 */
int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	return parse_digits(*s == '+' ? s + 1 : s, base, res);
}

/**
 * kstrtoll - strict text to signed number
 * @s:		text
 * @base:	number base up to 16, or 0: by the prefix
 * @res:	number, unchanged on error
 *
 * Return: 0, -EINVAL, or -ERANGE.
 */
int kstrtoll(const char *s, unsigned int base, long long *res)
{
	unsigned long long v;
	int ret;

	if (*s != '-') {
		ret = kstrtoull(s, base, &v);
		if (!ret && v > LLONG_MAX)
			ret = -ERANGE;
		if (!ret)
			*res = v;
		return ret;
	}
	ret = parse_digits(s + 1, base, &v);
	if (!ret && v > (unsigned long long) LLONG_MAX + 1)
		ret = -ERANGE;
	if (!ret)
		*res = (long long) (0 - v);
	return ret;
}

/*
 * The narrower ones: kstrtouint() and so on. Arguments and errors as above, -ERANGE also if the
 * number does not fit the type.
 */
#define KSTRTO(name, type, wide, parse) \
int name(const char *s, unsigned int base, type *res) \
{ \
	wide v; \
	int ret = parse(s, base, &v); \
\
	if (!ret && v != (wide) (type) v) \
		ret = -ERANGE; \
	if (!ret) \
		*res = v; \
	return ret; \
}

KSTRTO(kstrtouint, unsigned int, unsigned long long, kstrtoull)
KSTRTO(kstrtou16, u16, unsigned long long, kstrtoull)
KSTRTO(kstrtou8, u8, unsigned long long, kstrtoull)
KSTRTO(kstrtoul, unsigned long, unsigned long long, kstrtoull)
KSTRTO(kstrtoint, int, long long, kstrtoll)
KSTRTO(kstrtol, long, long long, kstrtoll)

/**
 * kstrtobool - text to a truth value: y, t, 1, on; n, f, 0, off (only the start counts)
 * @s:		text
 * @res:	value
 *
 * Return: 0 or -EINVAL.
 */
int kstrtobool(const char *s, bool *res)
{
	char a = s ? tolower(s[0]) : 0;
	char b = a ? tolower(s[1]) : 0;

	if (a == 'y' || a == 't' || a == '1' || (a == 'o' && b == 'n'))
		*res = true;
	else if (a == 'n' || a == 'f' || a == '0' || (a == 'o' && b == 'f'))
		*res = false;
	else
		return -EINVAL;
	return 0;
}

/**
 * memparse - number with a binary unit (K, M, G, T, P, E)
 * @ptr:	text
 * @retptr:	where the number ends, or NULL
 */
unsigned long long memparse(const char *ptr, char **retptr)
{
	static const char units[] = "kmgtpe";
	char *end;
	unsigned long long v = strtoull(ptr, &end, 0);
	const char *u = *end ? strchr(units, tolower(*end)) : NULL;

	if (u) {
		v <<= 10 * (u - units + 1);
		end++;
	}
	if (retptr)
		*retptr = end;
	return v;
}

/**
 * string_get_size - a size for people, with three significant digits
 * @size:	number of blocks
 * @blk_size:	bytes per block
 * @units:	powers of ten or two, with or without a space
 * @buf:	text
 * @len:	its size
 *
 * Return: length of the whole text.
 */
int string_get_size(u64 size, u64 blk_size, enum string_size_units units, char *buf, int len)
{
	static const char prefixes[] = " kMGTPEZY";
	bool two = (units & STRING_UNITS_MASK) == STRING_UNITS_2;
	unsigned int div = two ? 1024 : 1000, i = 0, rem = 0, digits;
	unsigned __int128 v = (unsigned __int128) size * blk_size;
	char frac[8] = "";

	while (v >= div && i < sizeof(prefixes) - 2) {
		rem = v % div;
		v /= div;
		i++;
	}
	if (i && v < 100) {
		digits = v < 10 ? 100 : 10;
		rem = rem * digits / div;
		snprintf(frac, sizeof(frac), v < 10 ? ".%02u" : ".%u", rem);
	}
	return snprintf(buf, len, "%u%s%s%.*s%s%s", (unsigned int) v, frac,
			units & STRING_UNITS_NO_SPACE ? "" : " ", i ? 1 : 0,
			two && prefixes[i] == 'k' ? "K" : prefixes + i, i && two ? "i" : "",
			(int) (units & STRING_UNITS_NO_BYTES) ? "" : "B");
}

/**
 * int_sqrt - integer square root, rounded down
 * @x:		number
 */
unsigned long int_sqrt(unsigned long x)
{
	unsigned long lo = 0, hi = 1UL << 32;

	while (hi - lo > 1) {
		unsigned long mid = lo + (hi - lo) / 2;

		if (mid <= x / mid)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}
