#!/bin/sh
# Fetches the KTH actions (1.1 GB) into a folder:  datasets/kth/fetch.sh DIR
set -eu
. "$(dirname "$0")/../fetch_lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
need curl
need unzip
need sha256sum
base=${MCVD_FETCH_BASE:-https://www.csc.kth.se/cvap/actions}
mkdir -p "$1"
for action in boxing handclapping handwaving jogging running walking; do
    fetch "$base/$action.zip" "$1/$action.zip"
    if [ -d "$1/raw/$action" ]; then
        echo "fetch: $1/raw/$action is there already" >&2
        continue
    fi
    rm -rf "$1/unpacking"
    mkdir -p "$1/unpacking" "$1/raw"
    unzip -q "$1/$action.zip" -d "$1/unpacking"
    mv "$1/unpacking" "$1/raw/$action"
done
echo "$1/raw"
