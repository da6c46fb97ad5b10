#!/bin/sh
# The checks themselves: each of these little trees is wrong in one way and must be refused.
set -u

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# A tree that every check accepts.
make_tree() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/src/core" "$work/tree/src/ops" "$work/tree/src/cli" \
        "$work/tree/include/mcvd" "$work/tree/tests"
    printf '#include <mcvd/export.h>\n' >"$work/tree/include/mcvd/status.h"
    printf '#include <mcvd/status.h>\n\nint twice(int a)\n{\n    return 2 * a;\n}\n' \
        >"$work/tree/src/core/twice.c"
    cp "$work/tree/src/core/twice.c" "$work/tree/src/ops/conv.c"
    printf '#include "core/twice.h"\n/* exit(1) */\nchar *x = "exit(1)";\n' >>"$work/tree/src/ops/conv.c"
    printf '\nint other(void)\n{\n    exit(1);\n}\n' >"$work/tree/src/cli/main.c"
}

expect() { # wanted status (0 or 1), check, what is wrong
    sh "$here/check_sources.sh" "$2" "$work/tree" >"$work/log" 2>&1
    status=$?
    [ "$status" -eq 0 ] || status=1
    if [ "$status" -ne "$1" ]; then
        echo "check $2, $3: status $status, expected $1"
        sed 's/^/    /' "$work/log"
        failures=$((failures + 1))
    fi
}

refuse() { # check, file, text to append
    make_tree
    printf "$3\n" >>"$work/tree/$2"
    expect 1 "$1" "$2: $3"
}

make_tree
for check in includes lengths calls; do
    expect 0 "$check" "a correct tree"
done

refuse includes src/core/twice.c '#include "ops/conv.h"'
refuse includes src/core/twice.c '#include <mcvd/model.h>'
refuse includes src/core/twice.c '#include <mcvd/unknown.h>'
refuse includes src/core/twice.c '#include <libavutil/frame.h>'
refuse includes src/core/twice.c '#include <dnnl.h>'
refuse includes src/ops/conv.c '#include <cblas.h>'
refuse includes src/ops/conv.c '#include "video/reader.h"'
refuse includes src/ops/conv.c '#include "conv.h"'
refuse includes src/ops/conv.c '#include "ops/gemm.c"'
refuse includes src/cli/main.c '#include "core/alloc.h"'
refuse includes include/mcvd/status.h '#include "core/status.h"'
refuse includes include/mcvd/status.h '#include <cblas.h>'
refuse includes include/mcvd/status.h '#include <mcvd/model.h>'
refuse lengths src/core/twice.c 'int many(int a, int b, int c, int d, int e, int f, int g)\n{\n}'
refuse lengths src/core/twice.c "int long_one(void)\n{\n$(awk 'BEGIN { for (i = 0; i < 79; i++) printf "    a();\\n" }')}"
refuse lengths src/core/twice.c "$(awk 'BEGIN { for (i = 0; i < 800; i++) printf "int a;\\n" }')"
for call in 'exit(1)' 'abort ()' 'printf("x")' 'getenv("X")' 'malloc(3)' 'fputs("x", stderr)'; do
    refuse calls src/ops/conv.c "void f(void)\n{\n    $call;\n}"
done

echo "$failures failures"
[ "$failures" -eq 0 ]
