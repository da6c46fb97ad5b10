#!/bin/sh
# Which oneDNN implementations a network runs on, from the library's own log:
#
#   onednn_verbose.sh MCVD ARGUMENTS...   runs `mcvd bench ARGUMENTS`
#   onednn_verbose.sh --self-test         wrong logs must be found wrong
#
# Fails when an executed primitive is a reference implementation (ref, gemm:ref), or when something
# other than convolution weights (out x in x 1 x 1 or x 3 x 3) is reordered: activations stay in one
# layout from the first layer to the last.
set -u

# Lines of the log: ...,exec,cpu,<kind>,<implementation>,...,<sizes>,<time>
judge() {
    awk -F, '
        /^(onednn|dnnl)_verbose,/ {
            at = 0
            for (i = 1; i <= NF; i++)
                if ($i == "exec")
                    at = i
            if (!at)
                next
            kind = $(at + 2)
            implementation = $(at + 3)
            sizes = $(NF - 1)
            if (implementation ~ /(^|:)ref/ || implementation ~ /^ref/) {
                print "reference implementation: " $0
                bad = 1
            }
            if (kind == "reorder" && sizes !~ /^[0-9]+x[0-9]+x(1x1|3x3)$/) {
                print "reorder of something that is no weight: " $0
                bad = 1
            }
            convolutions += kind ~ /^convolution/
        }
        END {
            print convolutions + 0 " convolutions"
            if (convolutions < 50) {
                print "expected at least 50: was the log empty?"
                bad = 1
            }
            exit bad
        }'
}

good_log() {
    i=0
    while [ $i -lt 50 ]; do
        echo "onednn_verbose,exec,cpu,convolution,brgconv:avx512_core,forward_training,src dst,,alg,mb1_ic21oc96,1.0"
        i=$((i + 1))
    done
    echo "onednn_verbose,exec,cpu,reorder,jit:uni,undef,src dst,,,96x21x3x3,0.25"
    echo "onednn_verbose,exec,cpu,reorder,jit:uni,undef,src dst,attr-post-ops:sum ,,64x64x1x1,0.25"
}

self_test() {
    good_log | judge || { echo "a good log was refused"; exit 1; }
    for line in \
        "onednn_verbose,exec,cpu,reorder,jit:uni,undef,src dst,,,1x96x64x64,0.25" \
        "onednn_verbose,exec,cpu,reorder,ref:any,undef,src dst,,,96x21x3x3,0.25" \
        "onednn_verbose,exec,cpu,convolution,ref:any,forward,src dst,,alg,mb1_ic21oc96,1.0" \
        "onednn_verbose,primitive,exec,cpu,convolution,gemm:ref,forward,src dst,,alg,mb1,1.0"; do
        if { good_log && echo "$line"; } | judge >/dev/null; then
            echo "not found: $line"
            exit 1
        fi
    done
    if echo nothing | judge >/dev/null; then
        echo "an empty log passed"
        exit 1
    fi
    echo "all found"
}

if [ "$1" = --self-test ]; then
    self_test
    exit 0
fi
program=$1
shift
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
DNNL_VERBOSE=1 ONEDNN_VERBOSE=1 "$program" bench --runs 1 --warmup 0 "$@" >"$log" || exit 1
judge <"$log"
