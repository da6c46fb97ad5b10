#!/bin/sh
# Fetches BAIR robot pushing (30 GB, as much again unpacked) into a folder:  datasets/bair/fetch.sh DIR
set -eu
. "$(dirname "$0")/../fetch_lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
need curl
need tar
need sha256sum
base=${MCVD_FETCH_BASE:-http://rail.eecs.berkeley.edu/datasets}
mkdir -p "$1"
fetch "$base/bair_robot_pushing_dataset_v0.tar" "$1/bair_robot_pushing_dataset_v0.tar"
if [ -d "$1/softmotion30_44k" ]; then
    echo "fetch: $1/softmotion30_44k is there already" >&2
else
    rm -rf "$1/unpacking"
    mkdir "$1/unpacking"
    tar -xf "$1/bair_robot_pushing_dataset_v0.tar" -C "$1/unpacking"
    mv "$1/unpacking/softmotion30_44k" "$1/softmotion30_44k"
    rmdir "$1/unpacking" 2>/dev/null || true
fi
echo "$1/softmotion30_44k"
