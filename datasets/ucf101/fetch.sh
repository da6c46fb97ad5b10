#!/bin/sh
# Fetches UCF-101 (6.9 GB) and its split lists into a folder:  datasets/ucf101/fetch.sh DIR
set -eu
. "$(dirname "$0")/../fetch_lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
need curl
need unzip
need sha256sum
base=${MCVD_FETCH_BASE:-https://www.crcv.ucf.edu/data/UCF101}
mkdir -p "$1"
fetch "$base/UCF101TrainTestSplits-RecognitionTask.zip" "$1/UCF101TrainTestSplits-RecognitionTask.zip"
fetch "$base/UCF101.rar" "$1/UCF101.rar"
[ -d "$1/ucfTrainTestlist" ] || unzip -q "$1/UCF101TrainTestSplits-RecognitionTask.zip" -d "$1"
if [ -d "$1/UCF-101" ]; then
    echo "fetch: $1/UCF-101 is there already" >&2
elif command -v unrar >/dev/null; then
    unrar x -idq "$1/UCF101.rar" "$1/"
elif command -v unar >/dev/null; then
    unar -q -D -o "$1" "$1/UCF101.rar"
elif command -v bsdtar >/dev/null; then
    bsdtar -xf "$1/UCF101.rar" -C "$1"
else
    fail "unpack $1/UCF101.rar into $1: none of unrar, unar, bsdtar is installed"
fi
echo "$1"
