// SPDX-License-Identifier: GPL-2.0
/*
 * Reading btree nodes from devices: which copy, in what order, and what is said
 * about the bad ones (spec 20 section 11, 32 section 11.3, 54 section 2).
 *
 * Invariant: only whole nodes inside a known device are read, and at most one
 * read of a node is under way; callers hold BTREE_NODE_filling, or are the only
 * ones who know the node.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/node_check.h"
#include "btree/read.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/printbuf.h"

#define NODE_REPLICAS_MAX	16

struct btree_node_io {
	struct completion	done;
	struct bch_dev		*ca;
	u64			start_ns;
	int			error;
	u8			replica;
};

/* Copies of a node in the order in which they are tried. */
struct node_replicas {
	unsigned		nr;
	struct {
		u8		dev;
		u64		sector;
		struct bch_dev	*ca;	/* NULL: cannot be read */
		const char	*why;	/* not readable because */
	} d[NODE_REPLICAS_MAX];
};

/** bch2_btree_node_sectors - size of a btree node on disk, sectors */
u32 bch2_btree_node_sectors(const struct bch_fs *c)
{
	return c->opts.btree_node_size >> 9;
}

/* Sectors of the node that have to be read. */
static u32 node_read_sectors(const struct bch_fs *c, const struct btree *b)
{
	const u32 node = bch2_btree_node_sectors(c);
	const u32 written = bch2_btree_ptr_info(&b->key).sectors_written;

	if (!written || written > node)
		return node;
	return min_t(u32, round_up(written, bch2_block_sectors(c)), node);
}

/* --- replicas --- */

static const char *replica_unreadable(const struct bch_fs *c, const struct bch_dev *ca,
				      u64 sector)
{
	const u64 nr = ca ? ca->mi.nbuckets * ca->mi.bucket_size : 0;

	if (!ca)
		return "no such device";
	if (!bch2_dev_is_online(ca))
		return "device is missing";
	if (sector >= nr || nr - sector < bch2_btree_node_sectors(c))
		return "pointer past end of device";
	return NULL;
}

/*
 * Copies of equal standing are taken in turn, by the node's identity, so that
 * reading many nodes keeps all devices busy.
 */
static void node_replicas_init(const struct bch_fs *c, const struct btree *b,
			       struct node_replicas *r)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(&b->key));
	const struct bch_extent_ptr *ptr;
	unsigned nr = 0, first, i;

	memset(r, 0, sizeof(*r));
	bkey_for_each_ptr(ptrs, ptr)
		nr += nr < NODE_REPLICAS_MAX;
	if (!nr)
		return;

	first = (u32) b->hash_val % nr;
	i = 0;
	bkey_for_each_ptr(ptrs, ptr) {
		const unsigned slot = (i++ + nr - first) % nr;

		if (i > nr)
			break;
		r->d[slot].dev		= EXTENT_PTR_DEV(ptr);
		r->d[slot].sector	= EXTENT_PTR_OFFSET(ptr);
		r->d[slot].ca		= bch2_dev(c, r->d[slot].dev);
		r->d[slot].why		= replica_unreadable(c, r->d[slot].ca, r->d[slot].sector);
	}
	r->nr = nr;
}

static int next_replica(const struct node_replicas *r, unsigned from)
{
	for (; from < r->nr; from++)
		if (!r->d[from].why)
			return from;
	return -1;
}

/* --- I/O --- */

static void node_endio(struct bio *bio)
{
	struct btree_node_io *io = bio->bi_private;

	io->error = blk_status_to_errno(bio->bi_status);
	if (!io->error) {
		atomic64_add(ktime_get_ns() - io->start_ns, &io->ca->read_ns);
		atomic64_inc(&io->ca->read_nr);
	}
	bio_put(bio);
	complete(&io->done);
}

static struct page *buf_page(const void *p)
{
	return is_vmalloc_addr(p) ? vmalloc_to_page(p) : virt_to_page(p);
}

/**
 * bch2_btree_node_bio - a request for @bytes at @sector from or to @buf
 * @ca:		online device
 * @opf:	operation and flags
 *
 * @buf: kmalloc'd or vmalloc'd. NULL if there is no memory.
 */
