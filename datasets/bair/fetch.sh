#!/bin/sh
# Fetches BAIR robot pushing (30 GB, as much again unpacked) into a folder:  datasets/bair/fetch.sh DIR
set -eu
. "$(dirname "$0")/../fetch_lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
need curl
need tar
need sha256sum
base=${MCVD_FETCH_BASE:-http://rail.eecs.berkeley.edu/datasets}
archive=bair_robot_pushing_dataset_v0.tar
mkdir -p "$1"
fetch "$base/$archive" "$1/$archive"
unpack "$1" softmotion30_44k tar -xf "$1/$archive" -C "$1/unpacking"
echo "$1/softmotion30_44k"
