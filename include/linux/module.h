/* SPDX-License-Identifier: GPL-2.0 */
/* There are no modules here. */
#ifndef _SHIM_LINUX_MODULE_H
#define _SHIM_LINUX_MODULE_H

#include <linux/export.h>
#include <linux/init.h>
#include <linux/types.h>

#define MODULE_LICENSE(x)		struct shim_module_note_
#define MODULE_DESCRIPTION(x)		struct shim_module_note_
#define MODULE_AUTHOR(x)		struct shim_module_note_
#define MODULE_ALIAS_FS(x)		struct shim_module_note_
#define MODULE_SOFTDEP(x)		struct shim_module_note_
#define MODULE_PARM_DESC(name, text)	struct shim_module_note_
#define module_param_named(n, v, t, p)	struct shim_module_note_

struct module;
#define THIS_MODULE	((struct module *) NULL)

#endif /* _SHIM_LINUX_MODULE_H */
