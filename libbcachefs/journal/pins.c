// SPDX-License-Identifier: GPL-2.0
/*
 * Pins on journal entries (spec 30 section 16.6, spec 22 section 6).
 *
 * Invariants: journal_pins.front is the oldest number whose list is in use, by a
 * pin, by the entry while it is not written (PC-4, PC-5), or by replay (PC-2);
 * numbers below it are released for good. A pin on a number below front counts
 * on front itself, which only lets go later. A pin that moves takes its new
 * place before it leaves the old one (PC-6): both under the same lock.
 *
 * flush() is called without locks, for one pin at a time (reclaim_lock).
 */
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/writer_priv.h"

/* The list that @seq counts on; lock held. */
static struct journal_entry_pin_list *pin_list(struct journal_pins *p, u64 seq)
{
	return &p->d[max(seq, p->front) & p->mask];
}

/* Release what nobody needs at the old end; true if something was. */
static bool pins_advance(struct journal_pins *p)
{
	const u64 old = p->front;

	while (p->front < p->back && !p->d[p->front & p->mask].count)
		WRITE_ONCE(p->front, p->front + 1);
	return p->front != old;
}

static void pin_list_init(struct journal_entry_pin_list *l, u32 count)
{
	for (unsigned i = 0; i < JOURNAL_PIN_TYPE_NR; i++)
		INIT_LIST_HEAD(&l->unflushed[i]);
	INIT_LIST_HEAD(&l->flushed);
	l->count = count;
}

/* --- setting and dropping --- */

/* Take the pin off its list; lock held. Its number keeps its count. */
static void pin_unlink(struct journal_pins *p, struct journal_entry_pin *pin)
{
	list_del_init(&pin->list);
	if (p->flushing == pin)
		p->flushing_moved = true;
}

static void pin_uncount(struct journal_pins *p, const struct journal_entry_pin *pin)
{
	pin_list(p, pin->seq)->count--;
	p->nr--;
	p->nr_type[pin->type]--;
}

/* True if the front moved; lock held. */
static bool pin_drop_locked(struct journal_pins *p, struct journal_entry_pin *pin)
{
	if (!pin->seq)
		return false;

	pin_unlink(p, pin);
	pin_uncount(p, pin);
	WRITE_ONCE(pin->seq, 0);
	return pins_advance(p);
}

static bool pin_set_locked(struct journal_pins *p, u64 seq, struct journal_entry_pin *pin,
			   enum journal_pin_type type, journal_pin_flush_fn flush)
{
	struct journal_entry_pin_list *l = pin_list(p, seq);

	WARN_ON(!seq || seq >= p->back);

	l->count++;
	p->nr++;
	p->nr_type[type]++;
	if (pin->seq) {
		/* the new count is there: the front cannot pass it */
		pin_unlink(p, pin);
		pin_uncount(p, pin);
	}
	WRITE_ONCE(pin->seq, seq);
	pin->type = type;
	pin->flush = flush;
	list_add_tail(&pin->list, flush ? &l->unflushed[type] : &l->flushed);
	return pins_advance(p);
}

/* The journal may have got shorter. */
static void pins_moved(struct bch_fs *c, bool advanced)
{
	struct journal_writer *w = c->journal.w;

	if (wq_has_sleeper(&w->pins.wait))
		wake_up_all(&w->pins.wait);
	if ((advanced && (READ_ONCE(w->low_space) || READ_ONCE(w->low_pins) ||
			  READ_ONCE(w->low_reserve) || wq_has_sleeper(&w->wait_res))) ||
	    READ_ONCE(w->low_writeback))
		bch2_journal_reclaim_kick(c);
}

/**
 * bch2_journal_pin_set - pin exactly @seq
 * @c:		filesystem
 * @seq:	number that is pinned by somebody: by another pin, by replay, or by a
 *		reservation of the caller
 * @pin:	pin; may be on another number
 * @type:	order of flushing
 * @flush:	lets go of it; NULL if only its user can
 */
void bch2_journal_pin_set(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool advanced;

	spin_lock(&p->lock);
	advanced = pin_set_locked(p, seq, pin, type, flush);
	spin_unlock(&p->lock);
	pins_moved(c, advanced);
}

