// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock's clean section after a clean end of the journal (spec 30
 * section 15, spec 10 section 10).
 *
 * Invariant: the roots in the section are byte for byte those of the last entry;
 * both come from c->btree.roots, which does not change in between. Only the
 * superblock in memory is touched; c->sb_lock is held.
 */
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/writer_priv.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/write.h"

/* What others reserve; with the same size the superblock need not grow later. */
#define CLEAN_SECTION_U64s	599

/* Where writing goes on after the next start (section 7.2). */
static void positions_set(struct bch_fs *c)
{
	for_each_online_member(c, ca) {
		struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
		const struct journal_device *ja = &ca->journal;

		if (!ja->nr)
			continue;
		m.last_journal_bucket = cpu_to_le32(ja->cur_idx);
		m.last_journal_bucket_offset = cpu_to_le32(ca->mi.bucket_size - ja->sectors_free);
		bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
	}
}

/**
 * bch2_journal_to_sb_clean - clean section and write positions
 * @c:	filesystem; bch2_journal_stop() returned 0; c->sb_lock held
 *
 * Return: 0, a kind of -BCH_ERR_ENOSPC_sb, or no memory; then nothing changed.
 */
int bch2_journal_to_sb_clean(struct bch_fs *c)
{
	struct bch_sb_field_clean *clean;
	const u32 max = journal_tail_max(c);
	u64 *words, *end;
	u32 u64s;
	int ret = 0;

	lockdep_assert_held(&c->sb_lock);

	words = kvcalloc(max, sizeof(*words), GFP_KERNEL);
	if (!words)
		return -BCH_ERR_ENOMEM_sb;
	end = journal_roots_add(c, journal_usage_add(c, words), NULL);

	u64s = max_t(u32, CLEAN_SECTION_U64s, sizeof(*clean) / sizeof(u64) + (end - words));
	clean = bch2_sb_field_resize(&c->disk_sb, clean, u64s);
	if (IS_ERR(clean)) {
		ret = PTR_ERR(clean) == -BCH_ERR_ENOSPC_sb ? -BCH_ERR_ENOSPC_sb_clean
							   : PTR_ERR(clean);
	} else {
		memset(&clean->field + 1, 0, bch2_sb_field_bytes(&clean->field) -
		       sizeof(clean->field));
		clean->journal_seq = cpu_to_le64(bch2_journal_cur_seq(c));
		memcpy(clean->_data, words, (end - words) * sizeof(u64));
		positions_set(c);
	}
	kvfree(words);
	return ret;
}
