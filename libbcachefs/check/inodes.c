// SPDX-License-Identifier: GPL-2.0
/*
 * Pass check_inodes (spec 62 §5): every inode key in every snapshot, by itself,
 * against the other versions of its number, and against the directory entry and
 * the subvolume that it names.
 *
 * One walk, newest versions of a number first. All keys of a number are known by
 * their heads, so that versions are compared without lookups. What is changed for
 * one key is one commit; nothing is changed here that the later passes could
 * decide better: backpointers that are wrong are cleared, and links are set and
 * counted by check_dirents and check_nlinks.
 */
#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/update.h"
#include "check/inodes.h"
#include "check/snapshot_keys.h"
#include "fs/inode_write.h"
#include "journal/journal.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/**
 * bch2_check_inode_name - an inode in messages of this check
 * @out:	text
 * @u:		inode
 */
void bch2_check_inode_name(struct printbuf *out, const struct bch_inode_unpacked *u)
{
	prt_printf(out, "inode %llu:%u", u->bi_inum, u->bi_snapshot);
}

/* Report about the inode @_i that is looked at; true: repair. */
#define inode_err(_x, _i, _id, _fmt, ...)					\
({										\
	CLASS(printbuf, name)();						\
										\
	bch2_check_inode_name(&name, &(_i)->u);					\
	fsck_err_trans((_x)->trans, _id, "%s: " _fmt, printbuf_str(&name), ##__VA_ARGS__); \
})

/* --- versions --- */

static int version_add(struct inode_versions *v, struct bkey_s_c k)
{
	struct bch_inode_unpacked u;
	struct inode_version *e;

	if (v->nr == v->size) {
		const u32 size = max(8U, v->size * 2);

		e = kvmalloc_array(size, sizeof(*e), GFP_KERNEL);
		if (!e)
			return -ENOMEM;
		if (v->nr)
			memcpy(e, v->d, v->nr * sizeof(*e));
		kvfree(v->d);
		v->d	= e;
		v->size	= size;
	}
	e = &v->d[v->nr++];
	memset(e, 0, sizeof(*e));
	e->snapshot = k.k->p.snapshot;
	e->is_inode = bkey_is_inode(k.k) && !bch2_inode_unpack(k, &u);
	if (e->is_inode) {
		e->str_hash	= u.bi_str_hash;
		e->hash_seed	= u.bi_hash_seed;
	}
	return 0;
}

/* Have all keys of @inum in x->versions. */
static int versions_load(struct inode_check *x, u64 inum)
{
	struct inode_versions *v = &x->versions;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (v->valid && v->inum == inum)
		return 0;
	v->valid = false;
	v->inum	 = inum;
	v->nr	 = 0;

	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_inodes, POS(0, inum),
			     BTREE_ITER_all_snapshots);
	do {
		k = bch2_btree_iter_peek_max(&iter, SPOS(0, inum, U32_MAX));
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		ret = version_add(v, k);
	} while (!ret && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	v->valid = !ret;
	return ret;
}

/* The oldest version that @snapshot descends from, itself if there is no other. */
static const struct inode_version *oldest_version(struct inode_check *x, u32 snapshot)
{
	const struct inode_versions *v = &x->versions;

	for (u32 i = v->nr; i--;)
		if (v->d[i].is_inode &&
		    bch2_snapshot_is_ancestor(x->c, snapshot, v->d[i].snapshot))
			return &v->d[i];
	return NULL;
}

static bool has_child_version(struct inode_check *x, u32 snapshot)
{
	const struct inode_versions *v = &x->versions;

	for (u32 i = 0; i < v->nr && v->d[i].snapshot < snapshot; i++)
		if (v->d[i].is_inode &&
		    bch2_snapshot_is_ancestor(x->c, v->d[i].snapshot, snapshot))
			return true;
	return false;
}

static int commit(struct btree_trans *trans)
{
	return bch2_trans_commit(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
}

/* --- one version, step by step --- */

/* All versions are hashed alike, or names could not be found (spec 62 §3.12). */
static int check_hash(struct inode_check *x, struct inode_checked *i)
{
	const struct inode_version *o = oldest_version(x, i->u.bi_snapshot);
	int ret = 0;

	if (!o || (o->hash_seed == i->u.bi_hash_seed && o->str_hash == i->u.bi_str_hash))
		return 0;

	if (inode_err(x, i, inode_snapshot_mismatch,
		      "hash type %u seed %llx, but %u and %llx in snapshot %u", i->u.bi_str_hash,
		      (u64) le64_to_cpu(i->u.bi_hash_seed), o->str_hash,
		      (u64) le64_to_cpu(o->hash_seed), o->snapshot)) {
		i->u.bi_hash_seed = o->hash_seed;
		i->u.bi_str_hash  = o->str_hash;
		x->versions.valid = false;
		ret   = bch2_inode_write(x->trans, &i->u, i->u.bi_snapshot) ?:
			commit(x->trans) ?:
			bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_commit);
	}
fsck_err:
	return ret;
}

static int check_casefold(struct inode_check *x, struct inode_checked *i)
{
	int ret = 0;

	if (x->c->sb.version < bcachefs_metadata_version_inode_has_case_insensitive)
		return 0;
	if (!S_ISDIR(i->u.bi_mode)) {
		i->changed |= i->u.bi_casefold != 0;
		i->u.bi_casefold = 0;
	} else if (bch2_inode_casefold(x->c, &i->u) &&
		   !(i->u.bi_flags & BCH_INODE_has_case_insensitive) &&
		   inode_err(x, i, inode_has_case_insensitive_not_set,
			     "casefolded directory without has_case_insensitive set")) {
		i->u.bi_flags |= BCH_INODE_has_case_insensitive;
		i->changed = true;
	}
fsck_err:
	return ret;
}

/* Steps 5 and 7. */
static int check_linked(struct inode_check *x, struct inode_checked *i)
{
	int ret = 0;

	if (bch2_inode_has_backpointer(&i->u) && (i->u.bi_flags & BCH_INODE_unlinked) &&
	    inode_err(x, i, inode_unlinked_but_has_dirent,
		      "marked as unlinked, but has a directory entry at %llu:%llu", i->u.bi_dir,
		      i->u.bi_dir_offset)) {
		i->u.bi_flags &= ~BCH_INODE_unlinked;
		i->changed = true;
	}
fsck_err:
	return ret;
}

static int check_dir_size(struct inode_check *x, struct inode_checked *i)
{
	int ret = 0;

	if (S_ISDIR(i->u.bi_mode) && i->u.bi_size &&
	    inode_err(x, i, inode_dir_has_nonzero_i_size, "directory with size %llu",
		      i->u.bi_size)) {
		i->u.bi_size = 0;
		i->changed = true;
	}
fsck_err:
	return ret;
}

static int check_child_flag(struct inode_check *x, struct inode_checked *i)
{
	const bool is = i->u.bi_flags & BCH_INODE_has_child_snapshot;
	const bool want = has_child_version(x, i->u.bi_snapshot);
	int ret = 0;

	if (is != want &&
	    inode_err(x, i, inode_has_child_snapshots_wrong,
		      "has_child_snapshots flag is %u, should be %u", is, want)) {
		i->u.bi_flags ^= BCH_INODE_has_child_snapshot;
		i->changed = true;
	}
fsck_err:
	return ret;
}

/* 1: listed as to be deleted. */
static int on_deleted_list(struct btree_trans *trans, struct bpos pos)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_deleted_inodes, pos, 0);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k) ?: k.k->type == KEY_TYPE_set;
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The list is a buffered btree: its updates reach it late. */
static int check_deleted_list(struct inode_check *x, struct inode_checked *i)
{
	int ret;

	if (!bch2_inode_is_dead(&i->u))
		return 0;
	ret = on_deleted_list(x->trans, i->k.k->p);
	if (ret)
		return min(ret, 0);
	ret = bch2_btree_write_buffer_maybe_flush(x->trans, i->k, &x->wb);
	if (ret)
		return ret;

	if (inode_err(x, i, unlinked_inode_not_on_deleted_list,
		      "unlinked, but not on the list of deleted inodes"))
		ret = bch2_btree_bit_mod_buffered(x->trans, BTREE_ID_deleted_inodes, i->k.k->p,
						  true);
fsck_err:
	return ret;
}

