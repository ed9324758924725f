#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#	replay.sh BUILD [TARGET [FILE...]]
#
# Runs fuzz targets over files without libFuzzer: each target gets a plain main()
# (-DFUZZ_MAIN) and is linked against the libraries in the build directory BUILD,
# with whatever compiler and flags made them (CC, CFLAGS). Default: every target
# over its seed corpus. RUN is put before the command, e.g. RUN="valgrind -q".
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
only=${2:-}
[ $# -lt 2 ] || shift
shift

libs='blkid uuid libsodium libisal libxxhash liblz4 libzstd zlib libkeyutils libutf8proc jansson'
mkdir -p "$build/replay"

for src in tests/fuzz/fuzz_*.c; do
	t=$(basename "$src" .c)
	[ -z "$only" ] || [ "$only" = "$t" ] || continue
	${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -D__KERNEL_SHIM__ -DFUZZ_MAIN -fno-strict-aliasing \
		-pthread ${CFLAGS:--O1 -g} -I include -I libbcachefs -I . \
		-o "$build/replay/$t" "$src" tests/fuzz/common.c \
		-Wl,--start-group "$build"/libtools.a "$build"/libbcachefs.a "$build"/libshim.a \
		-Wl,--end-group -Wl,--as-needed $(pkg-config --libs $libs) -laio -lscrypt \
		-lurcu-bp -lurcu -lurcu-memb -lurcu-mb -lurcu-cds -lurcu-common -lpthread -lm
	if [ $# -gt 0 ]; then
		${RUN:-} "$build/replay/$t" "$@"
	else
		find "tests/fuzz/corpus/$t" -type f -print0 |
			xargs -0 ${RUN:-} "$build/replay/$t" 2>"$build/replay/$t.log" || {
			tail -30 "$build/replay/$t.log"
			exit 1
		}
		echo "$t: ok"
	fi
done
