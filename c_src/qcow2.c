// SPDX-License-Identifier: GPL-2.0
/*
 * Sparse disk images in qcow2 version 2.
 *
 * The writer keeps the whole mapping in memory until the end, so data may come
 * in any order and as often as it likes; then it appends the tables, with
 * reference counts, and writes the header last. The reader believes nothing: it
 * checks every offset against the file, and that no more clusters are mapped
 * than the file can hold, so that a small file does not unpack into a huge one.
 */
#include "qcow2.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QCOW2_MAGIC		0x514649fbU	/* "QFI" 0xfb */
#define QCOW2_VERSION		2
#define QCOW2_COPIED		(1ULL << 63)
#define QCOW2_COMPRESSED	(1ULL << 62)
#define QCOW2_OFFSET_MASK	0x00fffffffffffe00ULL
#define QCOW2_CLUSTER_BITS_MIN	9
#define QCOW2_CLUSTER_BITS_MAX	21
/* Largest first-level table that other programs accept. */
#define QCOW2_L1_BYTES_MAX	(32U << 20)

struct qcow2_header {
	uint32_t	magic;
	uint32_t	version;
	uint64_t	backing_file_offset;
	uint32_t	backing_file_size;
	uint32_t	cluster_bits;
	uint64_t	size;
	uint32_t	crypt_method;
	uint32_t	l1_size;
	uint64_t	l1_table_offset;
	uint64_t	refcount_table_offset;
	uint32_t	refcount_table_clusters;
	uint32_t	nb_snapshots;
	uint64_t	snapshots_offset;
} __attribute__((packed));

_Static_assert(sizeof(struct qcow2_header) == 72, "qcow2 header");

struct qcow2_writer {
	int		fd;
	unsigned	cluster_bits;
	uint64_t	size;		/* of the device */
	uint64_t	end;		/* of the file; a multiple of the cluster size */
	uint64_t	l1_size;	/* entries */
	uint64_t	**l2;		/* per L1 entry: file offsets, or NULL */
};

static uint64_t div_up(uint64_t n, uint64_t d)
{
	return n / d + (n % d != 0);
}

static uint64_t cluster_bytes(const struct qcow2_writer *w)
{
	return 1ULL << w->cluster_bits;
}

/* Entries of a second-level table, which fills one cluster. */
static uint64_t l2_entries(unsigned cluster_bits)
{
	return 1ULL << (cluster_bits - 3);
}

static uint64_t l1_entries(uint64_t size, unsigned cluster_bits)
{
	return div_up(size, l2_entries(cluster_bits) << cluster_bits);
}

static int write_all(int fd, const void *buf, size_t len, uint64_t offset)
{
	const char *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p	+= n;
		len	-= n;
		offset	+= n;
	}
	return 0;
}

static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p	+= n;
		len	-= n;
		offset	+= n;
	}
	return 0;
}

/* --- writing --- */

/**
 * qcow2_writer_new() - start an image
 * @fd:		empty file, writable; stays the caller's
 * @size:	bytes of the device
 * @block_size:	bytes, power of two from 512 on: the smallest cluster size wanted
 *
 * Return: the writer, NULL without memory.
 */
struct qcow2_writer *qcow2_writer_new(int fd, uint64_t size, unsigned block_size)
{
	struct qcow2_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;

	w->fd		= fd;
	w->size		= size;
	w->cluster_bits	= QCOW2_CLUSTER_BITS_MIN;
	while (w->cluster_bits < QCOW2_CLUSTER_BITS_MAX &&
	       (cluster_bytes(w) < block_size ||
		l1_entries(size, w->cluster_bits) > QCOW2_L1_BYTES_MAX / sizeof(uint64_t)))
		w->cluster_bits++;

	w->l1_size = l1_entries(size, w->cluster_bits);
	w->end = cluster_bytes(w);
	w->l2 = calloc(w->l1_size ? w->l1_size : 1, sizeof(*w->l2));
	if (!w->l2) {
		free(w);
		return NULL;
	}
	return w;
}

/**
 * qcow2_writer_free() - free a writer; an image that was not finished is no image
 * @w:		may be NULL
 */
void qcow2_writer_free(struct qcow2_writer *w)
{
	uint64_t i;

	if (!w)
		return;
	for (i = 0; i < w->l1_size; i++)
		free(w->l2[i]);
	free(w->l2);
	free(w);
}

static uint64_t append_clusters(struct qcow2_writer *w, uint64_t nr)
{
	uint64_t offset = w->end;

	w->end += nr << w->cluster_bits;
	return offset;
}

/* Where the file keeps the cluster that holds device byte @offset; 0 without memory. */
static uint64_t map_cluster(struct qcow2_writer *w, uint64_t offset)
{
	uint64_t nr = offset >> w->cluster_bits;
	uint64_t per_l2 = l2_entries(w->cluster_bits);
	uint64_t **l2 = &w->l2[nr / per_l2];
	uint64_t *entry;

	if (!*l2)
		*l2 = calloc(per_l2, sizeof(uint64_t));
	if (!*l2)
		return 0;

	entry = &(*l2)[nr % per_l2];
	if (!*entry)
		*entry = append_clusters(w, 1);
	return *entry;
}

