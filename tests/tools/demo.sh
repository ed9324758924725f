#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make demo: checks a bundled real image and a damaged copy of it, and restores
# a file tree from both. Works in a temporary directory that is removed again.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
tool=${BUILD:-$here/../build}/bcachefs
name=small-616
dir=$(mktemp -d "${TMPDIR:-/tmp}/bcachefs-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
bad=0

title()	{ printf '\n== %s\n' "$*"; }
run()	{ printf '$ bcachefs %s\n' "${*//$dir\//}"; "$tool" "$@"; }
fail()	{ echo "DEMO FAILED: $*" >&2; bad=1; }

unpack()
{
	zstd -q -d --long=27 --sparse -o "$dir/$1.img" "$here/fixtures/$name.img.zst" || exit 1
}

unpack good
before=$(sha256sum < "$dir/good.img")

title "A real filesystem (made by Linux 6.16): what is it?"
run show-super "$dir/good.img" > "$dir/super.txt" || fail "show-super"
sed -n '1,18p' "$dir/super.txt"

title "Check it without touching it"
run fsck -n "$dir/good.img" || fail "fsck -n of the good image: exit status $?"

title "Copy its files out"
run restore "$dir/good.img" "$dir/files" || fail "restore: exit status $?"
count() { find "$dir/$1" -type "$2" -printf x | wc -c; }
printf 'found in the directory: %s files, %s directories, %s symlinks\n' \
	"$(count files f)" "$(count files d)" "$(count files l)"
[ "$(sha256sum < "$dir/files/large/8m")" = \
  "$(zstd -qdc "$here/fixtures/$name.json.zst" | grep -A40 '"path": "large/8m"' |
     sed -n 's/^"sha256": "\(.*\)".*/\1  -/p' | head -1)" ] || fail "large/8m is not what it was"

title "A damaged copy: the first superblock, a btree node and file data are overwritten"
unpack bad
# The places were found with tests/lib/damage.py.
/usr/bin/python3 -B "$here/tools/demo-damage.py" "$dir/bad.img" || exit 1
run fsck -n "$dir/bad.img"
rc=$?
[ $((rc & 4)) = 4 ] || fail "fsck -n did not find the damage: exit status $rc"

title "What can still be read is copied out; the rest is named"
run restore --ignore-errors "$dir/bad.img" "$dir/rescued"
rc=$?
[ $rc = 1 ] || fail "restore of the damaged image: exit status $rc, expected 1"
printf 'rescued %s files\n' "$(count rescued f)"

title "Was the device changed?"
[ "$(sha256sum < "$dir/good.img")" = "$before" ] && echo "no: the image is the same, bit for bit" ||
	fail "the image was changed"
[ $bad = 0 ] && printf '\ndemo finished: all as expected\n'
exit $bad
