// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the journal ring of one device (spec 30 §8.2, §8.3).
 *
 * Every bucket is read from its start until something says that no more
 * entries of this lap follow; several buckets are in flight at once, and no
 * more than that is held in memory. What is found goes into an array of copies
 * that belongs to this device alone, so the devices are read in parallel
 * without locks; putting the copies together is done afterwards
 * (journal/read.c).
 *
 * Nothing here trusts a header whose checksum is bad: neither its length, nor
 * its sequence number, nor its last_seq decide what else is found.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/xxhash.h>

#include "bcachefs.h"
#include "journal/read_priv.h"
#include "journal/seq_blacklist.h"
#include "journal/validate.h"
#include "sb/io.h"
#include "sb/members.h"
#include "util/checksum.h"
#include "util/log.h"

/* Bytes asked for at a time: what a bio of BIO_MAX_VECS small pages holds. */
#define JOURNAL_READ_BYTES		(1U << 20)
/* Buckets in flight per device. */
#define JOURNAL_READ_DEPTH		4
/* Size of the pieces in which a failed read is tried again. */
#define JOURNAL_RETRY_BYTES		(64U << 10)

/*
 * Bad copies remembered per bucket, and bytes checksummed per bucket byte:
 * bounds on what a bucket full of forged headers can cost.
 */
#define JOURNAL_BAD_PER_BUCKET		64
#define JOURNAL_CSUM_FACTOR		8

/* A bucket on its way into memory. */
struct bucket_buf {
	struct bch_dev		*ca;
	void			*data;		/* bucket size */
	size_t			bytes;		/* of a bucket */
	size_t			valid;		/* read so far */
	struct bio		*bio;		/* first part in flight */
	struct completion	done;
	u32			slot;
	u64			sector;		/* of the bucket */
	bool			damaged;	/* parts could not be read */
};

/* --- checksum, decryption (spec 30 §4) --- */

static bool jset_csum_good(struct bch_fs *c, const struct jset *j, size_t bytes)
{
	const unsigned type = JSET_CSUM_TYPE(j);

	return bch2_checksum_type_usable(type, c->has_key) &&
		!bch2_checksum_verify(type, bch2_journal_nonce(le64_to_cpu(j->seq)),
				      &c->chacha20_key, &j->magic,
				      bytes - offsetof(struct jset, magic), j->csum);
}

/* Nothing to do for types without encryption; a bad entry decrypts to garbage. */
static void jset_decrypt(struct bch_fs *c, struct jset *j, size_t bytes)
{
	const unsigned type = JSET_CSUM_TYPE(j);

	if (bch2_csum_type_is_encryption(type) && c->has_key)
		bch2_encrypt(type, bch2_journal_nonce(le64_to_cpu(j->seq)), &c->chacha20_key,
			     (u8 *) j + JSET_CRYPT_OFFSET, bytes - JSET_CRYPT_OFFSET);
}

/* --- input --- */

static void bucket_endio(struct bio *bio)
{
	struct bucket_buf *b = bio->bi_private;

	complete(&b->done);
}

static struct page *buf_page(const void *p)
{
	return is_vmalloc_addr(p) ? vmalloc_to_page(p) : virt_to_page(p);
}

/* Start reading the first part of the bucket in ring slot @slot. */
static void bucket_submit(struct bucket_buf *b, u32 slot)
{
	const size_t bytes = min_t(size_t, b->bytes, JOURNAL_READ_BYTES);
	struct bch_dev *ca = b->ca;

	b->slot		= slot;
	b->sector	= bucket_to_sector(ca, ca->journal.buckets[slot]);
	b->valid	= 0;
	b->damaged	= false;
	reinit_completion(&b->done);

	/* small buffers may straddle a page, those of the largest read begin with one */
	b->bio = bio_alloc(ca->disk_sb.bdev,
			   min_t(unsigned, DIV_ROUND_UP(bytes, PAGE_SIZE) + 1, BIO_MAX_VECS),
			   REQ_OP_READ, GFP_KERNEL);
	b->bio->bi_iter.bi_sector = b->sector;
	b->bio->bi_end_io	= bucket_endio;
	b->bio->bi_private	= b;

	for (size_t off = 0; off < bytes;) {
		const void *p = (u8 *) b->data + off;
		const unsigned in_page = offset_in_page(p);
		const unsigned len = min_t(size_t, PAGE_SIZE - in_page, bytes - off);

		/* cannot fail: there is a vector for every page */
		__bio_add_page(b->bio, buf_page(p), len, in_page);
		off += len;
	}
	submit_bio(b->bio);
}

