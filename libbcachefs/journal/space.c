// SPDX-License-Identifier: GPL-2.0
/*
 * Room in the rings of journal buckets, and places for entries (spec 30 sections
 * 7.3, 16.5, 16.6).
 *
 * Going around a ring: what was discarded and is available (cur, discard_idx),
 * what may be discarded [discard_idx, dirty_idx_ondisk), what only needs a flush
 * entry [dirty_idx_ondisk, dirty_idx), what is needed [dirty_idx, cur]. One slot
 * always stays between cur and discard_idx.
 *
 * Invariants. The sizes of entries that are not placed yet are set aside on every
 * device, as if all went there, so that whatever order they come in and however
 * small they turn out, they find their places. The end of a ring is kept for what
 * makes it longer: the pointers of nodes that are written back, interior updates
 * and flush entries (spec 30 section 16.6, IU-7). Whoever may use it is bounded by
 * what is dirty; nothing else can take it from them, and nothing more gets dirty
 * than what is left can write back: small nodes take more room when they are
 * written back than the keys did that made them dirty.
 *
 * journal_writer.lock is held in all of this.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/pins.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/disk_groups.h"
#include "sb/members.h"

/* Rings that are shorter cannot be written: one slot is being written, one stays free. */
#define JOURNAL_RING_MIN	3

/**
 * journal_dev_writable - may journal entries go to this device?
 * @ca:		device
 */
bool journal_dev_writable(const struct bch_dev *ca)
{
	return bch2_dev_is_online(ca) && ca->mi.state == BCH_MEMBER_STATE_rw &&
		(ca->mi.data_allowed & (1U << BCH_DATA_journal)) &&
		ca->journal.nr >= JOURNAL_RING_MIN;
}

static unsigned ring_next(const struct journal_device *ja, unsigned idx)
{
	return idx + 1 < ja->nr ? idx + 1 : 0;
}

/* Slots from @from on before @to is reached. */
static unsigned ring_distance(const struct journal_device *ja, unsigned from, unsigned to)
{
	return to >= from ? to - from : to + ja->nr - from;
}

/* Slots that nothing is needed of. */
static unsigned ring_free(const struct journal_device *ja)
{
	return ring_distance(ja, ring_next(ja, ja->cur_idx), ja->discard_idx);
}

/*
 * Slots the ring may move on to. The last one is kept until others are on their
 * way to be free, by a flush entry or a discard. So the number never gets less
 * but by moving on: what was promised to an open entry stays.
 */
static unsigned ring_available(const struct journal_device *ja)
{
	const unsigned nr = ring_free(ja);

	return nr && ja->dirty_idx == ja->discard_idx ? nr - 1 : nr;
}

/*
 * Free slots, that last one among them, which are for watermark interior_updates
 * alone: about half of the quarter from which on ordinary updates wait. What else
 * is done at watermark reclaim - discards, cached keys journalled anew - can wait.
 */
static unsigned ring_reserve(const struct journal_device *ja)
{
	return 1 + (ja->nr > 5 ? max(1U, ja->nr / 8) : 0);
}

/* Is somebody who waits waiting for a bucket? */
static bool ring_is_short(const struct journal_device *ja)
{
	return ring_free(ja) <= max(ja->nr / 4, ring_reserve(ja));
}

/* --- room --- */

struct dev_room {
	u32	next;		/* sectors the next entry may have */
	u32	next_ordinary;	/* the same below watermark interior_updates */
	bool	in_reserve;	/* what is open may go beyond the reserve's beginning */
	u64	clean;
	u64	total;
	u64	reserve;
	u8	durability;
};

static u64 reserve_sectors(const struct journal_device *ja, u32 bucket)
{
	return (u64) ring_reserve(ja) * bucket;
}

