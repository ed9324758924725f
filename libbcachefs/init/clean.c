// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock's clean section, as a start uses it: instead of the journal
 * after a clean shutdown, and compared with the journal where both are read
 * (spec 30 §15.1, spec 31 §5 steps 1 and 3).
 *
 * c->recovery.clean is a copy that belongs to the start; the superblock itself
 * is not touched. Only the thread that starts the filesystem calls this.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "init/recovery.h"
#include "journal/read.h"
#include "journal/validate.h"
#include "sb/clean.h"
#include "sb/field.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/printbuf.h"

/**
 * bch2_clean_section_drop - do without the clean section from now on
 * @c:	filesystem
 */
void bch2_clean_section_drop(struct bch_fs *c)
{
	kvfree(c->recovery.clean);
	c->recovery.clean = NULL;
}

/**
 * bch2_clean_flag_clear - the shutdown was not clean after all (in memory)
 * @c:	filesystem
 */
void bch2_clean_flag_clear(struct bch_fs *c)
{
	c->recovery.is_clean = false;
	c->sb.clean = false;
	c->sb.compat &= ~BCH_COMPAT_BIT(alloc_info);
}

static int clean_entry_validate(struct bch_fs *c, struct jset_entry *e, unsigned version,
				void *priv)
{
	return bch2_journal_entry_validate(c, NULL, e, version,
					   BCH_SB_BIG_ENDIAN(c->disk_sb.sb), 0);
}

/**
 * bch2_read_clean_section - get and validate the clean section
 * @c:	filesystem; c->recovery.is_clean says whether the flag was set
 *
 * Does nothing for an unclean filesystem. A clean one without the section is
 * treated as unclean if the error policy lets the start go on (error 5).
 *
 * Return: 0; an error of the policy; -BCH_ERR_invalid_sb_clean for a section
 * that runs past its end (error 267).
 */
int bch2_read_clean_section(struct bch_fs *c)
{
	int ret = 0;

	if (!c->recovery.is_clean)
		return 0;

	if (fsck_err_on(!bch2_sb_field_get(c->disk_sb.sb, clean), c, sb_clean_missing,
			"superblock marked clean but clean section not present, fix?") ||
	    !bch2_sb_field_get(c->disk_sb.sb, clean)) {
		bch2_clean_flag_clear(c);
		return 0;
	}

	c->recovery.clean = bch2_sb_clean_dup(c->disk_sb.sb);
	if (IS_ERR_OR_NULL(c->recovery.clean)) {
		c->recovery.clean = NULL;
		return -BCH_ERR_ENOMEM_sb;
	}

	ret = bch2_sb_clean_validate_late(c, c->recovery.clean, clean_entry_validate, NULL);
	if (ret) {
		bch_err(c, "clean section of the superblock is not usable: %s, repair "
			   "unimplemented",
			bch2_err_str(ret));
		bch2_clean_section_drop(c);
	}
fsck_err:
	return ret;
}

/* --- comparing with the journal --- */

/* Record of the root of @btree between @e and @end; the last one counts. */
static const struct jset_entry *root_record(struct jset_entry *e, const void *end, unsigned btree)
{
	const struct jset_entry *ret = NULL;

	for_each_jset_entry_range(i, e, end)
		if (i->type == BCH_JSET_ENTRY_btree_root && i->btree_id == btree)
			ret = i;
	return ret;
}

static bool root_records_differ(const struct jset_entry *l, const struct jset_entry *r)
{
	if (!l || !r)
		return l != r;
	return l->level != r->level || l->u64s != r->u64s ||
		memcmp(jset_entry_first_key(l), jset_entry_first_key(r),
		       le16_to_cpu(l->u64s) * sizeof(u64));
}

static void root_record_to_text(struct printbuf *out, struct bch_fs *c,
				const struct jset_entry *e)
{
	struct bkey_i *k = e ? jset_entry_key_at(e, jset_entry_first_key(e)) : NULL;

	if (!k) {
		prt_str(out, e ? "(invalid)" : "(none)");
		return;
	}
	prt_printf(out, "level %u ", e->level);
	bch2_bkey_val_to_text(out, c, bkey_i_to_s_c(k));
}

static int compare_root(struct bch_fs *c, const struct jset *j, unsigned btree)
{
	struct bch_sb_field_clean *clean = c->recovery.clean;
	const struct jset_entry *in_clean =
		root_record((struct jset_entry *) clean->_data, bch2_sb_field_end(&clean->field),
			    btree);
	const struct jset_entry *in_journal =
		root_record(jset_entries_start((struct jset *) j),
			    jset_entries_end((struct jset *) j), btree);
	CLASS(printbuf, buf)();
	int ret = 0;

	if (!root_records_differ(in_clean, in_journal))
		return 0;

	prt_str(&buf, "superblock and journal disagree about the root of ");
	bch2_btree_id_to_text(&buf, btree);
	prt_str(&buf, "\nsb:      ");
	root_record_to_text(&buf, c, in_clean);
	prt_str(&buf, "\njournal: ");
	root_record_to_text(&buf, c, in_journal);

	/* the clean section's root is used: nothing to do */
	mustfix_fsck_err(c, sb_clean_btree_root_mismatch, "%s", printbuf_str(&buf));
fsck_err:
	return ret;
}

/* Are all entries above @seq empty? Then they change nothing (spec 30 §15.1). */
static bool only_empty_above(struct bch_fs *c, u64 seq)
{
	const struct journal_entries *e = &c->journal.entries;

	for (size_t i = e->nr; i && e->d[i - 1]->seq > seq; i--) {
		struct journal_replay *r = e->d[i - 1];
		bool empty;

		if (journal_replay_ignore(r))
			continue;
		if (bch2_journal_entry_load(c, r))
			return false;
		empty = bch2_jset_is_empty(r->j);
		if (!empty)
			return false;
	}
	return true;
}

/**
 * bch2_clean_section_compare - do journal and clean section agree?
 * @c:	filesystem; the journal has been read, and its window is clean
 *
 * Reports errors 3 and 4. After error 3 the section is dropped and the
 * journal's roots are used. Further empty entries above the section's number
 * are normal.
 *
 * Return: 0 or an error of the policy.
 */
int bch2_clean_section_compare(struct bch_fs *c)
{
	const struct bch_sb_field_clean *clean = c->recovery.clean;
	struct journal_replay *r;
	u64 clean_seq;
	int ret = 0;

	r = bch2_journal_newest(c, true);
	if (!clean || !r)
		return 0;

	ret = bch2_journal_entry_load(c, r);
	if (ret)
		return ret;

	clean_seq = le64_to_cpu(clean->journal_seq);
	if (r->seq != clean_seq && !(r->seq > clean_seq && only_empty_above(c, clean_seq)) &&
	    mustfix_fsck_err(c, sb_clean_journal_seq_mismatch,
			     "superblock journal seq (%llu) doesn't match journal (%llu) after "
			     "clean shutdown",
			     clean_seq, r->seq)) {
		bch2_clean_section_drop(c);
		return 0;
	}

	for (unsigned i = 0; i < BTREE_ID_NR && !ret; i++)
		ret = compare_root(c, r->j, i);
fsck_err:
	return ret;
}
