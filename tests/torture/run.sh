#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh SECONDS [live|soak]: the torture of the live core, one seed after the other,
# until the time is over or something is wrong: live with losses of power and kills,
# soak with work during replay and delayed threads, in turns or one of them only. The
# first seed is the time, or $SEED.
set -u
seconds=${1:-600}
only=${2:-}
bin=${BUILD:-build}/tests/torture
dir=$(mktemp -d "${TMPDIR:-/tmp}/torture-XXXXXX")
seed=${SEED:-$(date +%s)}
end=$((SECONDS + seconds))
n=0

# once PROGRAM ARGS...
once() {
	[[ -z $only || $only = "$1" ]] || return 0
	echo "$*"
	if ! "$bin/$1" "${@:2}" "$dir/image" > "$dir/out" 2>&1; then
		cat "$dir/out"
		echo "failed; the images are in $dir"
		exit 1
	fi
}

while ((SECONDS < end)); do
	node=$((seed % 2 ? 16384 : 65536))
	once live --seed "$seed" --threads $((1 << seed % 3)) --ops $((500 << seed % 5)) \
		--crashes $((seed % 13)) --rounds $((1 + seed % 4)) --kills $((seed % 3)) \
		--node-size $node
	once soak --seed "$seed" --threads $((1 + seed % 4)) --ops $((250 << seed % 4)) \
		--crashes $((seed % 5)) --rounds $((3 + seed % 4)) --kills 0 \
		--node-size $node --during-replay --delay $((100 << seed % 5))
	seed=$((seed + 1))
	n=$((n + 1))
done
rm -r "$dir"
echo "$n runs passed"
