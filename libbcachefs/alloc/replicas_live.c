// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas entries of the superblock while the filesystem changes (spec 41 §6.3,
 * §6.4, §6.2).
 *
 * An entry is in c->disk_sb, and the superblock that has it has been written,
 * before the first commit or journal write that needs it. Everything here takes
 * sb_lock or wants it held, and may sleep for a superblock write: never called
 * with btree nodes locked.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/replicas_live.h"
#include "sb/members.h"
#include "sb/replicas.h"
#include "sb/write.h"

static int u8_cmp(const void *l, const void *r)
{
	return (int) *(const u8 *) l - *(const u8 *) r;
}

/**
 * bch2_replicas_entry_sort - bring the devices into ascending order
 * @e:		entry
 */
void bch2_replicas_entry_sort(struct bch_replicas_entry_v1 *e)
{
	sort(e->devs, e->nr_devs, 1, u8_cmp, NULL);
}

/**
 * bch2_replicas_type_in_sb - must names of a data type be in the superblock?
 * @c:		filesystem
 * @data_type:	of the entry
 *
 * From 1.36 only those of journal and btree (spec 41 §6.3).
 */
bool bch2_replicas_type_in_sb(const struct bch_fs *c, unsigned int data_type)
{
	return data_type <= BCH_DATA_btree ||
		c->sb.version_incompat < bcachefs_metadata_version_no_sb_user_data_replicas;
}

static struct bch_sb_replica to_sb(const struct bch_replicas_entry_v1 *e)
{
	return (struct bch_sb_replica) {
		.data_type	= e->data_type,
		.nr_devs	= e->nr_devs,
		.nr_required	= e->nr_required,
		.devs		= e->devs,
	};
}

/**
 * bch2_replicas_marked_locked - is an entry there, or not needed?
 * @c:		filesystem; caller holds sb_lock
 * @e:		entry, devices ascending
 */
bool bch2_replicas_marked_locked(struct bch_fs *c, const struct bch_replicas_entry_v1 *e)
{
	const struct bch_sb_replica r = to_sb(e);

	return !bch2_replicas_type_in_sb(c, e->data_type) ||
		bch2_sb_has_replica(c->disk_sb.sb, &r);
}

/**
 * bch2_replicas_mark_locked - add entries, write the superblock if any is new
 * @c:		filesystem; caller holds sb_lock
 * @r:		entries, devices ascending
 * @nr:		how many
 *
 * Returns 0 or an error of the superblock; then no data may be written there.
 */
int bch2_replicas_mark_locked(struct bch_fs *c, const struct bch_replicas_padded *r,
			      unsigned int nr)
{
	struct bch_sb_replica add[16];
	unsigned int nr_add;
	bool write = false;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < nr; i += ARRAY_SIZE(add)) {
		nr_add = 0;
		for (unsigned int j = i; j < nr && j < i + ARRAY_SIZE(add); j++)
			if (!bch2_replicas_marked_locked(c, &r[j].e))
				add[nr_add++] = to_sb(&r[j].e);
		if (nr_add) {
			ret = bch2_sb_replicas_change(&c->disk_sb, add, nr_add, NULL, NULL);
			write = true;
		}
	}
	return ret ?: write ? bch2_write_super(c) : 0;
}

/**
 * bch2_replicas_mark - add entries, write the superblock if any is new
 * @c:		filesystem
 * @r:		entries, devices ascending
 * @nr:		how many
 *
 * Returns 0 or an error of the superblock.
 */
int bch2_replicas_mark(struct bch_fs *c, const struct bch_replicas_padded *r, unsigned int nr)
{
	int ret;

	mutex_lock(&c->sb_lock);
	ret = bch2_replicas_mark_locked(c, r, nr);
	mutex_unlock(&c->sb_lock);
	return ret;
}

static bool is_not(const struct bch_sb_replica *r, void *arg)
{
	const struct bch_replicas_entry_v1 *e = arg;

	return r->data_type != e->data_type ||
		r->nr_devs != e->nr_devs ||
		r->nr_required != e->nr_required ||
		memcmp(r->devs, e->devs, e->nr_devs);
}

