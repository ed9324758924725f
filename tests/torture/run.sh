#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh SECONDS [live|soak]: the torture of the live core, one seed after the other,
# until the time is over or something is wrong: live with losses of power and kills,
# soak with work during replay and delayed threads, in turns or one of them only. The
# first seed is the time, or $SEED. An hour of the latter: run.sh 3600 soak.
# run.sh crashes NUMBER: until the filesystem has been checked after so many losses of
# power and kills in a row, two out of three without work during replay.
set -u
if [[ ${1:-} = crashes ]]; then
	wanted=${2:-1000} seconds=0
else
	wanted=0 seconds=${1:-600}
fi
only=${2:-}
bin=${BUILD:-build}/tests/torture
dir=$(mktemp -d "${TMPDIR:-/tmp}/torture-XXXXXX")
seed=${SEED:-$(date +%s)}
end=$((SECONDS + seconds))
n=0

crashes=0 rounds=0 replays=0

# once PROGRAM ARGS...
once() {
	echo "$*"
	if ! "$bin/$1" "${@:2}" "$dir/image" > "$dir/out" 2>&1; then
		cat "$dir/out"
		echo "failed; the images are in $dir"
		exit 1
	fi
	rounds=$((rounds + $(grep -cE '^round [0-9]+: (stopped|killed)' "$dir/out")))
	replays=$((replays + $(grep -cE '^round [0-9]+: [1-9][0-9]* keys to replay' "$dir/out")))
	set -- $(sed -n 's/^passed, \([0-9]*\) crashes$/\1/p' "$dir/out")
	crashes=$((crashes + $1))
}

# in_turns PROGRAM ARGS...: unless only the other one is wanted
in_turns() {
	[[ -n $only && $only != "$1" ]] || once "$@"
}

while ((crashes < wanted)); do
	node=$((8192 << seed % 4))
	if ((seed % 3)); then
		once live --seed "$seed" --threads $((1 << seed % 3)) --ops $((2000 << seed % 4)) \
			--crashes 40 --rounds 3 --kills 1 --node-size $node
	else
		once soak --seed "$seed" --threads $((1 + seed % 4)) --ops $((1000 << seed % 3)) \
			--crashes 20 --rounds 3 --kills 0 --node-size $node --during-replay \
			--delay $((50 << seed % 5))
	fi
	echo "$crashes crashes"
	seed=$((seed + 1))
	n=$((n + 1))
done
while ((SECONDS < end)); do
	node=$((seed % 2 ? 16384 : 65536))
	in_turns live --seed "$seed" --threads $((1 << seed % 3)) --ops $((500 << seed % 5)) \
		--crashes $((seed % 13)) --rounds $((1 + seed % 4)) --kills $((seed % 3)) \
		--node-size $node
	in_turns soak --seed "$seed" --threads $((1 + seed % 4)) --ops $((250 << seed % 4)) \
		--crashes $((seed % 5)) --rounds $((3 + seed % 4)) --kills 0 \
		--node-size $node --during-replay --delay $((100 << seed % 5))
	seed=$((seed + 1))
	n=$((n + 1))
done
rm -r "$dir"
echo "$n runs passed: $rounds rounds, $crashes crashes, work during $replays replays"
