// SPDX-License-Identifier: GPL-2.0
/*
 * zstd behind the kernel's names: static contexts in the caller's workspace. No state of our own.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "internal.h"

#include <linux/build_bug.h>

/* <linux/zstd.h> declares the library's structs under the kernel's names; here they are one. */
typedef ZSTD_parameters			zstd_parameters;
typedef ZSTD_compressionParameters	zstd_compression_parameters;
typedef ZSTD_CCtx			zstd_cctx;
typedef ZSTD_DCtx			zstd_dctx;

static_assert(sizeof(ZSTD_parameters) == 40);
static_assert(sizeof(ZSTD_compressionParameters) == 28);
static_assert(ZSTD_error_memory_allocation == 64 && ZSTD_error_dstSize_tooSmall == 70 &&
	      ZSTD_error_srcSize_wrong == 72);

size_t zstd_compress_bound(size_t src_size);
unsigned int zstd_is_error(size_t code);
int zstd_get_error_code(size_t code);
const char *zstd_get_error_name(size_t code);
int zstd_min_clevel(void);
int zstd_max_clevel(void);
zstd_parameters zstd_get_params(int level, unsigned long long estimated_src_size);
size_t zstd_cctx_workspace_bound(const zstd_compression_parameters *parameters);
zstd_cctx *zstd_init_cctx(void *workspace, size_t workspace_size);
size_t zstd_compress_cctx(zstd_cctx *cctx, void *dst, size_t dst_capacity, const void *src,
			  size_t src_size, const zstd_parameters *parameters);
size_t zstd_dctx_workspace_bound(void);
zstd_dctx *zstd_init_dctx(void *workspace, size_t workspace_size);
size_t zstd_decompress_dctx(zstd_dctx *dctx, void *dst, size_t dst_capacity, const void *src,
			    size_t src_size);
size_t zstd_find_frame_compressed_size(const void *src, size_t src_size);

/**
 * zstd_compress_bound - room that always suffices
 * @src_size:	input bytes
 */
size_t zstd_compress_bound(size_t src_size)
{
	return ZSTD_compressBound(src_size);
}

/**
 * zstd_is_error - is this result an error?
 * @code:	result
 */
unsigned int zstd_is_error(size_t code)
{
	return ZSTD_isError(code);
}

/**
 * zstd_get_error_code - which error a result is
 * @code:	result
 */
int zstd_get_error_code(size_t code)
{
	return ZSTD_getErrorCode(code);
}

/**
 * zstd_get_error_name - an error for people
 * @code:	result
 */
const char *zstd_get_error_name(size_t code)
{
	return ZSTD_getErrorName(code);
}

/**
 * zstd_min_clevel - lowest level
 */
int zstd_min_clevel(void)
{
	return ZSTD_minCLevel();
}

/**
 * zstd_max_clevel - highest level
 */
int zstd_max_clevel(void)
{
	return ZSTD_maxCLevel();
}

/**
 * zstd_get_params - parameters of a level
 * @level:	level
 * @estimated_src_size: input bytes, 0: unknown
 */
zstd_parameters zstd_get_params(int level, unsigned long long estimated_src_size)
{
	return ZSTD_getParams(level, estimated_src_size, 0);
}

/**
 * zstd_cctx_workspace_bound - workspace a compressor needs
 * @parameters:	its parameters
 */
size_t zstd_cctx_workspace_bound(const zstd_compression_parameters *parameters)
{
	return ZSTD_estimateCCtxSize_usingCParams(*parameters);
}

/**
 * zstd_init_cctx - a compressor in a workspace
 * @workspace:	memory, aligned to 8
 * @workspace_size: its size
 */
zstd_cctx *zstd_init_cctx(void *workspace, size_t workspace_size)
{
	return workspace ? ZSTD_initStaticCCtx(workspace, workspace_size) : NULL;
}

/**
 * zstd_compress_cctx - compress one frame
 * @cctx:	compressor
 * @dst:	output
 * @dst_capacity: its size
 * @src:	input
 * @src_size:	its size
 * @parameters:	parameters
 *
 * Return: output bytes, or an error for zstd_is_error().
 */
size_t zstd_compress_cctx(zstd_cctx *cctx, void *dst, size_t dst_capacity, const void *src,
			  size_t src_size, const zstd_parameters *parameters)
{
	size_t ret = ZSTD_CCtx_reset(cctx, ZSTD_reset_session_and_parameters);
	const ZSTD_compressionParameters *c = &parameters->cParams;
	const struct {
		ZSTD_cParameter	p;
		int		v;
	} set[] = {
		{ ZSTD_c_windowLog,		c->windowLog },
		{ ZSTD_c_chainLog,		c->chainLog },
		{ ZSTD_c_hashLog,		c->hashLog },
		{ ZSTD_c_searchLog,		c->searchLog },
		{ ZSTD_c_minMatch,		c->minMatch },
		{ ZSTD_c_targetLength,		c->targetLength },
		{ ZSTD_c_strategy,		c->strategy },
		{ ZSTD_c_contentSizeFlag,	parameters->fParams.contentSizeFlag },
		{ ZSTD_c_checksumFlag,		parameters->fParams.checksumFlag },
		{ ZSTD_c_dictIDFlag,		!parameters->fParams.noDictIDFlag },
	};
	size_t i;

	for (i = 0; !ZSTD_isError(ret) && i < sizeof(set) / sizeof(set[0]); i++)
		ret = ZSTD_CCtx_setParameter(cctx, set[i].p, set[i].v);
	return ZSTD_isError(ret) ? ret : ZSTD_compress2(cctx, dst, dst_capacity, src, src_size);
}

/**
 * zstd_dctx_workspace_bound - workspace a decompressor needs
 */
size_t zstd_dctx_workspace_bound(void)
{
	return ZSTD_estimateDCtxSize();
}

/**
 * zstd_init_dctx - a decompressor in a workspace
 * @workspace:	memory, aligned to 8
 * @workspace_size: its size
 */
zstd_dctx *zstd_init_dctx(void *workspace, size_t workspace_size)
{
	return workspace ? ZSTD_initStaticDCtx(workspace, workspace_size) : NULL;
}

/**
 * zstd_decompress_dctx - decompress frames
 * @dctx:	decompressor
 * @dst:	output
 * @dst_capacity: its size
 * @src:	input, nothing after the frames
 * @src_size:	its size
 *
 * Return: output bytes, or an error for zstd_is_error().
 */
size_t zstd_decompress_dctx(zstd_dctx *dctx, void *dst, size_t dst_capacity, const void *src,
			    size_t src_size)
{
	return ZSTD_decompressDCtx(dctx, dst, dst_capacity, src, src_size);
}

/**
 * zstd_find_frame_compressed_size - bytes of the frame at the start of the input
 * @src:	input
 * @src_size:	its size
 *
 * Return: bytes, or an error for zstd_is_error().
 */
size_t zstd_find_frame_compressed_size(const void *src, size_t src_size)
{
	return ZSTD_findFrameCompressedSize(src, src_size);
}
