// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot nodes in memory (spec 61 sections 2 and 4): a hash table from id to
 * node that is read without locks and replaced when it grows.
 *
 * Invariant: entries are immutable once published; a change publishes a new one.
 * Walks towards the root only go to larger ids, so they end. Writers hold
 * c->snapshots.lock.
 */
#include <linux/hash.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "btree/snapshot_table.h"

struct snapshot_node {
	struct rcu_head		rcu;
	u32			id;
	struct snapshot_t	s;
};

struct snapshot_table {
	struct rcu_head		rcu;
	size_t			nr;
	size_t			mask;		/* slots - 1 */
	struct snapshot_node __rcu *slots[];
};

#define SNAPSHOT_TABLE_MIN	64

static struct snapshot_table *table_alloc(size_t slots)
{
	struct snapshot_table *t = kvzalloc(struct_size(t, slots, slots), GFP_KERNEL);

	if (t)
		t->mask = slots - 1;
	return t;
}

/* Slot of @id, or the empty one where it belongs. At least one slot is empty. */
static size_t table_slot(const struct snapshot_table *t, u32 id)
{
	size_t i = hash_32(id, 32) & t->mask;

	while (1) {
		const struct snapshot_node *n = rcu_dereference_check(t->slots[i], true);

		if (!n || n->id == id)
			return i;
		i = (i + 1) & t->mask;
	}
}

/* Call with rcu_read_lock held; the result is valid until it is dropped. */
static const struct snapshot_t *lookup(struct bch_fs *c, u32 id)
{
	const struct snapshot_table *t = rcu_dereference(c->snapshots.table);
	const struct snapshot_node *n;

	if (!t || !id)
		return NULL;
	n = rcu_dereference(t->slots[table_slot(t, id)]);
	return n ? &n->s : NULL;
}

/** bch2_snapshot_table_init - an empty table; 0 or -ENOMEM */
int bch2_snapshot_table_init(struct bch_fs *c)
{
	struct snapshot_table *t = table_alloc(SNAPSHOT_TABLE_MIN);

	if (!t)
		return -ENOMEM;
	mutex_init(&c->snapshots.lock);
	rcu_assign_pointer(c->snapshots.table, t);
	return 0;
}

/** bch2_snapshot_table_exit - free the table; nobody reads it any more */
void bch2_snapshot_table_exit(struct bch_fs *c)
{
	struct snapshot_table *t = rcu_dereference_check(c->snapshots.table, true);
	size_t i;

	if (!t)
		return;
	rcu_assign_pointer(c->snapshots.table, NULL);
	synchronize_rcu();
	for (i = 0; i <= t->mask; i++)
		kfree(rcu_dereference_check(t->slots[i], true));
	kvfree(t);
}

/* A table of twice the size with the same nodes. */
static struct snapshot_table *table_grow(struct bch_fs *c, struct snapshot_table *old)
{
	struct snapshot_table *t = table_alloc((old->mask + 1) * 2);
	size_t i;

	if (!t)
		return NULL;
	for (i = 0; i <= old->mask; i++) {
		struct snapshot_node *n = rcu_dereference_check(old->slots[i], true);

		if (n)
			rcu_assign_pointer(t->slots[table_slot(t, n->id)], n);
	}
	t->nr = old->nr;
	rcu_assign_pointer(c->snapshots.table, t);
	kvfree_rcu(old, rcu);
	return t;
}

/**
 * bch2_snapshot_table_set - add or replace what is known about a snapshot id
 * @c:		filesystem
 * @id:		not 0
 * @s:		copied
 *
 * Takes c->snapshots.lock. 0 or -ENOMEM. Spec 61 section 4.
 */
int bch2_snapshot_table_set(struct bch_fs *c, u32 id, const struct snapshot_t *s)
{
	struct snapshot_node *n, *old;
	struct snapshot_table *t;
	size_t slot;
	int ret = 0;

	if (!id)
		return -EINVAL;
	n = kmalloc(sizeof(*n), GFP_KERNEL);
	if (!n)
		return -ENOMEM;
	n->id	= id;
	n->s	= *s;

	mutex_lock(&c->snapshots.lock);
	t = rcu_dereference_check(c->snapshots.table, true);
	if (t && t->nr * 2 > t->mask)
		t = table_grow(c, t);
	if (!t) {
		kfree(n);
		ret = -ENOMEM;
		goto out;
	}
	slot = table_slot(t, id);
	old = rcu_dereference_check(t->slots[slot], true);
	rcu_assign_pointer(t->slots[slot], n);
	if (old)
		kfree_rcu(old, rcu);
	else
		t->nr++;
out:
	mutex_unlock(&c->snapshots.lock);
	return ret;
}

/**
 * bch2_snapshot_table_verified - may skip lists be trusted?
 *
 * True only after check_snapshots has compared them with the parents.
 */
void bch2_snapshot_table_verified(struct bch_fs *c, bool verified)
{
	mutex_lock(&c->snapshots.lock);
	WRITE_ONCE(c->snapshots.verified, verified);
	mutex_unlock(&c->snapshots.lock);
}

/** bch2_snapshot_get - copy what is known about @id; false if nothing is */
bool bch2_snapshot_get(struct bch_fs *c, u32 id, struct snapshot_t *s)
{
	const struct snapshot_t *p;

	rcu_read_lock();
	p = lookup(c, id);
	if (p)
		*s = *p;
	rcu_read_unlock();
	return p != NULL;
}

