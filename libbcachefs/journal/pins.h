/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pins: what is in the journal and not yet durable elsewhere (spec 30 section
 * 16.6, spec 22 section 6).
 *
 * The oldest number with a pin is last_seq: it and all later entries stay. A pin
 * belongs to its user, who serializes calls on one pin; reclaim only calls its
 * flush function. Moving a pin never leaves an instant without it (PC-6).
 */
#ifndef _BCACHEFS_JOURNAL_PINS_H
#define _BCACHEFS_JOURNAL_PINS_H

#include "bcachefs.h"

static inline void bch2_journal_pin_init(struct journal_entry_pin *pin)
{
	INIT_LIST_HEAD(&pin->list);
	pin->flush = NULL;
	pin->seq = 0;
	pin->type = 0;
}

static inline bool bch2_journal_pin_active(const struct journal_entry_pin *pin)
{
	return READ_ONCE(pin->seq) != 0;
}

/* Pin exactly @seq, which is pinned by somebody at this moment. */
void bch2_journal_pin_set(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush);
/* Pin @seq unless the pin is on an older one. */
void bch2_journal_pin_add(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush);
/* Move the pin to @seq unless it is on a newer one. */
void bch2_journal_pin_update(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			     enum journal_pin_type type, journal_pin_flush_fn flush);
/* @dst pins what @src pins, unless it pins something older; @src stays. */
void bch2_journal_pin_copy(struct bch_fs *c, struct journal_entry_pin *dst,
			   struct journal_entry_pin *src, journal_pin_flush_fn flush);
void bch2_journal_pin_drop(struct bch_fs *c, struct journal_entry_pin *pin);
/* Drop, and wait until reclaim does not look at it: may be freed afterwards. Not in its flush(). */
void bch2_journal_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin);

#define JOURNAL_PIN_TYPES_ALL	((1U << JOURNAL_PIN_TYPE_NR) - 1)

/*
 * Call flush() of the pins of @types up to @seq, oldest first, each once. True
 * if any was called. Sleeps; not with locks a flush function takes.
 */
bool bch2_journal_flush_pins(struct bch_fs *c, u64 seq, unsigned types);
/*
 * For going read-only: all pins, by type. True if any was flushed, or is still
 * held by work under way: to be repeated until false.
 */
bool bch2_journal_flush_all_pins(struct bch_fs *c);
/* Is anything pinned besides entries that are being written? */
bool bch2_journal_has_pins(struct bch_fs *c);

/* Replay (PC-2): release the pins of all old numbers below @seq. */
void bch2_journal_replay_pins_put_below(struct bch_fs *c, u64 seq);
/* Replay has ended: release the rest. */
void bch2_journal_set_replay_due(struct bch_fs *c);
void bch2_journal_set_replay_done(struct bch_fs *c);

/* --- for the journal itself --- */

int journal_pins_init(struct journal_pins *p);
void journal_pins_exit(struct journal_pins *p);
void journal_pins_start(struct journal_pins *p, u64 cur_seq, u64 last_seq);
bool journal_pins_open(struct journal_pins *p, u64 seq);
bool journal_pins_put_entry(struct journal_pins *p, u64 seq);
u64 journal_pins_last_seq(struct journal_pins *p);
bool journal_pins_low(struct journal_pins *p);
u64 journal_pins_reclaim_limit(struct journal_pins *p);

#endif /* _BCACHEFS_JOURNAL_PINS_H */
