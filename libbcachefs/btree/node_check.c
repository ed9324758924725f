// SPDX-License-Identifier: GPL-2.0
/*
 * Checking one copy of a btree node: header, bsets, guards (spec 20 sections 8,
 * 10, 11). The keys of a bset are checked in node_keys.c and merged in
 * node_sort.c.
 *
 * Invariant: no byte is interpreted before the length it depends on was compared
 * with the buffer, so a node of any content is safe to check. A copy that passes
 * has an index of valid keys; one that does not leaves b without index.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "journal/seq_blacklist.h"
#include "sb/fsck_err.h"
#include "util/checksum.h"
#include "util/printbuf.h"

#define VERSION_MIN	BCH_VERSION(0, 9)
#define MAJOR_MAX	1

/**
 * bch2_node_problem - something is wrong with this copy
 * @n:		check in progress
 * @id:		what
 * @flags:	FSCK_CAN_FIX if it could be repaired in memory; FSCK_AUTOFIX to add
 *		to the id's own flags
 * @fmt:	text; the place in the node is put before it
 *
 * Returns 0 if the check is to go on with the repair, else the error that rejects
 * the copy. Spec 32 section 11.3.
 */
int bch2_node_problem(struct btree_node_check *n, enum bch_sb_error_id id, unsigned flags,
		      const char *fmt, ...)
{
	va_list args;

	n->nr_problems++;
	if (n->mode == NODE_CHECK_scan)
		return flags & FSCK_CAN_FIX ? 0 : -BCH_ERR_btree_node_read_err_bad_node;

	/* A badly damaged node would say the same thousands of times. */
	if (n->err && n->nr_problems <= 20) {
		prt_printf(n->err, "node offset %u/%u", n->offset, n->ptr.sectors_written);
		if (n->in_bset)
			prt_printf(n->err, " bset u64s %u", n->bset_u64s);
		prt_str(n->err, ": ");
		va_start(args, fmt);
		prt_vprintf(n->err, fmt, args);
		va_end(args);
		prt_newline(n->err);
	}

	if (n->mode == NODE_CHECK_strict) {
		bch2_count_fsck_err(n->c, id);
		return -BCH_ERR_btree_node_read_err_want_retry;
	}
	if (flags & FSCK_CAN_FIX &&
	    bch2_fsck_err_preview(n->c, flags, id) == -BCH_ERR_fsck_fix) {
		set_bit(BTREE_NODE_need_rewrite, &n->b->flags);
		return 0;
	}
	return -BCH_ERR_btree_node_read_err_must_retry;
}

