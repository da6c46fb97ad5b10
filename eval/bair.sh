#!/bin/sh
# The BAIR rows of the paper, 64x64, beside the published rows: 28 and 14 frames from 2, 15 from one
# for a model of one past frame; interpolation and generation by models that were trained for them.
#
#   eval/bair.sh OUT DATA MODEL [OPTIONS OF mcvd eval]
#   eval/bair.sh scores/bair softmotion30_44k model.safetensors
#   JOBS=4 eval/bair.sh scores/bair softmotion30_44k checkpoint_450000.pt
#   eval/bair.sh scores/bair-1 softmotion30_44k one-past-frame.safetensors
#   eval/bair.sh scores/quick softmotion30_44k runs/bair --clips 16 -K 2
#
# DATA: the folder of the public TFRecords, or a store; DATA.store goes before it where
# `mcvd prepare` made that. MODEL: a model file or run folder of ours, or the authors' .pt with its
# config.yml beside it. OUT receives a folder per benchmark with scores.json, per_clip.csv, table.md,
# pictures and films; started again after a stop it goes on. JOBS processes share the clips. MCVD
# names the program; default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

[ $# -gt 2 ] || usage "$0 OUT DATA MODEL [OPTIONS OF mcvd eval]"

# A model of one past frame has one benchmark, of two past frames two.
model_file "$3" "$1"
past=$(model_fact frames | sed 's/^past \([0-9]*\),.*/\1/')
case $past in
'') exit 4 ;;
1) paper_row bair-15 "$@" ;;
*) paper_row "bair bair-14" "$@" ;;
esac
