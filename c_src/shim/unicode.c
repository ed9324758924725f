// SPDX-License-Identifier: GPL-2.0
/*
 * Names under Unicode 12.1: normalization (NFDI) and case folding (NFDICF), over libutf8proc.
 *
 * The library knows a newer Unicode. What was assigned after 12.1 and would be changed by it is
 * listed here and left alone, as an unassigned code point: unchanged, a starter. Code points that
 * are ignorable by default vanish. Pure functions.
 */
#include <utf8proc.h>

#include "internal.h"

#include <linux/err.h>
#include <linux/slab.h>
#include <linux/unicode.h>

struct range {
	u32	first, last;
};

/* Assigned in 13.0, 14.0 or 15.0, and folded, decomposed or combining there. */
static const struct range newer[] = {
	{ 0x0898, 0x089f },	{ 0x08ca, 0x08d2 },	{ 0x0c3c, 0x0c3c },
	{ 0x0ece, 0x0ece },	{ 0x1715, 0x1715 },	{ 0x180f, 0x180f },
	{ 0x1abf, 0x1ace },	{ 0x1dfa, 0x1dfa },	{ 0x2c2f, 0x2c2f },
	{ 0xa7c0, 0xa7c0 },	{ 0xa7c7, 0xa7c7 },	{ 0xa7c9, 0xa7c9 },
	{ 0xa7d0, 0xa7d0 },	{ 0xa7d6, 0xa7d6 },	{ 0xa7d8, 0xa7d8 },
	{ 0xa7f5, 0xa7f5 },	{ 0xa82c, 0xa82c },	{ 0x10570, 0x1057a },
	{ 0x1057c, 0x1058a },	{ 0x1058c, 0x10592 },	{ 0x10594, 0x10595 },
	{ 0x10eab, 0x10eac },	{ 0x10efd, 0x10eff },	{ 0x10f82, 0x10f85 },
	{ 0x11070, 0x11070 },	{ 0x11938, 0x11938 },	{ 0x1193d, 0x1193e },
	{ 0x11943, 0x11943 },	{ 0x11f41, 0x11f42 },	{ 0x16ff0, 0x16ff1 },
	{ 0x1e08f, 0x1e08f },	{ 0x1e2ae, 0x1e2ae },	{ 0x1e4ec, 0x1e4ef },
};

/* Default_Ignorable_Code_Point of 12.1, assigned or not. */
static const struct range ignorable[] = {
	{ 0x00ad, 0x00ad },	{ 0x034f, 0x034f },	{ 0x061c, 0x061c },
	{ 0x115f, 0x1160 },	{ 0x17b4, 0x17b5 },	{ 0x180b, 0x180e },
	{ 0x200b, 0x200f },	{ 0x202a, 0x202e },	{ 0x2060, 0x206f },
	{ 0x3164, 0x3164 },	{ 0xfe00, 0xfe0f },	{ 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },	{ 0xfff0, 0xfff8 },	{ 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a },	{ 0xe0000, 0xe0fff },
};

static bool in_ranges(u32 cp, const struct range *r, size_t n)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (cp > r[mid].last)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && cp >= r[lo].first;
}

#define IN_RANGES(cp, r)	in_ranges(cp, r, sizeof(r) / sizeof((r)[0]))

static int combining_class(s32 cp)
{
	return IN_RANGES(cp, newer) ? 0 : utf8proc_get_property(cp)->combining_class;
}

/* Appends what one code point becomes, marks in canonical order; the new number of them all. */
static int append(s32 *text, size_t n, size_t room, s32 cp, bool fold)
{
	utf8proc_option_t opt = UTF8PROC_DECOMPOSE | (fold ? UTF8PROC_CASEFOLD : 0);
	s32 out[18];
	int boundclass = 0;
	ssize_t i, k = 1;

	if (IN_RANGES(cp, ignorable))
		return n;
	out[0] = cp;
	if (!IN_RANGES(cp, newer))
		k = utf8proc_decompose_char(cp, out, 18, opt, &boundclass);
	if (k < 0 || k > 18 || (size_t) k > room - n)
		return -EINVAL;
	for (i = 0; i < k; i++) {
		int class = combining_class(out[i]);
		size_t at = n++;

		for (; class && at && combining_class(text[at - 1]) > class; at--)
			text[at] = text[at - 1];
		text[at] = out[i];
	}
	return n;
}