/**
 * bch2_replicas_unmark_locked - drop an entry, write the superblock if it was there
 * @c:		filesystem; caller holds sb_lock
 * @e:		entry, devices ascending
 *
 * Returns 0 or an error of the superblock.
 */
int bch2_replicas_unmark_locked(struct bch_fs *c, const struct bch_replicas_entry_v1 *e)
{
	const struct bch_sb_replica r = to_sb(e);

	if (!bch2_sb_has_replica(c->disk_sb.sb, &r))
		return 0;
	return bch2_sb_replicas_change(&c->disk_sb, NULL, 0, is_not, (void *) e) ?:
		bch2_write_super(c);
}

/* --- after recovery --- */

static bool counted_or_journal(const struct bch_sb_replica *r, void *arg)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_replicas };
	struct bch_fs *c = arg;
	u64 sectors;

	if (r->data_type == BCH_DATA_journal)
		return true;
	if (r->nr_devs > sizeof(acc.bytes) - sizeof(acc.replicas))
		return false;

	acc.replicas.data_type		= r->data_type;
	acc.replicas.nr_devs		= r->nr_devs;
	acc.replicas.nr_required	= r->nr_required;
	memcpy(acc.replicas.devs, r->devs, r->nr_devs);
	bch2_replicas_entry_sort(&acc.replicas);
	bch2_accounting_mem_read(c, &acc, &sectors, 1);
	return sectors != 0;
}

static bool has_unneeded(struct bch_fs *c)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(c->disk_sb.sb);
	struct bch_sb_replica r;

	while (bch2_sb_replicas_next(&iter, &r))
		if (!counted_or_journal(&r, c))
			return true;
	return false;
}

/**
 * bch2_replicas_gc - drop entries that nothing is counted under
 * @c:		filesystem; the mirror has been read, recovery is done
 *
 * Entries of journal writes stay (spec 41 §6.4). Names that were dropped have to
 * be recorded again before they are used: their counters are forgotten first.
 * Returns 0 or an error of the superblock.
 */
int bch2_replicas_gc(struct bch_fs *c)
{
	int ret = 0;

	mutex_lock(&c->sb_lock);
	bch2_accounting_mem_drop_zeros(c);
	if (has_unneeded(c))
		ret = bch2_sb_replicas_change(&c->disk_sb, NULL, 0, counted_or_journal, c) ?:
			bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/* --- journal --- */

static void journal_entry(struct bch_replicas_padded *r, const struct bch_devs_mask *devs)
{
	memset(r, 0, sizeof(*r));
	r->e.data_type = BCH_DATA_journal;
	r->e.nr_required = 1;
	for (unsigned int i = 0; i < BCH_SB_MEMBERS_MAX && r->e.nr_devs < sizeof(r->pad); i++)
		if (test_bit(i, devs->d))
			r->e.devs[r->e.nr_devs++] = i;
}

/**
 * bch2_mark_journal_replicas - entries of the journal will lie on these devices
 * @c:		filesystem
 * @devs:	devices, not none
 *
 * Before the first journal write to the set (spec 41 §6.4). Returns 0 or an error
 * of the superblock.
 */
int bch2_mark_journal_replicas(struct bch_fs *c, const struct bch_devs_mask *devs)
{
	struct bch_replicas_padded r;

	journal_entry(&r, devs);
	return r.e.nr_devs ? bch2_replicas_mark(c, &r, 1) : 0;
}

/**
 * bch2_unmark_journal_replicas - no entry that is needed lies on this set any more
 * @c:		filesystem
 * @devs:	devices
 *
 * Returns 0 or an error of the superblock; then the entry stays, which is safe.
 */
int bch2_unmark_journal_replicas(struct bch_fs *c, const struct bch_devs_mask *devs)
{
	struct bch_replicas_padded r;
	int ret;

	journal_entry(&r, devs);
	mutex_lock(&c->sb_lock);
	ret = bch2_replicas_unmark_locked(c, &r.e);
	mutex_unlock(&c->sb_lock);
	return ret;
}
