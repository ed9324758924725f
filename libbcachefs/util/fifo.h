/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues of a fixed number of elements.
 *
 * front and back only ever grow; their difference is the number of elements,
 * and the slot of an index is its remainder by the size, a power of two. So an
 * index names an element as long as the element is in the queue.
 *
 * No locking. Any floor.
 */
#ifndef _BCACHEFS_UTIL_FIFO_H
#define _BCACHEFS_UTIL_FIFO_H

#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/types.h>

#define FIFO(type)								\
struct {									\
	size_t		front;		/* index of the oldest element */	\
	size_t		back;		/* index behind the newest */		\
	size_t		size;							\
	type		*data;							\
}

/* Allocate room for at least @_size elements; true on success. */
#define init_fifo(_f, _size, _gfp)						\
({										\
	(_f)->front = (_f)->back = 0;						\
	(_f)->size = roundup_pow_of_two(_size);					\
	(_f)->data = kvmalloc_array((_f)->size, sizeof((_f)->data[0]), _gfp);	\
	(_f)->data != NULL;							\
})

#define free_fifo(_f)								\
do {										\
	kvfree((_f)->data);							\
	(_f)->data = NULL;							\
} while (0)

#define fifo_used(_f)		((_f)->back - (_f)->front)
#define fifo_free(_f)		((_f)->size - fifo_used(_f))
#define fifo_empty(_f)		((_f)->front == (_f)->back)
#define fifo_full(_f)		(fifo_used(_f) == (_f)->size)

#define fifo_entry(_f, _idx)	((_f)->data[(_idx) & ((_f)->size - 1)])
#define fifo_peek_front(_f)	fifo_entry(_f, (_f)->front)
#define fifo_peek_back(_f)	fifo_entry(_f, (_f)->back - 1)

/* Append; false if there is no room. */
#define fifo_push(_f, _v)							\
({										\
	bool _room = !fifo_full(_f);						\
										\
	if (_room)								\
		fifo_entry(_f, (_f)->back++) = (_v);				\
	_room;									\
})

/* Take the oldest; false if there is none. */
#define fifo_pop(_f, _v)							\
({										\
	bool _any = !fifo_empty(_f);						\
										\
	if (_any)								\
		(_v) = fifo_entry(_f, (_f)->front++);				\
	_any;									\
})

#define fifo_for_each_entry(_v, _f, _idx)					\
	for (_idx = (_f)->front;						\
	     _idx != (_f)->back && ((_v) = fifo_entry(_f, _idx), true);		\
	     _idx++)

#endif /* _BCACHEFS_UTIL_FIFO_H */
