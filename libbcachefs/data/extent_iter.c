// SPDX-License-Identifier: GPL-2.0
/*
 * The extents of one file in the view of one snapshot.
 *
 * Invariant: pieces come in ascending order, do not overlap, are never empty
 * and lie inside [start, end), whatever the keys say; holes are simply not
 * mentioned. What cannot be looked up becomes a bad piece, and the walk goes on
 * behind it. Used by data/read.c and data/reader.c.
 */
#include "bcachefs.h"
#include "data/extent_iter.h"
#include "data/extents.h"
#include "data/reflink.h"

#include <linux/minmax.h>

/**
 * bch2_extent_iter_init() - start a walk over a file's extents
 * @it:		caller's memory; bch2_extent_iter_exit() is due in any case
 * @c:		filesystem whose btrees are running
 * @snapshot:	view
 * @inum:	inode number
 * @start:	first sector of interest
 * @end:	sector behind the last one of interest
 *
 * Return: 0 or an error of class ENOMEM.
 */
int bch2_extent_iter_init(struct bch_extent_iter *it, struct bch_fs *c, u32 snapshot, u64 inum,
			  u64 start, u64 end)
{
	memset(it, 0, sizeof(*it));
	it->c		= c;
	it->inum	= inum;
	it->pos		= start;
	it->end		= end;
	bch2_bkey_buf_init(&it->extent);
	bch2_bkey_buf_init(&it->indirect);

	it->trans = bch2_trans_get(c);
	if (!it->trans)
		return -BCH_ERR_ENOMEM_btree_trans;

	bch2_trans_iter_init(it->trans, &it->iter, BTREE_ID_extents, SPOS(inum, start, snapshot),
			     BTREE_ITER_prefetch);
	return 0;
}

/**
 * bch2_extent_iter_exit() - end a walk
 * @it:		keys of pieces are not valid any longer
 */
void bch2_extent_iter_exit(struct bch_extent_iter *it)
{
	if (it->trans) {
		bch2_trans_iter_exit(&it->iter);
		bch2_trans_put(it->trans);
		it->trans = NULL;
	}
	bch2_bkey_buf_exit(&it->indirect);
	bch2_bkey_buf_exit(&it->extent);
}

/* Hand out [it->pos, @end) as a bad piece. */
static int bad_piece(struct bch_extent_iter *it, struct bch_file_piece *piece, u64 end, int err)
{
	piece->type	= BCH_PIECE_bad;
	piece->start	= it->pos;
	piece->sectors	= min(end, it->end) - it->pos;
	piece->err	= err;
	it->pos		+= piece->sectors;
	return 1;
}

/*
 * A part of the extents btree cannot be read: everything up to the last key it
 * may hold is bad; where it ends beyond this file, that is the rest of the file.
 */
static int unreadable_piece(struct bch_extent_iter *it, struct bch_file_piece *piece, int err)
{
	const struct bpos last = it->iter.bad.end;
	u64 end = it->end;

	if (it->iter.bad.error &&
	    last.inode == it->inum && last.offset > it->pos && last.offset < end)
		end = last.offset;

	return bad_piece(it, piece, end, err);
}

/*
 * Find the extent that covers it->pos, or the first one behind it. 1: it is in
 * it->extent, and it->pos lies in it; 0: there is none before it->end.
 */
static int next_extent(struct bch_extent_iter *it)
{
	struct bkey_s_c k;
	int ret;

	it->have_extent = false;
	bch2_btree_iter_set_pos(&it->iter, SPOS(it->inum, it->pos, it->iter.snapshot));

	ret = lockrestart_do(it->trans, bkey_err(k =
		bch2_btree_iter_peek_max(&it->iter, POS(it->inum, U64_MAX))));
	if (ret)
		return ret;
	if (!k.k || k.k->p.inode != it->inum || bkey_start_offset(k.k) >= it->end)
		return 0;

	ret = bch2_bkey_buf_reassemble(&it->extent, k);
	if (ret)
		return ret;

	/* A key without size, or one that ends before us, would not get us on. */
	if (k.k->p.offset <= it->pos)
		return -BCH_ERR_data_read_bad_key;

	it->pos = max(it->pos, bkey_start_offset(k.k));
	it->have_extent = true;
	return 1;
}

