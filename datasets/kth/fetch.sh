#!/bin/sh
# Fetches the KTH actions (1.1 GB) and their list of sequences into a folder:  datasets/kth/fetch.sh DIR
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
    unpack "$1" "raw/$action" unzip -q "$1/$action.zip" -d "$1/unpacking"
done
(fetch "$base/00sequences.txt" "$1/raw/00sequences.txt") ||
    echo "fetch: only data.kth_clips=sequences needs this list" >&2
echo "$1/raw"
