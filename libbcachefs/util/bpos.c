// SPDX-License-Identifier: GPL-2.0
/*
 * Text form of positions (spec 20 §2), and the way back.
 */
#include <linux/ctype.h>
#include <linux/limits.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "errcode.h"
#include "util/bpos.h"
#include "util/printbuf.h"

static void component_to_text(struct printbuf *out, u64 v, u64 max, const char *max_name)
{
	if (v == max)
		prt_str(out, max_name);
	else
		prt_u64(out, v);
}

/**
 * bch2_bpos_to_text - print a position
 * @out:	text
 * @pos:	position
 */
void bch2_bpos_to_text(struct printbuf *out, struct bpos pos)
{
	if (bpos_eq(pos, POS_MIN)) {
		prt_str(out, "POS_MIN");
	} else if (bpos_eq(pos, POS_MAX)) {
		prt_str(out, "POS_MAX");
	} else if (bpos_eq(pos, SPOS_MAX)) {
		prt_str(out, "SPOS_MAX");
	} else {
		component_to_text(out, pos.inode, U64_MAX, "U64_MAX");
		prt_char(out, ':');
		component_to_text(out, pos.offset, U64_MAX, "U64_MAX");
		prt_char(out, ':');
		component_to_text(out, pos.snapshot, U32_MAX, "U32_MAX");
	}
}

/* One component, up to a colon or the end. Moves *@str behind it. */
static int parse_component(const char **str, u64 max, const char *max_name, u64 *v)
{
	const char *s = *str;
	size_t name_len = strlen(max_name);

	if (!strncmp(s, max_name, name_len)) {
		*v = max;
		s += name_len;
	} else {
		if (!isdigit(*s))
			return -BCH_ERR_EINVAL_bpos;

		for (*v = 0; isdigit(*s); s++)
			if (check_mul_overflow(*v, 10ULL, v) ||
			    check_add_overflow(*v, (u64) (*s - '0'), v))
				return -BCH_ERR_EINVAL_bpos;
		if (*v > max)
			return -BCH_ERR_EINVAL_bpos;
	}

	*str = s;
	return 0;
}

/**
 * bch2_parse_bpos - read a position from its text form
 * @str:	inode:offset[:snapshot], components in decimal or U64_MAX, U32_MAX;
 *		or POS_MIN, POS_MAX, SPOS_MAX. Without snapshot it is 0
 * @pos:	result
 *
 * Return: 0 or -BCH_ERR_EINVAL_bpos.
 */
int bch2_parse_bpos(const char *str, struct bpos *pos)
{
	u64 inode, offset, snapshot = 0;
	int ret;

	if (!strcmp(str, "POS_MIN")) {
		*pos = POS_MIN;
		return 0;
	}
	if (!strcmp(str, "POS_MAX")) {
		*pos = POS_MAX;
		return 0;
	}
	if (!strcmp(str, "SPOS_MAX")) {
		*pos = SPOS_MAX;
		return 0;
	}

	ret = parse_component(&str, U64_MAX, "U64_MAX", &inode);
	if (ret || *str++ != ':')
		return -BCH_ERR_EINVAL_bpos;

	ret = parse_component(&str, U64_MAX, "U64_MAX", &offset);
	if (ret)
		return ret;

	if (*str == ':') {
		str++;
		ret = parse_component(&str, U32_MAX, "U32_MAX", &snapshot);
		if (ret)
			return ret;
	}
	if (*str)
		return -BCH_ERR_EINVAL_bpos;

	*pos = SPOS(inode, offset, snapshot);
	return 0;
}
