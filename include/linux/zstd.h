/* SPDX-License-Identifier: GPL-2.0 */
/* zstd behind the kernel's names; contexts live in the caller's workspace. */
#ifndef _SHIM_LINUX_ZSTD_H
#define _SHIM_LINUX_ZSTD_H

#include <linux/types.h>
#include <linux/zstd_errors.h>

typedef struct ZSTD_CCtx_s	zstd_cctx;
typedef struct ZSTD_DCtx_s	zstd_dctx;

typedef struct {
	unsigned int	windowLog;
	unsigned int	chainLog;
	unsigned int	hashLog;
	unsigned int	searchLog;
	unsigned int	minMatch;
	unsigned int	targetLength;
	int		strategy;
} zstd_compression_parameters;

typedef struct {
	int		contentSizeFlag;
	int		checksumFlag;
	int		noDictIDFlag;
} zstd_frame_parameters;

typedef struct {
	zstd_compression_parameters	cParams;
	zstd_frame_parameters		fParams;
} zstd_parameters;

size_t zstd_compress_bound(size_t src_size);
unsigned int zstd_is_error(size_t code);
zstd_error_code zstd_get_error_code(size_t code);
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

#endif /* _SHIM_LINUX_ZSTD_H */
