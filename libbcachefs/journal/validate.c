// SPDX-License-Identifier: GPL-2.0
/*
 * Are a journal entry and its sub-entries what they should be (spec 30 §10)?
 *
 * Every problem goes through the error policy; where that says "repair", the
 * entry is repaired in memory and afterwards can be iterated safely: lengths
 * nest, keys lie inside their sub-entries and are valid. Nothing outside the
 * entry's own bytes is touched. Used for entries from devices and for the
 * superblock's clean section, by the thread that starts the filesystem.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/text.h"
#include "journal/validate.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/printbuf.h"

/* What is being validated, for messages. */
struct jset_context {
	struct bch_fs		*c;
	struct bch_dev		*ca;		/* NULL: not from a device */
	struct jset		*j;		/* NULL: clean section */
	struct jset_entry	*entry;		/* NULL: about the whole */
	u64			sector;
	unsigned		version;
	bool			big_endian;
	unsigned		flags;		/* enum bch_validate_flags */
};

static void jset_context_to_text(struct printbuf *out, const struct jset_context *x)
{
	prt_printf(out, "invalid journal entry, version=%u.%u", BCH_VERSION_MAJOR(x->version),
		   BCH_VERSION_MINOR(x->version));
	if (x->entry) {
		const char *name = bch2_jset_entry_type_name(x->entry->type);

		if (name)
			prt_printf(out, " type=%s", name);
		else
			prt_printf(out, " type=%u", x->entry->type);
	}
	if (!x->j) {
		prt_str(out, " in superblock");
	} else {
		prt_printf(out, " seq=%llu", le64_to_cpu(x->j->seq));
		if (x->entry)
			prt_printf(out, " offset=%zi/%u",
				   (ssize_t) ((u64 *) x->entry - (u64 *) x->j->_data),
				   le32_to_cpu(x->j->u64s));
	}
	if (x->ca)
		prt_printf(out, " at %s bucket %llu sector %llu", x->ca->name,
			   sector_to_bucket(x->ca, x->sector), x->sector);
	prt_str(out, ": ");
}

/* The decision on one problem; without a filesystem everything is repaired. */
static __printf(3, 4)
int jset_report(const struct jset_context *x, enum bch_sb_error_id id, const char *fmt, ...)
{
	CLASS(printbuf, buf)();
	va_list args;

	if (!x->c || (x->flags & BCH_VALIDATE_silent))
		return -BCH_ERR_fsck_fix;

	jset_context_to_text(&buf, x);
	va_start(args, fmt);
	prt_vprintf(&buf, fmt, args);
	va_end(args);

	if (x->flags & BCH_VALIDATE_write) {
		bch2_fs_inconsistent(x->c, "corrupt metadata before write: %s", printbuf_str(&buf));
		return -BCH_ERR_fsck_errors_not_fixed;
	}
	return __bch2_fsck_err(x->c, FSCK_CAN_FIX, id, "%s", printbuf_str(&buf));
}