#define node_problem(_n, _id, _flags, ...)					\
	bch2_node_problem(_n, BCH_FSCK_ERR_##_id, _flags, __VA_ARGS__)

/* --- one bset --- */

/**
 * bch2_bset_at - the bset that starts at @sector of the node being checked
 *
 * Its first block is inside the buffer; nothing else is known about it.
 */
struct bset_place bch2_bset_at(const struct btree_node_check *n, u32 sector)
{
	struct btree_node *data = n->b->data;
	struct btree_node_entry *e = (void *) data + (size_t) sector * 512;
	struct bset_place p = { .sector = sector, .first = !sector };

	p.i		= sector ? &e->keys : &data->keys;
	p.csum		= sector ? &e->csum : &data->csum;
	p.header	= sector ? sizeof(*e) : sizeof(*data);
	p.u64s		= le16_to_cpu(p.i->u64s);
	return p;
}

/** bch2_bset_sectors - sectors that a bset takes on disk, with padding */
u32 bch2_bset_sectors(const struct btree_node_check *n, const struct bset_place *p)
{
	return round_up(p->header + p->u64s * sizeof(u64), n->block_sectors * 512) / 512;
}

static struct nonce bset_nonce(const struct bset_place *p)
{
	return bch2_btree_nonce(p->sector * 512, le64_to_cpu(p->i->seq),
				le64_to_cpu(p->i->journal_seq));
}

static int bset_checksum_check(struct btree_node_check *n, const struct bset_place *p)
{
	const unsigned type = BSET_CSUM_TYPE(p->i);
	const size_t bytes = p->header - sizeof(*p->csum) + p->u64s * sizeof(u64);
	struct bch_csum csum;

	csum = bch2_checksum(type, bset_nonce(p), &n->c->chacha20_key, p->csum + 1, bytes);
	if (bch2_csum_eq(csum, *p->csum))
		return 0;
	return node_problem(n, bset_bad_csum, FSCK_CAN_FIX,
			    "checksum error, type %u: have %llx:%llx, should be %llx:%llx", type,
			    (u64) le64_to_cpu(p->csum->hi), (u64) le64_to_cpu(p->csum->lo),
			    (u64) le64_to_cpu(csum.hi), (u64) le64_to_cpu(csum.lo));
}

static int bset_decrypt(struct btree_node_check *n, const struct bset_place *p)
{
	const unsigned type = BSET_CSUM_TYPE(p->i);
	struct nonce nonce = bset_nonce(p);
	int ret;

	if (p->first) {
		ret = bch2_encrypt(type, nonce, &n->c->chacha20_key, &n->b->data->flags,
				   BTREE_NODE_CRYPT_BYTES);
		if (ret)
			return ret;
		nonce = nonce_add(nonce, round_up(BTREE_NODE_CRYPT_BYTES, 64));
	}
	return bch2_encrypt(type, nonce, &n->c->chacha20_key, p->i->_data,
			    p->u64s * sizeof(u64));
}

/**
 * bch2_bset_unlock - verify a bset and decrypt it in place
 *
 * Checksum type, length, checksum, decryption: spec 20 section 11, step 3.2. A
 * bset that is too long is tolerated as an empty one. 0, or the error that rejects
 * the copy.
 */
int bch2_bset_unlock(struct btree_node_check *n, struct bset_place *p)
{
	const unsigned type = BSET_CSUM_TYPE(p->i);
	const bool known = type < BCH_CSUM_NR;
	int ret;

	if (!known) {
		ret = node_problem(n, bset_unknown_csum, FSCK_CAN_FIX,
				   "unknown checksum type %u", type);
		if (ret)
			return ret;
	}
	if (bch2_csum_type_is_encryption(type) && !n->c->has_key) {
		if (n->err)
			prt_str(n->err, "node is encrypted and there is no key\n");
		return -BCH_ERR_no_encryption_key;
	}
	if (p->sector + bch2_bset_sectors(n, p) > n->limit) {
		ret = node_problem(n, bset_past_end_of_btree_node, FSCK_CAN_FIX,
				   "bset past end of btree node: %u words at sector %u of %u",
				   p->u64s, p->sector, n->limit);
		if (ret)
			return ret;
		/* Nothing of it can be checked: an empty one in its place. */
		p->u64s = 0;
		return p->first && bch2_csum_type_is_encryption(type) ? bset_decrypt(n, p) : 0;
	}
	if (!known)
		return 0;

	ret = bset_checksum_check(n, p);
	if (!ret && bch2_csum_type_is_encryption(type))
		ret = bset_decrypt(n, p);
	return ret;
}

/* --- header checks, spec 20 section 11.1 --- */

static int bset_version_check(struct btree_node_check *n, const struct bset_place *p)
{
	const unsigned version = le16_to_cpu(p->i->version);
	int ret = 0;

	if (version < VERSION_MIN || BCH_VERSION_MAJOR(version) > MAJOR_MAX)
		return node_problem(n, btree_node_unsupported_version, 0,
				    "unsupported bset version %u.%u", BCH_VERSION_MAJOR(version),
				    BCH_VERSION_MINOR(version));
	if (BSET_BIG_ENDIAN(p->i))
		return node_problem(n, btree_node_unsupported_version, 0,
				    "bset in big-endian byte order is not supported");
	if (BSET_SEPARATE_WHITEOUTS(p->i))
		return node_problem(n, btree_node_unsupported_version, 0,
				    "BSET_SEPARATE_WHITEOUTS no longer supported");

	if (n->mode != NODE_CHECK_scan && version < n->c->sb.version_min)
		ret = node_problem(n, btree_node_bset_older_than_sb_min, FSCK_CAN_FIX,
				   "bset version %u.%u older than superblock minimum %u.%u",
				   BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version),
				   BCH_VERSION_MAJOR(n->c->sb.version_min),
				   BCH_VERSION_MINOR(n->c->sb.version_min));
	if (!ret && BCH_VERSION_MAJOR(version) > BCH_VERSION_MAJOR(n->c->sb.version))
		ret = node_problem(n, btree_node_bset_newer_than_sb, FSCK_CAN_FIX,
				   "bset version %u.%u newer than superblock version %u.%u",
				   BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version),
				   BCH_VERSION_MAJOR(n->c->sb.version),
				   BCH_VERSION_MINOR(n->c->sb.version));
	return ret;
}

