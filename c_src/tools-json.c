// SPDX-License-Identifier: GPL-2.0
/*
 * Output for programs. Knows jansson and nothing of filesystems; used by every
 * command with --json.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools.h"
#include "tools-json.h"

void tools_json_set(json_t *object, const char *key, json_t *value)
{
	if (!value || json_object_set_new(object, key, value))
		tools_die("out of memory");
}

void tools_json_append(json_t *array, json_t *value)
{
	if (!value || json_array_append_new(array, value))
		tools_die("out of memory");
}

json_t *tools_json_u64(uint64_t v)
{
	char buf[24];

	if (v <= INT64_MAX)
		return json_integer(v);
	snprintf(buf, sizeof(buf), "%llu", (unsigned long long) v);
	return json_string(buf);
}

static json_t *json_hex(const unsigned char *s, size_t len)
{
	char *hex = tools_malloc(len * 2 + 1);
	json_t *ret;

	for (size_t i = 0; i < len; i++)
		snprintf(hex + i * 2, 3, "%02x", s[i]);
	hex[len * 2] = '\0';
	ret = json_pack("{s:s}", "hex", hex);
	free(hex);
	return ret;
}

json_t *tools_json_bytes(const void *s, size_t size)
{
	const size_t len = strnlen(s, size);
	json_t *ret = json_stringn(s, len);

	return ret ?: json_hex(s, len);
}

json_t *tools_json_uuid(const unsigned char uuid[16])
{
	char buf[37], *p = buf;

	for (unsigned i = 0; i < 16; i++)
		p += snprintf(p, 4, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	return json_string(buf);
}

void tools_json_print(json_t *json, bool one_line)
{
	if (json_dumpf(json, stdout, (one_line ? JSON_COMPACT : JSON_INDENT(2)) |
		       JSON_PRESERVE_ORDER))
		tools_die("cannot write to standard output");
	putchar('\n');
	json_decref(json);
}