/* True: repair. Giving up leaves the function through fsck_err. */
#define jset_err_on(_cond, _x, _id, ...)					\
({										\
	bool jset_fix = false;							\
										\
	if (unlikely(_cond)) {							\
		const int jset_ret = jset_report(_x, BCH_FSCK_ERR_##_id, __VA_ARGS__); \
										\
		if (bch2_fsck_gives_up(jset_ret)) {				\
			ret = jset_ret;						\
			goto fsck_err;						\
		}								\
		jset_fix = true;						\
	}									\
	jset_fix;								\
})

/* Turn [p, end) into a run of empty sub-entries. */
static void jset_null(void *p, const void *end)
{
	memset(p, 0, (const u8 *) end - (const u8 *) p);
}

static void entry_null(struct jset_entry *e)
{
	jset_null(e, jset_entry_next(e));
}

static size_t entry_bytes(const struct jset_entry *e)
{
	return jset_entry_bytes(e);
}

/* --- keys --- */

/* End the sub-entry before @k; what follows becomes empty sub-entries. */
static void entry_cut_at_key(struct jset_entry *e, struct bkey_i *k)
{
	void *end = jset_entry_next(e);

	e->u64s = cpu_to_le16((u64 *) k - (u64 *) jset_entry_first_key(e));
	jset_null(k, end);
}

/* Take out one key; the following ones move down. */
static void entry_remove_key(struct jset_entry *e, struct bkey_i *k)
{
	u64 *end = (u64 *) jset_entry_next(e);
	u64 *next = (u64 *) k + k->k.u64s;
	const unsigned u64s = k->k.u64s;

	memmove(k, next, (u8 *) end - (u8 *) next);
	le16_add_cpu(&e->u64s, -u64s);
	jset_null(jset_entry_next(e), end);
}

static struct bkey_validate_context key_context(const struct jset_context *x,
						const struct jset_entry *e)
{
	const bool root = e->type == BCH_JSET_ENTRY_btree_root;
	const bool past = e->type == BCH_JSET_ENTRY_overwrite ||
		e->type == BCH_JSET_ENTRY_log_bkey;

	return (struct bkey_validate_context) {
		.from		= root ? BKEY_VALIDATE_btree_root :
				  x->j ? BKEY_VALIDATE_journal : BKEY_VALIDATE_superblock,
		.level		= e->level + root,
		.btree		= e->btree_id,
		.root		= root,
		.journal_seq	= x->j ? le64_to_cpu(x->j->seq) : 0,
		.journal_offset	= x->j ? (u64 *) e - (u64 *) x->j->_data : 0,
		/* overwritten keys obey the rules of their own time */
		.flags		= past ? x->flags & ~(BCH_VALIDATE_write|BCH_VALIDATE_commit)
				       : x->flags,
	};
}

/*
 * Check one key. 0: good, go on behind it; 1: it was taken out, look at the
 * same place again; 2: the sub-entry ends here now; or an error.
 */
static int entry_key_validate(const struct jset_context *x, struct bkey_i *k)
{
	struct jset_entry *e = x->entry;
	const size_t left = (u64 *) jset_entry_next(e) - (u64 *) k;
	int ret = 0;

	if (jset_err_on(k->k.u64s < BKEY_U64s, x,
			journal_entry_bkey_u64s_0, "k->u64s %u", k->k.u64s)) {
		entry_cut_at_key(e, k);
		return 2;
	}
	if (jset_err_on(k->k.u64s > left, x, journal_entry_bkey_past_end,
			"key of %u u64s extends past end of sub-entry, %zu "
			"left", k->k.u64s, left)) {
		entry_cut_at_key(e, k);
		return 2;
	}
	if (jset_err_on(k->k.format != KEY_FORMAT_CURRENT, x, journal_entry_bkey_bad_format,
			"bad key format %u", k->k.format)) {
		entry_remove_key(e, k);
		return 1;
	}

	if (bch2_bkey_compat_needed(x->version))
		bch2_bkey_compat_read(e->level + (e->type == BCH_JSET_ENTRY_btree_root),
				      e->btree_id, x->version, k);

	ret = bch2_bkey_validate(x->c, bkey_i_to_s_c(k), key_context(x, e));
	if (ret != -BCH_ERR_fsck_delete_bkey)
		return ret;

	ret = 0;
	if (jset_err_on(true, x, journal_entry_bkey_bad_format, "invalid key removed"))
		entry_remove_key(e, k);
	return 1;
fsck_err:
	return ret;
}

static int entry_validate_keys(const struct jset_context *x)
{
	struct bkey_i *k = jset_entry_first_key(x->entry);

	while ((u64 *) k < (u64 *) jset_entry_next(x->entry)) {
		const int ret = entry_key_validate(x, k);

		if (ret < 0)
			return ret;
		if (ret == 2)
			break;
		if (!ret)
			k = (struct bkey_i *) ((u64 *) k + k->k.u64s);
	}
	return 0;
}

static int entry_validate_root(const struct jset_context *x)
{
	struct jset_entry *e = x->entry;
	const struct bkey_i *k = jset_entry_first_key(e);
	const unsigned u64s = le16_to_cpu(e->u64s);
	void *end = jset_entry_next(e);
	int ret = 0;

	if (jset_err_on(!u64s || u64s != k->k.u64s, x, journal_entry_btree_root_bad_size,
			"invalid btree root journal entry: wrong number of keys: %u u64s, key has "
			"%u",
			u64s, u64s ? k->k.u64s : 0)) {
		/* stays as the record that there should have been a root */
		e->u64s = 0;
		jset_null(jset_entry_next(e), end);
		return 0;
	}
	return entry_validate_keys(x);
fsck_err:
	return ret;
}

/* --- records of fixed form --- */

static int entry_validate_blacklist(const struct jset_context *x)
{
	int ret = 0;

	if (jset_err_on(le16_to_cpu(x->entry->u64s) != 1, x, journal_entry_blacklist_bad_size,
			"invalid journal seq blacklist entry: bad size"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_blacklist_v2(const struct jset_context *x)
{
	const struct jset_entry_blacklist_v2 *b = (struct jset_entry_blacklist_v2 *) x->entry;
	int ret = 0;

	if (jset_err_on(le16_to_cpu(x->entry->u64s) != 2, x, journal_entry_blacklist_v2_bad_size,
			"invalid journal seq blacklist entry: bad size"))
		entry_null(x->entry);
	else if (jset_err_on(le64_to_cpu(b->start) > le64_to_cpu(b->end), x,
			     journal_entry_blacklist_v2_start_past_end,
			     "invalid journal seq blacklist entry: start %llu > end %llu",
			     le64_to_cpu(b->start), le64_to_cpu(b->end)))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_usage(const struct jset_context *x)
{
	int ret = 0;

	if (jset_err_on(entry_bytes(x->entry) < sizeof(struct jset_entry_usage), x,
			journal_entry_usage_bad_size, "bad usage entry: bad size"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

/* Does the replicas record name devices as it should? */
static bool data_usage_replicas_valid(const struct jset_context *x,
				      const struct bch_replicas_entry_v1 *r)
{
	if (!r->nr_devs || (r->nr_required > 1 && r->nr_required >= r->nr_devs))
		return false;
	for (unsigned i = 0; i < r->nr_devs; i++)
		if (x->c && r->devs[i] != BCH_SB_MEMBER_INVALID &&
		    !bch2_dev_exists(x->c, r->devs[i]))
			return false;
	return true;
}

static int entry_validate_data_usage(const struct jset_context *x)
{
	const struct jset_entry_data_usage *u = (struct jset_entry_data_usage *) x->entry;
	const size_t bytes = entry_bytes(x->entry);
	const size_t fixed = offsetof(struct jset_entry_data_usage, r) +
		offsetof(struct bch_replicas_entry_v1, devs);
	int ret = 0;

	if (jset_err_on(bytes < fixed || bytes < fixed + u->r.nr_devs, x,
			journal_entry_data_usage_bad_size, "bad data usage entry: bad size"))
		entry_null(x->entry);
	else if (jset_err_on(!data_usage_replicas_valid(x, &u->r), x,
			     journal_entry_data_usage_bad_size,
			     "bad data usage entry: invalid replicas"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_clock(const struct jset_context *x)
{
	const struct jset_entry_clock *k = (struct jset_entry_clock *) x->entry;
	int ret = 0;

	if (jset_err_on(entry_bytes(x->entry) != sizeof(*k), x, journal_entry_clock_bad_size,
			"bad size"))
		entry_null(x->entry);
	else if (jset_err_on(k->rw > 1, x, journal_entry_clock_bad_rw, "bad rw %u", k->rw))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_dev_usage(const struct jset_context *x)
{
	const struct jset_entry_dev_usage *u = (struct jset_entry_dev_usage *) x->entry;
	int ret = 0;

	if (jset_err_on(entry_bytes(x->entry) < sizeof(*u), x, journal_entry_dev_usage_bad_size,
			"bad size (%zu < %zu)", entry_bytes(x->entry), sizeof(*u)))
		entry_null(x->entry);
	else if (jset_err_on(u->pad, x, journal_entry_dev_usage_bad_pad, "bad pad"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_datetime(const struct jset_context *x)
{
	int ret = 0;

	if (jset_err_on(entry_bytes(x->entry) < sizeof(struct jset_entry_datetime), x,
			journal_entry_dev_usage_bad_size, "bad size"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_rewind_limit(const struct jset_context *x)
{
	int ret = 0;

	if (jset_err_on(entry_bytes(x->entry) < sizeof(struct jset_entry_rewind_limit), x,
			journal_entry_rewind_limit_bad_size, "bad size"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_rewind(const struct jset_context *x)
{
	int ret = 0;

	if (jset_err_on(entry_bytes(x->entry) < sizeof(struct jset_entry_rewind), x,
			journal_entry_rewind_bad_size, "bad size"))
		entry_null(x->entry);
fsck_err:
	return ret;
}

static int entry_validate_accept(const struct jset_context *x)
{
	return 0;
}

static int (*const entry_validate[BCH_JSET_ENTRY_NR])(const struct jset_context *) = {
	[BCH_JSET_ENTRY_btree_keys]		= entry_validate_keys,
	[BCH_JSET_ENTRY_btree_root]		= entry_validate_root,
	[BCH_JSET_ENTRY_prio_ptrs]		= entry_validate_accept,
	[BCH_JSET_ENTRY_blacklist]		= entry_validate_blacklist,
	[BCH_JSET_ENTRY_blacklist_v2]		= entry_validate_blacklist_v2,
	[BCH_JSET_ENTRY_usage]			= entry_validate_usage,
	[BCH_JSET_ENTRY_data_usage]		= entry_validate_data_usage,
	[BCH_JSET_ENTRY_clock]			= entry_validate_clock,
	[BCH_JSET_ENTRY_dev_usage]		= entry_validate_dev_usage,
	[BCH_JSET_ENTRY_log]			= entry_validate_accept,
	[BCH_JSET_ENTRY_overwrite]		= entry_validate_keys,
	[BCH_JSET_ENTRY_write_buffer_keys]	= entry_validate_keys,
	[BCH_JSET_ENTRY_datetime]		= entry_validate_datetime,
	[BCH_JSET_ENTRY_log_bkey]		= entry_validate_keys,
	[BCH_JSET_ENTRY_rewind_limit]		= entry_validate_rewind_limit,
	[BCH_JSET_ENTRY_rewind]			= entry_validate_rewind,
};

/* --- interface --- */

/**
 * bch2_jset_is_empty - does the entry have nothing to replay?
 * @j:	entry; any bytes, its length fits the memory
 *
 * Type 11 counts as keys (spec 22, WB-0).
 */
bool bch2_jset_is_empty(const struct jset *j)
{
	for_each_jset_entry(e, (struct jset *) j)
		if (jset_entry_is_replayed(e) && le16_to_cpu(e->u64s))
			return false;
	return true;
}

/**
 * bch2_journal_entry_validate - check one sub-entry
 * @c:		filesystem; NULL: repair everything without reports
 * @j:		entry it is part of, for messages; NULL: superblock
 * @entry:	sub-entry, known to lie inside its container
 * @version:	metadata version that the keys were written with
 * @big_endian:	byte order of the keys; only little endian is supported
 * @flags:	enum bch_validate_flags
 *
 * Unknown types are valid. May change the sub-entry, never its total extent:
 * what is cut off becomes empty sub-entries.
 *
 * Return: 0, or what the error policy says.
 */
int bch2_journal_entry_validate(struct bch_fs *c, struct jset *j, struct jset_entry *entry,
				unsigned version, int big_endian, unsigned flags)
{
	const struct jset_context x = {
		.c		= c,
		.j		= j,
		.entry		= entry,
		.version	= version,
		.big_endian	= big_endian,
		.flags		= flags,
	};

	return entry->type < BCH_JSET_ENTRY_NR ? entry_validate[entry->type](&x) : 0;
}

/* All sub-entries of x->j. */
static int jset_validate_entries(struct jset_context *x)
{
	struct jset *j = x->j;
	struct jset_entry *e = jset_entries_start(j);
	int ret = 0;

	while ((void *) e < (void *) jset_entries_end(j)) {
		if (jset_err_on(!jset_entry_at(e, jset_entries_end(j)), x,
				journal_entry_past_jset_end,
				"sub-entry at offset %zi of %u u64s extends past end of entry",
				(ssize_t) ((u64 *) e - (u64 *) j->_data), le32_to_cpu(j->u64s))) {
			j->u64s = cpu_to_le32((u64 *) e - (u64 *) j->_data);
			break;
		}

		x->entry = e;
		if (e->type < BCH_JSET_ENTRY_NR) {
			ret = entry_validate[e->type](x);
			if (ret)
				break;
		}
		x->entry = NULL;
		e = jset_entry_next(e);
	}
fsck_err:
	return ret;
}

/**
 * bch2_jset_validate - check a whole journal entry
 * @c:		filesystem; NULL: repair everything without reports
 * @ca:		device it was read from, for messages; NULL: none
 * @j:		entry, decrypted; all bytes that its u64s claims are there
 * @sector:	where it was read from
 * @flags:	enum bch_validate_flags
 *
 * Return: 0: afterwards the entry can be used; or what the error policy says,
 * -BCH_ERR_journal_entry_err_unknown_version if it cannot be understood.
 */
int bch2_jset_validate(struct bch_fs *c, struct bch_dev *ca, struct jset *j, u64 sector,
		       unsigned flags)
{
	struct jset_context x = {
		.c		= c,
		.ca		= ca,
		.j		= j,
		.sector		= sector,
		.version	= le32_to_cpu(j->version),
		.big_endian	= JSET_BIG_ENDIAN(j),
		.flags		= flags,
	};
	const unsigned type = JSET_CSUM_TYPE(j);
	int ret = 0;

	if (jset_err_on(!bch2_version_compatible(x.version), &x, jset_unsupported_version,
			"unsupported version"))
		return -BCH_ERR_journal_entry_err_unknown_version;

	jset_err_on(type >= BCH_CSUM_NR ||
		    (c && bch2_csum_type_is_encryption(type) && !c->has_key), &x,
		    jset_unknown_csum, "unknown or unusable checksum type %u", type);

	if (jset_err_on(!JSET_NO_FLUSH(j) && le64_to_cpu(j->last_seq) > le64_to_cpu(j->seq), &x,
			jset_last_seq_newer_than_seq, "last_seq %llu > seq %llu",
			le64_to_cpu(j->last_seq), le64_to_cpu(j->seq)))
		j->last_seq = j->seq;

	return jset_validate_entries(&x);
fsck_err:
	return ret;
}