struct bio *bch2_btree_node_bio(struct bch_dev *ca, blk_opf_t opf, u64 sector, void *buf,
				size_t bytes)
{
	const unsigned vecs = DIV_ROUND_UP(offset_in_page(buf) + bytes, PAGE_SIZE);
	struct bio *bio = bio_alloc(ca->disk_sb.bdev, vecs, opf, GFP_NOFS);

	if (!bio)
		return NULL;
	bio->bi_iter.bi_sector = sector;
	while (bytes) {
		const unsigned len = min_t(size_t, bytes, PAGE_SIZE - offset_in_page(buf));

		if (bio_add_page(bio, buf_page(buf), len, offset_in_page(buf)) != len) {
			bio_put(bio);
			return NULL;
		}
		buf	+= len;
		bytes	-= len;
	}
	return bio;
}

static struct btree_node_io *node_submit(struct node_replicas *r, unsigned i,
					 void *buf, size_t bytes)
{
	struct btree_node_io *io = kzalloc(sizeof(*io), GFP_KERNEL);
	struct bio *bio = io ? bch2_btree_node_bio(r->d[i].ca, REQ_OP_READ|REQ_META,
						 r->d[i].sector, buf, bytes) : NULL;

	if (!bio) {
		kfree(io);
		return NULL;
	}
	init_completion(&io->done);
	io->ca		= r->d[i].ca;
	io->replica	= i;
	io->start_ns	= ktime_get_ns();
	bio->bi_end_io	= node_endio;
	bio->bi_private	= io;
	submit_bio(bio);
	return io;
}

/* Wait for @io and free it; its error. */
static int node_io_finish(struct btree_node_io *io)
{
	int ret;

	wait_for_completion(&io->done);
	ret = io->error;
	kfree(io);
	return ret;
}

static int node_buf_alloc(struct bch_fs *c, struct btree *b)
{
	const u32 bytes = node_read_sectors(c, b) << 9;
	const u32 buf_bytes = PAGE_ALIGN(bytes + BTREE_NODE_SPARE_BYTES);

	if (b->data && b->buf_bytes >= buf_bytes)
		return 0;
	kvfree(b->data);
	b->buf_bytes = 0;
	b->data = kvmalloc(buf_bytes, GFP_KERNEL);
	if (!b->data)
		return -BCH_ERR_ENOMEM_btree_node_mem;
	memset((u8 *) b->data + bytes, 0, buf_bytes - bytes);
	b->bytes	= bytes;
	b->buf_bytes	= buf_bytes;
	return 0;
}

/**
 * bch2_btree_node_read_start - begin reading the first good copy of @b
 * @b:		node without data that nobody else knows or that is locked
 *
 * Does not wait; bch2_btree_node_read() makes use of it. 0, also if there is
 * nothing that could be read: the real read will tell. Or -ENOMEM.
 */
int bch2_btree_node_read_start(struct bch_fs *c, struct btree *b)
{
	struct node_replicas r;
	int i, ret;

	if (b->io)
		return 0;
	node_replicas_init(c, b, &r);
	i = next_replica(&r, 0);
	if (i < 0)
		return 0;
	ret = node_buf_alloc(c, b);
	if (ret)
		return ret;
	b->io = node_submit(&r, i, b->data, b->bytes);
	return b->io ? 0 : -BCH_ERR_ENOMEM_btree_node_read;
}

/** bch2_btree_node_read_pending - is a read of @b under way that has not ended? */
bool bch2_btree_node_read_pending(struct btree *b)
{
	return b->io && !completion_done(&b->io->done);
}

/** bch2_btree_node_read_drop - wait for a read of @b that nobody wants any more */
void bch2_btree_node_read_drop(struct btree *b)
{
	if (b->io)
		node_io_finish(b->io);
	b->io = NULL;
}

/* --- one copy --- */

static void replica_to_text(struct printbuf *out, const struct node_replicas *r, unsigned i)
{
	if (r->d[i].ca)
		prt_str(out, r->d[i].ca->name);
	else
		prt_printf(out, "device %u", r->d[i].dev);
	prt_printf(out, " sector %llu", r->d[i].sector);
}

/* Get the bytes of copy @i, perhaps from a read that was begun before. */
static int replica_fetch(struct bch_fs *c, struct btree *b, struct node_replicas *r, unsigned i)
{
	struct btree_node_io *io = b->io;

	b->io = NULL;
	if (io && io->replica != i) {
		node_io_finish(io);
		io = NULL;
	}
	if (!io)
		io = node_submit(r, i, b->data, b->bytes);
	return io ? node_io_finish(io) : -BCH_ERR_ENOMEM_btree_node_read;
}