/* What an entry may have that does not touch the reserve. */
static u32 room_ordinary(const struct journal_device *ja, u32 bucket, unsigned free, u32 left)
{
	const u64 all = (u64) free * bucket + left, reserve = reserve_sectors(ja, bucket);
	const u64 usable = all - min(all, reserve);

	/* an entry that does not fit into what is left wastes that */
	if (usable > left && usable - left > left)
		return min_t(u64, bucket, usable - left);
	return min_t(u64, left, usable);
}

/* What is left on @ca once all entries that have no place yet have got one there. */
static struct dev_room dev_room(struct journal_writer *w, struct bch_dev *ca)
{
	struct journal_device *ja = &ca->journal;
	const u32 bucket = ca->mi.bucket_size;
	unsigned clean = ring_distance(ja, ring_next(ja, ja->cur_idx), ja->dirty_idx);
	unsigned avail = ring_available(ja);
	const unsigned kept = ring_free(ja) - avail;
	u32 left = ja->sectors_free;
	bool fits = true;

	for (u64 seq = w->prepared + 1; seq <= w->seq && fits; seq++) {
		const u32 sectors = journal_buf(w, seq)->sectors;

		if (sectors > left) {
			fits = avail && sectors <= bucket;
			avail -= fits;
			clean -= min(clean, 1U);
			left = bucket;
		}
		left -= min(left, sectors);
	}
	return (struct dev_room) {
		.next		= !fits ? 0 : avail ? bucket : left,
		.next_ordinary	= !fits ? 0 : room_ordinary(ja, bucket, avail + kept, left),
		.in_reserve	= !fits ||
			(u64) (avail + kept) * bucket + left < reserve_sectors(ja, bucket),
		.clean		= (u64) clean * bucket + (fits ? left : 0),
		.total		= (u64) ja->nr * bucket,
		.reserve	= reserve_sectors(ja, bucket),
		.durability	= ca->mi.durability,
	};
}

static void room_insert(struct dev_room *r, unsigned nr, struct dev_room new)
{
	unsigned i;

	for (i = nr; i && r[i - 1].next < new.next; i--)
		r[i] = r[i - 1];
	r[i] = new;
}

/* Devices looked at; more than enough to find the copies of an entry. */
#define ROOM_DEVS_MAX	16

/*
 * The roomiest devices that together give the replicas that are wanted; the
 * least of them bounds the next entry.
 */
static struct dev_room rooms_sum(struct bch_fs *c, const struct dev_room *r, unsigned nr)
{
	struct dev_room ret = {};
	unsigned copies = 0;

	for (unsigned i = 0; i < nr && copies < c->opts.metadata_replicas; i++) {
		if (!i) {
			ret = r[i];
		} else {
			ret.next = min(ret.next, r[i].next);
			ret.next_ordinary = min(ret.next_ordinary, r[i].next_ordinary);
			ret.in_reserve |= r[i].in_reserve;
			/* the one that is closest to being full */
			if (r[i].clean * ret.total < ret.clean * r[i].total) {
				ret.clean = r[i].clean;
				ret.total = r[i].total;
				ret.reserve = r[i].reserve;
			}
		}
		copies += r[i].durability;
	}
	return ret;
}

/* The overlay of a start must fit into memory: rings count up to a quarter of it. */
static void room_limit_ram(struct dev_room *r)
{
	const u64 limit = (u64) totalram_pages() * (PAGE_SIZE >> 9) / 4;
	const u64 dirty = r->total - min(r->total, r->clean);

	if (r->total > limit) {
		r->total = limit;
		r->clean = limit - min(limit, dirty);
		r->reserve = min(r->reserve, limit / 8);
	}
}

/*
 * Words of the update of a node's pointer, and of its old value; per copy; and of a
 * cached key that goes to its leaf, which is then to be written back as well.
 */
#define WRITEBACK_NODE_U64S	28
#define WRITEBACK_COPY_U64S	4
#define WRITEBACK_KEY_U64S	64

