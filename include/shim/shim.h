/* SPDX-License-Identifier: GPL-2.0 */
/* The tool's side of the shim: start, stop, memory pressure, interruption. */
#ifndef _SHIM_SHIM_SHIM_H
#define _SHIM_SHIM_SHIM_H

#include <linux/types.h>

/* Ends every thread of the shim and waits for them; all devices are closed before. */
void shim_exit(void);

/* Asks every registered shrinker for up to @nr objects; how many were freed. */
unsigned long shim_run_shrinkers(unsigned long nr);

/* From a signal handler: signal_pending() and interruptible sleeps see it from now on. */
void shim_raise_signal(void);
void shim_clear_signal(void);

#endif /* _SHIM_SHIM_SHIM_H */