/**
 * qcow2_write() - put data into the image
 * @w:		writer
 * @offset:	byte of the device
 * @buf:	data
 * @len:	bytes
 *
 * What was written there before is replaced.
 *
 * Return: 0, -EINVAL beyond the device, or an error of the file.
 */
int qcow2_write(struct qcow2_writer *w, uint64_t offset, const void *buf, size_t len)
{
	const char *p = buf;

	if (offset > w->size || len > w->size - offset)
		return -EINVAL;

	while (len) {
		uint64_t in_cluster = offset & (cluster_bytes(w) - 1);
		uint64_t n = cluster_bytes(w) - in_cluster;
		uint64_t where = map_cluster(w, offset);
		int ret;

		if (n > len)
			n = len;
		if (!where)
			return -ENOMEM;

		ret = write_all(w->fd, p, n, where + in_cluster);
		if (ret)
			return ret;
		p	+= n;
		len	-= n;
		offset	+= n;
	}
	return 0;
}

/* Append the second-level tables; fills @l1 in the form it has in the file. */
static int write_l2_tables(struct qcow2_writer *w, uint64_t *l1)
{
	uint64_t per_l2 = l2_entries(w->cluster_bits), i, j;
	int ret = 0;

	for (i = 0; i < w->l1_size && !ret; i++) {
		uint64_t *l2 = w->l2[i], where;

		if (!l2)
			continue;

		for (j = 0; j < per_l2; j++)
			l2[j] = l2[j] ? htobe64(l2[j] | QCOW2_COPIED) : 0;

		where = append_clusters(w, 1);
		l1[i] = htobe64(where | QCOW2_COPIED);
		ret = write_all(w->fd, l2, cluster_bytes(w), where);
	}
	return ret;
}

/*
 * Append the reference counts: one for every cluster of the file, those of the
 * counts themselves included.
 */
static int write_refcounts(struct qcow2_writer *w, struct qcow2_header *h)
{
	uint64_t cluster = cluster_bytes(w);
	uint64_t per_block = cluster / sizeof(uint16_t);
	uint64_t used = w->end / cluster;
	uint64_t blocks = 0, table = 0, total = used, i, j, where;
	uint64_t *entries;
	uint16_t *counts;
	int ret = 0;

	while (div_up(total, per_block) > blocks) {
		blocks	= div_up(total, per_block);
		table	= div_up(blocks * sizeof(uint64_t), cluster);
		total	= used + blocks + table;
	}

	entries = calloc(table, cluster);
	counts = malloc(cluster);
	if (!entries || !counts) {
		ret = -ENOMEM;
		goto out;
	}

	for (i = 0; i < blocks && !ret; i++) {
		where = append_clusters(w, 1);
		entries[i] = htobe64(where);
		for (j = 0; j < per_block; j++)
			counts[j] = htobe16(i * per_block + j < total);
		ret = write_all(w->fd, counts, cluster, where);
	}

	where = append_clusters(w, table);
	if (!ret)
		ret = write_all(w->fd, entries, table * cluster, where);

	h->refcount_table_offset	= htobe64(where);
	h->refcount_table_clusters	= htobe32(table);
out:
	free(counts);
	free(entries);
	return ret;
}

/**
 * qcow2_writer_finish() - write the tables, and at last the header
 * @w:		writer; only qcow2_writer_free() may follow
 *
 * Return: 0 or a negative errno.
 */
int qcow2_writer_finish(struct qcow2_writer *w)
{
	uint64_t l1_clusters = div_up(w->l1_size * sizeof(uint64_t), cluster_bytes(w));
	uint64_t *l1 = calloc(l1_clusters ? l1_clusters : 1, cluster_bytes(w));
	struct qcow2_header h = {
		.magic		= htobe32(QCOW2_MAGIC),
		.version	= htobe32(QCOW2_VERSION),
		.cluster_bits	= htobe32(w->cluster_bits),
		.size		= htobe64(w->size),
		.l1_size	= htobe32(w->l1_size),
	};
	uint64_t where;
	int ret;

	if (!l1)
		return -ENOMEM;

	ret = write_l2_tables(w, l1);
	where = append_clusters(w, l1_clusters);
	h.l1_table_offset = htobe64(where);
	if (!ret)
		ret = write_all(w->fd, l1, l1_clusters << w->cluster_bits, where);
	free(l1);

	if (!ret)
		ret = write_refcounts(w, &h);
	/* Data clusters that were only begun end with a hole. */
	if (!ret && ftruncate(w->fd, w->end))
		ret = -errno;
	return ret ? ret : write_all(w->fd, &h, sizeof(h), 0);
}

/* --- reading --- */

struct qcow2_reader {
	int		in;
	int		out;
	uint64_t	file_size;
	uint64_t	size;
	unsigned	cluster_bits;
	uint64_t	clusters_left;	/* that the file may still hold */
	uint64_t	*l2;
	char		*cluster;
	const char	**reason;
};

