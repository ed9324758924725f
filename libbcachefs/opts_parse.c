// SPDX-License-Identifier: GPL-2.0
/*
 * Options as text: parsing, range checks, printing (spec 11 §5, §6).
 *
 * A value that comes out of here is valid for its option. Strings come from
 * users and are not trusted. Callable from every floor, no locks.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs_format.h"
#include "errcode.h"
#include "opts.h"
#include "opts_text.h"
#include "util/printbuf.h"

#define prt_err(_err, ...)							\
do {										\
	if (_err)								\
		prt_printf(_err, __VA_ARGS__);					\
} while (0)

static int choice_lookup(const char * const list[], const char *name, size_t len)
{
	for (unsigned int i = 0; list[i]; i++)
		if (strlen(list[i]) == len && !memcmp(list[i], name, len))
			return i;
	return -ENOENT;
}

/* --- sizes (spec 11 §5.1) --- */

/* Power of 1024, or of 1000 for the SI spellings, that a suffix stands for. */
static int parse_suffix(const char *s, u64 *factor)
{
	static const char letters[] = "kMGTPE";
	const char *rest;
	unsigned int power = 0;
	u64 base = 1024;

	*factor = 1;
	if (!*s || !strcmp(s, "B"))
		return 0;
	if (*s == 'Z' || *s == 'Y')
		return -ERANGE;

	for (unsigned int i = 0; letters[i]; i++)
		if (*s == letters[i] || (*s == 'K' && !i))
			power = i + 1;
	if (!power)
		return -EINVAL;

	rest = s + 1;
	if (!strcmp(rest, "B"))
		base = 1000;
	else if (*rest && strcmp(rest, "iB"))
		return -EINVAL;

	while (power--)
		*factor *= base;
	return 0;
}

/* The digits behind the point, as a part of @factor, rounded down. */
static int parse_fraction(const char **str, u64 *num, u64 *den)
{
	const char *s = *str;

	if (!isdigit(*s))
		return -EINVAL;

	*num = 0;
	*den = 1;
	for (; isdigit(*s); s++) {
		/* More digits than these cannot change the result. */
		if (*den < 1000000000ULL) {
			*num = *num * 10 + (*s - '0');
			*den *= 10;
		}
	}
	*str = s;
	return 0;
}

/* floor(factor * num / den) without overflow; num < den <= 10^9. */
static u64 scale(u64 factor, u64 num, u64 den)
{
	u64 r, q = div64_u64_rem(factor, den, &r);

	return q * num + div64_u64(r * num, den);
}

/**
 * bch2_parse_size - number with a unit
 * @str:	digits, optional fraction, optional blank, optional unit, optional
 *		newline: 512, 4k, 1.5G, 256 KiB
 * @res:	result
 *
 * One-letter units are powers of 1024, as are KiB, MiB, ...; kB, MB, ... are
 * powers of 1000 (spec 11 §5.1).
 *
 * Return: 0, -EINVAL, or -ERANGE when it does not fit.
 */
int bch2_parse_size(const char *str, u64 *res)
{
	u64 v = 0, factor, num = 0, den = 1;
	char suffix[8];
	size_t len;
	int ret;

	if (*str == '+')
		str++;
	if (!isdigit(*str))
		return -EINVAL;

	for (; isdigit(*str); str++)
		if (check_mul_overflow(v, 10ULL, &v) ||
		    check_add_overflow(v, (u64) (*str - '0'), &v))
			return -ERANGE;

	if (*str == '.') {
		str++;
		ret = parse_fraction(&str, &num, &den);
		if (ret)
			return ret;
	}
	if (*str == ' ')
		str++;

	len = strlen(str);
	if (len && str[len - 1] == '\n')
		len--;
	if (len >= sizeof(suffix))
		return -EINVAL;
	memcpy(suffix, str, len);
	suffix[len] = '\0';

	ret = parse_suffix(suffix, &factor);
	if (ret)
		return ret;

	if (check_mul_overflow(v, factor, &v) ||
	    check_add_overflow(v, scale(factor, num, den), &v))
		return -ERANGE;
	*res = v;
	return 0;
}

/* --- lists of names (spec 11 §5.2) --- */

/**
 * bch2_parse_name_list - set of bits by name
 * @str:	names separated by ',' or ';'; a leading '-' means all but these
 * @names:	names by bit, ended by NULL
 * @allowed:	bits that may be named
 * @res:	result
 *
 * Return: 0 or -EINVAL for a name that is unknown or not allowed.
 */
