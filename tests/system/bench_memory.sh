#!/bin/sh
# bench_memory.sh MCVD BASE LIMIT ARGUMENTS...: the peak resident memory of `mcvd bench ARGUMENTS`
# is at most LIMIT MB above 0 (BASE zero) or above the size of the weights (BASE weights).
set -eu
program=$1 base=$2 limit=$3
shift 3

"$program" bench --runs 1 --warmup 0 "$@" | awk -v base="$base" -v limit="$limit" '
    $1 == "rss_mb" { rss = $2 }
    $1 == "weights_mb" { weights = $2 }
    END {
        allowed = limit + (base == "weights" ? weights : 0)
        printf "peak %s MB, weights %s MB, allowed %s MB\n", rss, weights, allowed
        exit !(rss > 0 && weights > 0 && rss <= allowed)
    }'
