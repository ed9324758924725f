// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the replicas entries of a superblock in memory (spec 41 section 6.2,
 * 10 section 9.4): sections replicas and replicas_v0, of which only one exists.
 *
 * Nothing here writes to a device. Callers hold the lock that covers the
 * superblock: for c->disk_sb, c->sb_lock. Entries never occur twice.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/replicas.h"
#include "sb/write.h"

/**
 * bch2_sb_has_journal_replicas() - is a journal in use?
 * @sb:		superblock
 *
 * This is what decides between clean and dirty (spec 10 section 10).
 */
bool bch2_sb_has_journal_replicas(const struct bch_sb *sb)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(sb);
	struct bch_sb_replica r;

	while (bch2_sb_replicas_next(&iter, &r))
		if (r.data_type == BCH_DATA_journal)
			return true;
	return false;
}

/* Entries of one superblock on their way to another form; at most 3 + 255 bytes each. */
struct replicas_list {
	struct bch_sb_replica	*d;
	unsigned		nr;
	size_t			bytes;		/* without nr_required */
	bool			v0;		/* nr_required is 1 everywhere */
};

static int replica_cmp(const void *l, const void *r)
{
	const struct bch_sb_replica *a = l, *b = r;

	if (a->data_type != b->data_type)
		return a->data_type < b->data_type ? -1 : 1;
	if (a->nr_devs != b->nr_devs)
		return a->nr_devs < b->nr_devs ? -1 : 1;
	if (a->nr_required != b->nr_required)
		return a->nr_required < b->nr_required ? -1 : 1;
	return memcmp(a->devs, b->devs, a->nr_devs);
}

/**
 * bch2_sb_has_replica() - is an entry there?
 * @sb:		superblock
 * @want:	entry; devices ascending, as they are stored
 */
bool bch2_sb_has_replica(const struct bch_sb *sb, const struct bch_sb_replica *want)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(sb);
	struct bch_sb_replica r;

	while (bch2_sb_replicas_next(&iter, &r))
		if (!replica_cmp(&r, want))
			return true;
	return false;
}

static void replicas_list_add(struct replicas_list *list, const struct bch_sb_replica *r)
{
	list->d[list->nr++] = *r;
	list->bytes += sizeof(struct bch_replicas_entry_v0) + r->nr_devs;
	list->v0 &= r->nr_required == 1;
}

/* The entries to keep and those to add; the former point into @sb. */
static int replicas_collect(const struct bch_sb *sb, struct replicas_list *list,
			    const struct bch_sb_replica *add, unsigned nr_add,
			    bool (*keep)(const struct bch_sb_replica *, void *), void *arg)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(sb);
	struct bch_sb_replica r;
	unsigned nr = nr_add;

	while (bch2_sb_replicas_next(&iter, &r))
		nr++;
	list->d = kvcalloc(nr ?: 1, sizeof(*list->d), GFP_KERNEL);
	if (!list->d)
		return -BCH_ERR_ENOMEM_sb_replicas;

	iter = bch2_sb_replicas_iter(sb);
	while (bch2_sb_replicas_next(&iter, &r))
		if (!keep || keep(&r, arg))
			replicas_list_add(list, &r);
	for (unsigned i = 0; i < nr_add; i++)
		if (!bch2_sb_has_replica(sb, &add[i]))
			replicas_list_add(list, &add[i]);
	sort(list->d, list->nr, sizeof(*list->d), replica_cmp, NULL);
	return 0;
}

static void replicas_encode(const struct replicas_list *list, u8 *p)
{
	for (unsigned i = 0; i < list->nr; i++) {
		const struct bch_sb_replica *r = &list->d[i];

		*p++ = r->data_type;
		*p++ = r->nr_devs;
		if (!list->v0)
			*p++ = r->nr_required;
		memcpy(p, r->devs, r->nr_devs);
		p += r->nr_devs;
	}
}

static u32 section_u64s(const struct bch_sb *sb, unsigned type)
{
	const struct bch_sb_field *f = bch2_sb_field_get_id(sb, type);

	return f ? le32_to_cpu(f->u64s) : 0;
}

static int replicas_store(struct bch_sb_handle *handle, const u8 *buf, size_t bytes, bool v0)
{
	const unsigned type = v0 ? BCH_SB_FIELD_replicas_v0 : BCH_SB_FIELD_replicas;
	const unsigned other = v0 ? BCH_SB_FIELD_replicas : BCH_SB_FIELD_replicas_v0;
	const u32 u64s = 1 + DIV_ROUND_UP(bytes, sizeof(u64));
	struct bch_sb_field *f;

	/* grow last where that must succeed: a failure leaves the entries as they were */
	if (u64s <= section_u64s(handle->sb, type) + section_u64s(handle->sb, other))
		bch2_sb_field_resize_id(handle, other, 0);

	f = bch2_sb_field_resize_id(handle, type, u64s);
	if (IS_ERR(f))
		return PTR_ERR(f) == -BCH_ERR_ENOSPC_sb ? -BCH_ERR_ENOSPC_sb_replicas
							: PTR_ERR(f);
	memset(f + 1, 0, bch2_sb_field_bytes(f) - sizeof(*f));
	memcpy(f + 1, buf, bytes);
	bch2_sb_field_resize_id(handle, other, 0);
	return 0;
}

/**
 * bch2_sb_replicas_change() - drop and add entries
 * @handle:	superblock in memory; may move
 * @add:	entries that are to be there; each once, devices ascending
 * @nr_add:	how many
 * @keep:	which of the present ones stay; NULL: all
 * @arg:	for @keep
 *
 * Section replicas_v0 if nr_required is 1 everywhere, else replicas (spec 41
 * section 6.2).
 *
 * Return: 0, -BCH_ERR_ENOSPC_sb_replicas, or no memory: nothing has changed.
 */
int bch2_sb_replicas_change(struct bch_sb_handle *handle, const struct bch_sb_replica *add,
			    unsigned nr_add,
			    bool (*keep)(const struct bch_sb_replica *, void *arg), void *arg)
{
	struct replicas_list list = { .v0 = true };
	size_t bytes;
	u8 *buf;
	int ret;

	ret = replicas_collect(handle->sb, &list, add, nr_add, keep, arg);
	if (ret)
		return ret;
	bytes = list.bytes + (list.v0 ? 0 : list.nr);

	/* the entries lie in the section that is about to change */
	buf = kvzalloc(bytes ?: 1, GFP_KERNEL);
	ret = buf ? 0 : -BCH_ERR_ENOMEM_sb_replicas;
	if (!ret) {
		replicas_encode(&list, buf);
		ret = replicas_store(handle, buf, bytes, list.v0);
	}
	kvfree(buf);
	kvfree(list.d);
	return ret;
}

static bool not_of_journal(const struct bch_sb_replica *r, void *arg)
{
	return r->data_type != BCH_DATA_journal;
}

/**
 * bch2_sb_drop_journal_replicas() - forget where journal entries were
 * @handle:	superblock in memory; may move
 *
 * Only for a filesystem that needs no journal entry: one that is clean and has
 * not begun to write. Otherwise the next update would say it is clean when it is
 * not.
 *
 * Return: 0, -BCH_ERR_ENOSPC_sb_replicas, or no memory.
 */
int bch2_sb_drop_journal_replicas(struct bch_sb_handle *handle)
{
	if (!bch2_sb_has_journal_replicas(handle->sb))
		return 0;
	return bch2_sb_replicas_change(handle, NULL, 0, not_of_journal, NULL);
}
