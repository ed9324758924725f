/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz targets share. Each target is one file that defines
 * LLVMFuzzerTestOneInput(); compiled with -DFUZZ_MAIN it also has a main() that
 * runs every file named on the command line (or standard input), for gcc,
 * valgrind and AFL: see replay.sh.
 */
#ifndef _BCACHEFS_FUZZ_H
#define _BCACHEFS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bcachefs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A filesystem that exists only in memory: one device with FUZZ_BUCKETS buckets
 * of 1 MiB, 4 KiB blocks, a key, repair of everything, no messages. Made at the
 * first call.
 */
struct bch_fs *fuzz_fs(void);

#define FUZZ_BUCKETS		4096
#define FUZZ_BUCKET_SECTORS	2048

/* The master key of that filesystem, and of the seeds that need one: 00 01 .. 1f. */
extern const struct bch_key fuzz_key;

/* A copy whose end is the end of the allocation, for the sanitizers; free(). */
void *fuzz_copy(const void *data, size_t size);

/* Use up and free a text, so that no compiler can leave its making out. */
extern volatile size_t fuzz_sink;
void fuzz_use_text(struct printbuf *out);

#ifdef FUZZ_MAIN
void fuzz_replay(int argc, char *argv[]);

int main(int argc, char *argv[])
{
	fuzz_replay(argc, argv);
	return 0;
}
#endif

#endif /* _BCACHEFS_FUZZ_H */
