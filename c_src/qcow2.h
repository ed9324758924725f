/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sparse disk images in qcow2 version 2, as far as dump and undump need it
 * (Documentation/format/73, section 1.3). Errors: negative errno; a reason for
 * people where the file is at fault.
 */
#ifndef _BCACHEFS_QCOW2_H
#define _BCACHEFS_QCOW2_H

#include <stddef.h>
#include <stdint.h>

struct qcow2_writer;

/*
 * Start an image of a device of @size bytes in the empty file @fd. @block_size
 * is a power of two from 512 on; clusters are that large, or larger where the
 * device is so big that other programs would refuse the table.
 */
struct qcow2_writer *qcow2_writer_new(int fd, uint64_t size, unsigned block_size);

/*
 * @len bytes at @offset of the device. What was never written is not mapped; a
 * later write to the same place wins. Parts of a cluster that were not written
 * read as zeros.
 */
int qcow2_write(struct qcow2_writer *, uint64_t offset, const void *buf, size_t len);

/* Tables and header; the image is valid only after this. */
int qcow2_writer_finish(struct qcow2_writer *);
void qcow2_writer_free(struct qcow2_writer *);

/* Copy every mapped cluster of image @in to its place in the empty file @out. */
int qcow2_unpack(int in, int out, const char **reason);

#endif /* _BCACHEFS_QCOW2_H */
