// SPDX-License-Identifier: GPL-2.0
/*
 * Placement of superblock copies (spec 10 section 2.1). A pure function of its
 * arguments; a layout that it makes passes bch2_sb_layout_validate().
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/layout.h"

/* Copies at the start of a device, and the number with the one at its end. */
#define COPIES_AT_START		2

/**
 * bch2_sb_layout_init() - lay out the copies on a device
 * @l:		result
 * @p:		geometry
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_device_size_too_small, or a kind of
 * -BCH_ERR_invalid_sb_layout if the copies would not be apart.
 */
int bch2_sb_layout_init(struct bch_sb_layout *l, const struct bch_sb_placement *p,
			struct printbuf *err)
{
	const unsigned bits = ilog2(p->sb_max_size);
	const u64 size = 1ULL << bits;
	u64 pos = p->start;

	memset(l, 0, sizeof(*l));
	l->magic = BCHFS_MAGIC;
	l->sb_max_size_bits = bits;
	l->nr_superblocks = COPIES_AT_START;

	for (unsigned i = 0; i < COPIES_AT_START; i++) {
		if (pos != BCH_SB_SECTOR)
			pos = roundup(pos, (u64) p->block_size);
		l->sb_offset[i] = cpu_to_le64(pos);
		pos += p->sb_max_size;
	}
	if (pos > p->end) {
		prt_printf(err, "device too small for superblocks (%llu sectors, need %llu)",
			   p->end, pos);
		return -BCH_ERR_device_size_too_small;
	}

	if (p->start == BCH_SB_SECTOR && !p->no_copy_at_end) {
		const u64 slot = div_u64(p->end - size, p->bucket_size) * p->bucket_size;

		l->sb_offset[l->nr_superblocks++] = cpu_to_le64(slot);
	}
	return bch2_sb_layout_validate(l, err);
}
