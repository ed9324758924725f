// SPDX-License-Identifier: GPL-2.0
/*
 * Stripe keys: where the arrays of a value are, validation, text (spec 52 §2-§4).
 *
 * Everything that reads behind the fixed part goes through struct
 * stripe_geometry, which exists only for values that hold all that their first
 * bytes promise.
 */
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "bcachefs.h"
#include "alloc/lru.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "data/extents.h"
#include "data/stripes.h"
#include "sb/disk_groups.h"
#include "util/bpos.h"
#include "util/checksum.h"
#include "util/printbuf.h"

/* Granularities from here on cover any block with one checksum. */
#define CSUM_GRANULARITY_BITS_WHOLE	16
/* Larger ones are nonsense, and not safe as a shift. */
#define CSUM_GRANULARITY_BITS_MAX	31

/* --- geometry --- */

/* Reason why the value cannot be laid out, or NULL. */
static const char *stripe_layout(struct bkey_s_c k, struct stripe_geometry *g)
{
	const struct bch_stripe *s = bkey_val(k, stripe);

	memset(g, 0, sizeof(*g));
	if (bkey_val_bytes(k.k) < sizeof(*s))
		return "value has no room for its fixed part";
	if (s->nr_blocks > BCH_STRIPE_BLOCKS_MAX)
		return "too many blocks";
	if (s->nr_redundant >= s->nr_blocks || s->nr_redundant > BCH_STRIPE_REDUNDANT_MAX)
		return "bad number of parity blocks";
	if (s->csum_type >= BCH_CSUM_NR)
		return "unknown checksum type";
	if (s->csum_granularity_bits > CSUM_GRANULARITY_BITS_MAX)
		return "bad checksum granularity";

	g->sectors		= le16_to_cpu(s->sectors);
	g->nr_blocks		= s->nr_blocks;
	g->nr_redundant		= s->nr_redundant;
	g->nr_data		= s->nr_blocks - s->nr_redundant;
	g->csum_type		= s->csum_type;
	g->csum_bytes		= bch_csum_bytes(s->csum_type);
	g->csum_granularity_bits = s->csum_granularity_bits;
	g->csum_granularity	= 1U << min_t(unsigned int, s->csum_granularity_bits,
					      CSUM_GRANULARITY_BITS_WHOLE);
	g->csums_per_block	= DIV_ROUND_UP((unsigned int) g->sectors, g->csum_granularity);
	g->csums_offset		= sizeof(*s) + g->nr_blocks * sizeof(struct bch_extent_ptr);
	g->counts_offset	= g->csums_offset +
		g->nr_blocks * g->csums_per_block * g->csum_bytes;
	g->val_bytes		= g->counts_offset + g->nr_blocks * sizeof(__le16);

	if (bkey_val_bytes(k.k) < g->val_bytes)
		return "value is shorter than pointers, checksums and counts";
	return NULL;
}

/**
 * bch2_stripe_geometry - find and bound the arrays of a stripe value
 * @k:		key of type stripe, may be invalid
 * @g:		result, only meaningful on success
 *
 * Returns NULL, or what is wrong with the value.
 */
const char *bch2_stripe_geometry(struct bkey_s_c k, struct stripe_geometry *g)
{
	const char *why = stripe_layout(k, g);

	return why ?: g->sectors ? NULL : "blocks of 0 sectors";
}

/**
 * bch2_stripe_ptr - pointer of a block
 * @k:		key that @g belongs to
 * @g:		geometry
 * @block:	0 .. nr_blocks - 1: data, then parity
 */
const struct bch_extent_ptr *bch2_stripe_ptr(struct bkey_s_c k, const struct stripe_geometry *g,
					     unsigned int block)
{
	return block < g->nr_blocks ? bkey_val(k, stripe)->ptrs + block : NULL;
}

/**
 * bch2_stripe_block_sectors - live sectors of a block
 * @k:		key that @g belongs to
 * @g:		geometry
 * @block:	0 .. nr_blocks - 1; others: 0
 */
unsigned int bch2_stripe_block_sectors(struct bkey_s_c k, const struct stripe_geometry *g,
				       unsigned int block)
{
	if (block >= g->nr_blocks)
		return 0;
	return get_unaligned_le16((const u8 *) k.v + g->counts_offset + block * sizeof(__le16));
}

/**
 * bch2_stripe_csum - a stored checksum
 * @k:		key that @g belongs to
 * @g:		geometry
 * @block:	block
 * @idx:	which of the block: covers sectors from idx << csum_granularity_bits
 *
 * Returns all zero if there is no such checksum.
 */
struct bch_csum bch2_stripe_csum(struct bkey_s_c k, const struct stripe_geometry *g,
				 unsigned int block, unsigned int idx)
{
	struct bch_csum csum = {};

	if (block < g->nr_blocks && idx < g->csums_per_block)
		memcpy(&csum, (const u8 *) k.v + g->csums_offset +
		       (block * g->csums_per_block + idx) * g->csum_bytes, g->csum_bytes);
	return csum;
}

/**
 * bch2_ptr_matches_stripe - is this the stripe that a pointer was made for?
 * @k:		stripe that @g belongs to
 * @g:		geometry
 * @p:		pointer with has_ec
 *
 * Spec 52 §3.2.
 */
