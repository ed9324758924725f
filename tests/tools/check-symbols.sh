#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# check-symbols.sh [-u] BUILD: the core may need nothing but the shim.
#  1. c_src/shim/exports.list is what the shim's objects define (-u writes it anew);
#  2. the core, linked alone (ld -r), leaves only those symbols undefined, and the few of libc's that the kernel
#     has too, and the compiler's own.
# Exit: 0 fine, 1 not, 2 nothing built.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
list=$top/c_src/shim/exports.list
update=
if [ "${1:-}" = -u ]; then
	update=1
	shift
fi
build=${1:-${BUILD:-$top/build}}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The functions of string.h, stdio.h and stdlib.h that are kernel interfaces of the same name and meaning.
libc='memcpy|memmove|memset|memcmp|memchr|strlen|strnlen|strcmp|strncmp|strcasecmp|strncasecmp|strchr|strrchr|strstr'
libc+='|strpbrk|strsep|strspn|strcspn|strcpy|strncpy|strcat|snprintf|vsnprintf|sprintf|vsprintf|sscanf|bsearch'
# What compilers, sanitizers and coverage add by themselves.
compiler='__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__popcount.*|__(asan|ubsan|tsan|sanitizer|sancov|gcov|llvm|start|stop)_.*'
compiler+='|__(memcpy|memset|memmove|strcpy|strcat|strncpy|snprintf|vsnprintf|sprintf)_chk|.*@.*'

objects() { # those of DIR's sources, none left over from a source that is gone
	local src o
	while read -r src; do
		o=$build/${src%.c}.o
		[ -e "$o" ] && echo "$o"
	done < <(cd "$top" && find "$1" -name '*.c' | sort)
}

mapfile -t shim < <(objects c_src/shim)
mapfile -t core < <(objects libbcachefs)
if [ ${#shim[@]} = 0 ] || [ ${#core[@]} = 0 ]; then
	echo "check-symbols: nothing built in $build" >&2
	exit 2
fi

# Only what a header in include/ declares is an export; the rest of the shim is its own.
nm -g --defined-only "${shim[@]}" | awk 'NF == 3 && $2 ~ /[TDBRVWC]/ { print $3 }' |
	grep -vE '^(__odr_asan|__asan|__llvm|__gcov)' | sort -u > "$tmp/defined"
grep -rhoE '[A-Za-z_][A-Za-z0-9_]*' "$top/include" --include='*.h' | sort -u > "$tmp/declared"
comm -12 "$tmp/defined" "$tmp/declared" > "$tmp/exports"
if [ -n "$update" ]; then
	cp "$tmp/exports" "$list"
fi
bad=0
if ! diff -u "$list" "$tmp/exports" > "$tmp/diff"; then
	echo "check-symbols: c_src/shim/exports.list is not what the shim defines (check-symbols.sh -u writes it):"
	grep '^[-+][^-+]' "$tmp/diff" || true
	bad=1
fi

ld -r -o "$tmp/core.o" "${core[@]}"
nm -u "$tmp/core.o" | awk '{ print $2 }' | sort -u > "$tmp/needed"
grep -vxE "$libc|$compiler" "$tmp/needed" | comm -23 - "$list" > "$tmp/foreign" || true
if [ -s "$tmp/foreign" ]; then
	echo "check-symbols: the core needs symbols that are not the shim's:"
	while read -r sym; do
		by=
		for o in "${core[@]}"; do
			if nm -u "$o" | awk '{ print $2 }' | grep -qx "$sym"; then
				by+=" ${o#"$build"/}"
			fi
		done
		echo "  $sym ($(echo "$by" | cut -c1-200 | sed 's/^ //'))"
	done < "$tmp/foreign"
	bad=1
fi
[ $bad = 0 ] && echo "check-symbols: ${#core[@]} core objects need $(comm -12 "$tmp/needed" "$list" | wc -l) of the shim's $(wc -l < "$list") symbols, and nothing else"
exit $bad
