/* SPDX-License-Identifier: GPL-2.0 */
/* Keys that the process brings itself. */
#ifndef _SHIM_SHIM_KEYRING_H
#define _SHIM_SHIM_KEYRING_H

#include <linux/types.h>

/* Makes request_key() for type "user" find @data under @description; replaces an older one. */
int shim_add_key(const char *description, const void *data, size_t len);
/* Wipes and forgets one key, or with NULL all of them. */
void shim_forget_key(const char *description);

#endif /* _SHIM_SHIM_KEYRING_H */