/**
 * bch2_journal_pin_add - pin @seq unless something older is pinned
 * @c:		filesystem
 * @seq:	as for bch2_journal_pin_set()
 * @pin:	pin
 * @type:	order of flushing
 * @flush:	lets go of it
 */
void bch2_journal_pin_add(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			  enum journal_pin_type type, journal_pin_flush_fn flush)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool advanced = false;

	/* the owner serializes; only it makes pin->seq other than 0 */
	if (bch2_journal_pin_active(pin) && READ_ONCE(pin->seq) <= seq)
		return;

	spin_lock(&p->lock);
	if (!pin->seq || pin->seq > seq)
		advanced = pin_set_locked(p, seq, pin, type, flush);
	spin_unlock(&p->lock);
	pins_moved(c, advanced);
}

/**
 * bch2_journal_pin_update - move a pin to a newer number
 * @c:		filesystem
 * @seq:	as for bch2_journal_pin_set()
 * @pin:	pin
 * @type:	order of flushing
 * @flush:	lets go of it
 */
void bch2_journal_pin_update(struct bch_fs *c, u64 seq, struct journal_entry_pin *pin,
			     enum journal_pin_type type, journal_pin_flush_fn flush)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool advanced = false;

	if (READ_ONCE(pin->seq) >= seq)
		return;

	spin_lock(&p->lock);
	if (pin->seq < seq)
		advanced = pin_set_locked(p, seq, pin, type, flush);
	spin_unlock(&p->lock);
	pins_moved(c, advanced);
}

/**
 * bch2_journal_pin_copy - pin what another pin pins
 * @c:		filesystem
 * @dst:	pin; keeps its number if that is older
 * @src:	pin; its type is taken over. Nothing happens if it is on nothing
 * @flush:	lets go of @dst
 */
void bch2_journal_pin_copy(struct bch_fs *c, struct journal_entry_pin *dst,
			   struct journal_entry_pin *src, journal_pin_flush_fn flush)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool advanced = false;

	spin_lock(&p->lock);
	if (src->seq && (!dst->seq || dst->seq > src->seq))
		advanced = pin_set_locked(p, src->seq, dst, src->type, flush);
	spin_unlock(&p->lock);
	pins_moved(c, advanced);
}

/**
 * bch2_journal_pin_drop - what was pinned is durable elsewhere
 * @c:		filesystem
 * @pin:	pin; on nothing afterwards. Its flush() may still be running
 */
void bch2_journal_pin_drop(struct bch_fs *c, struct journal_entry_pin *pin)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool advanced;

	if (!bch2_journal_pin_active(pin))
		return;

	spin_lock(&p->lock);
	advanced = pin_drop_locked(p, pin);
	spin_unlock(&p->lock);
	pins_moved(c, advanced);
}

static bool pin_is_flushing(struct journal_pins *p, const struct journal_entry_pin *pin)
{
	bool ret;

	spin_lock(&p->lock);
	ret = p->flushing == pin;
	spin_unlock(&p->lock);
	return ret;
}

/**
 * bch2_journal_pin_flush - drop a pin that is about to be freed
 * @c:		filesystem
 * @pin:	pin
 *
 * Waits until reclaim has done with it; not from within its flush().
 */
void bch2_journal_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin)
{
	struct journal_pins *p = &c->journal.w->pins;

	bch2_journal_pin_drop(c, pin);
	wait_event(p->wait, !pin_is_flushing(p, pin));
}

/* --- flushing --- */

/*
 * Flush the pins of one type of one number. Those that cannot be flushed now go
 * back to the list once all have been tried. Lock held; dropped in between.
 */
static unsigned pin_list_flush(struct bch_fs *c, u64 at, unsigned type, u64 seq)
{
	struct journal_pins *p = &c->journal.w->pins;
	struct list_head *list = &p->d[at & p->mask].unflushed[type];
	LIST_HEAD(failed);
	unsigned done = 0;

	/* released meanwhile: the list may serve another number */
	while (at >= p->front && !list_empty(list)) {
		struct journal_entry_pin *pin =
			list_first_entry(list, struct journal_entry_pin, list);
		const journal_pin_flush_fn flush = pin->flush;
		int ret;

		list_move_tail(&pin->list, &p->d[at & p->mask].flushed);
		p->flushing = pin;
		p->flushing_moved = false;
		spin_unlock(&p->lock);

		/* the pin may be set anew by now */
		ret = flush(c, pin, seq);

		spin_lock(&p->lock);
		/* whoever waits for this may free the pin now */
		p->flushing = NULL;
		if (!ret)
			done++;
		else if (!p->flushing_moved)
			list_move_tail(&pin->list, &failed);
		if (wq_has_sleeper(&p->wait))
			wake_up_all(&p->wait);
	}
	/* pins in here hold their number, so the list is still theirs */
	list_splice_tail(&failed, list);
	return done;
}

