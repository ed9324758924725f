#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build dependencies, read from debian/control (the one list).
#
#	deps.sh list		print the package names
#	deps.sh missing		print those that are not installed
#	deps.sh install		install the missing ones
#	deps.sh need		the same, but quiet when there is nothing to do
set -eu
cd "$(dirname "$0")/../.."

list()
{
	awk '
	/^Build-Depends:/	{ on = 1; sub(/^Build-Depends:/, "") }
	on && /^[A-Za-z#]/	{ exit }
	on			{ print }
	' debian/control |
	sed 's/#.*//; s/([^)]*)//g; s/\[[^]]*\]//g; s/<[^>]*>//g' |
	tr ',\n' '\n\n' | sed 's/|.*//; s/[[:space:]]//g; s/^debhelper-compat$/debhelper/' |
	sed '/^$/d'
}

missing()
{
	for p in $(list); do
		s=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
		[ "$s" = installed ] || echo "$p"
	done
}

install_missing()
{
	m=$(missing)
	[ -n "$m" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "missing packages, and no apt-get to install them:" $m >&2
		exit 1
	fi
	as_root=
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "missing packages, to be installed as root:" $m >&2
			exit 1
		fi
		as_root=sudo
	fi
	echo "installing:" $m
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $m
}

case "${1:-}" in
list)		list ;;
missing)	missing ;;
install)	install_missing; echo "all build dependencies are installed" ;;
need)		command -v dpkg-query >/dev/null || exit 0
		install_missing ;;
*)		sed -n 's/^#\t//p' "$0" >&2; exit 2 ;;
esac
