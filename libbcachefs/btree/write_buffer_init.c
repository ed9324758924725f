// SPDX-License-Identifier: GPL-2.0
/*
 * Setting up and taking down the write buffer: one buffer for each buffered btree
 * (spec 22 section 2). Called when a filesystem is opened and closed.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "journal/pins.h"

static struct btree_write_buffer *wb_alloc(struct bch_fs *c, unsigned btree)
{
	struct btree_write_buffer *wb = kzalloc(sizeof(*wb), GFP_KERNEL);

	if (!wb)
		return NULL;
	wb->c		= c;
	wb->btree_id	= btree;
	wb->capacity	= WB_CAPACITY_MIN_U64s;
	atomic_long_add(wb->capacity, &c->btree.wb.words_capacity);
	mutex_init(&wb->incoming.lock);
	mutex_init(&wb->flushing.lock);
	bch2_journal_pin_init(&wb->incoming.pin);
	bch2_journal_pin_init(&wb->flushing.pin);
	INIT_WORK(&wb->flush_work, bch2_wb_flush_work);
	return wb;
}

/**
 * bch2_fs_write_buffer_init - a buffer for each buffered btree
 *
 * Before the journal is started. 0 or -ENOMEM; bch2_fs_write_buffer_exit() is to be
 * called in both cases.
 */
int bch2_fs_write_buffer_init(struct bch_fs *c)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;
	unsigned id;

	mutex_init(&s->intake_lock);
	init_waitqueue_head(&s->wait);
	memset(s->idx, -1, sizeof(s->idx));
	s->initialized	= true;
	s->wq		= alloc_workqueue("bch_write_buffer", WQ_UNBOUND|WQ_MEM_RECLAIM, 0);
	s->counters	= kvzalloc(sizeof(*s->counters), GFP_KERNEL);
	if (!s->wq || !s->counters)
		return -BCH_ERR_ENOMEM_write_buffer;
	for (id = 0; id < BTREE_ID_NR; id++) {
		if (!btree_type_uses_write_buffer(id))
			continue;
		if (s->nr == BTREE_WRITE_BUFFERS_MAX || !(s->b[s->nr] = wb_alloc(c, id)))
			return -BCH_ERR_ENOMEM_write_buffer;
		s->idx[id] = s->nr++;
	}
	return 0;
}

/**
 * bch2_fs_write_buffer_exit - free the buffers; the journal has stopped
 *
 * Keys that are left were not applied: they are in the journal only.
 */
void bch2_fs_write_buffer_exit(struct bch_fs *c)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;
	unsigned i;

	if (!s->initialized)
		return;
	if (s->wq)
		destroy_workqueue(s->wq);
	for (i = 0; i < s->nr; i++) {
		kvfree(s->b[i]->incoming.d);
		kvfree(s->b[i]->flushing.d);
		kfree(s->b[i]);
	}
	kvfree(s->counters);
	memset(s, 0, sizeof(*s));
}
