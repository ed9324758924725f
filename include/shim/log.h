/* SPDX-License-Identifier: GPL-2.0 */
/* Where the core's messages go. */
#ifndef _SHIM_SHIM_LOG_H
#define _SHIM_SHIM_LOG_H

/*
 * @fn gets each complete printk with its level (0 = emergency .. 7 = debug, -1 = continuation)
 * and its text without the level prefix. It may be called from any thread, one at a time.
 * NULL restores the default: the text goes to stdout.
 */
void shim_set_log_sink(void (*fn)(int level, const char *text, void *arg), void *arg);

#endif /* _SHIM_SHIM_LOG_H */
