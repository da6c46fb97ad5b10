#!/bin/sh
# Installs what is missing, builds, and runs every test:
#
#   release     all tests
#   no-onednn   without oneDNN, all tests except the slow ones and the long ones that never convolve
#   debug       address and undefined-behaviour sanitizers, all tests except the slow ones
#
#   scripts/test.sh             all three
#   scripts/test.sh PRESET...   only these
#
# With CI set, warnings are errors. Tests that are skipped for want of a tool are counted apart.
set -u
cd "$(dirname "$0")/.." || exit 1

[ $# -gt 0 ] || set -- release no-onednn debug

./scripts/deps.sh --test || exit 1

if [ -n "${CI:-}" ]; then
    werror=ON
else
    werror=OFF
fi
jobs=$(nproc 2>/dev/null || echo 2)
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
broken=0

for preset; do
    echo "== $preset"
    if ! cmake --preset "$preset" -DMCVD_WERROR=$werror >"$logs/configure" 2>&1; then
        cat "$logs/configure"
        broken=$((broken + 1))
        continue
    fi
    if ! cmake --build --preset "$preset" -j "$jobs" >"$logs/build" 2>&1; then
        tail -n 60 "$logs/build"
        broken=$((broken + 1))
        continue
    fi
    grep -h 'warning:' "$logs/build"
    # ctest says in its own words what failed; the counts below come from its result file.
    ctest --preset "$preset" --output-junit "$logs/$preset.xml"
    [ -s "$logs/$preset.xml" ] || broken=$((broken + 1))
done

# One line per test case: status="run", "fail" or "notrun" (skipped, 77) as ctest writes it.
total() {
    cat "$logs"/*.xml 2>/dev/null | grep -c "<testcase .*status=\"$1\""
}
passed=$(total run)
failed=$(($(total fail) + broken))
skipped=$(($(total notrun) + $(total disabled)))

[ "$broken" -eq 0 ] || echo "$broken preset(s) could not be configured, built or run"
[ "$skipped" -eq 0 ] || echo "$skipped skipped: no tool or no meaning on this machine"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
