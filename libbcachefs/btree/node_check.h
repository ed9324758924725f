/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checking one copy of a btree node that is in memory, and indexing its keys
 * (spec 20 sections 9 to 12). No I/O here: the bytes may come from anywhere.
 *
 * bch2_btree_node_check() works on b->data in place: it decrypts, and brings
 * keys of old versions up to date.
 */
#ifndef _BCACHEFS_BTREE_NODE_CHECK_H
#define _BCACHEFS_BTREE_NODE_CHECK_H

#include "bcachefs.h"
#include "btree/extent_entries.h"

enum btree_node_check_mode {
	/* Any problem rejects this copy: there are others. */
	NODE_CHECK_strict,
	/* The last resort: repair what the error policy allows to. */
	NODE_CHECK_repair,
	/* Looking for lost nodes: tolerate what could be repaired, report nothing. */
	NODE_CHECK_scan,
};

struct btree_node_check {
	struct bch_fs			*c;
	struct btree			*b;
	enum btree_node_check_mode	mode;

	/* What the pointer says. */
	struct btree_ptr_info		ptr;
	struct bpos			ptr_pos;

	/* Texts of the problems, one per line; may be NULL. */
	struct printbuf			*err;

	/* Where the check is, for texts. */
	u32				offset;		/* sectors, start of the bset */
	u32				bset_u64s;
	u32				limit;		/* sectors that may hold bsets */
	u32				node_sectors;	/* readable ones */
	u32				block_sectors;
	u32				nr_problems;
	u32				used_sectors;	/* end of the last bset that is used */
	bool				in_bset;

	struct btree_node_scratch	*scratch;
};

/* Room to sort the keys of one node in. */
struct btree_node_scratch {
	u32				words;		/* entries in each of off */
	u32				nr;		/* keys collected */
	u32				nr_runs;
	u32				max_runs;
	u16				*off[2];	/* word offsets of keys */
	u32				*runs;		/* start of each run in off[0] */
};

/* One bset of a node, wherever it starts. */
struct bset_place {
	struct bset			*i;
	struct bch_csum			*csum;		/* what follows it is protected */
	u32				sector;		/* from the start of the node */
	u32				header;		/* bytes before the keys */
	u32				u64s;		/* as used; 0 if too long */
	bool				first;
};

int bch2_btree_node_check(struct btree_node_check *n);

struct bset_place bch2_bset_at(const struct btree_node_check *n, u32 sector);
u32 bch2_bset_sectors(const struct btree_node_check *n, const struct bset_place *p);
int bch2_bset_unlock(struct btree_node_check *n, struct bset_place *p);

/* node_sort.c */
struct btree_node_scratch *bch2_node_scratch_alloc(u32 node_bytes, u32 block_bytes);
void bch2_node_scratch_free(struct btree_node_scratch *s);
int bch2_btree_node_sort(struct btree *b, struct btree_node_scratch *s);

/* node_keys.c */
int bch2_bset_keys_check(struct btree_node_check *n, unsigned version, u32 start, u32 end,
			 bool use);

/* Reports a problem of the node; 0: repair it and go on. node_check.c */
__printf(4, 5)
int bch2_node_problem(struct btree_node_check *n, enum bch_sb_error_id id, unsigned flags,
		      const char *fmt, ...);

static inline struct bkey_packed *btree_node_word(const struct btree *b, u32 word)
{
	return (struct bkey_packed *) ((u64 *) b->data + word);
}

/* Live key @i of @b. */
static inline struct bkey_packed *btree_node_key(const struct btree *b, u32 i)
{
	return btree_node_word(b, b->idx[i]);
}

u32 bch2_btree_node_search(const struct btree *b, struct bpos pos);

#endif /* _BCACHEFS_BTREE_NODE_CHECK_H */
