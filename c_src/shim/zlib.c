// SPDX-License-Identifier: GPL-2.0
/*
 * zlib behind the kernel's names. The library's stream lives at the start of the caller's
 * workspace and allocates from the rest, so nothing is left behind if a stream is abandoned, and
 * memory use is what zlib_*_workspacesize() said.
 */
#define z_stream	lib_z_stream
#define z_stream_s	lib_z_stream_s
#define z_streamp	lib_z_streamp
#define internal_state	lib_internal_state
#include <zlib.h>
#undef z_stream
#undef z_stream_s
#undef z_streamp
#undef internal_state

#undef Z_NO_FLUSH
#undef Z_PARTIAL_FLUSH
#undef Z_SYNC_FLUSH
#undef Z_FULL_FLUSH
#undef Z_FINISH
#undef Z_OK
#undef Z_STREAM_END
#undef Z_NEED_DICT
#undef Z_ERRNO
#undef Z_STREAM_ERROR
#undef Z_DATA_ERROR
#undef Z_MEM_ERROR
#undef Z_BUF_ERROR
#undef Z_VERSION_ERROR
#undef Z_NO_COMPRESSION
#undef Z_BEST_SPEED
#undef Z_BEST_COMPRESSION
#undef Z_DEFAULT_COMPRESSION
#undef Z_DEFAULT_STRATEGY
#undef Z_DEFLATED
#undef MAX_WBITS
#undef MAX_MEM_LEVEL

#include "internal.h"

#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/zlib.h>

/* What zlib.h documents for its memory, with room for its structs and alignment. */
#define STRUCTS_ROOM		16384
#define INFLATE_ROOM		((1UL << MAX_WBITS) + 4 * STRUCTS_ROOM)

struct stream {
	lib_z_stream	lib;
	size_t		used;
	size_t		size;
	char		heap[] __aligned(16);
};

static void *heap_take(void *opaque, unsigned int items, unsigned int size)
{
	struct stream *s = opaque;
	size_t want = ALIGN((size_t) items * size, 64);
	void *p = s->heap + s->used;

	if (want > s->size - s->used)
		return NULL;
	s->used += want;
	return p;
}

static void heap_release(void *opaque, void *address)
{
}

static struct stream *stream_of(z_streamp strm)
{
	return PTR_ALIGN((struct stream *) strm->workspace, 16);
}

static struct stream *stream_begin(z_streamp strm, size_t workspace)
{
	struct stream *s = stream_of(strm);

	memset(s, 0, sizeof(*s));
	s->size = workspace - sizeof(*s) - 16;
	s->lib.zalloc = heap_take;
	s->lib.zfree = heap_release;
	s->lib.opaque = s;
	strm->total_in = strm->total_out = 0;
	strm->msg = NULL;
	return s;
}

/* The kernel counts the kinds of flush with one more between them than the library does. */
static int lib_flush(int flush)
{
	return flush > Z_PARTIAL_FLUSH ? flush - 1 : flush;
}

/* Runs one step of the library on the kernel's idea of the stream. */
static int step(z_streamp strm, int (*fn)(lib_z_stream *, int), int flush)
{
	struct stream *s = stream_of(strm);
	unsigned int in = min_t(unsigned long, strm->avail_in, UINT_MAX);
	unsigned int out = min_t(unsigned long, strm->avail_out, UINT_MAX);
	int ret;

	s->lib.next_in = (unsigned char *) strm->next_in;
	s->lib.avail_in = in;
	s->lib.next_out = strm->next_out;
	s->lib.avail_out = out;
	ret = fn(&s->lib, lib_flush(flush));
	strm->next_in = s->lib.next_in;
	strm->avail_in -= in - s->lib.avail_in;
	strm->next_out = s->lib.next_out;
	strm->avail_out -= out - s->lib.avail_out;
	strm->total_in = s->lib.total_in;
	strm->total_out = s->lib.total_out;
	strm->msg = (char *) s->lib.msg;
	strm->adler = s->lib.adler;
	return ret;
}

/**
 * zlib_deflate_workspacesize - workspace a compressor needs
 * @windowBits:	logarithm of the window
 * @memLevel:	memory level
 */
int zlib_deflate_workspacesize(int windowBits, int memLevel)
{
	windowBits = abs(windowBits);
	return (1 << (windowBits + 2)) + (1 << (memLevel + 9)) + 2 * STRUCTS_ROOM;
}

/**
 * zlib_deflateInit2 - begin compressing
 * @strm:	stream with its workspace
 * @level:	compression level
 * @method:	Z_DEFLATED
 * @windowBits:	logarithm of the window; negative: no header
 * @memLevel:	memory level
 * @strategy:	strategy
 *
 * Return: Z_OK or an error.
 */
int zlib_deflateInit2(z_streamp strm, int level, int method, int windowBits, int memLevel,
		      int strategy)
{
	struct stream *s = stream_begin(strm, zlib_deflate_workspacesize(windowBits, memLevel));

	return deflateInit2_(&s->lib, level, method, windowBits, memLevel, strategy, ZLIB_VERSION,
			     sizeof(s->lib));
}

/**
 * zlib_deflate - compress on
 * @strm:	stream
 * @flush:	Z_*FLUSH or Z_FINISH
 *
 * Return: Z_OK, Z_STREAM_END, or an error.
 */
int zlib_deflate(z_streamp strm, int flush)
{
	return step(strm, deflate, flush);
}

/**
 * zlib_deflateReset - begin again with the same parameters
 * @strm:	stream
 */
int zlib_deflateReset(z_streamp strm)
{
	strm->total_in = strm->total_out = 0;
	return deflateReset(&stream_of(strm)->lib);
}

/**
 * zlib_deflateEnd - done; the workspace is the caller's again
 * @strm:	stream
 */
int zlib_deflateEnd(z_streamp strm)
{
	return deflateEnd(&stream_of(strm)->lib);
}

/**
 * zlib_inflate_workspacesize - workspace a decompressor needs
 */
int zlib_inflate_workspacesize(void)
{
	return sizeof(struct stream) + INFLATE_ROOM;
}

/**
 * zlib_inflateInit2 - begin decompressing
 * @strm:	stream with its workspace
 * @windowBits:	logarithm of the window; negative: no header
 *
 * Return: Z_OK or an error.
 */
int zlib_inflateInit2(z_streamp strm, int windowBits)
{
	struct stream *s = stream_begin(strm, zlib_inflate_workspacesize());

	return inflateInit2_(&s->lib, windowBits, ZLIB_VERSION, sizeof(s->lib));
}

/**
 * zlib_inflate - decompress on
 * @strm:	stream
 * @flush:	Z_*FLUSH or Z_FINISH
 *
 * Return: Z_OK, Z_STREAM_END, or an error.
 */
int zlib_inflate(z_streamp strm, int flush)
{
	return step(strm, inflate, flush);
}

/**
 * zlib_inflateReset - begin again with the same parameters
 * @strm:	stream
 */
int zlib_inflateReset(z_streamp strm)
{
	strm->total_in = strm->total_out = 0;
	return inflateReset(&stream_of(strm)->lib);
}

/**
 * zlib_inflateEnd - done; the workspace is the caller's again
 * @strm:	stream
 */
int zlib_inflateEnd(z_streamp strm)
{
	return inflateEnd(&stream_of(strm)->lib);
}