/* Read [b->valid, end) in small pieces; what fails stays zero. */
static void bucket_read_pieces(struct bucket_buf *b, size_t end)
{
	struct bch_dev *ca = b->ca;
	bool told = b->damaged;

	while (b->valid < end) {
		const size_t bytes = min_t(size_t, end - b->valid, JOURNAL_RETRY_BYTES);
		void *p = (u8 *) b->data + b->valid;
		const u64 sector = b->sector + (b->valid >> 9);
		const int ret = bch2_bdev_read(ca->disk_sb.bdev, sector, p, bytes);

		if (ret) {
			memset(p, 0, bytes);
			b->damaged = true;
			bch2_dev_io_error(ca, BCH_MEMBER_ERROR_read);
			if (!told)
				bch_err(ca->fs, "%s: journal bucket %llu, sector %llu: read error: "
						"%s",
					ca->name, ca->journal.buckets[b->slot], sector,
					bch2_err_str(ret));
			told = true;
		}
		b->valid += bytes;
	}
}

/* Make at least @bytes of the bucket valid; @bytes is at most the bucket's size. */
static void bucket_ensure(struct bucket_buf *b, size_t bytes)
{
	if (b->bio) {
		const size_t first = min_t(size_t, b->bytes, JOURNAL_READ_BYTES);

		wait_for_completion(&b->done);
		if (b->bio->bi_status)
			bucket_read_pieces(b, first);
		b->valid = first;
		bio_put(b->bio);
		b->bio = NULL;
	}

	while (b->valid < bytes) {
		const size_t n = min_t(size_t, b->bytes - b->valid, JOURNAL_READ_BYTES);

		if (bch2_bdev_read(b->ca->disk_sb.bdev, b->sector + (b->valid >> 9),
				   (u8 *) b->data + b->valid, n))
			bucket_read_pieces(b, b->valid + n);
		else
			b->valid += n;
	}
}

/* --- what is found --- */

/* Let go of contents that will not be replayed. */
static void journal_copies_prune(struct journal_dev_read *d, u64 last_seq)
{
	for (size_t i = 0; i < d->nr; i++) {
		struct journal_copy *cp = &d->copies[i];

		if (cp->j && cp->seq < last_seq) {
			d->bytes_kept -= cp->bytes;
			kvfree(cp->j);
			cp->j = NULL;
		}
	}
}

static int journal_copy_add(struct journal_dev_read *d, const struct journal_copy *cp)
{
	if (d->nr == d->size) {
		const size_t size = max_t(size_t, 64, d->size * 2);
		struct journal_copy *n = kvmalloc_array(size, sizeof(*n), GFP_KERNEL);

		if (!n)
			return -BCH_ERR_ENOMEM_journal_entry_add;
		if (d->nr)
			memcpy(n, d->copies, d->nr * sizeof(*n));
		kvfree(d->copies);
		d->copies = n;
		d->size = size;
	}
	d->copies[d->nr++] = *cp;
	return 0;
}

