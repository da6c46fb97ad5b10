#!/bin/sh
# KTH: 30 and 40 frames from 10, 64x64 gray, beside what others have published; interpolation and
# generation by models that were trained for them.
#
#   eval/kth.sh OUT DATA MODEL [OPTIONS OF mcvd eval]
#   eval/kth.sh scores/kth kth model.safetensors
#   JOBS=4 eval/kth.sh scores/kth kth checkpoint_450000.pt
#   eval/kth.sh scores/quick kth runs/kth --clips 16 -K 2
#
# DATA: the folder of the public avi files, or a store; DATA.store goes before it where
# `mcvd prepare` made that. MODEL: a model file or run folder of ours, or the authors' .pt with its
# config.yml beside it. OUT receives a folder per benchmark with scores.json, per_clip.csv, table.md,
# pictures and films; started again after a stop it goes on. JOBS processes share the clips. MCVD
# names the program; default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

paper_row "kth kth-40" "$@"