int bch2_parse_name_list(const char *str, const char * const names[], u64 allowed, u64 *res)
{
	u64 known = 0, v = 0;
	bool invert = false;

	for (unsigned int i = 0; names[i]; i++)
		known |= 1ULL << i;
	allowed &= known;

	str = skip_spaces(str);
	if (*str == '-') {
		invert = true;
		str++;
	}

	while (*str) {
		size_t len = strcspn(str, ",;"), used = len;
		int bit;

		while (used && isspace(str[used - 1]))
			used--;
		if (used) {
			bit = choice_lookup(names, str, used);
			if (bit < 0 || !(allowed >> bit & 1))
				return -EINVAL;
			v |= 1ULL << bit;
		}
		str += len;
		if (*str)
			str++;
	}

	*res = invert ? allowed & ~v : v;
	return 0;
}

/* --- options with functions of their own --- */

static bool compression_valid(u64 v)
{
	unsigned int type = v & 15, level = (v >> 4) & 15;

	return v < 256 && type < BCH_COMPRESSION_OPT_NR && (type || !level);
}

static int compression_parse(const struct bch_opt_ctx *ctx, const char *val, u64 *res,
			     struct printbuf *err)
{
	size_t len = strcspn(val, ":\n");
	int type = choice_lookup(bch2_compression_opts, val, len);
	u8 level = 0;

	if (type < 0) {
		prt_err(err, "invalid compression type");
		return -BCH_ERR_EINVAL_option_value;
	}
	if (val[len] == ':' && (kstrtou8(val + len + 1, 10, &level) || level > 15)) {
		prt_err(err, "invalid compression level");
		return -BCH_ERR_EINVAL_option_value;
	}
	if (!type && level) {
		prt_err(err, "no compression has no level");
		return -BCH_ERR_EINVAL_option_value;
	}

	*res = type | level << 4;
	return 0;
}

/**
 * bch2_compression_opt_to_text - print a compression option value
 * @out:	text
 * @v:		byte of algorithm and level; may come from disk unchecked
 */
void bch2_compression_opt_to_text(struct printbuf *out, u64 v)
{
	unsigned int type = v & 15, level = (v >> 4) & 15;

	if (type < BCH_COMPRESSION_OPT_NR)
		prt_str(out, bch2_compression_opts[type]);
	else
		prt_printf(out, "(unknown compression option %u)", type);
	if (level)
		prt_printf(out, ":%u", level);
}

static void compression_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx, u64 v)
{
	bch2_compression_opt_to_text(out, v);
}

const struct bch_opt_fn bch2_opt_compression = {
	.parse		= compression_parse,
	.to_text	= compression_to_text,
	.valid		= compression_valid,
};

/* Targets: what is not "none" needs devices and labels (spec 11 §5.5). */
static int target_parse(const struct bch_opt_ctx *ctx, const char *val, u64 *res,
			struct printbuf *err)
{
	if (!*val || !strcmp(val, "none")) {
		*res = BCH_TARGET_NONE;
		return 0;
	}
	if (!ctx || !ctx->target_parse)
		return -BCH_ERR_option_needs_open_fs;
	return ctx->target_parse(ctx, val, res, err);
}

static void target_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx, u64 v)
{
	if (v == BCH_TARGET_NONE)
		prt_str(out, "none");
	else if (ctx && ctx->target_to_text)
		ctx->target_to_text(out, ctx, v);
	else
		prt_u64(out, v);
}

static bool target_valid(u64 v)
{
	return v <= U16_MAX;
}

const struct bch_opt_fn bch2_opt_target = {
	.parse		= target_parse,
	.to_text	= target_to_text,
	.valid		= target_valid,
};

/* fix_errors: without a value it means yes (spec 11 §5.3). */
static int fix_errors_parse(const struct bch_opt_ctx *ctx, const char *val, u64 *res,
			    struct printbuf *err)
{
	int v = *val ? choice_lookup(bch2_fsck_fix_opts, val, strlen(val)) : FSCK_FIX_yes;

	if (v < 0) {
		prt_err(err, "invalid selection");
		return -BCH_ERR_EINVAL_option_value;
	}
	*res = v;
	return 0;
}