/* Keep the contents of a good copy if it may be replayed and there is room. */
static void journal_copy_keep(struct journal_dev_read *d, struct journal_copy *cp,
			      const struct jset *j)
{
	u64 last_seq = atomic64_read(&d->s->last_seq);

	/* a blacklisted entry says nothing about others */
	if (journal_copy_is_flush(cp) && cp->last_seq <= cp->seq &&
	    !bch2_journal_seq_is_blacklisted(d->s->c, cp->seq, false))
		while (cp->last_seq > last_seq) {
			const u64 old = atomic64_cmpxchg(&d->s->last_seq, last_seq, cp->last_seq);

			last_seq = old == last_seq ? cp->last_seq : old;
		}

	if (d->bytes_kept + cp->bytes > JOURNAL_READ_KEEP_BYTES)
		journal_copies_prune(d, last_seq);
	if (cp->seq < last_seq || d->bytes_kept + cp->bytes > JOURNAL_READ_KEEP_BYTES)
		return;

	cp->j = kvmalloc(cp->bytes, GFP_KERNEL);
	if (cp->j) {
		memcpy(cp->j, j, cp->bytes);
		d->bytes_kept += cp->bytes;
	}
}

/* Position inside one bucket. */
struct bucket_scan {
	struct bucket_buf	*b;
	size_t			pos;		/* bytes */
	u64			csum_budget;	/* bytes that may still be checksummed */
	u64			highest;	/* good seq in this bucket */
	unsigned		nr_bad;
	bool			bad_seen;	/* lengths are not trusted from here on */
};

/*
 * There is an entry's magic at the current position. Returns the bytes to go
 * on by, 0 to end the bucket, or an error.
 */
static ssize_t bucket_scan_one(struct journal_dev_read *d, struct bucket_scan *s)
{
	struct bch_fs *c = d->s->c;
	struct bucket_buf *b = s->b;
	struct jset *j = (struct jset *) ((u8 *) b->data + s->pos);
	const u64 claimed = jset_bytes(j);
	const size_t left = b->bytes - s->pos;
	const size_t block = bch2_block_bytes(c);
	struct journal_copy cp = {
		.seq		= le64_to_cpu(j->seq),
		.version	= le32_to_cpu(j->version),
		.flags		= le32_to_cpu(j->flags),
		.disk_u64s	= le32_to_cpu(j->u64s),
		.bytes		= min_t(u64, claimed, left & ~7ULL),
		.cut		= claimed > left,
		.ptr = {
			.bucket		= d->ca->journal.buckets[b->slot],
			.sector		= b->sector + (s->pos >> 9),
			.slot		= b->slot,
			.bucket_offset	= s->pos >> 9,
			.dev		= d->ca->dev_idx,
		},
	};
	int ret;

	if (cp.bytes > s->csum_budget) {
		bch_err(c, "%s: journal bucket %llu: too many overlapping entries, ignoring the "
			   "rest",
			d->ca->name, cp.ptr.bucket);
		return 0;
	}
	s->csum_budget -= cp.bytes;

	bucket_ensure(b, s->pos + cp.bytes);
	cp.ptr.csum_good = !cp.cut && jset_csum_good(c, j, cp.bytes);
	/* rest of an earlier lap */
	if (cp.ptr.csum_good && cp.seq < s->highest)
		return s->bad_seen ? block : 0;

	if (cp.ptr.csum_good) {
		cp.hash = xxh64(&j->magic, cp.bytes - offsetof(struct jset, magic), 0);
		jset_decrypt(c, j, cp.bytes);
		cp.last_seq = le64_to_cpu(j->last_seq);
		s->highest = cp.seq;
		journal_copy_keep(d, &cp, j);
	} else {
		s->bad_seen = true;
		bch2_dev_io_error(d->ca, BCH_MEMBER_ERROR_checksum);
		if (s->nr_bad++ == JOURNAL_BAD_PER_BUCKET) {
			bch_err(c, "%s: journal bucket %llu: too many entries with bad checksums, "
				   "ignoring the rest",
				d->ca->name, cp.ptr.bucket);
			return 0;
		}
	}

	ret = journal_copy_add(d, &cp);
	if (ret) {
		kvfree(cp.j);
		return ret;
	}
	return cp.ptr.csum_good ? round_up(cp.bytes, block) : block;
}