static int bset_header_check(struct btree_node_check *n, const struct bset_place *p)
{
	const u32 offset = BSET_OFFSET(p->i);
	int ret = bset_version_check(n, p);

	if (!ret && offset && offset != p->sector)
		ret = node_problem(n, bset_wrong_sector_offset, FSCK_CAN_FIX,
				   "bset at wrong sector offset: says %u, is %u",
				   offset, p->sector);
	if (!ret && !p->first && !le16_to_cpu(p->i->u64s))
		ret = node_problem(n, bset_empty, FSCK_CAN_FIX, "empty bset");
	return ret;
}

static int node_identity_check(struct btree_node_check *n)
{
	struct btree *b = n->b;
	const struct btree_node *data = b->data;
	const u64 seq = le64_to_cpu(data->keys.seq);

	if (n->ptr.v2 ? seq != n->ptr.seq : !seq)
		return node_problem(n, btree_node_bad_seq, 0,
				    "got wrong btree node: seq %llx, pointer says %llx",
				    seq, n->ptr.seq);
	if (btree_id_is_extents(b->btree_id) && !BTREE_NODE_NEW_EXTENT_OVERWRITE(data))
		return node_problem(n, btree_node_unsupported_version, 0,
				    "extent node without flag new_extent_overwrite");
	if (BTREE_NODE_ID(data) != b->btree_id)
		return node_problem(n, btree_node_bad_btree, 0, "incorrect btree id %llu, want %u",
				    (u64) BTREE_NODE_ID(data), b->btree_id);
	if (BTREE_NODE_LEVEL(data) != b->level)
		return node_problem(n, btree_node_bad_level, 0, "incorrect level %llu, want %u",
				    (u64) BTREE_NODE_LEVEL(data), b->level);
	return 0;
}

#define POS_FMT		"%llu:%llu:%u"
#define POS_ARGS(p)	(u64) (p).inode, (u64) (p).offset, (p).snapshot

/* Range: from the header, which must agree with the pointer unless that was changed. */
static int node_range_check(struct btree_node_check *n)
{
	struct btree *b = n->b;

	b->min_key = b->data->min_key;
	b->max_key = b->data->max_key;
	bch2_btree_range_compat_read(b->btree_id, le16_to_cpu(b->data->keys.version),
				     &b->min_key, &b->max_key);
	if (n->ptr.range_updated) {
		b->min_key = n->ptr.min_key;
		b->max_key = n->ptr_pos;
		return 0;
	}
	if (n->ptr.v2 && !bpos_eq(b->min_key, n->ptr.min_key))
		return node_problem(n, btree_node_bad_min_key, 0,
				    "incorrect min_key " POS_FMT ", pointer says " POS_FMT,
				    POS_ARGS(b->min_key), POS_ARGS(n->ptr.min_key));
	if (!bpos_eq(b->max_key, n->ptr_pos))
		return node_problem(n, btree_node_bad_max_key, 0,
				    "incorrect max_key " POS_FMT ", pointer says " POS_FMT,
				    POS_ARGS(b->max_key), POS_ARGS(n->ptr_pos));
	return 0;
}

static int node_format_check(struct btree_node_check *n)
{
	struct btree *b = n->b;
	struct printbuf why = PRINTBUF;
	int ret = 0;

	b->format = b->data->format;
	if (b->format.nr_fields == BKEY_NR_FIELDS)
		bch2_bkey_format_compat_read(b->level, b->btree_id,
					     le16_to_cpu(b->data->keys.version), &b->format);
	if (!bch2_bkey_format_validate(&b->format, &why))
		ret = node_problem(n, btree_node_bad_format, 0, "invalid bkey format: %s",
				   printbuf_str(&why));
	else
		bch2_bkey_unpacker_init(&b->unpack, &b->format);
	printbuf_exit(&why);
	return ret;
}

