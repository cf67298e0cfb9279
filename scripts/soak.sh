#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Runs the simulation until you stop it or a promise is broken. `make soak` uses it.
#   SOAK_BATCH  schedules of each property between two lines of progress (2000)
#   SOAK_SEED   seed of the first batch; each further one has the next (the time)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

batch=${SOAK_BATCH:-2000}
seed=${SOAK_SEED:-$(date +%s)}
properties='TestNoRandomScheduleLosesASecretOrLocksThePartner|TestAnInterruptedRotationCostsOneAttemptAndNoOperator'

scratch=$(mktemp -d)
running=
trap 'if [ -n "$running" ]; then kill "$running" 2>/dev/null || true; fi; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
"${GO:-go}" test -c -o "$scratch/simulation" ./test/simulation

total=0
while true; do
	GOGC=${GOGC:-400} "$scratch/simulation" -test.run "^($properties)\$" -test.timeout 0 -rapid.nofailfile \
		-rapid.checks "$batch" -rapid.seed "$seed" >"$scratch/log" 2>&1 &
	running=$!
	if ! wait "$running"; then
		cat "$scratch/log"
		printf 'A promise was broken after %d correct schedules. To reproduce it:\n' "$total"
		printf "  SIMULATION_TRACE=1 go test -run '^(%s)\$' -rapid.checks %d -rapid.seed %d ./test/simulation\n" "$properties" "$batch" "$seed"
		exit 1
	fi
	total=$((total + 2 * batch))
	printf '%s  %9d schedules, no promise broken (seed %d, %ds)\n' "$(date +%H:%M:%S)" "$total" "$seed" "$SECONDS"
	seed=$((seed + 1))
done
