/* SPDX-License-Identifier: GPL-2.0 */
/* How many processors there are. */
#ifndef _SHIM_LINUX_CPUMASK_H
#define _SHIM_LINUX_CPUMASK_H

unsigned int num_online_cpus(void);
unsigned int num_possible_cpus(void);

#endif /* _SHIM_LINUX_CPUMASK_H */
