/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Version of the tool: the newest metadata version that it understands, and its
 * own release for that version. A build may add what describes its sources.
 */
#ifndef _BCACHEFS_TOOLS_VERSION_H
#define _BCACHEFS_TOOLS_VERSION_H

#ifndef TOOLS_VERSION_SUFFIX
#define TOOLS_VERSION_SUFFIX	""
#endif

#define TOOLS_VERSION		"v1.38.0" TOOLS_VERSION_SUFFIX

#endif /* _BCACHEFS_TOOLS_VERSION_H */
