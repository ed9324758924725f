/* SPDX-License-Identifier: GPL-2.0 */
/* Every symbol is visible. */
#ifndef _SHIM_LINUX_EXPORT_H
#define _SHIM_LINUX_EXPORT_H

#define EXPORT_SYMBOL(sym)	struct shim_module_note_
#define EXPORT_SYMBOL_GPL(sym)	struct shim_module_note_

#endif /* _SHIM_LINUX_EXPORT_H */