/* The key of the reflink btree that covers @idx, or the first one behind it. */
static int lookup_indirect(struct bch_extent_iter *it, u64 idx, bool *found)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(it->trans, &iter, BTREE_ID_reflink, POS(0, idx), 0);
	ret = lockrestart_do(it->trans, bkey_err(k =
		bch2_btree_iter_peek_max(&iter, POS(0, U64_MAX))));
	*found = !ret && k.k && k.k->p.offset > idx;
	if (*found)
		ret = bch2_bkey_buf_reassemble(&it->indirect, k);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The next piece of a reflink_p, up to file sector @end (spec 51 §4, §6). */
static int indirect_piece(struct bch_extent_iter *it, struct bch_file_piece *piece, u64 end)
{
	const struct bkey *p = &it->extent.k->k;
	struct reflink_p_range r;
	const struct bkey *v;
	bool found;
	u64 idx, start;
	int ret;

	bch2_reflink_p_decode(bkey_i_to_s_c(it->extent.k), &r);
	idx = r.idx + (it->pos - bkey_start_offset(p));

	ret = lookup_indirect(it, idx, &found);
	if (bch2_err_matches(ret, ENOMEM))
		return ret;
	if (ret)
		return bad_piece(it, piece, end, ret);
	if (!found)
		return bad_piece(it, piece, end, -BCH_ERR_EIO_missing_indirect_extent);

	v = &it->indirect.k->k;
	start = bkey_start_offset(v);
	if (start > idx)
		return bad_piece(it, piece, min(end, it->pos + (start - idx)),
				 -BCH_ERR_EIO_missing_indirect_extent);

	end = min(end, it->pos + (v->p.offset - idx));
	if (!bkey_is_indirect(v))
		return bad_piece(it, piece, end, -BCH_ERR_EIO_key_type_error);

	piece->type	= BCH_PIECE_data;
	piece->start	= it->pos;
	piece->sectors	= end - it->pos;
	piece->k	= bkey_i_to_s_c(it->indirect.k);
	piece->k_offset	= idx - start;
	it->pos		= end;
	return 1;
}

/* The piece of it->extent that begins at it->pos. */
static int extent_piece(struct bch_extent_iter *it, struct bch_file_piece *piece)
{
	struct bkey_s_c k = bkey_i_to_s_c(it->extent.k);
	u64 end = min(k.k->p.offset, it->end);

	switch (k.k->type) {
	case KEY_TYPE_reflink_p:
		return indirect_piece(it, piece, end);
	case KEY_TYPE_error:
		return bad_piece(it, piece, end, -BCH_ERR_EIO_key_type_error);
	case KEY_TYPE_reservation:
		piece->type = BCH_PIECE_zero;
		break;
	case KEY_TYPE_extent:
		piece->type = bch2_bkey_is_unwritten(it->c, k)
			? BCH_PIECE_zero : BCH_PIECE_data;
		break;
	case KEY_TYPE_inline_data:
		piece->type = BCH_PIECE_data;
		break;
	default:
		return bad_piece(it, piece, end, -BCH_ERR_data_read_bad_key);
	}

	piece->start	= it->pos;
	piece->sectors	= end - it->pos;
	piece->k	= k;
	piece->k_offset	= it->pos - bkey_start_offset(k.k);
	it->pos		= end;
	return 1;
}

/**
 * bch2_extent_iter_next() - the next piece of the file
 * @it:		walk
 * @piece:	filled if 1 is returned; its key is valid until the next call
 *
 * Return: 1; 0 at the end; an error of class ENOMEM. Everything else becomes a bad piece.
 */
int bch2_extent_iter_next(struct bch_extent_iter *it, struct bch_file_piece *piece)
{
	int ret;

	memset(piece, 0, sizeof(*piece));

	while (it->pos < it->end) {
		if (!it->have_extent || it->pos >= it->extent.k->k.p.offset) {
			ret = next_extent(it);
			if (!ret)
				break;
			if (bch2_err_matches(ret, ENOMEM))
				return ret;
			if (ret < 0)
				return unreadable_piece(it, piece, ret);
		}

		/* Cookies and the like cover nothing: a hole. */
		if (it->extent.k->k.type == KEY_TYPE_cookie ||
		    bkey_whiteout(&it->extent.k->k)) {
			it->pos = it->extent.k->k.p.offset;
			continue;
		}

		return extent_piece(it, piece);
	}

	return 0;
}