static int check_parent_subvol(struct inode_check *x, struct inode_checked *i)
{
	int ret = 0;

	if (i->u.bi_parent_subvol && i->u.bi_subvol <= 1 &&
	    inode_err(x, i, inode_bi_parent_nonzero, "subvolume %u, but parent subvolume %u",
		      i->u.bi_subvol, i->u.bi_parent_subvol)) {
		i->u.bi_parent_subvol = 0;
		i->changed = true;
	}
fsck_err:
	return ret;
}

static int check_journal_seq(struct inode_check *x, struct inode_checked *i)
{
	const u64 seq = test_bit(BCH_FS_rw, &x->c->flags)
		? bch2_journal_cur_seq(x->c) : x->c->journal.start.cur_seq;
	int ret = 0;

	if (i->u.bi_journal_seq > seq &&
	    inode_err(x, i, inode_journal_seq_in_future,
		      "journal sequence number %llu is in the future, now %llu",
		      i->u.bi_journal_seq, seq)) {
		i->u.bi_journal_seq = seq;
		i->changed = true;
	}
fsck_err:
	return ret;
}

/* Every step sees what the one before has left (spec 62 §5). */
static int check_steps(struct inode_check *x, struct inode_checked *i)
{
	static int (*const steps[])(struct inode_check *, struct inode_checked *) = {
		check_hash,
		check_casefold,
		bch2_check_inode_backpointer,
		check_linked,
		bch2_check_inode_dir_empty,
		check_dir_size,
		check_child_flag,
		check_deleted_list,
		check_parent_subvol,
		bch2_check_inode_subvol,
		check_journal_seq,
	};
	int ret = 0;

	for (unsigned s = 0; s < ARRAY_SIZE(steps) && !ret && !i->skip_rest; s++)
		ret = steps[s](x, i);
	return ret;
}

