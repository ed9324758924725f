/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers of the test_recover_* programs: images unpacked into files of this
 * process, started as told, and what their btrees hold.
 */
#ifndef _TESTS_UNIT_RECOVER_COMMON_H
#define _TESTS_UNIT_RECOVER_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bcachefs.h"

/* Every key of every btree that replay must not change: sums per btree. */
struct content {
	u64		nr[BTREE_ID_NR];
	u64		hash[BTREE_ID_NR];
};

/* How a filesystem is started: by default read-write. */
struct start_how {
	bool		nochanges;
	bool		read_only;
	bool		norecovery;
	unsigned	degraded;
};

const char *recover_file(const char *name);
void recover_unpack(const char *name, const char *path);
void recover_copy(const char *from, const char *to);

/* NULL or a started filesystem; @ret says which. */
struct bch_fs *recover_start(const char *path, const struct start_how *how, int *ret);

void content_read(struct bch_fs *c, struct content *out);
/* Of an image that is only looked at. */
void content_of(const char *path, struct content *out);
/* True: equal but for what follows from where btree nodes lie. Differences are printed. */
bool content_equal(const struct content *a, const struct content *b);

/* The last message of level error and above, and how many there were. */
extern char recover_last_error[512];
extern char recover_errors[2048];	/* the first ones */
extern unsigned recover_nr_errors;
void recover_log_quietly(void);

#endif /* _TESTS_UNIT_RECOVER_COMMON_H */
