/* SPDX-License-Identifier: GPL-2.0 */
/* Case folding and normalization (NFDI, NFDICF) of names. */
#ifndef _SHIM_LINUX_UNICODE_H
#define _SHIM_LINUX_UNICODE_H

#include <linux/dcache.h>
#include <linux/types.h>

#define UNICODE_MAJ_SHIFT	16
#define UNICODE_MIN_SHIFT	8
#define UNICODE_AGE(maj, min, rev) \
	(((unsigned int) (maj) << UNICODE_MAJ_SHIFT) | \
	 ((unsigned int) (min) << UNICODE_MIN_SHIFT) | ((unsigned int) (rev)))
#define SHIM_UTF8_VERSION	UNICODE_AGE(12, 1, 0)

struct unicode_map {
	unsigned int	version;
};

static inline u8 unicode_major(unsigned int age)
{
	return (age >> UNICODE_MAJ_SHIFT) & 0xff;
}

static inline u8 unicode_minor(unsigned int age)
{
	return (age >> UNICODE_MIN_SHIFT) & 0xff;
}

static inline u8 unicode_rev(unsigned int age)
{
	return age & 0xff;
}

struct unicode_map *utf8_load(unsigned int version);
void utf8_unload(struct unicode_map *um);
int utf8_validate(const struct unicode_map *um, const struct qstr *str);
int utf8_strncmp(const struct unicode_map *um, const struct qstr *s1, const struct qstr *s2);
int utf8_strncasecmp(const struct unicode_map *um, const struct qstr *s1, const struct qstr *s2);
int utf8_normalize(const struct unicode_map *um, const struct qstr *str, unsigned char *dest,
		   size_t dlen);
int utf8_casefold(const struct unicode_map *um, const struct qstr *str, unsigned char *dest,
		  size_t dlen);

#endif /* _SHIM_LINUX_UNICODE_H */