/* All of a name; NULL: no memory, ERR_PTR(-EINVAL): not UTF-8. */
static s32 *transform(const struct qstr *str, bool fold, size_t *nr)
{
	/* No code point becomes more than three for each byte of its UTF-8 form. */
	size_t room = (size_t) str->len * 3 + 18, at = 0;
	s32 *text = kvmalloc_array(room, sizeof(*text), GFP_KERNEL);
	int n = 0;

	if (!text)
		return ERR_PTR(-ENOMEM);
	while (n >= 0 && at < str->len) {
		s32 cp;
		ssize_t used = utf8proc_iterate(str->name + at, str->len - at, &cp);

		at += used > 0 ? used : 0;
		n = used > 0 ? append(text, n, room, cp, fold) : -EINVAL;
	}
	if (n < 0) {
		kvfree(text);
		return ERR_PTR(n);
	}
	*nr = n;
	return text;
}

static int write_form(const struct qstr *str, unsigned char *dest, size_t dlen, bool fold)
{
	unsigned char one[4];
	size_t i, n, len = 0;
	s32 *text = transform(str, fold, &n);

	if (IS_ERR(text))
		return PTR_ERR(text);
	for (i = 0; i < n; i++) {
		size_t k = utf8proc_encode_char(text[i], one);

		if (len + k >= dlen)
			break;
		memcpy(dest + len, one, k);
		len += k;
	}
	kvfree(text);
	if (i < n || !dlen)
		return -EINVAL;
	dest[len] = '\0';
	return len;
}

static int compare_forms(const struct qstr *a, const struct qstr *b, bool fold)
{
	size_t na, nb;
	s32 *ta, *tb;
	int ret;

	ta = transform(a, fold, &na);
	if (IS_ERR(ta))
		return PTR_ERR(ta);
	tb = transform(b, fold, &nb);
	if (IS_ERR(tb)) {
		kvfree(ta);
		return PTR_ERR(tb);
	}
	ret = na != nb || memcmp(ta, tb, na * sizeof(*ta));
	kvfree(ta);
	kvfree(tb);
	return ret;
}

/**
 * utf8_load - tables of a Unicode version
 * @version:	UNICODE_AGE(12, 1, 0)
 *
 * Return: tables, or ERR_PTR(-EINVAL) for any other version.
 */
struct unicode_map *utf8_load(unsigned int version)
{
	struct unicode_map *um;

	if (version != SHIM_UTF8_VERSION)
		return ERR_PTR(-EINVAL);
	um = kzalloc(sizeof(*um), GFP_KERNEL);
	if (!um)
		return ERR_PTR(-ENOMEM);
	um->version = version;
	return um;
}

/**
 * utf8_unload - free the tables
 * @um:		tables, or NULL
 */
void utf8_unload(struct unicode_map *um)
{
	kfree(um);
}

/**
 * utf8_validate - is this UTF-8?
 * @um:		tables
 * @str:	name
 *
 * Return: 0 or -1.
 */
int utf8_validate(const struct unicode_map *um, const struct qstr *str)
{
	size_t at = 0;

	while (at < str->len) {
		s32 cp;
		ssize_t used = utf8proc_iterate(str->name + at, str->len - at, &cp);

		if (used <= 0)
			return -1;
		at += used;
	}
	return 0;
}

/**
 * utf8_strncmp - are two names the same when normalized?
 * @um:		tables
 * @s1:		name
 * @s2:		name
 *
 * Return: 0: yes, 1: no, -EINVAL: not UTF-8.
 */
int utf8_strncmp(const struct unicode_map *um, const struct qstr *s1, const struct qstr *s2)
{
	return compare_forms(s1, s2, false);
}

/**
 * utf8_strncasecmp - are two names the same when case folded?
 * @um:		tables
 * @s1:		name
 * @s2:		name
 *
 * Return: 0: yes, 1: no, -EINVAL: not UTF-8.
 */
int utf8_strncasecmp(const struct unicode_map *um, const struct qstr *s1, const struct qstr *s2)
{
	return compare_forms(s1, s2, true);
}

/**
 * utf8_normalize - the normal form of a name
 * @um:		tables
 * @str:	name
 * @dest:	result, terminated
 * @dlen:	its size
 *
 * Return: length, or -EINVAL if it is not UTF-8 or does not fit.
 */
int utf8_normalize(const struct unicode_map *um, const struct qstr *str, unsigned char *dest,
		   size_t dlen)
{
	return write_form(str, dest, dlen, false);
}

/**
 * utf8_casefold - the case folded form of a name
 * @um:		tables
 * @str:	name
 * @dest:	result, terminated
 * @dlen:	its size
 *
 * Return: length, or -EINVAL if it is not UTF-8 or does not fit.
 */
int utf8_casefold(const struct unicode_map *um, const struct qstr *str, unsigned char *dest,
		  size_t dlen)
{
	return write_form(str, dest, dlen, true);
}