/* Sectors of entries that it takes to end everything that is pinned; half is waste. */
static u64 writeback_sectors(struct bch_fs *c)
{
	struct journal_pins *p = &c->journal.w->pins;
	u64 keys, nodes = 0;

	spin_lock(&p->lock);
	keys = p->nr_type[JOURNAL_PIN_TYPE_key_cache];
	for (unsigned t = JOURNAL_PIN_TYPE_btree0; t <= JOURNAL_PIN_TYPE_btree3; t++)
		nodes += p->nr_type[t];
	spin_unlock(&p->lock);

	nodes *= WRITEBACK_NODE_U64S + c->opts.metadata_replicas * WRITEBACK_COPY_U64S;
	return ((nodes + keys * WRITEBACK_KEY_U64S) * sizeof(u64) >> 9) * 3 / 2;
}

/**
 * journal_space_update - how much may be opened, who may do so?
 * @c:	filesystem; journal_writer.lock held
 */
void journal_space_update(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	struct dev_room rooms[ROOM_DEVS_MAX + 1], sum;
	const u64 writeback = writeback_sectors(c);
	const u32 old = w->space.next_entry, old_ordinary = w->space.next_ordinary;
	u32 largest = JOURNAL_ENTRY_SIZE_MAX >> 9;
	unsigned nr = 0;

	for_each_online_member(c, ca)
		if (journal_dev_writable(ca)) {
			room_insert(rooms, nr, dev_room(w, ca));
			nr = min(nr + 1, (unsigned) ROOM_DEVS_MAX);
			largest = min_t(u32, largest, ca->mi.bucket_size);
		}

	sum = rooms_sum(c, rooms, nr);
	room_limit_ram(&sum);
	/* fits into a bucket of every device it may go to */
	w->space.entry_max = largest << 9;
	WRITE_ONCE(w->space.next_entry, sum.next);
	WRITE_ONCE(w->space.next_ordinary, sum.next_ordinary);
	WRITE_ONCE(w->space.clean, sum.clean);
	WRITE_ONCE(w->space.total, sum.total);
	WRITE_ONCE(w->low_writeback, writeback && sum.clean < writeback + sum.reserve);
	WRITE_ONCE(w->low_space, w->low_writeback || sum.clean * 4 <= sum.total);
	WRITE_ONCE(w->low_reserve, sum.in_reserve);
	journal_watermark_update(c);
	if (sum.next > old || sum.next_ordinary > old_ordinary)
		wake_up_all(&w->wait_res);
}

/* --- moving on --- */

/* Does slot @idx hold something that is needed while entries from @seq on are? */
static bool slot_needed(const struct journal_device *ja, unsigned idx, u64 seq)
{
	return ja->bucket_seq[idx] && ja->bucket_seq[idx] >= seq;
}

/* The ring of one device as far as pins and durable entries allow. */
static void ring_advance(struct bch_fs *c, struct bch_dev *ca, u64 last_seq)
{
	const struct journal_writer *w = c->journal.w;
	struct journal_device *ja = &ca->journal;

	while (ja->dirty_idx != ja->cur_idx && !slot_needed(ja, ja->dirty_idx, last_seq))
		ja->dirty_idx = ring_next(ja, ja->dirty_idx);
	while (ja->dirty_idx_ondisk != ja->dirty_idx &&
	       !slot_needed(ja, ja->dirty_idx_ondisk, w->last_ondisk))
		ja->dirty_idx_ondisk = ring_next(ja, ja->dirty_idx_ondisk);
	if (!journal_ring_discards(c, ca))
		ja->discard_idx = ja->dirty_idx_ondisk;
}

/**
 * journal_ring_discards - are buckets of this ring discarded before they are reused?
 * @c:		filesystem
 * @ca:		device
 */
bool journal_ring_discards(const struct bch_fs *c, const struct bch_dev *ca)
{
	return ca->mi.discard && !c->opts.nochanges && bch2_dev_is_online(ca) &&
		bdev_max_discard_sectors(ca->disk_sb.bdev);
}

/**
 * journal_rings_advance - take note of what is not needed any more
 * @c:	filesystem; journal_writer.lock held
 */
