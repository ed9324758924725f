/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Validation of journal entries and their sub-entries, with repair in memory
 * (spec 30 section 10); and bounded iteration over them.
 *
 * The iterators below are safe on any bytes: a sub-entry or key is returned
 * only if it lies inside its container.
 */
#ifndef _BCACHEFS_JOURNAL_VALIDATE_H
#define _BCACHEFS_JOURNAL_VALIDATE_H

#include "bcachefs.h"
#include "btree/bkey_methods.h"

/* First word behind a sub-entry, as it claims. */
static inline struct jset_entry *jset_entry_next(const struct jset_entry *e)
{
	return (struct jset_entry *) ((u64 *) e + 1 + le16_to_cpu(e->u64s));
}

/* The sub-entry at @e if all of it lies before @end, else NULL. */
static inline struct jset_entry *jset_entry_at(struct jset_entry *e, const void *end)
{
	const size_t left = (u8 *) end > (u8 *) e ? (u8 *) end - (u8 *) e : 0;

	if (left < sizeof(u64) || left < (1 + (size_t) le16_to_cpu(e->u64s)) * sizeof(u64))
		return NULL;
	return e;
}

/* Every sub-entry between @_start and @_end (for a clean section too). */
#define for_each_jset_entry_range(_e, _start, _end)				\
	for (struct jset_entry *_e = jset_entry_at(_start, _end);		\
	     _e;								\
	     _e = jset_entry_at(jset_entry_next(_e), _end))

#define for_each_jset_entry(_e, _jset)						\
	for_each_jset_entry_range(_e, jset_entries_start(_jset), jset_entries_end(_jset))

/* The types whose keys are replayed; type 11 should not be there (spec 22, WB-0). */
static inline bool jset_entry_is_replayed(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_btree_keys ||
		e->type == BCH_JSET_ENTRY_write_buffer_keys;
}

static inline struct bkey_i *jset_entry_first_key(const struct jset_entry *e)
{
	return (struct bkey_i *) ((u64 *) e + 1);
}

/* The key at @k if all of it lies inside @e and is unpacked, else NULL. */
static inline struct bkey_i *jset_entry_key_at(const struct jset_entry *e, struct bkey_i *k)
{
	const u64 *end = (const u64 *) jset_entry_next(e);
	const u64 *p = (const u64 *) k;

	if (end - p < (ptrdiff_t) BKEY_U64s || k->k.u64s < BKEY_U64s ||
	    end - p < (ptrdiff_t) k->k.u64s || k->k.format != KEY_FORMAT_CURRENT)
		return NULL;
	return k;
}

#define jset_entry_for_each_key(_e, _k)						\
	for (struct bkey_i *_k = jset_entry_key_at(_e, jset_entry_first_key(_e)); \
	     _k;								\
	     _k = jset_entry_key_at(_e, (struct bkey_i *) ((u64 *) _k + _k->k.u64s)))

bool bch2_jset_is_empty(const struct jset *j);

int bch2_jset_validate(struct bch_fs *c, struct bch_dev *ca, struct jset *j, u64 sector,
		       unsigned flags);
int bch2_journal_entry_validate(struct bch_fs *c, struct jset *j, struct jset_entry *entry,
				unsigned version, int big_endian, unsigned flags);

#endif /* _BCACHEFS_JOURNAL_VALIDATE_H */
