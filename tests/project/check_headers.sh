#!/bin/sh
# Every public header compiles alone, as C17 and as C++17:
#   check_headers.sh SOURCE_FOLDER BUILD_FOLDER CC [CXX]
set -u

source=$1
build=$2
cc=$3
cxx=${4:-}
headers=0
failures=0

compile() { # what, command...
    what=$1
    shift
    if ! printf '#include <mcvd/%s>\n#include <mcvd/%s>\nint main(void);\n' "$header" "$header" |
        "$@" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$source/include" -I"$build/include" -
    then
        echo "include/mcvd/$header does not compile alone as $what"
        failures=$((failures + 1))
    fi
}

for path in "$source"/include/mcvd/*.h "$build"/include/mcvd/*.h; do
    header=${path##*/}
    headers=$((headers + 1))
    compile C17 "$cc" -std=c17 -x c
    [ -z "$cxx" ] || compile C++17 "$cxx" -std=c++17 -x c++
    for other in "$source"/include/mcvd/*.h; do
        [ "$header" = mcvd.h ] || continue
        name=${other##*/}
        if [ "$name" != mcvd.h ] && ! grep -q "<mcvd/$name>" "$path"; then
            echo "include/mcvd/mcvd.h does not include $name"
            failures=$((failures + 1))
        fi
    done
done
[ -n "$cxx" ] || echo "C++ was left out: no C++ compiler found"
echo "$headers headers, $failures failures"
[ "$failures" -eq 0 ] && [ "$headers" -gt 1 ]