/* What only the first bset, that is the node header, says. */
static int node_header_check(struct btree_node_check *n)
{
	int ret = node_identity_check(n) ?:
		node_range_check(n) ?:
		node_format_check(n);

	n->b->generation = BTREE_NODE_SEQ(n->b->data);
	return ret;
}

/* Is the bset to be used, going by its guard? Spec 20 section 10. */
static int bset_guard_check(struct btree_node_check *n, const struct bset_place *p, bool *use)
{
	const u64 guard = le64_to_cpu(p->i->journal_seq);

	*use = true;
	if (!guard || !bch2_journal_seq_is_blacklisted(n->c, guard, true))
		return 0;

	*use = p->first;
	if (n->ptr.sectors_written)
		return node_problem(n, first_bset_blacklisted_journal_seq, FSCK_CAN_FIX,
				    "bset with blacklisted journal seq %llu within written sectors",
				    guard);
	if (p->first)
		return node_problem(n, bset_blacklisted_journal_seq, FSCK_CAN_FIX,
				    "first bset has blacklisted journal seq %llu", guard);
	return 0;
}

static int bset_check(struct btree_node_check *n, struct bset_place *p)
{
	struct btree *b = n->b;
	const unsigned version = le16_to_cpu(p->i->version);
	u32 start;
	bool use;
	int ret;

	n->offset	= p->sector;
	n->bset_u64s	= p->u64s;
	n->in_bset	= true;

	ret =   bch2_bset_unlock(n, p) ?:
		bset_header_check(n, p) ?:
		(p->first ? node_header_check(n) : 0) ?:
		bset_guard_check(n, p, &use);
	if (ret)
		return ret;

	start = (p->sector * 512 + p->header) / sizeof(u64);
	ret = bch2_bset_keys_check(n, version, start, start + p->u64s, use);
	if (!ret && use) {
		n->used_sectors = p->sector + bch2_bset_sectors(n, p);
		b->stats.bsets++;
		b->journal_seq = max(b->journal_seq, (u64) le64_to_cpu(p->i->journal_seq));
	}
	return ret;
}

/* --- the node --- */

/* A pointer without sectors_written: nothing of this node may follow the last bset. */
static int node_tail_check(struct btree_node_check *n, u32 sector)
{
	const u64 seq = le64_to_cpu(n->b->data->keys.seq);

	n->offset	= sector;
	n->in_bset	= false;
	for (; sector < n->limit; sector += n->block_sectors) {
		const struct bset_place p = bch2_bset_at(n, sector);
		const u64 guard = le64_to_cpu(p.i->journal_seq);

		if (le64_to_cpu(p.i->seq) != seq ||
		    (guard && bch2_journal_seq_is_blacklisted(n->c, guard, true)))
			continue;
		return node_problem(n, btree_node_bset_after_end, FSCK_CAN_FIX,
				    "found bset signature after last bset, at sector %u", sector);
	}
	return 0;
}

static int node_bsets_check(struct btree_node_check *n)
{
	struct btree *b = n->b;
	const struct btree_node *data = b->data;
	const u32 want = n->ptr.sectors_written;
	u32 sector = 0;
	int ret;

	n->limit = want ? min_t(u32, want, n->node_sectors) : n->node_sectors;
	while (sector < n->limit) {
		struct bset_place p = bch2_bset_at(n, sector);

		if (sector && p.i->seq != data->keys.seq)
			break;
		ret = bset_check(n, &p);
		if (ret)
			return ret;
		sector += bch2_bset_sectors(n, &p);
	}
	b->written	= min(sector, n->node_sectors);
	b->seq		= le64_to_cpu(data->keys.seq);

	if (!want)
		return node_tail_check(n, sector);
	n->offset	= sector;
	n->in_bset	= false;
	if (sector < want)
		return node_problem(n, btree_node_data_missing, FSCK_CAN_FIX,
				    "btree node data missing: expected %u sectors, found %u",
				    want, sector);
	return 0;
}

