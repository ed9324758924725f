/* SPDX-License-Identifier: GPL-2.0 */
/* The key type "user": a blob of bytes. */
#ifndef _SHIM_KEYS_USER_TYPE_H
#define _SHIM_KEYS_USER_TYPE_H

#include <linux/key.h>

struct user_key_payload {
	struct rcu_head	rcu;
	unsigned short	datalen;
	char		data[] __aligned(__alignof__(u64));
};

extern struct key_type key_type_user;

/* The caller holds key->sem. */
const struct user_key_payload *shim_user_key_payload(const struct key *key);
#define user_key_payload_locked(key)	shim_user_key_payload(key)

#endif /* _SHIM_KEYS_USER_TYPE_H */