static void fix_errors_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx, u64 v)
{
	prt_str(out, v < FSCK_FIX_NR ? bch2_fsck_fix_opts[v] : "(invalid)");
}

static bool fix_errors_valid(u64 v)
{
	return v < FSCK_FIX_NR;
}

const struct bch_opt_fn bch2_opt_fix_errors = {
	.parse		= fix_errors_parse,
	.to_text	= fix_errors_to_text,
	.valid		= fix_errors_valid,
};

/* --- one option --- */

/**
 * bch2_opt_lookup - find an option
 * @name:	its name, or an old synonym
 *
 * Return: enum bch_opt_id, or -BCH_ERR_EINVAL_option_name.
 */
int bch2_opt_lookup(const char *name)
{
	static const struct {
		const char	*from, *to;
	} synonyms[] = {
#define x(_from, _to)	{ #_from, #_to },
		BCH_OPT_SYNONYMS(x)
#undef x
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (!strcmp(name, synonyms[i].from))
			name = synonyms[i].to;

	for (unsigned int id = 0; id < bch2_opts_nr; id++)
		if (!strcmp(name, bch2_opt_table[id].name))
			return id;

	return -BCH_ERR_EINVAL_option_name;
}

static unsigned int nr_choices(const struct bch_option *opt)
{
	unsigned int nr = 0;

	while (opt->choices[nr])
		nr++;
	return nr;
}

static int validate_uint(const struct bch_option *opt, u64 v, struct printbuf *err)
{
	if (v < opt->min) {
		prt_err(err, "%s: too small (min %llu)", opt->name, opt->min);
		return -BCH_ERR_ERANGE_option_too_small;
	}
	if (opt->max && v > opt->max) {
		prt_err(err, "%s: too big (max %llu)", opt->name, opt->max);
		return -BCH_ERR_ERANGE_option_too_big;
	}
	if ((opt->flags & OPT_SB_FIELD_SECTORS) && (v & 511)) {
		prt_err(err, "%s: not a multiple of 512", opt->name);
		return -BCH_ERR_EINVAL_option_value;
	}
	if ((opt->flags & OPT_MUST_BE_POW_2) && !is_power_of_2(v)) {
		prt_err(err, "%s: must be a power of two", opt->name);
		return -BCH_ERR_EINVAL_option_value;
	}
	return 0;
}

/**
 * bch2_opt_validate - may an option have this value?
 * @id:		option
 * @v:		value, from anywhere
 * @err:	"name: what is wrong"; may be NULL
 *
 * Return: 0, -BCH_ERR_ERANGE_option_*, or -BCH_ERR_EINVAL_option_value.
 */
int bch2_opt_validate(enum bch_opt_id id, u64 v, struct printbuf *err)
{
	const struct bch_option *opt = &bch2_opt_table[id];
	bool ok = true;

	switch (opt->kind) {
	case BCH_OPT_BOOL:
		if (v > 1) {
			prt_err(err, "%s: must be bool", opt->name);
			return -BCH_ERR_EINVAL_option_value;
		}
		return 0;
	case BCH_OPT_UINT:
		return validate_uint(opt, v, err);
	case BCH_OPT_STR:
		ok = v < nr_choices(opt);
		break;
	case BCH_OPT_BITS:
		ok = !(v & ~opt->max);
		break;
	case BCH_OPT_FN:
		ok = opt->fn->valid(v);
		break;
	}

	if (!ok) {
		prt_err(err, "%s: invalid selection", opt->name);
		return -BCH_ERR_EINVAL_option_value;
	}
	return 0;
}

static int parse_bool(const char *val, u64 *res)
{
	static const char * const words[] = { "0", "1", "false", "true", "no", "yes", NULL };
	int i = choice_lookup(words, val, strcspn(val, "\n"));

	if (i < 0)
		return i;
	*res = i & 1;
	return 0;
}

/* Words for degraded that are not among its choices. */
static const char *degraded_synonym(const char *val)
{
	if (!strcmp(val, "true") || !strcmp(val, "1"))
		return "yes";
	if (!strcmp(val, "false") || !strcmp(val, "0"))
		return "no";
	return val;
}

static int parse_uint(const struct bch_option *opt, const char *val, u64 *res,
		      struct printbuf *err)
{
	int ret;

	if (*val == '-') {
		prt_err(err, "%s: must be non-negative", opt->name);
		return -BCH_ERR_EINVAL_option_value;
	}

	ret = opt->flags & OPT_HUMAN_READABLE
		? bch2_parse_size(val, res)
		: kstrtou64(val, 10, res);
	if (ret == -ERANGE) {
		prt_err(err, "%s: too big", opt->name);
		return -BCH_ERR_ERANGE_option_too_big;
	}
	if (ret) {
		prt_err(err, "%s: must be a number", opt->name);
		return -BCH_ERR_EINVAL_option_value;
	}
	return 0;
}

static int parse_by_kind(const struct bch_opt_ctx *ctx, enum bch_opt_id id, const char *val,
			 u64 *res, struct printbuf *err)
{
	const struct bch_option *opt = &bch2_opt_table[id];
	int ret;

	switch (opt->kind) {
	case BCH_OPT_BOOL:
		if (parse_bool(val, res)) {
			prt_err(err, "%s: must be bool", opt->name);
			return -BCH_ERR_EINVAL_option_value;
		}
		return 0;
	case BCH_OPT_UINT:
		return parse_uint(opt, val, res, err);
	case BCH_OPT_STR:
		if (id == Opt_degraded)
			val = degraded_synonym(val);
		ret = choice_lookup(opt->choices, val, strcspn(val, "\n"));
		if (ret < 0) {
			prt_err(err, "%s: invalid selection", opt->name);
			return -BCH_ERR_EINVAL_option_value;
		}
		*res = ret;
		return 0;
	case BCH_OPT_BITS:
		if (bch2_parse_name_list(val, opt->choices, opt->max, res)) {
			prt_err(err, "%s: invalid selection", opt->name);
			return -BCH_ERR_EINVAL_option_value;
		}
		return 0;
	case BCH_OPT_FN:
		return opt->fn->parse(ctx, val, res, err);
	}
	return -BCH_ERR_EINVAL_option_value;
}

/**
 * bch2_opt_parse - value of an option from its text form
 * @ctx:	how to find devices and labels; may be NULL
 * @id:		option
 * @val:	text; NULL if only the name was given, which means 1 or yes
 * @res:	result
 * @err:	what is wrong; may be NULL
 *
 * Return: 0; an error of class EINVAL or ERANGE;
 * -BCH_ERR_option_needs_open_fs if it has to be repeated with a @ctx.
 */
int bch2_opt_parse(const struct bch_opt_ctx *ctx, enum bch_opt_id id, const char *val,
		   u64 *res, struct printbuf *err)
{
	const struct bch_option *opt = &bch2_opt_table[id];
	int ret;

	if (!val && opt->kind == BCH_OPT_FN && id != Opt_fix_errors) {
		prt_err(err, "%s: required value", opt->name);
		return -BCH_ERR_EINVAL_option_value;
	}
	if (!val)
		val = opt->kind == BCH_OPT_FN ? "" : "1";

	ret = parse_by_kind(ctx, id, val, res, err);
	return ret ?: bch2_opt_validate(id, *res, err);
}

/* --- mount strings (spec 11 §6) --- */

/**
 * bch2_parse_one_mount_opt - one word of a mount string
 * @ctx:		how to find devices and labels; may be NULL
 * @opts:		options to change
 * @parse_later:	collects what needs an open filesystem, comma separated;
 *			NULL: that is an error
 * @name:		name, possibly with "no" in front of it
 * @val:		text behind the '=', or NULL
 * @err:		what is wrong, or what was ignored; may be NULL
 *
 * Unknown options are ignored, so that old ones do no harm.
 */
int bch2_parse_one_mount_opt(const struct bch_opt_ctx *ctx, struct bch_opts *opts,
			     struct printbuf *parse_later, const char *name,
			     const char *val, struct printbuf *err)
{
	int id = bch2_opt_lookup(name);
	u32 flags;
	u64 v;
	int ret;

	if (id < 0 && !val && !strncmp(name, "no", 2)) {
		id = bch2_opt_lookup(name + 2);
		val = "0";
	}
	if (id < 0)
		return 0;

	flags = bch2_opt_table[id].flags;
	if (!(flags & (OPT_MOUNT|OPT_MOUNT_OLD))) {
		prt_err(err, "%s: not an option for mounting", bch2_opt_table[id].name);
		return -BCH_ERR_EINVAL_option_name;
	}

	ret = bch2_opt_parse(ctx, id, val, &v, err);
	if (ret == -BCH_ERR_option_needs_open_fs && parse_later) {
		prt_printf(parse_later, "%s%s=%s", parse_later->pos ? "," : "", name, val ?: "");
		return parse_later->allocation_failure ? -BCH_ERR_ENOMEM_printbuf : 0;
	}
	if (ret)
		return ret;

	if (!(flags & OPT_MOUNT)) {
		prt_err(err, "%s: can no longer be set when mounting, ignored\n",
			bch2_opt_table[id].name);
		return 0;
	}

	bch2_opt_set_by_id(opts, id, v);
	return 0;
}

/**
 * bch2_parse_mount_opts - a whole mount string
 * @ctx:		how to find devices and labels; may be NULL
 * @opts:		options to change
 * @parse_later:	see bch2_parse_one_mount_opt()
 * @options:		comma separated words; NULL is an empty string
 * @err:		what is wrong; may be NULL
 */
int bch2_parse_mount_opts(const struct bch_opt_ctx *ctx, struct bch_opts *opts,
			  struct printbuf *parse_later, const char *options,
			  struct printbuf *err)
{
	char *copy, *s, *word;
	int ret = 0;

	if (!options)
		return 0;

	copy = kstrdup(options, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;

	s = copy;
	while (!ret && (word = strsep(&s, ","))) {
		char *val = word;
		char *name = strsep(&val, "=");

		if (*name)
			ret = bch2_parse_one_mount_opt(ctx, opts, parse_later, name, val, err);
	}

	kfree(copy);
	return ret;
}

/* --- printing --- */

static void value_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx,
			  enum bch_opt_id id, u64 v, unsigned int show)
{
	const struct bch_option *opt = &bch2_opt_table[id];

	switch (opt->kind) {
	case BCH_OPT_BOOL:
		prt_u64(out, v);
		break;
	case BCH_OPT_UINT:
		if (opt->flags & OPT_HUMAN_READABLE)
			prt_human_readable_u64(out, v);
		else
			prt_u64(out, v);
		break;
	case BCH_OPT_STR:
		if (show & OPT_SHOW_FULL_LIST)
			prt_string_option(out, opt->choices, v);
		else if (v < nr_choices(opt))
			prt_str(out, opt->choices[v]);
		else
			prt_printf(out, "(invalid option %llu)", v);
		break;
	case BCH_OPT_BITS:
		prt_bitflags(out, opt->choices, v);
		break;
	case BCH_OPT_FN:
		opt->fn->to_text(out, ctx, v);
		break;
	}
}

/**
 * bch2_opt_to_text - print the value of an option
 * @out:	text
 * @ctx:	how to name devices and labels; may be NULL
 * @id:		option
 * @v:		value, valid or not
 * @show:	OPT_SHOW_*
 */
void bch2_opt_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx,
		      enum bch_opt_id id, u64 v, unsigned int show)
{
	const struct bch_option *opt = &bch2_opt_table[id];

