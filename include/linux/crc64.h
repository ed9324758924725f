/* SPDX-License-Identifier: GPL-2.0 */
/* CRC-64 of ECMA-182, most significant bit first, the bare register. */
#ifndef _SHIM_LINUX_CRC64_H
#define _SHIM_LINUX_CRC64_H

#include <linux/types.h>

u64 crc64_be(u64 crc, const void *p, size_t len);

#endif /* _SHIM_LINUX_CRC64_H */
