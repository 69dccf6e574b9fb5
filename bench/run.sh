#!/usr/bin/env bash
# Builds and runs the benchmark; flags are those of `bench run`. docs/performance.md says what it measures.
#
#   bench/run.sh                        1,000,000 flights, 3 repetitions
#   bench/run.sh -n 3000000 -runs 5     the real one; WEIR_FLIGHTS_3M names a parquet file of flights
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p ../build
GOTOOLCHAIN=auto GOWORK=off go build -buildvcs=auto -o ../build/bench .
exec ../build/bench run "$@"
