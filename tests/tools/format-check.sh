#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compare every C file with what .clang-format makes of it. Tables that are laid
# out by hand are fenced with "clang-format off". Exit status 1 on differences.
cd "$(dirname "$0")/../.." || exit 1
rc=0
for f in $(git ls-files '*.c' '*.h'); do
	if ! clang-format "$f" | diff -u --label "$f" --label "$f (formatted)" "$f" - ; then
		rc=1
	fi
done
exit $rc
