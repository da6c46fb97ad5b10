#!/bin/sh
# Installs what is missing, builds, and predicts 28 frames after the bundled clip.
#
#   scripts/demo.sh [OUTPUT]     OUTPUT is demo-predicted.mp4 unless another name is given
set -eu

called_from=$(pwd)
cd "$(dirname "$0")/.."
output=${1:-demo-predicted.mp4}
case $output in
/*) ;;
*) [ $# -eq 0 ] || output=$called_from/$output ;;
esac

./scripts/deps.sh
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
cmake --build --preset release --target mcvd
./build/mcvd rollout datasets/smmnist/clip.mp4 --frames 28 -o "$output" --force
case $output in
/*) echo "The predicted video: $output" ;;
*) echo "The predicted video: $(pwd)/$output" ;;
esac
