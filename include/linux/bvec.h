/* SPDX-License-Identifier: GPL-2.0 */
/* Pieces of memory and a position in a list of them. */
#ifndef _SHIM_LINUX_BVEC_H
#define _SHIM_LINUX_BVEC_H

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/types.h>

struct bio_vec {
	struct page	*bv_page;
	unsigned int	bv_len;
	unsigned int	bv_offset;
};

struct bvec_iter {
	sector_t	bi_sector;
	unsigned int	bi_size;		/* bytes left */
	unsigned int	bi_idx;
	unsigned int	bi_bvec_done;		/* bytes done in the current piece */
} __packed __aligned(4);

static inline void *bvec_virt(struct bio_vec *bv)
{
	return (char *) page_address(bv->bv_page) + bv->bv_offset;
}

static inline void *bvec_kmap_local(struct bio_vec *bv)
{
	return bvec_virt(bv);
}

static inline void bvec_set_page(struct bio_vec *bv, struct page *page, unsigned int len,
				 unsigned int offset)
{
	bv->bv_page = page;
	bv->bv_len = len;
	bv->bv_offset = offset;
}

static inline void bvec_set_virt(struct bio_vec *bv, void *vaddr, unsigned int len)
{
	bvec_set_page(bv, virt_to_page(vaddr), len, offset_in_page(vaddr));
}

/* The rest of the current piece, limited to what the iterator covers. */
static inline struct bio_vec shim_bvec_at(const struct bio_vec *table, struct bvec_iter it)
{
	const struct bio_vec *bv = &table[it.bi_idx];
	struct bio_vec r;

	r.bv_offset = bv->bv_offset + it.bi_bvec_done;
	r.bv_page = bv->bv_page + r.bv_offset / PAGE_SIZE;
	r.bv_offset %= PAGE_SIZE;
	r.bv_len = min(it.bi_size, bv->bv_len - it.bi_bvec_done);
	return r;
}

static inline struct bio_vec shim_bvec_page_at(const struct bio_vec *table, struct bvec_iter it)
{
	struct bio_vec r = shim_bvec_at(table, it);

	r.bv_len = min_t(unsigned int, r.bv_len, PAGE_SIZE - r.bv_offset);
	return r;
}

#define mp_bvec_iter_bvec(table, iter)	shim_bvec_at(table, iter)
#define bvec_iter_bvec(table, iter)	shim_bvec_page_at(table, iter)

/* False if there are not that many bytes. */
static inline bool bvec_iter_advance(const struct bio_vec *table, struct bvec_iter *it,
				     unsigned int bytes)
{
	if (bytes > it->bi_size) {
		it->bi_size = 0;
		return false;
	}
	it->bi_size -= bytes;
	bytes += it->bi_bvec_done;
	while (bytes && bytes >= table[it->bi_idx].bv_len)
		bytes -= table[it->bi_idx++].bv_len;
	it->bi_bvec_done = bytes;
	return true;
}

#endif /* _SHIM_LINUX_BVEC_H */
