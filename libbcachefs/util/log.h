/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages about one filesystem. All of them go to printk(); what becomes of
 * them is the business of whoever listens there.
 *
 * Macros, so that this header needs no struct bch_fs: whoever uses them
 * includes bcachefs.h. c may be NULL while there is no filesystem yet.
 */
#ifndef _BCACHEFS_UTIL_LOG_H
#define _BCACHEFS_UTIL_LOG_H

#include <linux/printk.h>

#include "errcode.h"

/* In a kernel log a line must say where it comes from (spec 31 §22). */
#ifdef __KERNEL__
#define __bch_log(level, c, fmt, ...)						\
do {										\
	const struct bch_fs *_log_c = (c);					\
										\
	printk(level "bcachefs (%s): " fmt "\n",				\
	       _log_c ? _log_c->name : "", ##__VA_ARGS__);			\
} while (0)
#else
#define __bch_log(level, c, fmt, ...)						\
do {										\
	const struct bch_fs *_log_c __maybe_unused = (c);			\
										\
	printk(level fmt "\n", ##__VA_ARGS__);					\
} while (0)
#endif

#define bch_err(c, fmt, ...)	__bch_log(KERN_ERR, c, fmt, ##__VA_ARGS__)
#define bch_warn(c, fmt, ...)	__bch_log(KERN_WARNING, c, fmt, ##__VA_ARGS__)
#define bch_notice(c, fmt, ...)	__bch_log(KERN_NOTICE, c, fmt, ##__VA_ARGS__)
#define bch_info(c, fmt, ...)	__bch_log(KERN_INFO, c, fmt, ##__VA_ARGS__)

/* Only with option verbose. */
#define bch_verbose(c, fmt, ...)						\
do {										\
	if ((c)->opts.verbose)							\
		bch_info(c, fmt, ##__VA_ARGS__);				\
} while (0)

/* About one device; ca is a struct bch_dev. */
#define bch_err_dev(ca, fmt, ...)						\
	bch_err((ca)->fs, "%s: " fmt, (ca)->name, ##__VA_ARGS__)
#define bch_warn_dev(ca, fmt, ...)						\
	bch_warn((ca)->fs, "%s: " fmt, (ca)->name, ##__VA_ARGS__)
#define bch_notice_dev(ca, fmt, ...)						\
	bch_notice((ca)->fs, "%s: " fmt, (ca)->name, ##__VA_ARGS__)
#define bch_info_dev(ca, fmt, ...)						\
	bch_info((ca)->fs, "%s: " fmt, (ca)->name, ##__VA_ARGS__)

/* Say which function failed and why; restarts are no failures. */
#define bch_err_fn(c, ret)							\
do {										\
	int _log_ret = (ret);							\
										\
	if (_log_ret &&								\
	    !bch2_err_matches(_log_ret, BCH_ERR_transaction_restart))		\
		bch_err(c, "%s(): error %s", __func__, bch2_err_str(_log_ret));	\
} while (0)

/* Say what was being done, and why it failed. */
#define bch_err_msg(c, ret, fmt, ...)						\
do {										\
	int _log_ret = (ret);							\
										\
	if (_log_ret &&								\
	    !bch2_err_matches(_log_ret, BCH_ERR_transaction_restart))		\
		bch_err(c, fmt ": %s", ##__VA_ARGS__, bch2_err_str(_log_ret));	\
} while (0)

#endif /* _BCACHEFS_UTIL_LOG_H */
