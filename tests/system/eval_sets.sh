#!/bin/sh
# The scripts of eval/ on miniatures of the public data sets in their public layouts, end to end:
# raw files and a small untrained model to a table with the published rows; processes that share the
# clips leave the same scores as one.
#
#   eval_sets.sh MCVD SOURCE MAKE_BAIR
set -eu

mcvd=$1
source=$2
make_bair=$3
command -v ffmpeg >/dev/null || {
    echo "skipped: no ffmpeg"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
MCVD=$mcvd
export MCVD

die() {
    echo "eval_sets: $1"
    exit 1
}

model() { # FOLDER PAST SIZE CHANNELS
    "$mcvd" train --config "$source/configs/tiny.json" --steps 1 --threads 1 --out "$1" \
        --set training.batch_size=1 --set data.num_frames=5 --set data.num_frames_cond="$2" \
        --set data.num_frames_future=0 --set data.image_size="$3" --set data.channels="$4" \
        --set data.dataset=VIDEOS --data "$work/films" --task predict \
        --set sampling.subsample=2 >train.txt 2>&1 || {
        cat train.txt
        die "no model"
    }
}

sh "$source/tests/support/make_datasets.sh" "$make_bair" sets bair kth ucf101 cityscapes
mkdir films
ffmpeg -v error -y -f lavfi -i testsrc2=size=64x64:rate=25 -frames:v 40 films/a.avi

run() { # SCRIPT OUT ARGUMENTS
    script=$1
    out=$2
    shift 2
    sh "$source/eval/$script.sh" "$out" "$@" --features none --threads 1 >"$out.txt" 2>"$out.err" || {
        tail -5 "$out.err"
        die "$script failed"
    }
}

model two 2 64 3
raw=sets/bair
run bair one "$raw" two --clips 3 -K 2
for name in bair bair-14; do
    grep -q '^SAVP' one.txt || die "no published row of $name"
    [ -f "one/$name/table.md" ] || die "no table of $name"
    [ "$(grep -c '^model,' "one/$name/per_clip.csv")" = 6 ] || die "not 3 clips of 2 of $name"
done
grep -q '^not as published: 3 clips, published 256; K = 2, published 10; no FVD$' one.txt ||
    die "the differences from the published protocol are not said"
JOBS=2
export JOBS
run bair parts "$raw" two --clips 3 -K 2
cmp one/bair/per_clip.csv parts/bair/per_clip.csv || die "processes make other scores"
unset JOBS

model ten 10 64 1
run kth kth sets/kth ten --clips 2 -K 1
grep -q 'third parties' kth.txt || die "KTH: the quoted row does not say so"
[ -f kth/kth-40/table.md ] || die "no table of kth-40"
model four 4 64 3
run ucf101 ucf101 sets/ucf101 four --clips 2 -K 1
grep -q 'published' ucf101.txt && die "UCF-101 has a published row of another setting"
model city 2 128 3
run cityscapes city-scores sets/cityscapes city --clips 1 -K 1
grep -q 'Hier-vRNN' city-scores.txt || die "Cityscapes: no published row"
echo "eval_sets: all scripts ran"