/* Find the entries of one bucket (spec 30 §8.2). */
static int bucket_scan(struct journal_dev_read *d, struct bucket_buf *b)
{
	struct bch_fs *c = d->s->c;
	const u64 magic = bch2_sb_jset_magic(c->disk_sb.sb);
	const size_t block = bch2_block_bytes(c);
	struct bucket_scan s = {
		.b		= b,
		.csum_budget	= (u64) b->bytes * JOURNAL_CSUM_FACTOR,
	};

	while (s.pos + block <= b->bytes) {
		const struct jset *j = (struct jset *) ((u8 *) b->data + s.pos);
		ssize_t ret = block;

		bucket_ensure(b, s.pos + block);
		if (le64_to_cpu(j->magic) == magic)
			ret = bucket_scan_one(d, &s);
		else if (!s.bad_seen && !b->damaged)
			break;

		if (ret < 0)
			return ret;
		if (!ret)
			break;
		s.pos += ret;
	}

	/* a read that nobody has waited for */
	bucket_ensure(b, 0);
	return 0;
}

static void bucket_bufs_free(struct bucket_buf *bufs, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (bufs[i].bio)
			bucket_ensure(&bufs[i], 0);
		kvfree(bufs[i].data);
	}
}

/**
 * journal_read_ring - read all journal buckets of a device
 * @work:	of a struct journal_dev_read
 *
 * The result is in the struct's copies and ret: 0 or -ENOMEM. Errors of the
 * device are counted and reported, and not errors here: another device may
 * have what could not be read.
 */
void journal_read_ring(struct work_struct *work)
{
	struct journal_dev_read *d = container_of(work, struct journal_dev_read, work);
	struct journal_device *ja = &d->ca->journal;
	const size_t bytes = (size_t) d->ca->mi.bucket_size << 9;
	struct bucket_buf bufs[JOURNAL_READ_DEPTH] = {};
	const unsigned nr = min_t(unsigned, JOURNAL_READ_DEPTH, ja->nr);

	for (unsigned i = 0; i < nr; i++) {
		bufs[i].ca	= d->ca;
		bufs[i].bytes	= bytes;
		bufs[i].data	= kvmalloc(bytes, GFP_KERNEL);
		init_completion(&bufs[i].done);
		if (!bufs[i].data) {
			d->ret = -BCH_ERR_ENOMEM_journal_read_buf;
			goto out;
		}
	}

	for (unsigned i = 0; i < nr; i++)
		bucket_submit(&bufs[i], i);

	for (unsigned slot = 0; slot < ja->nr && !d->ret; slot++) {
		struct bucket_buf *b = &bufs[slot % nr];

		d->ret = bucket_scan(d, b);
		if (!d->ret && slot + nr < ja->nr)
			bucket_submit(b, slot + nr);
	}
out:
	bucket_bufs_free(bufs, nr);
}

/**
 * journal_read_jset - read one copy of an entry again
 * @c:		filesystem
 * @ptr:	where it is
 * @bytes:	its size, as journal_copy.bytes
 * @good:	set to whether the checksum is right
 *
 * Return: the decrypted entry, kvmalloc'd; its u64s says no more than @bytes.
 * ERR_PTR on error.
 */
struct jset *journal_read_jset(struct bch_fs *c, const struct journal_ptr *ptr, u32 bytes,
			       bool *good)
{
	struct bch_dev *ca = bch2_dev(c, ptr->dev);
	const size_t disk_bytes = round_up((size_t) bytes, bch2_block_bytes(c));
	struct jset *j;
	int ret;

	if (!ca || !bch2_dev_is_online(ca))
		return ERR_PTR(-BCH_ERR_device_offline);

	j = kvmalloc(disk_bytes, GFP_KERNEL);
	if (!j)
		return ERR_PTR(-BCH_ERR_ENOMEM_journal_read_buf);

	ret = bch2_bdev_read(ca->disk_sb.bdev, ptr->sector, j, disk_bytes);
	if (ret) {
		kvfree(j);
		return ERR_PTR(ret);
	}

	/* the bytes may be others than those seen before: believe no length */
	*good = jset_bytes(j) == bytes && jset_csum_good(c, j, bytes);
	jset_decrypt(c, j, bytes);
	if (jset_bytes(j) > bytes)
		j->u64s = cpu_to_le32((bytes - sizeof(*j)) / sizeof(u64));
	return j;
}
