/* SPDX-License-Identifier: GPL-2.0 */
/* Sections for start-up code; nothing is discarded here. */
#ifndef _SHIM_LINUX_INIT_H
#define _SHIM_LINUX_INIT_H

#include <linux/compiler_types.h>

#endif /* _SHIM_LINUX_INIT_H */
