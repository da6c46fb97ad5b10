#!/bin/sh
# Fetches UCF-101 (6.9 GB) and its split lists into a folder:  datasets/ucf101/fetch.sh DIR
set -eu
. "$(dirname "$0")/../fetch_lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
need curl
need unzip
need sha256sum
base=${MCVD_FETCH_BASE:-https://www.crcv.ucf.edu/data/UCF101}
lists=UCF101TrainTestSplits-RecognitionTask.zip
mkdir -p "$1"
fetch "$base/$lists" "$1/$lists"
fetch "$base/UCF101.rar" "$1/UCF101.rar"
unpack "$1" ucfTrainTestlist unzip -q "$1/$lists" -d "$1/unpacking"
if [ -d "$1/UCF-101" ] || command -v unrar >/dev/null; then
    unpack "$1" UCF-101 unrar x -idq "$1/UCF101.rar" "$1/unpacking/"
elif command -v unar >/dev/null; then
    unpack "$1" UCF-101 unar -q -D -o "$1/unpacking" "$1/UCF101.rar"
elif command -v bsdtar >/dev/null; then
    unpack "$1" UCF-101 bsdtar -xf "$1/UCF101.rar" -C "$1/unpacking"
else
    fail "unpack $1/UCF101.rar into $1: none of unrar, unar, bsdtar is installed"
fi
echo "$1"
