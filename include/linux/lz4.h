/* SPDX-License-Identifier: GPL-2.0 */
/* LZ4 with the kernel's signatures (a workspace instead of the stack). */
#ifndef _SHIM_LINUX_LZ4_H
#define _SHIM_LINUX_LZ4_H

#include <linux/types.h>

#define LZ4_MEM_COMPRESS	16384
#define LZ4HC_MEM_COMPRESS	262192

#define LZ4HC_MIN_CLEVEL	3
#define LZ4HC_DEFAULT_CLEVEL	9
#define LZ4HC_MAX_CLEVEL	16
#define LZ4_ACCELERATION_DEFAULT 1

/* The library's functions of these names take other arguments. */
#define LZ4_compressBound		shim_lz4_compress_bound
#define LZ4_compress_default		shim_lz4_compress_default
#define LZ4_compress_fast		shim_lz4_compress_fast
#define LZ4_compress_destSize		shim_lz4_compress_dest_size
#define LZ4_compress_HC			shim_lz4_compress_hc
#define LZ4_decompress_safe		shim_lz4_decompress_safe
#define LZ4_decompress_safe_partial	shim_lz4_decompress_safe_partial

int LZ4_compressBound(size_t isize);
int LZ4_compress_default(const char *source, char *dest, int inputSize, int maxOutputSize,
			 void *wrkmem);
int LZ4_compress_fast(const char *source, char *dest, int inputSize, int maxOutputSize,
		      int acceleration, void *wrkmem);
int LZ4_compress_destSize(const char *source, char *dest, int *sourceSizePtr, int targetDestSize,
			  void *wrkmem);
int LZ4_compress_HC(const char *src, char *dst, int srcSize, int dstCapacity, int compressionLevel,
		    void *wrkmem);
int LZ4_decompress_safe(const char *source, char *dest, int compressedSize,
			int maxDecompressedSize);
int LZ4_decompress_safe_partial(const char *source, char *dest, int compressedSize,
				int targetOutputSize, int maxDecompressedSize);

#endif /* _SHIM_LINUX_LZ4_H */