void journal_rings_advance(struct bch_fs *c)
{
	const u64 last_seq = journal_pins_last_seq(&c->journal.w->pins);

	for_each_online_member(c, ca)
		if (journal_dev_writable(ca))
			ring_advance(c, ca, last_seq);
	journal_space_update(c);
}

/*
 * Entries behind the newest flush entry are ignored now and ever: their numbers are
 * blacklisted (spec 30 9.1), and bucket_seq does not know them. In a ring that is short
 * of room the buckets they have for themselves are written again.
 */
static void ring_take_back(struct journal_device *ja)
{
	while (ja->cur_idx != ja->dirty_idx && !ja->bucket_seq[ja->cur_idx]) {
		ja->cur_idx = ja->cur_idx ? ja->cur_idx - 1 : ja->nr - 1;
		ja->sectors_free = 0;
	}
}

/**
 * journal_ring_start - rings as they were read, before anything is written
 * @c:	filesystem; journal_writer.lock held
 *
 * All slots count as needed; what is not is found out at once (spec 30 8.3).
 */
void journal_ring_start(struct bch_fs *c)
{
	for_each_online_member(c, ca) {
		struct journal_device *ja = &ca->journal;

		if (!ja->nr)
			continue;
		if (ja->cur_idx >= ja->nr)
			ja->cur_idx = ja->sectors_free = 0;
		ja->sectors_free = min_t(unsigned, ja->sectors_free, ca->mi.bucket_size);
		ja->sectors_free = round_down(ja->sectors_free, bch2_block_sectors(c));
		ja->dirty_idx = ja->dirty_idx_ondisk = ja->discard_idx =
			ring_next(ja, ja->cur_idx);
	}
	journal_rings_advance(c);
	for_each_online_member(c, ca)
		if (journal_dev_writable(ca) && ring_is_short(&ca->journal))
			ring_take_back(&ca->journal);
	journal_space_update(c);
}

/* --- what reclaim asks --- */

/**
 * journal_rings_seq_to_flush - pins up to which number stand in the way?
 * @c:	filesystem; journal_writer.lock held
 *
 * Half of each ring is to be clean, and with little room at least one bucket.
 *
 * Return: 0 if all is well.
 */
u64 journal_rings_seq_to_flush(struct bch_fs *c)
{
	const struct journal_writer *w = c->journal.w;
	u64 ret = 0;

	for_each_online_member(c, ca) {
		const struct journal_device *ja = &ca->journal;
		unsigned dirty, excess;

		if (!journal_dev_writable(ca))
			continue;
		dirty = ring_distance(ja, ja->dirty_idx, ja->cur_idx);
		excess = dirty > ja->nr / 2 ? dirty - ja->nr / 2 : 0;
		if (!excess && dirty && (w->low_space || ring_is_short(ja)))
			excess = 1;
		/* a slot may hold nothing that counts */
		for (unsigned i = 0; i < excess; i++)
			ret = max(ret, ja->bucket_seq[(ja->dirty_idx + i) % ja->nr]);
	}
	return ret;
}

/* Would one more flush entry do something that those under way do not? */
static bool flush_frees(const struct journal_writer *w, const struct journal_device *ja)
{
	unsigned idx = ja->dirty_idx_ondisk;

	while (idx != ja->dirty_idx && !slot_needed(ja, idx, w->last_under_way))
		idx = ring_next(ja, idx);
	return idx != ja->dirty_idx;
}

/**
 * journal_rings_want_flush - would a flush entry make buckets available?
 * @c:	filesystem; journal_writer.lock held
 *
 * Only if there are few: each such entry takes room itself.
 */
bool journal_rings_want_flush(struct bch_fs *c)
{
	const struct journal_writer *w = c->journal.w;

	for_each_online_member(c, ca) {
		const struct journal_device *ja = &ca->journal;

		if (journal_dev_writable(ca) && flush_frees(w, ja) &&
		    (w->low_space || ring_is_short(ja)))
			return true;
	}
	return false;
}

