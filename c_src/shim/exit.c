// SPDX-License-Identifier: GPL-2.0
/*
 * The orderly end of the shim.
 */
#include "internal.h"

#include <shim/shim.h>

/**
 * shim_exit - end every thread of the shim and free what it keeps
 *
 * Devices are closed and work queues destroyed before; afterwards the shim may be used again.
 */
void shim_exit(void)
{
	shim_aio_exit();
	shim_timer_exit();
	shim_workqueue_exit();
	shim_rcu_exit();
	shim_keyring_exit();
	shim_task_exit();
}
