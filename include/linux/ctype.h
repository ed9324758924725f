/* SPDX-License-Identifier: GPL-2.0 */
/* Character classes: ASCII only, independent of the locale. */
#ifndef _SHIM_LINUX_CTYPE_H
#define _SHIM_LINUX_CTYPE_H

#include <linux/types.h>

static inline int shim_in_(int c, int lo, int hi)
{
	return (unsigned char) c >= lo && (unsigned char) c <= hi;
}

#undef isdigit
#undef isupper
#undef islower
#undef isalpha
#undef isalnum
#undef isspace
#undef isxdigit
#undef isprint
#undef isgraph
#undef iscntrl
#undef ispunct
#undef tolower
#undef toupper
#define isdigit(c)	shim_in_(c, '0', '9')
#define isupper(c)	shim_in_(c, 'A', 'Z')
#define islower(c)	shim_in_(c, 'a', 'z')
#define isalpha(c)	(isupper(c) || islower(c))
#define isalnum(c)	(isalpha(c) || isdigit(c))
#define isspace(c)	((c) == ' ' || shim_in_(c, '\t', '\r'))
#define isxdigit(c)	(isdigit(c) || shim_in_(c, 'a', 'f') || shim_in_(c, 'A', 'F'))
#define isprint(c)	shim_in_(c, 0x20, 0x7e)
#define isgraph(c)	shim_in_(c, 0x21, 0x7e)
#define iscntrl(c)	(shim_in_(c, 0, 0x1f) || (c) == 0x7f)
#define ispunct(c)	(isgraph(c) && !isalnum(c))
#undef isascii
#define isascii(c)	(((unsigned char) (c)) <= 0x7f)
#define tolower(c)	(isupper(c) ? (c) - 'A' + 'a' : (c))
#define toupper(c)	(islower(c) ? (c) - 'a' + 'A' : (c))

#endif /* _SHIM_LINUX_CTYPE_H */
