#!/bin/sh
# UCF-101: 16 frames from 4, 64x64, of which no published row could be verified; generation of 20
# frames beside what a third party quotes, and interpolation, by models that were trained for them.
#
#   eval/ucf101.sh OUT DATA MODEL [OPTIONS OF mcvd eval]
#   eval/ucf101.sh scores/ucf101 ucf101 model.safetensors
#   JOBS=4 eval/ucf101.sh scores/ucf101 ucf101 checkpoint_450000.pt
#   eval/ucf101.sh scores/quick ucf101 runs/ucf101 --clips 16 -K 2
#
# DATA: the folder with UCF-101 and ucfTrainTestlist, or a store; DATA.store goes before it where
# `mcvd prepare` made that. MODEL: a model file or run folder of ours, or the authors' .pt with its
# config.yml beside it. OUT receives a folder per benchmark with scores.json, per_clip.csv, table.md,
# pictures and films; started again after a stop it goes on. JOBS processes share the clips. MCVD
# names the program; default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

paper_row ucf101 "$@"
