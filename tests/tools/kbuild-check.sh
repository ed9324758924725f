#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# kbuild-check.sh [-j N] [-o DIR] [FILE.c...]: compiles the core, unmodified, against the headers of Debian's
# 6.12 kernel (bookworm-backports). Objects only: no module is linked. Says per file what failed.
# And every name the shim exports must be one that those headers know.
# The headers live in ${XDG_CACHE_HOME:-~/.cache}/bcachefs-kbuild; the machine's own apt sources and packages
# stay as they are. Exit: 0 all files compile, 1 some do not, 2 no headers.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bcachefs-kbuild
jobs=$(nproc)
out=$cache/build
while getopts j:o: opt; do
	case $opt in
	j) jobs=$OPTARG ;;
	o) out=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

fail() {
	echo "kbuild-check: $*" >&2
	exit 2
}

fetch_headers() { # unpacks linux-headers (amd64, common) and linux-kbuild into the cache
	local apt=$cache/apt mirror o pkg common kbuild
	mirror=$(sed -n 's/^URIs: *\(http[^ ]*\/debian\)\/*$/\1/p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\/debian\)\/* .*/\2/p' \
		/etc/apt/sources.list.d/* /etc/apt/sources.list 2>/dev/null | head -1)
	mirror=${mirror:-http://deb.debian.org/debian}
	rm -rf "$apt" "$cache/root"
	mkdir -p "$apt"/{lists/partial,cache/archives/partial,deb} "$cache/root"
	echo "deb $mirror bookworm-backports main" > "$apt/sources.list"
	o=(-qq -oDir::Etc::sourcelist="$apt/sources.list" -oDir::Etc::sourceparts=/nonexistent
		-oDir::State::Lists="$apt/lists" -oDir::Cache="$apt/cache" -oAcquire::Check-Valid-Until=false)
	if [ "$(id -u)" = 0 ]; then
		o+=(-oAPT::Sandbox::User=root)
	fi
	apt-get "${o[@]}" update || return 1
	pkg=$(apt-cache "${o[@]}" pkgnames linux-headers-6.12 |
		grep -E '^linux-headers-6\.12\.[0-9]+\+deb12-amd64$' | sort -V | tail -1)
	[ -n "$pkg" ] || return 1
	common=${pkg%-amd64}-common
	kbuild=linux-kbuild-${pkg#linux-headers-}
	kbuild=${kbuild%-amd64}
	(cd "$apt/deb" && apt-get "${o[@]}" download "$pkg" "$common" "$kbuild") || return 1
	local deb
	for deb in "$apt"/deb/*.deb; do
		dpkg-deb -x "$deb" "$cache/root"
	done
	# The packages expect to lie under /usr/src.
	sed -i "s|/usr/src/|$cache/root/usr/src/|g" "$cache/root/usr/src/$pkg/Makefile"
	echo "$pkg" > "$cache/package"
	rm -rf "$apt"
}

prepare() {
	[ -e "$cache/package" ] && [ -e "$cache/root/usr/src/$(cat "$cache/package")/Makefile" ] && return
	mkdir -p "$cache"
	exec 8> "$cache/lock"
	flock 8
	[ -e "$cache/package" ] || fetch_headers || fail "cannot get the 6.12 headers of bookworm-backports"
}

prepare
kdir=$cache/root/usr/src/$(cat "$cache/package")
[ -e "$kdir/Makefile" ] || fail "$kdir is not complete; remove $cache and try again"

unknown=$(grep -v '^shim_' "$top/c_src/shim/exports.list" | sort -u | comm -23 - \
	<(grep -rhoE '[A-Za-z_][A-Za-z0-9_]*' "${kdir%-amd64}-common"/{,arch/x86/}include | sort -u))
if [ -n "$unknown" ]; then
	echo "kbuild-check: exported by the shim, unknown to the kernel:" $unknown
	exit 1
fi

if [ $# -gt 0 ]; then
	files=("$@")
else
	mapfile -t files < <(cd "$top" && find libbcachefs -name '*.c' | sort)
fi
[ ${#files[@]} -gt 0 ] || fail "nothing to compile"

# A scratch tree of links, so that nothing is written beside the sources.
rm -rf "$out"
mkdir -p "$out"
cp -rs "$top/libbcachefs" "$out/libbcachefs"
{
	echo "obj-m := bcachefs_check.o"
	printf 'bcachefs_check-y +='
	for f in "${files[@]}"; do
		f=${f#"$top"/}
		printf ' \\\n\t%s' "${f%.c}.o"
	done
	echo
	echo "ccflags-y := -I\$(src)/libbcachefs -std=gnu11 -Wno-declaration-after-statement"
} > "$out/Kbuild"

log=$out/log
failed=()
objects=()
for f in "${files[@]}"; do
	f=${f#"$top"/}
	objects+=("${f%.c}.o")
done
make -k -j "$jobs" -C "$kdir" M="$out" CC="${KBUILD_CC:-gcc-12}" "${objects[@]}" > "$log" 2>&1 || true
for o in "${objects[@]}"; do
	[ -e "$out/$o" ] || failed+=("${o%.o}.c")
done
if [ ${#failed[@]} -gt 0 ]; then
	grep -E 'error:|warning:|No rule|Error [0-9]' "$log" | sed "s|$out/||; s|$cache/root||" | sort -u | head -200
	for f in "${failed[@]}"; do
		echo "FAIL $f"
	done
	echo "kbuild-check: ${#failed[@]} of ${#objects[@]} files do not compile against $(cat "$cache/package")"
	exit 1
fi
grep -E 'warning:' "$log" | sed "s|$out/||" | sort -u | head -50 || true
echo "kbuild-check: ${#objects[@]} files compile against $(cat "$cache/package")"
