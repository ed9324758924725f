/* SPDX-License-Identifier: GPL-2.0 */
/* Error numbers of zstd; only the ones the core asks for. */
#ifndef _SHIM_LINUX_ZSTD_ERRORS_H
#define _SHIM_LINUX_ZSTD_ERRORS_H

typedef enum {
	ZSTD_error_no_error		= 0,
	ZSTD_error_memory_allocation	= 64,
	ZSTD_error_dstSize_tooSmall	= 70,
	ZSTD_error_srcSize_wrong	= 72,
	ZSTD_error_maxCode		= 120,
} ZSTD_ErrorCode;
typedef ZSTD_ErrorCode zstd_error_code;

#endif /* _SHIM_LINUX_ZSTD_ERRORS_H */
