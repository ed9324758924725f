// SPDX-License-Identifier: GPL-2.0
/*
 * The option table in memory, values by number, and what is stored in the
 * superblock and in device entries (spec 11 §1-§4, §6). Text forms are in
 * opts_parse.c.
 *
 * A value read from a superblock is range checked before anybody uses it.
 * Callable from every floor; no locks, changes of a superblock are the
 * caller's to serialise.
 */
#include <linux/bug.h>
#include <linux/limits.h>
#include <linux/log2.h>

#include "bcachefs_format.h"
#include "errcode.h"
#include "opts.h"
#include "opts_text.h"
#include "util/printbuf.h"

#define NAME_ONLY(nr, name, ...)	[nr] = #name,

const char * const bch2_error_actions[]		= { BCH_ERROR_ACTIONS(NAME_ONLY) NULL };
const char * const bch2_fsck_fix_opts[]		= { BCH_FSCK_FIX_OPTS(NAME_ONLY) NULL };
const char * const bch2_degraded_actions[]	= { BCH_DEGRADED_ACTIONS(NAME_ONLY) NULL };
const char * const bch2_version_upgrade_opts[]	= { BCH_VERSION_UPGRADE_OPTS(NAME_ONLY) NULL };
const char * const bch2_scrub_journal_opts[]	= { BCH_SCRUB_JOURNAL_OPTS(NAME_ONLY) NULL };
const char * const bch2_csum_opts[]		= { BCH_CSUM_OPTS(NAME_ONLY) NULL };
const char * const bch2_compression_opts[]	= { BCH_COMPRESSION_OPTS(NAME_ONLY) NULL };
const char * const bch2_str_hash_opts[]		= { BCH_STR_HASH_OPTS(NAME_ONLY) NULL };
const char * const bch2_member_states[]		= { BCH_MEMBER_STATES(NAME_ONLY) NULL };
const char * const bch2_data_type_names[]	= { BCH_DATA_TYPES(NAME_ONLY) NULL };

/* By run number. */
const char * const bch2_recovery_pass_names[] = {
#define x(id, name, ...)	#name,
	BCH_RECOVERY_PASSES(x)
#undef x
	NULL
};

#undef NAME_ONLY

/* --- the table --- */

#define OPT_IS_BOOL		.kind = BCH_OPT_BOOL, .max = 1
#define OPT_IS_UINT(_lo, _hi)	.kind = BCH_OPT_UINT, .min = (_lo), .max = (_hi)
#define OPT_IS_STR(_list)	.kind = BCH_OPT_STR, .choices = (_list)
#define OPT_IS_BITS(_list, _ok)	.kind = BCH_OPT_BITS, .choices = (_list), .max = (_ok)
#define OPT_IS_FN(_fn)		.kind = BCH_OPT_FN, .fn = &(_fn)

