// SPDX-License-Identifier: GPL-2.0
/*
 * Exact durability of keys; pointers into stripes are looked up (spec 50 §6.4).
 * An estimate that needs no lookup is bch2_bkey_durability_estimate().
 */
#include <linux/bitmap.h>
#include <linux/limits.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "data/durability.h"
#include "data/stripes.h"
#include "data/stripes_format.h"
#include "sb/members.h"
#include "sb/members_format.h"
#include "util/bpos.h"

struct durability_sum {
	struct bch_durability	*d;
	struct bch_devs_mask	seen;	/* counted in total */
};

/**
 * bch2_dev_stays - is a device there, and not about to be removed?
 * @c:		filesystem
 * @dev:	member index; 255: none
 */
bool bch2_dev_stays(const struct bch_fs *c, unsigned int dev)
{
	const struct bch_dev *ca = dev != BCH_SB_MEMBER_INVALID ? bch2_dev(c, dev) : NULL;

	return ca && ca->mi.state != BCH_MEMBER_STATE_evacuating;
}

static unsigned int dev_desired(const struct bch_fs *c, unsigned int dev)
{
	const struct bch_dev *ca = dev != BCH_SB_MEMBER_INVALID ? bch2_dev(c, dev) : NULL;

	return ca ? ca->mi.durability : 0;
}

static unsigned int dev_current(const struct bch_fs *c, unsigned int dev)
{
	return bch2_dev_stays(c, dev) ? dev_desired(c, dev) : 0;
}

static void count_dev(const struct bch_fs *c, struct durability_sum *s, unsigned int dev)
{
	if (!__test_and_set_bit(dev, s->seen.d))
		s->d->total += dev_current(c, dev);
}

static void count_share(struct durability_sum *s, unsigned int desired, unsigned int share)
{
	s->d->acct += desired;
	s->d->min   = min(s->d->min, share);
}

/* --- pointers into stripes --- */

struct stripe_devs {
	unsigned int		nr;
	u8			dev[BCH_STRIPE_BLOCKS_MAX];
	u8			durability[BCH_STRIPE_BLOCKS_MAX];
};

/* Ascending durability; there are at most 16. */
static void stripe_devs_add(struct stripe_devs *s, unsigned int dev, unsigned int durability)
{
	unsigned int i = s->nr++;

	for (; i && s->durability[i - 1] > durability; --i) {
		s->dev[i]	 = s->dev[i - 1];
		s->durability[i] = s->durability[i - 1];
	}
	s->dev[i]	 = dev;
	s->durability[i] = durability;
}

static void count_stripe(struct bch_fs *c, struct durability_sum *s, struct bkey_s_c stripe,
			 const struct stripe_geometry *g)
{
	struct stripe_devs now = {}, desired = {};
	struct bch_devs_mask seen = {};
	unsigned int sum = 0;

	for (unsigned int i = 0; i < g->nr_blocks; i++) {
		const unsigned int dev = EXTENT_PTR_DEV(bch2_stripe_ptr(stripe, g, i));

		stripe_devs_add(&now, dev, dev_current(c, dev));
		if (!__test_and_set_bit(dev, seen.d))
			stripe_devs_add(&desired, dev, dev_desired(c, dev));
	}

	for (unsigned int i = 0; i <= g->nr_redundant && i < now.nr; i++)
		count_dev(c, s, now.dev[i]);
	for (unsigned int i = 0; i <= g->nr_redundant && i < desired.nr; i++)
		sum += desired.durability[i];
	count_share(s, sum, sum);
}

static int count_stripe_ptr(struct btree_trans *trans, struct durability_sum *s,
			    const struct extent_ptr_decoded *p)
{
	struct stripe_geometry g;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_stripes,
			       POS(0, STRIPE_PTR_IDX(&p->ec)), 0);
	ret = bkey_err(k);
	if (ret)
		goto out;
	if (k.k && k.k->type == KEY_TYPE_stripe && !bch2_stripe_geometry(k, &g) &&
	    bch2_ptr_matches_stripe(k, &g, p))
		count_stripe(trans->c, s, k, &g);
	else
		count_share(s, 0, 0);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_bkey_durability - durability of the copies of a key
 * @trans:	transaction
 * @k:		extent, reflink_v, or pointer to a node
 * @d:		result
 *
 * Cached copies do not count. Returns 0, a restart, or an error.
 */
int bch2_bkey_durability(struct btree_trans *trans, struct bkey_s_c k, struct bch_durability *d)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(trans->c, k);
	struct durability_sum s = { .d = d };
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	int ret = 0;

	*d = (struct bch_durability) { .min = U8_MAX };
	bkey_for_each_ptr_decode(k.k, ptrs, p, entry) {
		const unsigned int dev = EXTENT_PTR_DEV(&p.ptr);

		if (EXTENT_PTR_CACHED(&p.ptr))
			continue;
		if (p.has_ec) {
			ret = count_stripe_ptr(trans, &s, &p);
			if (ret)
				return ret;
			continue;
		}
		count_dev(trans->c, &s, dev);
		count_share(&s, dev_desired(trans->c, dev), dev_current(trans->c, dev));
	}
	return 0;
}
