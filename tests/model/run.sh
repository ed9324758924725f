#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh small|big|full [pattern]: check every model and every broken variant of it
#
# A line of the lists below is: name, expected verdict, model, definitions.
# Expected is "ok" (the search is exhausted without an error), or the property
# that must break: I1 .. as in hold.h, or "deadlock". Exit status 0 if every
# variant came out as expected. With TRAILS=dir the counterexamples are kept
# there as readable text, one file per name.
#
# Every search is complete: no bitstate, no hash compaction; all but the small ones
# use spin's COLLAPSE, which stores states smaller but loses none. MEM is in MB.
set -u
here=$(cd "$(dirname "$0")" && pwd)
size=${1:-small}
only=${2:-}
MEM=${MEM:-8192}
SECONDS_EACH=${SECONDS_EACH:-3600}
CC=${MODEL_CC:-gcc}

command -v spin >/dev/null || { echo "spin is not installed" >&2; exit 2; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0

one()
{
	local name=$1 want=$2 model=$3 defs=("${@:4}") cflags=(-DSAFETY) args=() got
	local dir=$work/$name opt=-O0 depth=100000 out

	case $name in *$only*) ;; *) return ;; esac
	mkdir -p "$dir" && cp "$here"/*.pml "$here"/*.h "$dir" && cd "$dir" || exit 2
	case $want in
	ok) opt=-O1 ;;
	deadlock) defs+=(-DONLY=ID_I6) ;;
	livelock) defs+=(-DONLY=ID_I6) ;;
	*) defs+=("-DONLY=ID_$want") ;;
	esac
	case " ${defs[*]} " in *" -DPROGRESS "*) cflags=(-DNP -DNFAIR=3); args=(-l -f) ;; esac
	if [ "$size" != small ] && [ "$want" = ok ]; then
		cflags+=(-DCOLLAPSE); args+=(-w27); opt=-O2; depth=2000000
	else
		args+=(-w20)
	fi
	if ! spin "${defs[@]}" -a "$model.pml" >spin.out 2>&1 ||
	   ! $CC -w "$opt" "${cflags[@]}" -DMEMLIM="$MEM" -o pan pan.c >gcc.out 2>&1; then
		cat spin.out gcc.out >&2
		echo "$name: does not compile" >&2
		failed=1
		return
	fi
	timeout "$SECONDS_EACH" ./pan -m$depth "${args[@]}" >pan.out 2>&1 || echo stopped >>pan.out
	out=$(cat pan.out)
	got=$(verdict "$out")
	[ "$got" = "$want" ] || { failed=1; got="$got, not $want"; }
	row "$name" "$got" "$out"
	if [ -n "${TRAILS:-}" ] && [ -f "$model.pml.trail" ]; then
		mkdir -p "$TRAILS"
		spin "${defs[@]}" -t -p "$model.pml" >"$TRAILS/$name.txt"
	fi
	cd / && rm -rf "$dir"
}

verdict()
{
	case $1 in
	*"assertion violated "*_violated*)
		sed -n 's/.*assertion violated \(.*\)_violated.*/\1/p' <<<"$1" | head -1 ;;
	*"invalid end state"*" (at depth"*)	echo deadlock ;;
	*"non-progress cycle (at depth"*)	echo livelock ;;
	*stopped*|*"max search depth too small"*|*"out of memory"*|*"reached -DMEMLIM"*)
						echo unfinished ;;
	*"errors: 0"*)				echo ok ;;
	*)					echo unknown ;;
	esac
}

row()
{
	local states depth mem secs

	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$3" | head -1)
	depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' <<<"$3" | head -1)
	mem=$(sed -n 's/^ *\([0-9.]*\).*total actual memory usage/\1/p' <<<"$3" | head -1)
	secs=$(sed -n 's/.*elapsed time \([0-9.e+]*\) seconds/\1/p' <<<"$3" | head -1)
	printf '%-34s %-12s %12s %7s %9s %8s\n' "$1" "$2" "${states:--}" "${depth:--}" \
		"${mem:--}" "${secs:--}"
}

printf '%-34s %-12s %12s %7s %9s %8s\n' variant verdict states depth MB seconds

while read -r name want model defs; do
	case $name in ''|'#'*) continue ;; esac
	# shellcheck disable=SC2086
	one "$name" "$want" "$model" $defs </dev/null
done <"$here/variants-$size.txt"

exit $failed