	if (show & OPT_SHOW_MOUNT_STYLE) {
		if (opt->kind == BCH_OPT_BOOL) {
			prt_printf(out, "%s%s", v ? "" : "no", opt->name);
			return;
		}
		prt_printf(out, "%s=", opt->name);
	}
	value_to_text(out, ctx, id, v, show);
}

/**
 * bch2_opts_to_text - print options in mount style, comma separated
 * @out:	text
 * @ctx:	how to name devices and labels; may be NULL
 * @opts:	values; those that are not defined, or are the default, are left out
 * @flags:	only options with one of these OPT_FORMAT, OPT_MOUNT, ... flags
 */
void bch2_opts_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx,
		       const struct bch_opts *opts, u32 flags)
{
	bool first = true;

	for (unsigned int id = 0; id < bch2_opts_nr; id++) {
		u64 v = bch2_opt_get_by_id(opts, id);

		if (!(bch2_opt_table[id].flags & flags) ||
		    (bch2_opt_table[id].flags & OPT_HIDDEN) ||
		    !bch2_opt_defined_by_id(opts, id) ||
		    v == bch2_opt_get_by_id(&bch2_opts_default, id))
			continue;

		if (!first)
			prt_char(out, ',');
		first = false;
		bch2_opt_to_text(out, ctx, id, v, OPT_SHOW_MOUNT_STYLE);
	}
}