/**
 * bch2_journal_flush_pins - have pins flushed
 * @c:		filesystem
 * @seq:	up to this number
 * @types:	mask of enum journal_pin_type
 *
 * Oldest number first, within it in the order of types. Flushing has begun when
 * this returns; pins go when it is complete.
 *
 * Return: has any flush function done something?
 */
bool bch2_journal_flush_pins(struct bch_fs *c, u64 seq, unsigned types)
{
	struct journal_writer *w = c->journal.w;
	struct journal_pins *p = &w->pins;
	unsigned done = 0;

	mutex_lock(&w->reclaim_lock);
	spin_lock(&p->lock);
	for (u64 at = p->front; at < p->back && at <= seq; at = max(at + 1, p->front))
		for (unsigned type = 0; type < JOURNAL_PIN_TYPE_NR; type++)
			if (types & (1U << type))
				done += pin_list_flush(c, at, type, seq);
	spin_unlock(&p->lock);
	mutex_unlock(&w->reclaim_lock);
	return done != 0;
}

/* Is a flush that was called for not complete? */
static bool pins_under_way(struct journal_pins *p)
{
	bool ret = false;

	spin_lock(&p->lock);
	for (u64 at = p->front; at < p->back && !ret && p->nr; at++)
		ret = !list_empty(&p->d[at & p->mask].flushed);
	spin_unlock(&p->lock);
	return ret;
}

/**
 * bch2_journal_flush_all_pins - have everything flushed, for going read-only
 * @c:		filesystem
 *
 * In the order of spec 30 section 16.6: other pins, key cache, nodes from the
 * leaves upwards. Waits a little if all that is left is under way.
 *
 * Return: false if nothing is left that flushing could do something about.
 */
bool bch2_journal_flush_all_pins(struct bch_fs *c)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool ret = false;

	for (unsigned type = 0; type < JOURNAL_PIN_TYPE_NR; type++)
		ret |= bch2_journal_flush_pins(c, U64_MAX, 1U << type);

	if (!ret && pins_under_way(p)) {
		wait_event_timeout(p->wait, !pins_under_way(p), HZ / 50 + 1);
		ret = true;
	}
	return ret;
}

/**
 * bch2_journal_has_pins - is something not durable outside the journal?
 * @c:	filesystem
 */
bool bch2_journal_has_pins(struct bch_fs *c)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool ret;

	spin_lock(&p->lock);
	ret = p->nr || p->replay_next < p->replay_end;
	spin_unlock(&p->lock);
	return ret;
}

/* --- replay --- */

/**
 * bch2_journal_replay_pins_put_below - replay needs nothing below @seq any more
 * @c:		filesystem
 * @seq:	number
 */
void bch2_journal_replay_pins_put_below(struct bch_fs *c, u64 seq)
{
	struct journal_pins *p = &c->journal.w->pins;
	bool advanced;

	spin_lock(&p->lock);
	while (p->replay_next < min(seq, p->replay_end)) {
		p->d[p->replay_next & p->mask].count--;
		p->replay_next++;
	}
	advanced = pins_advance(p);
	spin_unlock(&p->lock);
	pins_moved(c, advanced);
}

/**
 * bch2_journal_set_replay_due - the overlay is complete: is there anything to replay?
 * @c:	filesystem that is about to go read-write, by the thread that starts it
 *
 * Passes that ran since the journal was started may have repaired something, also
 * on a filesystem that was clean: transactions have to look at that until it has
 * been replayed.
 */
void bch2_journal_set_replay_due(struct bch_fs *c)
{
	if (c->journal.w && c->journal.keys.nr && !test_bit(BCH_FS_replay_done, &c->flags))
		WRITE_ONCE(c->journal.w->replay_done, false);
}

/**
 * bch2_journal_set_replay_done - replay has ended (spec 22 section 9.5)
 * @c:	filesystem
 */
