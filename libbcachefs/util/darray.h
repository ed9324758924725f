/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arrays that grow at their end.
 *
 *	DARRAY(struct thing) things = { 0 };
 *	ret = darray_push(&things, t);
 *	darray_for_each(things, i) use(i);
 *	darray_exit(&things);
 *
 * Pointers to elements are valid until the next push. A failed push leaves the
 * array as it was. No locking. Any floor, any context that may sleep.
 */
#ifndef _BCACHEFS_UTIL_DARRAY_H
#define _BCACHEFS_UTIL_DARRAY_H

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>

#define DARRAY(type)								\
struct {									\
	type		*data;							\
	size_t		nr;		/* elements in use */			\
	size_t		size;		/* elements allocated */		\
}

typedef DARRAY(char *)		darray_str;
typedef DARRAY(u64)		darray_u64;
typedef DARRAY(u32)		darray_u32;

void *__bch2_darray_grow(void *data, size_t nr, size_t *size, size_t more, size_t element);

/* Make room for @more elements; 0 or -ENOMEM. */
#define darray_make_room(_d, _more)						\
({										\
	int _ret = 0;								\
										\
	if ((_d)->nr + (_more) > (_d)->size) {					\
		void *_new = __bch2_darray_grow((_d)->data, (_d)->nr, &(_d)->size, \
						(_more), sizeof((_d)->data[0]));	\
		if (_new)							\
			(_d)->data = _new;					\
		else								\
			_ret = -ENOMEM;						\
	}									\
	_ret;									\
})

/* Append @_item; 0 or -ENOMEM. */
#define darray_push(_d, _item)							\
({										\
	int _push_ret = darray_make_room(_d, 1);				\
										\
	if (!_push_ret)								\
		(_d)->data[(_d)->nr++] = (_item);				\
	_push_ret;								\
})

/* Insert @_item before element @_pos; 0 or -ENOMEM. */
#define darray_insert_item(_d, _pos, _item)					\
({										\
	size_t _at = (_pos);							\
	int _ins_ret = darray_make_room(_d, 1);					\
										\
	if (!_ins_ret) {							\
		memmove(&(_d)->data[_at + 1], &(_d)->data[_at],			\
			((_d)->nr++ - _at) * sizeof((_d)->data[0]));		\
		(_d)->data[_at] = (_item);					\
	}									\
	_ins_ret;								\
})

/* Remove the element that @_i points to. */
#define darray_remove_item(_d, _i)						\
do {										\
	size_t _at = (_i) - (_d)->data;						\
										\
	memmove(&(_d)->data[_at], &(_d)->data[_at + 1],				\
		(--(_d)->nr - _at) * sizeof((_d)->data[0]));			\
} while (0)

#define darray_first(_d)	((_d).data[0])
#define darray_last(_d)		((_d).data[(_d).nr - 1])
#define darray_pop(_d)		((_d)->data[--(_d)->nr])

#define darray_for_each(_d, _i)							\
	for (typeof(&(_d).data[0]) _i = (_d).data; _i < (_d).data + (_d).nr; _i++)

/* Free the memory; the array is empty and may be used again. */
#define darray_exit(_d)								\
do {										\
	kvfree((_d)->data);							\
	(_d)->data = NULL;							\
	(_d)->nr = (_d)->size = 0;						\
} while (0)

#endif /* _BCACHEFS_UTIL_DARRAY_H */