static void count_device_error(struct bch_fs *c, struct bch_dev *ca, int err)
{
	if (err == -BCH_ERR_btree_node_read_err_io)
		bch2_dev_io_error(ca, BCH_MEMBER_ERROR_read);
	else if (err == -BCH_ERR_btree_node_read_err_want_retry)
		bch2_dev_io_error(ca, BCH_MEMBER_ERROR_checksum);
}

/* Room for sorting a node of any size here; one is kept for the next read. */
static struct btree_node_scratch *scratch_take(struct bch_fs *c)
{
	return xchg(&c->btree.cache.scratch, NULL) ?:
		bch2_node_scratch_alloc(c->opts.btree_node_size, bch2_block_sectors(c) * 512);
}

static void scratch_give(struct bch_fs *c, struct btree_node_scratch *s)
{
	bch2_node_scratch_free(xchg(&c->btree.cache.scratch, s));
}

/*
 * Read and check copy @i; what is wrong with it goes to @err. -ENOMEM tells
 * nothing about the copy.
 */
static int replica_try(struct bch_fs *c, struct btree *b, struct node_replicas *r, unsigned i,
		       enum btree_node_check_mode mode, struct printbuf *err)
{
	struct printbuf why = PRINTBUF;
	struct btree_node_check n = {
		.c		= c,
		.b		= b,
		.mode		= mode,
		.ptr		= bch2_btree_ptr_info(&b->key),
		.ptr_pos	= b->key.k.p,
		.err		= &why,
		.node_sectors	= b->bytes >> 9,
		.block_sectors	= bch2_block_sectors(c),
	};
	int ret = replica_fetch(c, b, r, i);

	if (!ret) {
		n.scratch = scratch_take(c);
		ret = n.scratch ? bch2_btree_node_check(&n) : -BCH_ERR_ENOMEM_btree_node_mem;
		scratch_give(c, n.scratch);
	} else if (!bch2_err_matches(ret, ENOMEM)) {
		prt_printf(&why, "I/O error: %s\n", bch2_err_str(ret));
		ret = -BCH_ERR_btree_node_read_err_io;
	}

	if (why.pos) {
		replica_to_text(err, r, i);
		prt_str(err, ":\n  ");
		prt_str(err, printbuf_str(&why));
	}
	if (ret && mode == NODE_CHECK_strict)
		count_device_error(c, r->d[i].ca, ret);
	printbuf_exit(&why);
	return ret;
}

/* --- all copies --- */

/* One pass over the copies; 0 with the first one that is good enough. */
static int replicas_try(struct bch_fs *c, struct btree *b, struct node_replicas *r,
			enum btree_node_check_mode mode, struct printbuf *err)
{
	int i, ret = -BCH_ERR_btree_node_read_err_no_replica;

	for (i = next_replica(r, 0); i >= 0; i = next_replica(r, i + 1)) {
		ret = replica_try(c, b, r, i, mode, err);
		if (!bch2_err_matches(ret, BCH_ERR_btree_node_read_error))
			break;
	}
	return ret;
}

static void unreadable_replicas_to_text(struct printbuf *out, const struct node_replicas *r)
{
	unsigned i;

	for (i = 0; i < r->nr; i++)
		if (r->d[i].why) {
			replica_to_text(out, r, i);
			prt_printf(out, ": %s\n", r->d[i].why);
		}
	if (!r->nr)
		prt_str(out, "pointer without devices\n");
}

/*
 * One message per node, spec 32 section 11.3: with a copy that is good, or was
 * repaired, it is to be written anew. Returns whether that was decided.
 */
