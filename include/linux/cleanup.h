/* SPDX-License-Identifier: GPL-2.0 */
/* Scope-bound release of memory and locks. */
#ifndef _SHIM_LINUX_CLEANUP_H
#define _SHIM_LINUX_CLEANUP_H

#include <linux/compiler.h>
#include <linux/types.h>

/* The release expression knows the variable's value as _T. */
#define DEFINE_FREE(name, type, expr) \
static inline void __free_##name(void *shim_where) \
{ \
	type _T = *(type *) shim_where; \
	expr; \
}
#define __free(name)		__cleanup(__free_##name)

/* Takes the value out of a variable, so that nothing is released at the end of its scope. */
#define no_free_ptr(p) ({ \
	__auto_type shim_keep_ = (p); \
	(p) = NULL; \
	shim_keep_; \
})
#define return_ptr(p)		return no_free_ptr(p)
#define retain_and_null_ptr(p)	((void) no_free_ptr(p))

#define SHIM_CONCAT_(a, b)	a##b
#define SHIM_CONCAT(a, b)	SHIM_CONCAT_(a, b)
#ifndef __UNIQUE_ID
#define __UNIQUE_ID(prefix)	SHIM_CONCAT(SHIM_CONCAT(shim_id_, prefix), __COUNTER__)
#endif

#define DEFINE_CLASS(name, type, exit_expr, init_expr, ...) \
typedef type class_##name##_t; \
static inline void class_##name##_destructor(class_##name##_t *shim_obj) \
{ \
	class_##name##_t _T = *shim_obj; \
	exit_expr; \
} \
static inline class_##name##_t class_##name##_constructor(__VA_ARGS__) \
{ \
	class_##name##_t shim_made = init_expr; \
	return shim_made; \
}
#define CLASS(name, var) \
	class_##name##_t var __cleanup(class_##name##_destructor) __maybe_unused = \
		class_##name##_constructor

#define DEFINE_GUARD(name, type, lock_expr, unlock_expr) \
DEFINE_CLASS(name, type, if (_T) { unlock_expr; }, ({ lock_expr; _T; }), type _T) \
static inline void *class_##name##_lock_ptr(class_##name##_t *shim_obj) \
{ \
	return (void *) (unsigned long) *shim_obj; \
}
#define DEFINE_GUARD_COND(name, ext, cond_lock) \
typedef class_##name##_t class_##name##ext##_t; \
static inline void class_##name##ext##_destructor(class_##name##_t *shim_obj) \
{ \
	class_##name##_destructor(shim_obj); \
} \
static inline class_##name##_t class_##name##ext##_constructor(class_##name##_t _T) \
{ \
	return _T && (cond_lock) ? _T : NULL; \
} \
static inline void *class_##name##ext##_lock_ptr(class_##name##_t *shim_obj) \
{ \
	return class_##name##_lock_ptr(shim_obj); \
}

/* Guards without an argument, like rcu. */
#define DEFINE_LOCK_GUARD_0(name, lock_expr, unlock_expr) \
typedef struct { void *lock; } class_##name##_t; \
static inline void class_##name##_destructor(class_##name##_t *_T) \
{ \
	if (_T->lock) { \
		unlock_expr; \
	} \
} \
static inline class_##name##_t class_##name##_constructor(void) \
{ \
	class_##name##_t shim_g = { .lock = (void *) 1 }, *_T __maybe_unused = &shim_g; \
	lock_expr; \
	return shim_g; \
} \
static inline void *class_##name##_lock_ptr(class_##name##_t *shim_obj) \
{ \
	return shim_obj->lock; \
}

/* Guards over a lock object, with optional extra members for the state they keep. */
#define DEFINE_LOCK_GUARD_1(name, type, lock_expr, unlock_expr, ...) \
typedef struct { type *lock; __VA_ARGS__; } class_##name##_t; \
static inline void class_##name##_destructor(class_##name##_t *_T) \
{ \
	if (_T->lock) { \
		unlock_expr; \
	} \
} \
static inline class_##name##_t class_##name##_constructor(type *shim_l) \
{ \
	class_##name##_t shim_g = { .lock = shim_l }, *_T = &shim_g; \
	lock_expr; \
	return shim_g; \
} \
static inline void *class_##name##_lock_ptr(class_##name##_t *shim_obj) \
{ \
	return shim_obj->lock; \
}

#define guard(name)		CLASS(name, __UNIQUE_ID(guard))
#define scoped_guard(name, ...) \
	for (bool shim_once_ = true; shim_once_; ) \
		for (CLASS(name, shim_scope_)(__VA_ARGS__); \
		     shim_once_ && class_##name##_lock_ptr(&shim_scope_); shim_once_ = false)

#endif /* _SHIM_LINUX_CLEANUP_H */
