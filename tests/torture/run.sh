#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh SECONDS: the torture of the live core, one seed after the other, until the
# time is over or something is wrong. The first seed is the time, or $SEED.
set -u
seconds=${1:-600}
live=${BUILD:-build}/tests/torture/live
dir=$(mktemp -d "${TMPDIR:-/tmp}/torture-XXXXXX")
seed=${SEED:-$(date +%s)}
end=$((SECONDS + seconds))
n=0

while ((SECONDS < end)); do
	args=(--seed "$seed" --threads $((1 << seed % 3)) --ops $((500 << seed % 5))
	      --crashes $((seed % 13)) --rounds $((1 + seed % 4)) --kills $((seed % 3))
	      --node-size $((seed % 2 ? 16384 : 65536)))
	echo "live ${args[*]}"
	if ! "$live" "${args[@]}" "$dir/image" > "$dir/out" 2>&1; then
		cat "$dir/out"
		echo "failed; the images are in $dir"
		exit 1
	fi
	seed=$((seed + 1))
	n=$((n + 1))
done
rm -r "$dir"
echo "$n runs passed"
