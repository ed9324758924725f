/* SPDX-License-Identifier: GPL-2.0 */
/* UUIDs: 16 bytes in order. */
#ifndef _SHIM_LINUX_UUID_H
#define _SHIM_LINUX_UUID_H

#include <linux/string.h>
#include <linux/types.h>

#define UUID_SIZE		16
#define UUID_STRING_LEN		36

#ifndef _UAPI_LINUX_UUID_H_
#define _UAPI_LINUX_UUID_H_
typedef struct {
	__u8	b[16];
} guid_t;
#endif

typedef struct {
	__u8	b[UUID_SIZE];
} shim_uuid_t;

extern const guid_t guid_null;

void generate_random_uuid(unsigned char uuid[16]);
void generate_random_guid(unsigned char guid[16]);
void guid_gen(guid_t *u);
void shim_uuid_gen(shim_uuid_t *u);
int shim_uuid_parse(const char *text, shim_uuid_t *u);
bool __must_check uuid_is_valid(const char *uuid);

/*
 * libuuid has a uuid_t, uuid_copy() and uuid_parse() of its own: a tool file that wants those
 * includes <uuid/uuid.h> first and uses shim_uuid_t for the kernel's.
 */
#ifndef _UL_LIBUUID_UUID_H
typedef shim_uuid_t		uuid_t;
extern const uuid_t uuid_null;
#define uuid_gen(u)		shim_uuid_gen(u)
#define uuid_parse(text, u)	shim_uuid_parse(text, u)

static inline bool uuid_equal(const uuid_t *a, const uuid_t *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static inline void uuid_copy(uuid_t *dst, const uuid_t *src)
{
	memcpy(dst, src, sizeof(*dst));
}

static inline bool uuid_is_null(const uuid_t *u)
{
	return mem_is_zero(u, sizeof(*u));
}

static inline void import_uuid(uuid_t *dst, const __u8 *src)
{
	memcpy(dst, src, sizeof(*dst));
}

static inline void export_uuid(__u8 *dst, const uuid_t *src)
{
	memcpy(dst, src, sizeof(*src));
}
#endif

static inline bool guid_equal(const guid_t *a, const guid_t *b)
{
	return !memcmp(a, b, sizeof(*a));
}

#endif /* _SHIM_LINUX_UUID_H */
