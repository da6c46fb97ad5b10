#!/bin/sh
# The Cityscapes row of the paper: 28 frames from 2, 128x128, beside the published rows;
# interpolation and generation by models that were trained for them.
#
#   eval/cityscapes.sh OUT DATA MODEL [OPTIONS OF mcvd eval]
#   eval/cityscapes.sh scores/cityscapes leftImg8bit_sequence model.safetensors
#   JOBS=4 eval/cityscapes.sh scores/cityscapes leftImg8bit_sequence checkpoint_450000.pt
#   eval/cityscapes.sh scores/quick leftImg8bit_sequence runs/cityscapes --clips 16 -K 2
#
# DATA: the folder of the public PNG sequences, or a store; DATA.store goes before it where
# `mcvd prepare` made that. MODEL: a model file or run folder of ours, or the authors' .pt with its
# config.yml beside it. OUT receives a folder per benchmark with scores.json, per_clip.csv, table.md,
# pictures and films; started again after a stop it goes on. JOBS processes share the clips. MCVD
# names the program; default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

paper_row cityscapes "$@"
