#!/bin/sh
# The shared library exports mcvd_* and nothing else, under the right name:
#   check_symbols.sh LIBRARY SONAME
set -u

exported=$(nm -D --defined-only "$1" | awk '{ print $NF }') || exit 1
count=$(printf '%s\n' "$exported" | grep -c '^mcvd_')
foreign=$(printf '%s\n' "$exported" | grep -v '^mcvd_')
if [ -n "$foreign" ]; then
    printf 'exported, but not called mcvd_*:\n%s\n' "$foreign"
    exit 1
fi
if ! readelf -d "$1" | grep -q "SONAME.*\[$2\]"; then
    echo "$1: the SONAME is not $2:"
    readelf -d "$1" | grep SONAME
    exit 1
fi
echo "$count symbols, SONAME $2"
[ "$count" -gt 0 ]