static int bad(struct qcow2_reader *r, const char *reason)
{
	*r->reason = reason;
	return -EINVAL;
}

/* Is [offset, offset + len) part of the file? */
static bool in_file(const struct qcow2_reader *r, uint64_t offset, uint64_t len)
{
	return offset <= r->file_size && len <= r->file_size - offset;
}

static int read_header(struct qcow2_reader *r, struct qcow2_header *h)
{
	struct stat st;
	int ret;

	if (fstat(r->in, &st))
		return -errno;
	r->file_size = st.st_size;

	ret = read_all(r->in, h, sizeof(*h), 0);
	if (ret == -ENODATA || (!ret && be32toh(h->magic) != QCOW2_MAGIC))
		return bad(r, "not a qcow2 image");
	if (ret)
		return ret;
	if (be32toh(h->version) != QCOW2_VERSION)
		return bad(r, "incorrect qcow2 version");
	if (h->backing_file_offset)
		return bad(r, "images with a backing file are not supported");
	if (h->crypt_method)
		return bad(r, "encrypted images are not supported");

	r->cluster_bits	= be32toh(h->cluster_bits);
	r->size		= be64toh(h->size);
	if (r->cluster_bits < QCOW2_CLUSTER_BITS_MIN || r->cluster_bits > QCOW2_CLUSTER_BITS_MAX)
		return bad(r, "bad cluster size");
	if (r->size > INT64_MAX)
		return bad(r, "bad image size");
	if (be32toh(h->l1_size) < l1_entries(r->size, r->cluster_bits))
		return bad(r, "first-level table is too small");

	r->clusters_left = r->file_size >> r->cluster_bits;
	return 0;
}

/* Copy the cluster that @entry points to, to device byte @offset. */
static int unpack_cluster(struct qcow2_reader *r, uint64_t entry, uint64_t offset)
{
	uint64_t from = entry & QCOW2_OFFSET_MASK;
	uint64_t len = 1ULL << r->cluster_bits;
	int ret;

	if (entry & QCOW2_COMPRESSED)
		return bad(r, "compressed clusters are not supported");
	if (!from)
		return 0;
	if (offset >= r->size)
		return bad(r, "a cluster is mapped beyond the end of the image");
	if (!r->clusters_left--)
		return bad(r, "clusters are used more than once");

	if (len > r->size - offset)
		len = r->size - offset;
	if (!in_file(r, from, len))
		return bad(r, "a cluster is beyond the end of the file");

	ret = read_all(r->in, r->cluster, len, from);
	return ret ? ret : write_all(r->out, r->cluster, len, offset);
}

static int unpack_l2(struct qcow2_reader *r, uint64_t entry, uint64_t nr)
{
	uint64_t from = entry & QCOW2_OFFSET_MASK, per_l2 = l2_entries(r->cluster_bits), i;
	uint64_t bytes = 1ULL << r->cluster_bits;
	int ret;

	if (!from)
		return 0;
	if (!in_file(r, from, bytes))
		return bad(r, "a second-level table is beyond the end of the file");
	if (!r->clusters_left--)
		return bad(r, "clusters are used more than once");

	ret = read_all(r->in, r->l2, bytes, from);
	for (i = 0; i < per_l2 && !ret; i++)
		ret = unpack_cluster(r, be64toh(r->l2[i]), (nr * per_l2 + i) << r->cluster_bits);
	return ret;
}

static int unpack_all(struct qcow2_reader *r, const struct qcow2_header *h)
{
	uint64_t nr = l1_entries(r->size, r->cluster_bits);
	uint64_t from = be64toh(h->l1_table_offset), i, entry;
	int ret = 0;

	if (!in_file(r, from, nr * sizeof(entry)))
		return bad(r, "first-level table is beyond the end of the file");

	for (i = 0; i < nr && !ret; i++) {
		ret = read_all(r->in, &entry, sizeof(entry), from + i * sizeof(entry));
		if (!ret)
			ret = unpack_l2(r, be64toh(entry), i);
	}
	return ret;
}

/**
 * qcow2_unpack() - copy every mapped cluster to its place
 * @in:		image, readable
 * @out:	empty file; gets the size of the device, and holes where nothing is mapped
 * @reason:	what is wrong with the image, or NULL if the error says it all
 *
 * Return: 0 or a negative errno.
 */
int qcow2_unpack(int in, int out, const char **reason)
{
	struct qcow2_reader r = { .in = in, .out = out, .reason = reason };
	struct qcow2_header h;
	int ret;

	*reason = NULL;
	ret = read_header(&r, &h);
	if (ret)
		return ret;

	if (ftruncate(out, r.size))
		return -errno;

	r.l2 = malloc(1ULL << r.cluster_bits);
	r.cluster = malloc(1ULL << r.cluster_bits);
	ret = r.l2 && r.cluster ? unpack_all(&r, &h) : -ENOMEM;
	free(r.cluster);
	free(r.l2);
	return ret;
}
