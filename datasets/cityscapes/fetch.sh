#!/bin/sh
# Cityscapes needs a registration, so this fetches nothing: it says whether a folder holds the sequences.
#   datasets/cityscapes/fetch.sh DIR
set -eu

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
top=$1
[ ! -d "$1/leftImg8bit_sequence" ] || top=$1/leftImg8bit_sequence
status=0
for split in train:2975 val:500 test:1525; do
    name=${split%:*}
    clips=${split#*:}
    found=0
    [ ! -d "$top/$name" ] || found=$(find "$top/$name" -name '*_leftImg8bit.png' | wc -l)
    echo "$name: $found of $((clips * 30)) pictures"
    [ "$found" -eq $((clips * 30)) ] || status=1
done
if [ "$status" -ne 0 ]; then
    echo "register at https://www.cityscapes-dataset.com and unpack leftImg8bit_sequence_trainvaltest.zip into $1" >&2
fi
exit "$status"