static bool node_read_report(struct bch_fs *c, const struct btree *b, const char *details,
			     const char *outcome, int ret)
{
	struct printbuf msg = PRINTBUF;
	int decision;

	prt_str(&msg, "btree node read error at ");
	bch2_btree_id_level_to_text(&msg, b->btree_id, b->level);
	prt_char(&msg, ' ');
	bch2_bpos_to_text(&msg, b->key.k.p);
	prt_newline(&msg);
	prt_str(&msg, details);
	if (ret)
		prt_printf(&msg, "error %s", bch2_err_str(ret));
	else
		prt_printf(&msg, "%s, rewrite?", outcome);
	decision = __bch2_fsck_err(c, ret ? FSCK_CAN_IGNORE : FSCK_CAN_FIX|FSCK_CAN_IGNORE,
				   BCH_FSCK_ERR_btree_node_read_error, "%s",
				   printbuf_str(&msg));
	printbuf_exit(&msg);
	return decision == -BCH_ERR_fsck_fix;
}

static bool may_be_repaired(int err)
{
	return bch2_err_matches(err, BCH_ERR_btree_node_read_error) &&
		err != -BCH_ERR_btree_node_read_err_no_replica;
}

/**
 * bch2_btree_node_read - read and check @b, from any copy
 * @c:		filesystem
 * @b:		key, btree_id, level are set; locked, state below ready
 *
 * Uses a read that was started before. Reports what was wrong; an unreadable node
 * makes its btree one that has lost data. 0, or -BCH_ERR_btree_node_read_*,
 * -BCH_ERR_no_encryption_key; -ENOMEM: nothing is reported, as nothing is known.
 * Spec 20 section 11.
 */
int bch2_btree_node_read(struct bch_fs *c, struct btree *b)
{
	const char *outcome = "retry success";
	struct printbuf details = PRINTBUF, repaired = PRINTBUF;
	struct node_replicas r;
	bool rewrite = false;
	int ret;

	node_replicas_init(c, b, &r);
	ret = next_replica(&r, 0) >= 0 ? node_buf_alloc(c, b) : 0;
	if (ret)
		goto out;

	ret = replicas_try(c, b, &r, NODE_CHECK_strict, &details);
	if (may_be_repaired(ret)) {
		ret = replicas_try(c, b, &r, NODE_CHECK_repair, &repaired);
		outcome = "repair success";
		/* the repair goes on past the first problem of a copy: it knows more */
		if (!ret)
			swap(details, repaired);
	}
	bch2_btree_node_read_drop(b);
	if (bch2_err_matches(ret, ENOMEM))
		goto out;

	if (ret)
		unreadable_replicas_to_text(&details, &r);
	if (details.pos || ret)
		rewrite = node_read_report(c, b, printbuf_str(&details), outcome, ret);
	if (details.pos && !ret)
		set_bit(BTREE_NODE_need_rewrite, &b->flags);
	/* spec 21 §10.5 */
	if (rewrite && !ret)
		bch2_btree_node_rewrite_async(c, b);
	if (bch2_err_matches(ret, BCH_ERR_btree_node_read_error) && c->up.btree_lost_data)
		c->up.btree_lost_data(c, b->btree_id);
out:
	printbuf_exit(&repaired);
	printbuf_exit(&details);
	return ret;
}

/**
 * bch2_btree_node_read_copy - one copy of a node as it is on the device
 * @k:		pointer
 * @ptr_idx:	which copy, in the order of the pointers in @k
 * @buf:	kvmalloc'd, as large as a node and 8 bytes
 * @err:	says where the copy is, and why it cannot be read
 *
 * 0, -ENOENT: there is no such pointer, or an error.
 */
int bch2_btree_node_read_copy(struct bch_fs *c, const struct bkey_i *k, unsigned ptr_idx,
			      void *buf, struct printbuf *err)
{
	struct btree b = { .hash_val = 0 };
	struct btree_node_io *io;
	struct node_replicas r;
	int ret;

	if (k->k.u64s > BKEY_BTREE_PTR_U64s_MAX)
		return -EINVAL;
	bkey_copy(&b.key, k);
	node_replicas_init(c, &b, &r);
	if (ptr_idx >= r.nr)
		return -ENOENT;
	replica_to_text(err, &r, ptr_idx);
	if (r.d[ptr_idx].why) {
		prt_printf(err, ": %s", r.d[ptr_idx].why);
		return -BCH_ERR_btree_node_read_err_device_offline;
	}
	io = node_submit(&r, ptr_idx, buf, bch2_btree_node_sectors(c) << 9);
	ret = io ? node_io_finish(io) : -BCH_ERR_ENOMEM_btree_node_read;
	if (ret)
		prt_printf(err, ": %s", bch2_err_str(ret));
	return ret;
}
