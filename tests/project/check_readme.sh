#!/bin/sh
# The C example of the README compiles without a warning:  check_readme.sh SOURCE BUILD CC
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$1/README.md" >"$work/predict.c"
[ -s "$work/predict.c" ] || { echo "README.md has no C example"; exit 1; }
"$3" -std=c17 -Wall -Wextra -Werror -fsyntax-only -I"$1/include" -I"$2/include" "$work/predict.c"
echo "$(wc -l <"$work/predict.c") lines compile"