void bch2_journal_set_replay_done(struct bch_fs *c)
{
	bch2_journal_replay_pins_put_below(c, U64_MAX);
	WRITE_ONCE(c->journal.w->replay_done, true);
	bch2_journal_reclaim_kick(c);
}

/* --- for the journal itself --- */

/**
 * journal_pins_init - memory for the lists
 * @p:	pins
 */
int journal_pins_init(struct journal_pins *p)
{
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->wait);
	p->mask = JOURNAL_PINS_NR - 1;
	p->d = kvcalloc(JOURNAL_PINS_NR, sizeof(*p->d), GFP_KERNEL);
	return p->d ? 0 : -BCH_ERR_ENOMEM_journal_pins;
}

/**
 * journal_pins_exit - free the lists
 * @p:	pins
 */
void journal_pins_exit(struct journal_pins *p)
{
	kvfree(p->d);
	p->d = NULL;
}

/**
 * journal_pins_start - pin what is to be replayed (PC-2)
 * @p:		pins, unused so far
 * @cur_seq:	first number that will be used
 * @last_seq:	oldest number to be kept
 *
 * A window longer than half the ring is kept as a whole until its numbers down
 * to the base have been released.
 */
void journal_pins_start(struct journal_pins *p, u64 cur_seq, u64 last_seq)
{
	const u64 longest = (p->mask + 1) / 2;

	spin_lock(&p->lock);
	p->window_start	= min(last_seq, cur_seq);
	p->base		= max(p->window_start, cur_seq - min(cur_seq, longest));
	WRITE_ONCE(p->front, p->base);
	p->back		= cur_seq;
	p->nr		= 0;
	memset(p->nr_type, 0, sizeof(p->nr_type));
	p->replay_next	= p->base;
	p->replay_end	= cur_seq;
	for (u64 seq = p->base; seq < cur_seq; seq++)
		pin_list_init(&p->d[seq & p->mask], 1);
	spin_unlock(&p->lock);
}

/**
 * journal_pins_open - a list for a new entry, which counts on it itself
 * @p:		pins
 * @seq:	number, the next one
 *
 * Return: false if there is no room: too long since the oldest entry was released.
 */
bool journal_pins_open(struct journal_pins *p, u64 seq)
{
	bool ret;

	spin_lock(&p->lock);
	WARN_ON(seq != p->back);
	ret = p->back - p->front <= p->mask;
	if (ret)
		pin_list_init(&p->d[p->back++ & p->mask], 1);
	spin_unlock(&p->lock);
	return ret;
}

/**
 * journal_pins_put_entry - an entry is on the devices
 * @p:		pins
 * @seq:	its number
 *
 * Return: did the journal get shorter?
 */
bool journal_pins_put_entry(struct journal_pins *p, u64 seq)
{
	bool ret;

	spin_lock(&p->lock);
	pin_list(p, seq)->count--;
	ret = pins_advance(p);
	spin_unlock(&p->lock);
	if (ret && wq_has_sleeper(&p->wait))
		wake_up_all(&p->wait);
	return ret;
}

/**
 * journal_pins_last_seq - oldest number that is needed
 * @p:	pins
 *
 * Return: the next entry's number if none is.
 */
u64 journal_pins_last_seq(struct journal_pins *p)
{
	u64 ret;

	spin_lock(&p->lock);
	ret = p->front == p->base && p->front < p->back ? p->window_start : p->front;
	spin_unlock(&p->lock);
	return ret;
}

/**
 * journal_pins_low - are the lists running out?
 * @p:	pins
 */
bool journal_pins_low(struct journal_pins *p)
{
	bool ret;

	spin_lock(&p->lock);
	ret = (p->back - p->front) * 4 > ((u64) p->mask + 1) * 3;
	spin_unlock(&p->lock);
	return ret;
}

/**
 * journal_pins_reclaim_limit - newest number that reclaim may work for (RP-4)
 * @p:	pins
 *
 * Return: what replay still holds, and all that is newer, cannot be released.
 */
u64 journal_pins_reclaim_limit(struct journal_pins *p)
{
	u64 ret;

	spin_lock(&p->lock);
	ret = p->replay_next < p->replay_end ? p->replay_next - 1 : U64_MAX;
	spin_unlock(&p->lock);
	return ret;
}