/** bch2_snapshot_table_nr - number of ids known, deleted ones included */
size_t bch2_snapshot_table_nr(struct bch_fs *c)
{
	const struct snapshot_table *t;
	size_t nr;

	mutex_lock(&c->snapshots.lock);
	t = rcu_dereference_check(c->snapshots.table, true);
	nr = t ? t->nr : 0;
	mutex_unlock(&c->snapshots.lock);
	return nr;
}

/**
 * bch2_snapshot_table_next - the largest id below @below, and its node
 *
 * Starting with U32_MAX and ending with 0, visits ids other than U32_MAX itself
 * from the roots down; costs a scan of the table each. 0 when there is none.
 */
u32 bch2_snapshot_table_next(struct bch_fs *c, u32 below, struct snapshot_t *s)
{
	const struct snapshot_table *t;
	u32 best = 0;
	size_t i;

	rcu_read_lock();
	t = rcu_dereference(c->snapshots.table);
	for (i = 0; t && i <= t->mask; i++) {
		const struct snapshot_node *n = rcu_dereference(t->slots[i]);

		if (n && n->id < below && n->id > best) {
			best = n->id;
			*s = n->s;
		}
	}
	rcu_read_unlock();
	return best;
}

/* One step up; 0 at a root, and where a damaged parent does not lead upwards. */
static u32 parent_of(const struct snapshot_t *s, u32 id)
{
	return s && s->parent > id ? s->parent : 0;
}

/* The longest verified jump from @id that does not pass @ancestor. */
static u32 skip_towards(const struct snapshot_t *s, u32 id, u32 ancestor)
{
	int i;

	for (i = 2; s && i >= 0; --i)
		if (s->skip[i] > id && s->skip[i] <= ancestor)
			return s->skip[i];
	return parent_of(s, id);
}

/**
 * __bch2_snapshot_is_ancestor - is @ancestor above @id?
 *
 * Walks parents; skip lists only once they have been verified. Ids that are not
 * known end the walk. Spec 61 section 4.
 */
bool __bch2_snapshot_is_ancestor(struct bch_fs *c, u32 id, u32 ancestor)
{
	const bool skips = READ_ONCE(c->snapshots.verified);

	rcu_read_lock();
	while (id && id < ancestor) {
		const struct snapshot_t *s = lookup(c, id);

		id = skips ? skip_towards(s, id, ancestor) : parent_of(s, id);
	}
	rcu_read_unlock();
	return id == ancestor;
}

/** bch2_snapshot_live - is there a snapshot node @id that is not a tombstone? */
bool bch2_snapshot_live(struct bch_fs *c, u32 id)
{
	struct snapshot_t s;

	return bch2_snapshot_get(c, id, &s) && s.state == SNAPSHOT_ID_live;
}

/** bch2_snapshot_parent - parent of @id; 0 for a root or an unknown id */
u32 bch2_snapshot_parent(struct bch_fs *c, u32 id)
{
	u32 parent;

	rcu_read_lock();
	parent = parent_of(lookup(c, id), id);
	rcu_read_unlock();
	return parent;
}

/** bch2_snapshot_nth_parent - @n steps up from @id; 0 if there are fewer */
u32 bch2_snapshot_nth_parent(struct bch_fs *c, u32 id, u32 n)
{
	rcu_read_lock();
	while (n-- && id)
		id = parent_of(lookup(c, id), id);
	rcu_read_unlock();
	return id;
}

/** bch2_snapshot_root - topmost known node above @id */
u32 bch2_snapshot_root(struct bch_fs *c, u32 id)
{
	u32 parent;

	rcu_read_lock();
	while ((parent = parent_of(lookup(c, id), id)))
		id = parent;
	rcu_read_unlock();
	return id;
}

/** bch2_snapshot_tree - number of the tree that @id says it belongs to; 0: unknown */
u32 bch2_snapshot_tree(struct bch_fs *c, u32 id)
{
	struct snapshot_t s;

	return bch2_snapshot_get(c, id, &s) ? s.tree : 0;
}

/** bch2_snapshot_depth - depth of @id as its parent's depth plus one; roots 0 */
u32 bch2_snapshot_depth(struct bch_fs *c, u32 id)
{
	struct snapshot_t s;

	return bch2_snapshot_get(c, id, &s) ? s.depth : 0;
}

/** bch2_snapshot_is_leaf - no children are recorded; true for unknown ids */
bool bch2_snapshot_is_leaf(struct bch_fs *c, u32 id)
{
	struct snapshot_t s;

	return !bch2_snapshot_get(c, id, &s) || (!s.children[0] && !s.children[1]);
}

/**
 * bch2_snapshot_live_descendant - @id, or the first live node below it
 *
 * Follows the first child; 0 if the chain ends. Spec 61 section 4.
 */
u32 bch2_snapshot_live_descendant(struct bch_fs *c, u32 id)
{
	rcu_read_lock();
	while (id) {
		const struct snapshot_t *s = lookup(c, id);

		if (!s || s->state == SNAPSHOT_ID_live) {
			id = s ? id : 0;
			break;
		}
		id = s->children[0] && s->children[0] < id ? s->children[0] : 0;
	}
	rcu_read_unlock();
	return id;
}
