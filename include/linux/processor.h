/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for another thread in a loop. */
#ifndef _SHIM_LINUX_PROCESSOR_H
#define _SHIM_LINUX_PROCESSOR_H

/* Lets that thread run. */
void shim_cpu_relax(void);
#define cpu_relax()	shim_cpu_relax()

#endif /* _SHIM_LINUX_PROCESSOR_H */