/* --- the walk --- */

/*
 * What cannot be decoded is said once per key, whatever restarts there are. A check
 * that repairs writes what is left: nobody will ever read the rest.
 */
static int check_fields(struct inode_check *x, struct inode_checked *i)
{
	if (i->u.unpack_failed_at < 0)
		return 0;
	i->changed = test_bit(BCH_FS_in_fsck, &x->c->flags) && !x->c->opts.nochanges;
	if (bpos_eq(x->unpack_seen, i->k.k->p))
		return 0;
	x->unpack_seen = i->k.k->p;
	return bch2_inode_fields_check(x->c, i->k);
}

static int check_key(struct inode_check *x, struct bkey_s_c k)
{
	struct inode_checked i = { .k = k };
	bool updates;
	int ret;

	ret = bch2_check_key_snapshot(x->trans, BTREE_ID_inodes, k);
	if (ret > 0) {
		x->versions.valid = false;
		return commit(x->trans);
	}
	if (ret || !bkey_is_inode(k.k) || bch2_inode_unpack(k, &i.u))
		return ret;

	ret   = check_fields(x, &i) ?:
		versions_load(x, k.k->p.offset) ?:
		check_steps(x, &i);
	if (!ret && i.changed)
		ret = bch2_inode_write(x->trans, &i.u, k.k->p.snapshot);
	if (ret)
		return ret;

	updates = bch2_trans_has_updates(x->trans);
	ret = updates ? commit(x->trans) : 0;
	if (updates && !ret)
		x->versions.valid = false;
	return ret ?: bch2_check_inode_parents(x, &i.u);
}

/**
 * bch2_check_inodes - the pass
 * @c:	filesystem: snapshots are loaded, the journal has been replayed
 *
 * Return: 0, or why the check could not go on.
 */
int bch2_check_inodes(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct inode_check x = { .trans = trans, .c = c };
	int ret;

	if (IS_ERR(trans))
		return PTR_ERR(trans);

	bch2_trans_keep_reads(trans);
	wb_maybe_flush_init(&x.wb);
	ret = bch2_btree_write_buffer_flush_sync(trans);
	if (!ret)
		ret = for_each_btree_key(trans, iter, BTREE_ID_inodes, POS_MIN,
					 BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
			wb_maybe_flush_inc(&x.wb);
			check_key(&x, k);
		}));

	kvfree(x.versions.d);
	wb_maybe_flush_exit(&x.wb);
	bch2_trans_put(trans);
	return ret;
}
