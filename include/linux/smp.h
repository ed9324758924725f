/* SPDX-License-Identifier: GPL-2.0 */
/* Which processor this is. */
#ifndef _SHIM_LINUX_SMP_H
#define _SHIM_LINUX_SMP_H

unsigned int raw_smp_processor_id(void);

#endif /* _SHIM_LINUX_SMP_H */
