/* SPDX-License-Identifier: GPL-2.0 */
/* Comparison in constant time. */
#ifndef _SHIM_CRYPTO_UTILS_H
#define _SHIM_CRYPTO_UTILS_H

#include <linux/types.h>

int shim_memneq(const void *a, const void *b, size_t size);
#define crypto_memneq(a, b, size)	shim_memneq(a, b, size)

#endif /* _SHIM_CRYPTO_UTILS_H */
