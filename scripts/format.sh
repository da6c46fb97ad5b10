#!/bin/sh
# Formats every C file in place, or the files given.
set -eu
cd "$(dirname "$0")/.."

program=clang-format-14
command -v "$program" >/dev/null || program=clang-format
"$program" --version | grep -q 'version 14\.' || {
    echo "format: clang-format 14 is needed (package clang-format-14)" >&2
    exit 1
}
if [ $# -gt 0 ]; then
    "$program" -i "$@"
else
    find src include tests -name '*.[ch]' -exec "$program" -i {} +
fi
