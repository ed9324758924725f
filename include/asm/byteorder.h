/* SPDX-License-Identifier: GPL-2.0 */
/* Conversion between CPU order and fixed order. */
#ifndef _SHIM_ASM_BYTEORDER_H
#define _SHIM_ASM_BYTEORDER_H

#include_next <asm/byteorder.h>
#include <linux/types.h>
#include <linux/swab.h>

#define cpu_to_le16(x)		__cpu_to_le16(x)
#define le16_to_cpu(x)		__le16_to_cpu(x)
#define cpu_to_le32(x)		__cpu_to_le32(x)
#define le32_to_cpu(x)		__le32_to_cpu(x)
#define cpu_to_le64(x)		__cpu_to_le64(x)
#define le64_to_cpu(x)		__le64_to_cpu(x)
#define cpu_to_be16(x)		__cpu_to_be16(x)
#define be16_to_cpu(x)		__be16_to_cpu(x)
#define cpu_to_be32(x)		__cpu_to_be32(x)
#define be32_to_cpu(x)		__be32_to_cpu(x)
#define cpu_to_be64(x)		__cpu_to_be64(x)
#define be64_to_cpu(x)		__be64_to_cpu(x)

static inline u16 le16_to_cpup(const __le16 *p)
{
	return le16_to_cpu(*p);
}

static inline void le16_add_cpu(__le16 *var, u16 val)
{
	*var = cpu_to_le16(le16_to_cpu(*var) + val);
}

static inline u32 le32_to_cpup(const __le32 *p)
{
	return le32_to_cpu(*p);
}

static inline void le32_add_cpu(__le32 *var, u32 val)
{
	*var = cpu_to_le32(le32_to_cpu(*var) + val);
}

static inline u64 le64_to_cpup(const __le64 *p)
{
	return le64_to_cpu(*p);
}

static inline void le64_add_cpu(__le64 *var, u64 val)
{
	*var = cpu_to_le64(le64_to_cpu(*var) + val);
}

static inline u16 be16_to_cpup(const __be16 *p)
{
	return be16_to_cpu(*p);
}

static inline void be16_add_cpu(__be16 *var, u16 val)
{
	*var = cpu_to_be16(be16_to_cpu(*var) + val);
}

static inline u32 be32_to_cpup(const __be32 *p)
{
	return be32_to_cpu(*p);
}

static inline void be32_add_cpu(__be32 *var, u32 val)
{
	*var = cpu_to_be32(be32_to_cpu(*var) + val);
}

static inline u64 be64_to_cpup(const __be64 *p)
{
	return be64_to_cpu(*p);
}

static inline void be64_add_cpu(__be64 *var, u64 val)
{
	*var = cpu_to_be64(be64_to_cpu(*var) + val);
}

/* In place. */
#define le16_to_cpus(p)	(*(u16 *) (p) = le16_to_cpu(*(__le16 *) (p)))
#define cpu_to_le16s(p)	(*(__le16 *) (p) = cpu_to_le16(*(u16 *) (p)))
#define le32_to_cpus(p)	(*(u32 *) (p) = le32_to_cpu(*(__le32 *) (p)))
#define cpu_to_le32s(p)	(*(__le32 *) (p) = cpu_to_le32(*(u32 *) (p)))
#define le64_to_cpus(p)	(*(u64 *) (p) = le64_to_cpu(*(__le64 *) (p)))
#define cpu_to_le64s(p)	(*(__le64 *) (p) = cpu_to_le64(*(u64 *) (p)))
#define be16_to_cpus(p)	(*(u16 *) (p) = be16_to_cpu(*(__be16 *) (p)))
#define cpu_to_be16s(p)	(*(__be16 *) (p) = cpu_to_be16(*(u16 *) (p)))
#define be32_to_cpus(p)	(*(u32 *) (p) = be32_to_cpu(*(__be32 *) (p)))
#define cpu_to_be32s(p)	(*(__be32 *) (p) = cpu_to_be32(*(u32 *) (p)))
#define be64_to_cpus(p)	(*(u64 *) (p) = be64_to_cpu(*(__be64 *) (p)))
#define cpu_to_be64s(p)	(*(__be64 *) (p) = cpu_to_be64(*(u64 *) (p)))

#endif /* _SHIM_ASM_BYTEORDER_H */
