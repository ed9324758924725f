/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices that can lose power: for tests of crash safety.
 *
 * While recording, every device opened for writing keeps, beside the real one, an image of what
 * would certainly survive now, and the writes that would perhaps survive: those not covered by a
 * completed flush or FUA. shim_crash_capture() makes images of one possible outcome, at any time,
 * while the devices go on.
 */
#ifndef _SHIM_SHIM_CRASHDEV_H
#define _SHIM_SHIM_CRASHDEV_H

#include <linux/types.h>

/* What became of the writes that were not durable. */
enum shim_crash_mode {
	SHIM_CRASH_drop_all,		/* none of them survived */
	SHIM_CRASH_keep_all,		/* all did */
	SHIM_CRASH_random,		/* each: none of it, all of it, or some of its sectors */
};

/* Devices opened for writing from now on are recorded, until shim_crash_record(false). */
void shim_crash_record(bool on);

/*
 * An image of each recorded device, in the order in which they were opened, at paths[0..nr).
 * The moment is the same for all of them. 0 or -errno.
 */
int shim_crash_capture(enum shim_crash_mode mode, u64 seed, const char *const *paths, unsigned nr);

/* Writes submitted so far, on all recorded devices: a clock for crash points. */
u64 shim_crash_writes(void);

#endif /* _SHIM_SHIM_CRASHDEV_H */
