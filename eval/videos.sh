#!/bin/sh
# Scores of a model on the held-out end of a video or of every video in a folder, each with the
# baselines: one block ahead, 10 frames ahead, interpolation.
#
#   eval/videos.sh OUT DATA [OPTIONS OF mcvd eval]
#   eval/videos.sh scores/street street.avi --model runs/street
#
# OUT receives a folder per task with scores.json, per_clip.csv, table.md and pictures. MCVD names
# the program; default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

[ $# -gt 1 ] || usage "$0 OUT DATA [OPTIONS OF mcvd eval]"
out=$1
data=$2
shift 2
score "$out/predict" videos --data "$data" "$@"
score "$out/predict-10" videos --data "$data" --frames 10 "$@"
score_if_able "$out/interp" videos --data "$data" --task interp "$@"