/* Spec 20 section 11, steps 6 and 7: only now, so that dead keys cannot hurt. */
static int node_vals_check(struct btree_node_check *n)
{
	struct btree *b = n->b;
	const struct bkey_validate_context from = {
		.from	= BKEY_VALIDATE_btree_node,
		.level	= b->level,
		.btree	= b->btree_id,
		.flags	= n->mode == NODE_CHECK_scan ? BCH_VALIDATE_silent : 0,
	};
	u32 i, nr = 0;
	int ret;

	for (i = 0; i < b->nr_keys; i++) {
		const struct bkey_packed *p = btree_node_key(b, i);
		struct bkey u;
		struct bkey_s_c k = bkey_disassemble(b, p, &u);
		const bool outside = n->ptr.range_updated &&
			(bpos_lt(u.p, b->min_key) || bpos_gt(u.p, b->max_key));

		if (outside)
			ret = -BCH_ERR_fsck_delete_bkey;
		else
			ret = bch2_bkey_val_validate(n->c, k, from);
		if (likely(!ret)) {
			b->idx[nr++] = b->idx[i];
			continue;
		}
		if (ret != -BCH_ERR_fsck_delete_bkey)
			return ret;
		b->live_u64s -= p->u64s;
		/* those of another node's range are not damaged */
		b->stats.keys_dropped += !outside;
		set_bit(BTREE_NODE_need_rewrite, &b->flags);
	}
	b->nr_keys = nr;
	return 0;
}

static int node_magic_check(struct btree_node_check *n)
{
	const u64 magic = le64_to_cpu(n->b->data->magic);
	__le64 uuid;
	u64 want;

	memcpy(&uuid, &n->c->sb.uuid, sizeof(uuid));
	want = BTREE_NODE_MAGIC_BASE ^ le64_to_cpu(uuid);
	if (magic == want)
		return 0;
	return node_problem(n, btree_node_bad_magic, 0, "bad magic: want %llx, got %llx",
			    want, magic);
}

static void node_reset(struct btree *b)
{
	kvfree(b->idx);
	b->idx		= NULL;
	b->nr_keys	= 0;
	b->live_u64s	= 0;
	b->journal_seq	= 0;
	b->written	= 0;
	memset(&b->stats, 0, sizeof(b->stats));
	clear_bit(BTREE_NODE_need_rewrite, &b->flags);
}

/**
 * bch2_btree_node_check - is this copy of a node good, and which keys has it?
 * @n:		c, b, mode, ptr, ptr_pos, err set; node_sectors: what of b->data was
 *		read, with 8 more readable bytes behind; block_sectors
 *
 * b->btree_id and b->level say what is wanted. On success the index is there and
 * range, format, written, seq are set. Returns 0, -BCH_ERR_btree_node_read_err_*,
 * -BCH_ERR_no_encryption_key, -ENOMEM, or the error of a decision to give up.
 */
int bch2_btree_node_check(struct btree_node_check *n)
{
	struct btree *b = n->b;
	struct btree_node_scratch *own = NULL;
	int ret;

	n->nr_problems	= 0;
	n->used_sectors	= 0;
	n->offset	= 0;
	n->in_bset	= false;
	node_reset(b);
	if (n->node_sectors < n->block_sectors)
		return -BCH_ERR_btree_node_read_err_bad_node;

	if (!n->scratch)
		n->scratch = own = bch2_node_scratch_alloc(n->node_sectors * 512,
							   n->block_sectors * 512);
	if (!n->scratch)
		return -BCH_ERR_ENOMEM_btree_node_mem;
	n->scratch->nr = n->scratch->nr_runs = 0;

	ret =   node_magic_check(n) ?:
		node_bsets_check(n) ?:
		bch2_btree_node_sort(b, n->scratch) ?:
		node_vals_check(n);
	if (!ret && !n->ptr.sectors_written)
		set_bit(BTREE_NODE_need_rewrite, &b->flags);
	if (ret)
		node_reset(b);
	else
		bch2_btree_node_live_init(b, n->node_sectors << 9);
	if (own) {
		bch2_node_scratch_free(own);
		n->scratch = NULL;
	}
	return ret;
}
