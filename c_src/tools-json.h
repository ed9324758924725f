/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output for programs: small additions to jansson. Running out of memory ends
 * the program, so that callers need not check every value.
 */
#ifndef _BCACHEFS_TOOLS_JSON_H
#define _BCACHEFS_TOOLS_JSON_H

#include <jansson.h>
#include <stdint.h>

/*
 * Adds @value, whose reference is taken over, under @key. Numbers above 2^63-1
 * are given as decimal strings by tools_json_u64().
 */
void tools_json_set(json_t *object, const char *key, json_t *value);
void tools_json_append(json_t *array, json_t *value);

json_t *tools_json_u64(uint64_t v);
/* Text from disk up to its NUL; {"hex": "..."} if it is not UTF-8. */
json_t *tools_json_bytes(const void *s, size_t size);
json_t *tools_json_uuid(const unsigned char uuid[16]);

/* Prints with a final newline and frees. One line, or indented. */
void tools_json_print(json_t *, bool one_line);

#endif /* _BCACHEFS_TOOLS_JSON_H */
