/* SPDX-License-Identifier: GPL-2.0 */
/* Compare and exchange on plain words. */
#ifndef _SHIM_ASM_CMPXCHG_H
#define _SHIM_ASM_CMPXCHG_H

#include <linux/atomic.h>

#endif /* _SHIM_ASM_CMPXCHG_H */
