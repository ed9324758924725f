/* SPDX-License-Identifier: GPL-2.0 */
/* Sizes for people and other text helpers. */
#ifndef _SHIM_LINUX_STRING_HELPERS_H
#define _SHIM_LINUX_STRING_HELPERS_H

#include <linux/string.h>
#include <linux/types.h>

enum string_size_units {
	STRING_UNITS_10,
	STRING_UNITS_2,
	STRING_UNITS_MASK	= 1,
	STRING_UNITS_NO_SPACE	= 1U << 30,
	STRING_UNITS_NO_BYTES	= (int) (1U << 31),
};

int string_get_size(u64 size, u64 blk_size, enum string_size_units units, char *buf, int len);

static inline const char *str_yes_no(bool v)
{
	return v ? "yes" : "no";
}

static inline const char *str_on_off(bool v)
{
	return v ? "on" : "off";
}

static inline const char *str_true_false(bool v)
{
	return v ? "true" : "false";
}

#endif /* _SHIM_LINUX_STRING_HELPERS_H */
