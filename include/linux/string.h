/* SPDX-License-Identifier: GPL-2.0 */
/* Memory and strings: the C library's, plus the kernel's own. */
#ifndef _SHIM_LINUX_STRING_H
#define _SHIM_LINUX_STRING_H

#include <linux/types.h>
#include <linux/errno.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *s, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
char *strpbrk(const char *s, const char *accept);
char *strsep(char **s, const char *delim);
size_t strspn(const char *s, const char *accept);
size_t strcspn(const char *s, const char *reject);
char *strcpy(char *dst, const char *src);
char *strncpy(char *dst, const char *src, size_t n);
char *strcat(char *dst, const char *src);

/* Copies, always terminates; length copied or -E2BIG. */
ssize_t shim_strscpy(char *dst, const char *src, size_t size);
ssize_t shim_strscpy_pad(char *dst, const char *src, size_t size);
#define SHIM_STRSCPY2(fn, dst, src)		fn((dst), (src), sizeof(dst))
#define SHIM_STRSCPY3(fn, dst, src, size)	fn((dst), (src), (size))
#define SHIM_STRSCPY_(a1, a2, a3, which, ...)	which
#define strscpy(dst, ...) \
	SHIM_STRSCPY_(dst, __VA_ARGS__, SHIM_STRSCPY3, SHIM_STRSCPY2) \
		(shim_strscpy, dst, __VA_ARGS__)
#define strscpy_pad(dst, ...) \
	SHIM_STRSCPY_(dst, __VA_ARGS__, SHIM_STRSCPY3, SHIM_STRSCPY2) \
		(shim_strscpy_pad, dst, __VA_ARGS__)

void *memchr_inv(const void *p, int c, size_t n);
void *memscan(void *p, int c, size_t n);
char *skip_spaces(const char *s);
char *strim(char *s);
char *strnchr(const char *s, size_t n, int c);
char *strnstr(const char *s, const char *what, size_t n);
char *strreplace(char *s, char from, char to);
int match_string(const char * const *array, size_t n, const char *string);
const char *kbasename(const char *path);
size_t str_has_prefix(const char *s, const char *prefix);

static inline bool strstarts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}


void *kmemdup(const void *src, size_t len, gfp_t gfp);
void *kvmemdup(const void *src, size_t len, gfp_t gfp);
char *kmemdup_nul(const char *s, size_t len, gfp_t gfp);
char *kstrdup(const char *s, gfp_t gfp);
char *kstrndup(const char *s, size_t max, gfp_t gfp);
void kfree_const(const void *x);
/* Like memset, but the compiler may not drop it. */
void memzero_explicit(void *s, size_t n);

static inline bool mem_is_zero(const void *s, size_t n)
{
	return !memchr_inv(s, 0, n);
}

#define memset_after(obj, v, member) \
	memset((u8 *) (obj) + offsetofend(typeof(*(obj)), member), (v), \
	       sizeof(*(obj)) - offsetofend(typeof(*(obj)), member))

static inline void *memset32(u32 *s, u32 v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		s[i] = v;
	return s;
}

static inline void *memset64(u64 *s, u64 v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		s[i] = v;
	return s;
}

#define unsafe_memcpy(dst, src, n, why)	memcpy(dst, src, n)
#include <linux/stddef.h>

#endif /* _SHIM_LINUX_STRING_H */