#define IN_SB(_field)								\
	.storage = BCH_OPT_IN_SB, .sb = { .get = _field, .set = SET_##_field }
#define IN_EXT(_field)								\
	.storage = BCH_OPT_IN_EXT, .ext = { .get = _field, .set = SET_##_field }
#define IN_MEMBER(_field)							\
	.storage = BCH_OPT_IN_MEMBER, .member = { .get = _field, .set = SET_##_field }
#define NOT_STORED		.storage = BCH_OPT_NOT_STORED

const struct bch_option bch2_opt_table[bch2_opts_nr] = {
#define x(_name, _type, _default, _flags, _kind, _storage, _hint, _help)	\
	[Opt_##_name] = {							\
		.name	= #_name,						\
		.flags	= (_flags),						\
		.hint	= (_hint),						\
		.help	= (_help),						\
		_kind,								\
		_storage							\
	},
	BCH_OPTS(x)
#undef x
};

const struct bch_opts bch2_opts_default = {
#define x(_name, _type, _default, ...)	._name = (_default),
	BCH_OPTS(x)
#undef x
};

/* --- values by number --- */

/**
 * bch2_opt_get_by_id - value of an option
 * @opts:	values; the default of the option if it is not defined there
 * @id:		option
 */
u64 bch2_opt_get_by_id(const struct bch_opts *opts, enum bch_opt_id id)
{
	if (!bch2_opt_defined_by_id(opts, id))
		opts = &bch2_opts_default;

	switch (id) {
#define x(_name, ...)	case Opt_##_name: return opts->_name;
	BCH_OPTS(x)
#undef x
	default:
		return 0;
	}
}

/**
 * bch2_opt_set_by_id - define an option
 * @opts:	values
 * @id:		option
 * @v:		value, valid for the option
 */
void bch2_opt_set_by_id(struct bch_opts *opts, enum bch_opt_id id, u64 v)
{
	switch (id) {
#define x(_name, ...)	case Opt_##_name: opts->_name = v; break;
	BCH_OPTS(x)
#undef x
	default:
		return;
	}
	bch2_opt_mark_defined(opts, id);
}

/**
 * bch2_opts_apply - let options override others
 * @dst:	options to change
 * @src:	options of which the defined ones are taken over
 */
void bch2_opts_apply(struct bch_opts *dst, const struct bch_opts *src)
{
	for (unsigned int id = 0; id < bch2_opts_nr; id++)
		if (bch2_opt_defined_by_id(src, id))
			bch2_opt_set_by_id(dst, id, bch2_opt_get_by_id(src, id));
}

/**
 * bch2_opts_apply_implied - set what other options imply (spec 11 §6, step 4)
 * @opts:	options of a filesystem about to be started
 */
void bch2_opts_apply_implied(struct bch_opts *opts)
{
	if (opt_get(*opts, norecovery)) {
		u8 last = opt_get(*opts, recovery_pass_last);

		if (!last || last > BCH_RECOVERY_PASS_snapshots_read)
			opt_set(*opts, recovery_pass_last, BCH_RECOVERY_PASS_snapshots_read);
		opt_set(*opts, nochanges, true);
	}

	if (opt_get(*opts, nochanges))
		opt_set(*opts, read_only, true);

	if (opt_get(*opts, journal_rewind))
		opt_set(*opts, fsck, true);
}

/* --- what is stored --- */

/* Value that a stored field stands for; what cannot be one becomes too large. */
static u64 value_from_field(enum bch_opt_id id, u64 v)
{
	u32 flags = bch2_opt_table[id].flags;

	if (flags & OPT_SB_FIELD_ONE_BIAS) {
		if (!v)
			return bch2_opt_get_by_id(&bch2_opts_default, id);
		v--;
	}
	if (flags & OPT_SB_FIELD_ILOG2)
		v = v < 54 ? 1ULL << v : U64_MAX >> 9;
	if (flags & OPT_SB_FIELD_SECTORS)
		v <<= 9;
	return v;
}

static u64 value_to_field(enum bch_opt_id id, u64 v)
{
	u32 flags = bch2_opt_table[id].flags;

	if (flags & OPT_SB_FIELD_SECTORS)
		v >>= 9;
	if (flags & OPT_SB_FIELD_ILOG2)
		v = v ? ilog2(v) : 0;
	if (flags & OPT_SB_FIELD_ONE_BIAS)
		v++;
	return v;
}

/*
 * The ext section, if the superblock has one that is long enough. Sections are
 * walked with care: this may be called for superblocks not yet validated.
 */
static struct bch_sb_field_ext *sb_find_ext(const struct bch_sb *sb, size_t need)
{
	const __le64 *p = sb->_data;
	u64 left = le32_to_cpu(sb->u64s);

	while (left) {
		struct bch_sb_field *f = (struct bch_sb_field *) p;
		u32 u64s = le32_to_cpu(f->u64s);

		if (!u64s || u64s > left)
			break;
		if (le32_to_cpu(f->type) == BCH_SB_FIELD_ext)
			return bch2_sb_field_bytes(f) >= need
				? (struct bch_sb_field_ext *) f
				: NULL;
		p	+= u64s;
		left	-= u64s;
	}
	return NULL;
}

/**
 * bch2_opt_from_sb - stored value of a filesystem option
 * @sb:		superblock, as long as its header says
 * @id:		option
 *
 * Not range checked. Options without a place in the superblock, or whose
 * section is missing, have their default.
 */
u64 bch2_opt_from_sb(const struct bch_sb *sb, enum bch_opt_id id)
{
	const struct bch_option *opt = &bch2_opt_table[id];
	const struct bch_sb_field_ext *ext;

	switch (opt->storage) {
	case BCH_OPT_IN_SB:
		return value_from_field(id, opt->sb.get(sb));
	case BCH_OPT_IN_EXT:
		ext = sb_find_ext(sb, sizeof(*ext));
		if (ext)
			return value_from_field(id, opt->ext.get(ext));
		break;
	default:
		break;
	}
	return bch2_opt_get_by_id(&bch2_opts_default, id);
}

/**
 * bch2_opt_set_sb - store a filesystem option
 * @sb:		superblock in memory
 * @id:		option with a place in the superblock, else nothing happens
 * @v:		valid value
 *
 * The section ext must have been grown to its full size before.
 */
void bch2_opt_set_sb(struct bch_sb *sb, enum bch_opt_id id, u64 v)
{
	const struct bch_option *opt = &bch2_opt_table[id];
	struct bch_sb_field_ext *ext;

	switch (opt->storage) {
	case BCH_OPT_IN_SB:
		opt->sb.set(sb, value_to_field(id, v));
		break;
	case BCH_OPT_IN_EXT:
		ext = sb_find_ext(sb, sizeof(*ext));
		if (!WARN_ON_ONCE(!ext))
			opt->ext.set(ext, value_to_field(id, v));
		break;
	default:
		break;
	}
}

/**
 * bch2_opt_from_member - stored value of a device option
 * @m:		device entry, widened to the full struct
 * @id:		option; one that devices do not have gives its default
 */
u64 bch2_opt_from_member(const struct bch_member *m, enum bch_opt_id id)
{
	const struct bch_option *opt = &bch2_opt_table[id];

	if (opt->storage != BCH_OPT_IN_MEMBER)
		return bch2_opt_get_by_id(&bch2_opts_default, id);
	return value_from_field(id, opt->member.get(m));
}

/**
 * bch2_opt_set_member - store a device option
 * @m:		device entry in memory
 * @id:		option; one that devices do not have changes nothing
 * @v:		valid value
 */
void bch2_opt_set_member(struct bch_member *m, enum bch_opt_id id, u64 v)
{
	const struct bch_option *opt = &bch2_opt_table[id];

	if (opt->storage == BCH_OPT_IN_MEMBER)
		opt->member.set(m, value_to_field(id, v));
	if (id == Opt_rotational)
		SET_BCH_MEMBER_ROTATIONAL_SET(m, 1);
}

/**
 * bch2_opts_from_sb - options as the superblock has them (spec 11 §6, steps 1, 2)
 * @opts:	result: all options with their defaults or stored values; those that
 *		are stored are marked as defined
 * @sb:		validated superblock, zeroes that mean a default already replaced
 * @err:	names the first option that is out of range; may be NULL
 *
 * Return: 0 or -BCH_ERR_invalid_sb_opt.
 */
int bch2_opts_from_sb(struct bch_opts *opts, const struct bch_sb *sb, struct printbuf *err)
{
	*opts = bch2_opts_default;

	for (unsigned int id = 0; id < bch2_opts_nr; id++) {
		const struct bch_option *opt = &bch2_opt_table[id];
		u64 v;

		if (opt->storage != BCH_OPT_IN_SB && opt->storage != BCH_OPT_IN_EXT)
			continue;

		v = bch2_opt_from_sb(sb, id);
		if (bch2_opt_validate(id, v, err))
			return -BCH_ERR_invalid_sb_opt;
		bch2_opt_set_by_id(opts, id, v);
	}
	return 0;
}
