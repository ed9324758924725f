/* SPDX-License-Identifier: GPL-2.0 */
/* RCU over liburcu; every thread is a reader without registering. */
#ifndef _SHIM_LINUX_RCUPDATE_H
#define _SHIM_LINUX_RCUPDATE_H

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/types.h>

void rcu_read_lock(void);
void rcu_read_unlock(void);
void synchronize_rcu(void);
void rcu_barrier(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void shim_kfree_rcu(struct rcu_head *head, void *obj);
bool rcu_read_lock_held(void);

#define synchronize_rcu_expedited()	synchronize_rcu()
typedef void (*rcu_callback_t)(struct rcu_head *head);

#define rcu_dereference(p)		__atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_dereference_raw(p)		rcu_dereference(p)
#define rcu_dereference_check(p, c)	rcu_dereference(p)
#define rcu_dereference_protected(p, c)	(p)
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, v)	__atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#define rcu_replace_pointer(p, v, c) ({ \
	typeof(p) shim_rp_ = (p); \
	rcu_assign_pointer(p, v); \
	shim_rp_; \
})
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define unrcu_pointer(p)		(p)
#define init_rcu_head(h)		((void) (h))

/* The member names the object's rcu_head. */
#define kfree_rcu(ptr, member) do { \
	typeof(ptr) shim_kr_ = (ptr); \
	if (shim_kr_) \
		shim_kfree_rcu(&shim_kr_->member, shim_kr_); \
} while (0)
#define kvfree_rcu(ptr, member)		kfree_rcu(ptr, member)
void kfree_rcu_mightsleep(const void *p);
void kvfree_rcu_mightsleep(const void *p);

DEFINE_LOCK_GUARD_0(rcu, rcu_read_lock(), rcu_read_unlock())

#endif /* _SHIM_LINUX_RCUPDATE_H */
