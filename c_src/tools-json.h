/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Output for programs: small additions to jansson. Running out of memory ends
 * the program, so that callers need not check every value.
 */
#ifndef _BCACHEFS_TOOLS_JSON_H
#define _BCACHEFS_TOOLS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * tools_json_set() - set a member of an object
 * @object:	object
 * @key:	name
 * @value:	the reference is taken over
 */
void tools_json_set(json_t *object, const char *key, json_t *value);

/**
 * tools_json_append() - append to an array
 * @array:	array
 * @value:	the reference is taken over
 */
void tools_json_append(json_t *array, json_t *value);

/**
 * tools_json_u64() - a number; above 2^63-1 a string of decimal digits
 * @v:		number
 */
json_t *tools_json_u64(uint64_t v);

/**
 * tools_json_bytes() - text from disk; {"hex": "..."} if it is not UTF-8
 * @s:		bytes, up to the first NUL
 * @size:	at most so many
 */
json_t *tools_json_bytes(const void *s, size_t size);

/**
 * tools_json_uuid() - a uuid as text
 * @uuid:	in the order of the text
 */
json_t *tools_json_uuid(const unsigned char uuid[16]);

/**
 * tools_json_print() - print on standard output, with a final newline, and free
 * @json:	value
 * @one_line:	not indented
 */
void tools_json_print(json_t *json, bool one_line);

#endif /* _BCACHEFS_TOOLS_JSON_H */
