/* SPDX-License-Identifier: GPL-2.0 */
/* zlib behind the kernel's names; the stream's workspace is the caller's memory. */
#ifndef _SHIM_LINUX_ZLIB_H
#define _SHIM_LINUX_ZLIB_H

#include <linux/types.h>

#define MAX_WBITS		15
#define DEF_MEM_LEVEL		8
#define MAX_MEM_LEVEL		8

#define Z_NO_FLUSH		0
#define Z_PARTIAL_FLUSH		1
#define Z_SYNC_FLUSH		3
#define Z_FULL_FLUSH		4
#define Z_FINISH		5

#define Z_OK			0
#define Z_STREAM_END		1
#define Z_NEED_DICT		2
#define Z_ERRNO			(-1)
#define Z_STREAM_ERROR		(-2)
#define Z_DATA_ERROR		(-3)
#define Z_MEM_ERROR		(-4)
#define Z_BUF_ERROR		(-5)
#define Z_VERSION_ERROR		(-6)

#define Z_NO_COMPRESSION	0
#define Z_BEST_SPEED		1
#define Z_BEST_COMPRESSION	9
#define Z_DEFAULT_COMPRESSION	(-1)
#define Z_DEFAULT_STRATEGY	0
#define Z_DEFLATED		8

struct internal_state;

typedef struct z_stream_s {
	const u8		*next_in;
	unsigned long		avail_in;
	unsigned long		total_in;
	u8			*next_out;
	unsigned long		avail_out;
	unsigned long		total_out;
	char			*msg;
	struct internal_state	*state;
	void			*workspace;	/* the caller's, zlib_*_workspacesize() */
	int			data_type;
	unsigned long		adler;
	unsigned long		reserved;
} z_stream;
typedef z_stream		*z_streamp;

int zlib_deflate_workspacesize(int windowBits, int memLevel);
int zlib_deflateInit2(z_streamp strm, int level, int method, int windowBits, int memLevel,
		      int strategy);
#define zlib_deflateInit(strm, level) \
	zlib_deflateInit2((strm), (level), Z_DEFLATED, MAX_WBITS, DEF_MEM_LEVEL, \
			  Z_DEFAULT_STRATEGY)
int zlib_deflate(z_streamp strm, int flush);
int zlib_deflateReset(z_streamp strm);
int zlib_deflateEnd(z_streamp strm);
int zlib_inflate_workspacesize(void);
int zlib_inflateInit2(z_streamp strm, int windowBits);
#define zlib_inflateInit(strm)	zlib_inflateInit2((strm), MAX_WBITS)
int zlib_inflate(z_streamp strm, int flush);
int zlib_inflateReset(z_streamp strm);
int zlib_inflateEnd(z_streamp strm);

#endif /* _SHIM_LINUX_ZLIB_H */
