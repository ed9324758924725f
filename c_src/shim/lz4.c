// SPDX-License-Identifier: GPL-2.0
/*
 * LZ4 behind the kernel's signatures. The library of this name has functions with the same names
 * and other arguments; <linux/lz4.h> renames ours, so only here both are seen, the library's under
 * its real names. Pure functions; the workspaces are the callers'.
 */
#include <lz4.h>
#include <lz4hc.h>

#include "internal.h"

#include <linux/build_bug.h>

#define KERNEL_LZ4_MEM_COMPRESS		16384
#define KERNEL_LZ4HC_MEM_COMPRESS	262192

int shim_lz4_compress_bound(size_t isize);
int shim_lz4_compress_fast(const char *src, char *dst, int n, int room, int acceleration,
			   void *wrkmem);
int shim_lz4_compress_default(const char *src, char *dst, int n, int room, void *wrkmem);
int shim_lz4_compress_dest_size(const char *src, char *dst, int *n, int target, void *wrkmem);
int shim_lz4_compress_hc(const char *src, char *dst, int n, int room, int level, void *wrkmem);
int shim_lz4_decompress_safe(const char *src, char *dst, int n, int room);
int shim_lz4_decompress_safe_partial(const char *src, char *dst, int n, int target, int room);

/**
 * shim_lz4_compress_bound - LZ4_compressBound(): room that always suffices
 * @isize:	input bytes
 */
int shim_lz4_compress_bound(size_t isize)
{
	return isize > LZ4_MAX_INPUT_SIZE ? 0 : LZ4_compressBound(isize);
}

/* The library's state is a little larger than the kernel's workspace. */
static void *state_in(void *wrkmem, size_t have, size_t need, void **own)
{
	*own = NULL;
	if (have >= need && !((unsigned long) wrkmem & 7))
		return wrkmem;
	*own = malloc(need);
	return *own;
}

/**
 * shim_lz4_compress_fast - LZ4_compress_fast()
 * @src:	input
 * @dst:	output
 * @n:		input bytes
 * @room:	output bytes
 * @acceleration: more is faster and worse
 * @wrkmem:	LZ4_MEM_COMPRESS bytes
 *
 * Return: output bytes, 0 if they do not fit.
 */
int shim_lz4_compress_fast(const char *src, char *dst, int n, int room, int acceleration,
			   void *wrkmem)
{
	void *own, *state = state_in(wrkmem, KERNEL_LZ4_MEM_COMPRESS, LZ4_sizeofState(), &own);
	int ret = state ? LZ4_compress_fast_extState(state, src, dst, n, room, acceleration) : 0;

	free(own);
	return ret;
}

/**
 * shim_lz4_compress_default - LZ4_compress_default()
 * @src:	input
 * @dst:	output
 * @n:		input bytes
 * @room:	output bytes
 * @wrkmem:	LZ4_MEM_COMPRESS bytes
 *
 * Return: output bytes, 0 if they do not fit.
 */
int shim_lz4_compress_default(const char *src, char *dst, int n, int room, void *wrkmem)
{
	return shim_lz4_compress_fast(src, dst, n, room, 1, wrkmem);
}

/**
 * shim_lz4_compress_dest_size - LZ4_compress_destSize(): as much input as fits
 * @src:	input
 * @dst:	output
 * @n:		input bytes; set to how many were taken
 * @target:	output bytes
 * @wrkmem:	LZ4_MEM_COMPRESS bytes
 *
 * Return: output bytes.
 */
int shim_lz4_compress_dest_size(const char *src, char *dst, int *n, int target, void *wrkmem)
{
	return LZ4_compress_destSize(src, dst, n, target);
}

/**
 * shim_lz4_compress_hc - LZ4_compress_HC()
 * @src:	input
 * @dst:	output
 * @n:		input bytes
 * @room:	output bytes
 * @level:	3..16 in the kernel's count
 * @wrkmem:	LZ4HC_MEM_COMPRESS bytes
 *
 * Return: output bytes, 0 if they do not fit.
 */
int shim_lz4_compress_hc(const char *src, char *dst, int n, int room, int level, void *wrkmem)
{
	void *own, *state = state_in(wrkmem, KERNEL_LZ4HC_MEM_COMPRESS, LZ4_sizeofStateHC(), &own);
	int ret = state ? LZ4_compress_HC_extStateHC(state, src, dst, n, room, level) : 0;

	free(own);
	return ret;
}

/**
 * shim_lz4_decompress_safe - LZ4_decompress_safe()
 * @src:	one raw block
 * @dst:	output
 * @n:		input bytes
 * @room:	output bytes
 *
 * Return: output bytes, negative if the input is bad.
 */
int shim_lz4_decompress_safe(const char *src, char *dst, int n, int room)
{
	return LZ4_decompress_safe(src, dst, n, room);
}

/**
 * shim_lz4_decompress_safe_partial - LZ4_decompress_safe_partial(): stop at so much output
 * @src:	one raw block, maybe with something after it
 * @dst:	output
 * @n:		input bytes
 * @target:	output bytes wanted
 * @room:	output bytes there is room for
 *
 * Return: output bytes, negative if the input is bad.
 */
int shim_lz4_decompress_safe_partial(const char *src, char *dst, int n, int target, int room)
{
	return LZ4_decompress_safe_partial(src, dst, n, target, room);
}
