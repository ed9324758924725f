/* SPDX-License-Identifier: GPL-2.0 */
/* Keys of the keyrings; request_key() asks the process's own table first (shim/keyring.h). */
#ifndef _SHIM_LINUX_KEY_H
#define _SHIM_LINUX_KEY_H

#include <linux/err.h>
#include <linux/rwsem.h>
#include <linux/types.h>

struct key_type {
	const char	*name;
};

struct key {
	struct rw_semaphore	sem;
	int			shim_refs;
	void			*shim_payload;
};

struct key *shim_request_key(struct key_type *type, const char *description);
#define request_key(type, description, info)	shim_request_key((type), (description))
void key_put(struct key *key);

#endif /* _SHIM_LINUX_KEY_H */
