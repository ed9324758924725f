/* SPDX-License-Identifier: GPL-2.0 */
/* do_div lives with the other 64-bit arithmetic. */
#ifndef _SHIM_ASM_DIV64_H
#define _SHIM_ASM_DIV64_H

#include <linux/math64.h>

#endif /* _SHIM_ASM_DIV64_H */
