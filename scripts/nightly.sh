#!/bin/sh
# What takes too long for every change: thread sanitizer, slow tests, each fuzz target.
#
#   scripts/nightly.sh [SECONDS]     fuzzing time per target, 60 unless given
set -u
cd "$(dirname "$0")/.." || exit 1

seconds=${1:-60}
failures=0
./scripts/deps.sh --test --fuzz || exit 1
jobs=$(nproc 2>/dev/null || echo 2)

build() {
    cmake --preset "$1" >/dev/null && cmake --build --preset "$1" -j "$jobs"
}

echo "== thread sanitizer"
build tsan && ctest --preset tsan || failures=$((failures + 1))

echo "== slow tests under the address and undefined-behaviour sanitizers"
build debug && ctest --test-dir build-debug --output-on-failure -L '^slow$' --no-tests=ignore ||
    failures=$((failures + 1))

echo "== fuzzing, $seconds s per target"
build fuzz || failures=$((failures + 1))
targets=0
for engine in build-fuzz/tests/fuzz_*_engine; do
    [ -x "$engine" ] || continue
    targets=$((targets + 1))
    name=$(basename "$engine" _engine)
    found=build-fuzz/found/$name
    mkdir -p "$found"
    # The engine's own finds come first; the tracked corpus is only read.
    corpus=
    for folder in tests/fuzz/corpus/"${name#fuzz_}" tests/fuzz/"${name#fuzz_}"; do
        [ ! -d "$folder" ] || corpus="$corpus $folder"
    done
    "$engine" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="$found/" "$found" $corpus >"build-fuzz/$name.log" 2>&1 || {
        tail -n 40 "build-fuzz/$name.log"
        failures=$((failures + 1))
    }
    grep -h 'number_of_executed_units' "build-fuzz/$name.log" | sed "s/^/$name: /"
done
[ "$targets" -gt 0 ] || { echo "no fuzz target was built"; failures=$((failures + 1)); }

echo "$failures parts failed"
[ "$failures" -eq 0 ]