bool bch2_ptr_matches_stripe(struct bkey_s_c k, const struct stripe_geometry *g,
			     const struct extent_ptr_decoded *p)
{
	unsigned int block = STRIPE_PTR_BLOCK(&p->ec);
	u64 offset = EXTENT_PTR_OFFSET(&p->ptr);
	const struct bch_extent_ptr *s;

	if (!p->has_ec || block >= g->nr_data)
		return false;

	s = bch2_stripe_ptr(k, g, block);
	if (EXTENT_PTR_DEV(&p->ptr) != EXTENT_PTR_DEV(s) &&
	    EXTENT_PTR_DEV(&p->ptr) != BCH_SB_MEMBER_INVALID &&
	    EXTENT_PTR_DEV(s) != BCH_SB_MEMBER_INVALID)
		return false;

	return EXTENT_PTR_GEN(&p->ptr) == EXTENT_PTR_GEN(s) &&
		offset >= EXTENT_PTR_OFFSET(s) &&
		offset < EXTENT_PTR_OFFSET(s) + g->sectors;
}

/* --- state --- */

static bool stripe_has_head(struct bkey_s_c k)
{
	return k.k->type == KEY_TYPE_stripe && bkey_val_bytes(k.k) >= sizeof(struct bch_stripe);
}

/**
 * bch2_stripe_needs_reconcile - is a block on a missing or evacuating device?
 * @k:		stripe, may be invalid
 */
bool bch2_stripe_needs_reconcile(struct bkey_s_c k)
{
	return stripe_has_head(k) && BCH_STRIPE_NEEDS_RECONCILE(bkey_val(k, stripe));
}

/**
 * bch2_stripe_can_widen - data blocks by which the stripe could grow
 * @k:		stripe, may be invalid
 */
unsigned int bch2_stripe_can_widen(struct bkey_s_c k)
{
	return stripe_has_head(k) ? BCH_STRIPE_CAN_WIDEN(bkey_val(k, stripe)) : 0;
}

/**
 * bch2_stripe_lru_idx - time of the stripe's entry in the stripes LRU
 * @k:		stripe that @g belongs to
 * @g:		geometry
 *
 * Returns 1 for a stripe that can be deleted, 0 for one that has no entry
 * (spec 52 §4.3).
 */
u64 bch2_stripe_lru_idx(struct bkey_s_c k, const struct stripe_geometry *g)
{
	unsigned int empty = 0, reusable;

	for (unsigned int i = 0; i < g->nr_data; i++)
		empty += !bch2_stripe_block_sectors(k, g, i);
	if (empty == g->nr_data)
		return 1;

	reusable = empty + bch2_stripe_can_widen(k);
	return reusable ? LRU_TIME_MAX - reusable : 0;
}

/* --- validation --- */

/**
 * bch2_stripe_validate - check a KEY_TYPE_stripe (spec 52 §3.1)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 8 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_stripe_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	const struct bch_stripe *s = bkey_val(k, stripe);
	struct stripe_geometry g;
	const char *why;
	int ret = 0;

	bkey_fsck_err_on(bpos_eq(k.k->p, POS_MIN) || bpos_gt(k.k->p, POS(0, U32_MAX)), c,
			 stripe_pos_bad, "position is not that of a stripe");
	/* Above 63 the size is undefined: this comes first. */
	bkey_fsck_err_on(s->csum_granularity_bits >= 64, c, stripe_csum_granularity_bad,
			 "checksum granularity of 2^%u sectors", s->csum_granularity_bits);

	why = stripe_layout(k, &g);
	bkey_fsck_err_on(why, c, stripe_val_size_bad,
			 "%s: %u blocks, %u parity, checksum type %u, granularity 2^%u, %u bytes",
			 why, s->nr_blocks, s->nr_redundant, s->csum_type,
			 s->csum_granularity_bits, bkey_val_bytes(k.k));
	bkey_fsck_err_on(!g.sectors, c, stripe_sectors_zero, "blocks of 0 sectors");

	return bch2_bkey_ptrs_validate(c, k, from);
fsck_err:
	return ret;
}

/* --- text --- */

static void stripe_head_to_text(struct printbuf *out, struct bch_fs *c,
				const struct bch_stripe *s)
{
	prt_printf(out, "algo %u sectors %u blocks %d:%u csum ", BCH_STRIPE_ALGORITHM(s),
		   le16_to_cpu(s->sectors), s->nr_blocks - s->nr_redundant, s->nr_redundant);
	bch2_csum_type_to_text(out, s->csum_type);
	prt_printf(out, " gran %u label=", s->csum_granularity_bits);
	if (!s->disk_label)
		prt_str(out, "(none)");
	else if (c && c->disk_sb.sb)
		bch2_sb_label_path_to_text(out, c->disk_sb.sb, s->disk_label - 1);
	else
		prt_printf(out, "%u", s->disk_label - 1);

	if (BCH_STRIPE_NEEDS_RECONCILE(s))
		prt_str(out, " needs_reconcile");
	if (BCH_STRIPE_CAN_WIDEN(s))
		prt_printf(out, " can_widen=%u", BCH_STRIPE_CAN_WIDEN(s));
}

/**
 * bch2_stripe_to_text - text of a stripe, one line per block
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_stripe_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct stripe_geometry g;
	const char *why = bch2_stripe_geometry(k, &g);
	struct bch_stripe head;

	bkey_val_copy(&head, k);
	stripe_head_to_text(out, c, &head);
	if (why) {
		prt_printf(out, " (%s)", why);
		return;
	}

	printbuf_indent_add(out, 2);
	for (unsigned int i = 0; i < g.nr_blocks; i++) {
		prt_newline(out);
		bch2_extent_ptr_to_text(out, c, bch2_stripe_ptr(k, &g, i));
		prt_printf(out, "#%u", bch2_stripe_block_sectors(k, &g, i));
	}
	printbuf_indent_sub(out, 2);
}