/* --- places --- */

struct place {
	struct bch_fs		*c;
	struct journal_buf	*buf;
	unsigned		durability;	/* of the copies so far */
};

static bool has_copy(const struct journal_buf *buf, unsigned dev)
{
	for (unsigned i = 0; i < buf->nr_ptrs; i++)
		if (buf->ptrs[i].dev == dev)
			return true;
	return false;
}

static bool place_enough(const struct place *p)
{
	return p->durability >= p->c->opts.metadata_replicas ||
		p->buf->nr_ptrs == BCH_REPLICAS_MAX;
}

static void place_on(struct place *p, struct bch_dev *ca)
{
	struct journal_device *ja = &ca->journal;
	struct journal_buf_ptr *ptr = &p->buf->ptrs[p->buf->nr_ptrs++];

	ptr->buf	= p->buf;
	ptr->dev	= ca->dev_idx;
	ptr->sector	= bucket_to_sector(ca, ja->buckets[ja->cur_idx]) +
			  ca->mi.bucket_size - ja->sectors_free;
	atomic_set(&ptr->errors, 0);

	ja->sectors_free -= p->buf->sectors;
	ja->bucket_seq[ja->cur_idx] = p->buf->seq;
	p->durability += ca->mi.durability;
}

/* The candidate with most room, so that rings fill evenly; NULL: none left. */
static struct bch_dev *place_candidate(struct place *p, unsigned target)
{
	struct bch_dev *best = NULL;
	u64 best_room = 0;

	for_each_online_member(p->c, ca) {
		const struct journal_device *ja = &ca->journal;
		u64 room;

		if (!journal_dev_writable(ca) || has_copy(p->buf, ca->dev_idx) ||
		    ja->sectors_free < p->buf->sectors ||
		    (target && !bch2_dev_in_target(p->c, ca->dev_idx, target)))
			continue;
		room = (u64) ring_available(ja) * ca->mi.bucket_size + ja->sectors_free;
		if (!best || room > best_room) {
			best = ca;
			best_room = room;
		}
	}
	return best;
}

static void place_in_current(struct place *p, unsigned target)
{
	struct bch_dev *ca;

	while (!place_enough(p) && (ca = place_candidate(p, target)))
		place_on(p, ca);
}

/* New buckets for devices whose current one is too short. */
static void place_next_buckets(struct place *p, unsigned target)
{
	for_each_online_member(p->c, ca) {
		struct journal_device *ja = &ca->journal;

		if (!journal_dev_writable(ca) || has_copy(p->buf, ca->dev_idx) ||
		    ja->sectors_free >= p->buf->sectors ||
		    p->buf->sectors > ca->mi.bucket_size || !ring_available(ja) ||
		    (target && !bch2_dev_in_target(p->c, ca->dev_idx, target)))
			continue;
		ja->cur_idx = ring_next(ja, ja->cur_idx);
		ja->sectors_free = ca->mi.bucket_size;
		ja->bucket_seq[ja->cur_idx] = p->buf->seq;
	}
}

/**
 * journal_place - choose devices and sectors for an entry
 * @c:		filesystem; journal_writer.lock held
 * @buf:	entry, the next one in order; its size is final
 *
 * Spec 30 section 16.5. Fewer copies than wanted are accepted.
 *
 * Return: 0 or -BCH_ERR_insufficient_journal_devices.
 */
int journal_place(struct bch_fs *c, struct journal_buf *buf)
{
	struct place p = { .c = c, .buf = buf };
	unsigned target = c->opts.metadata_target ?: c->opts.foreground_target;

	while (1) {
		place_in_current(&p, target);
		if (!place_enough(&p)) {
			place_next_buckets(&p, target);
			place_in_current(&p, target);
		}
		if (place_enough(&p) || !target)
			break;
		target = 0;
	}
	return buf->nr_ptrs ? 0 : -BCH_ERR_insufficient_journal_devices;
}
