#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	fuzz-run.sh DIR SECONDS		every target of DIR for SECONDS
#	fuzz-run.sh DIR smoke		all targets together for about a minute
#
# Two targets run at a time. The seed corpus (tests/fuzz/corpus/TARGET) is read
# only; what is found new goes to DIR/corpus/TARGET, findings to DIR/findings.
# FUZZ_ONLY=name limits the run to one target. Exit status 1 on any finding.
set -u
dir=$1 secs=$2 here=$(cd "$(dirname "$0")/.." && pwd)
targets=()
for src in "$here"/fuzz/fuzz_*.c; do
	[ -e "$src" ] || continue
	t=$(basename "$src" .c)
	[ -z "${FUZZ_ONLY:-}" ] || [ "$FUZZ_ONLY" = "$t" ] || continue
	targets+=("$t")
done
if [ ${#targets[@]} = 0 ]; then
	echo "no fuzz targets" >&2
	exit 1
fi
if [ "$secs" = smoke ]; then
	secs=$((120 / ${#targets[@]}))
	[ $secs -ge 5 ] || secs=5
fi
mkdir -p "$dir/findings"
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

one()
{
	local t=$1 log=$dir/$1.log seed=$here/fuzz/corpus/$1 dict=$here/fuzz/$1.dict rc
	local args=(-max_total_time="$secs" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=1024
		    -max_len=262144 -print_final_stats=1 -artifact_prefix="$dir/findings/$t-")
	mkdir -p "$dir/corpus/$t"
	[ ! -e "$dict" ] || args+=(-dict="$dict")
	args+=("$dir/corpus/$t")
	[ ! -d "$seed" ] || args+=("$seed")
	"$dir/$t" "${args[@]}" >"$log" 2>&1
	rc=$?
	if [ $rc = 0 ]; then
		printf '%-24s ok   %s runs\n' "$t" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
	else
		printf '%-24s FAILED (exit %d), log %s\n' "$t" $rc "$log"
		tail -40 "$log"
	fi
	return $rc
}

bad=0
for ((i = 0; i < ${#targets[@]}; i += 2)); do
	pids=()
	for t in "${targets[@]:i:2}"; do
		one "$t" &
		pids+=($!)
	done
	for p in "${pids[@]}"; do
		wait "$p" || bad=1
	done
done
exit $bad
