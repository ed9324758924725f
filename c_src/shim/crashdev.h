/* SPDX-License-Identifier: GPL-2.0 */
/* Recording devices for tests of crash safety; private to c_src/shim. */
#ifndef SHIM_CRASHDEV_PRIV_H
#define SHIM_CRASHDEV_PRIV_H

struct shim_bdev;

int shim_crash_attach(struct shim_bdev *d);

#endif /* SHIM_CRASHDEV_PRIV_H */
