#!/bin/sh
# Scores of a model on moving digits, each with the baselines: 5 frames ahead, the published 10
# frames ahead, interpolation, generation. What the model cannot do is left out.
#
#   eval/smmnist.sh OUT [OPTIONS OF mcvd eval]
#   eval/smmnist.sh scores/big5 --model runs/big5 -K 10
#
# OUT receives a folder per task with scores.json, per_clip.csv, table.md and pictures. MCVD names
# the program; default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || usage "$0 OUT [OPTIONS OF mcvd eval]"
out=$1
shift
score "$out/predict" smmnist --frames 5 "$@"
score "$out/predict-10" smmnist "$@"
score_if_able "$out/interp" smmnist --task interp "$@"
score_if_able "$out/generate" smmnist --task generate "$@"
