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

model() { # FOLDER PAST SIZE CHANNELS [FUTURE TASK]
    "$mcvd" train --config "$source/configs/tiny.json" --steps 1 --threads 1 --out "$1" \
        --set training.batch_size=1 --set data.num_frames=5 --set data.num_frames_cond="$2" \
        --set data.num_frames_future="${5:-0}" --set data.image_size="$3" --set data.channels="$4" \
        --set data.dataset=VIDEOS --data "$work/films" --task "${6:-predict}" \
        --set sampling.subsample=1 >train.txt 2>&1 || {
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

refused() { # STATUS REASON SCRIPT ARGUMENTS
    expected=$1
    reason=$2
    script=$3
    shift 3
    status=0
    sh "$source/eval/$script.sh" "$@" --features none >refused.txt 2>&1 || status=$?
    [ "$status" = "$expected" ] || die "$script $*: exit $status, expected $expected"
    grep -q "$reason" refused.txt || die "$script $*: not said: $reason"
}

made() { # OUT NAMES: nothing but these folders with a table
    found=$(cd "$1" && for name in *; do [ ! -f "$name/table.md" ] || printf ' %s' "$name"; done)
    [ "$found" = " $2" ] || die "$1 has$found, expected $2"
}

# A model that predicts: two rows, and what it cannot do is said. Processes change nothing.
model two 2 64 3
mv sets/bair 'sets/the bair'
raw='sets/the bair'
run bair one "$raw" two --clips 2 -K 2
made one 'bair bair-14'
grep -q '^== no interp: two was trained for: predict$' one.err || die "no word about interp"
for name in bair bair-14; do
    grep -q '^SAVP .*published, not measured here$' one.txt || die "no published row of $name"
    [ "$(grep -c '^model,' "one/$name/per_clip.csv")" = 4 ] || die "not 2 clips of 2 of $name"
done
grep -q '^this run .* measured here$' one.txt || die "our row is not beside the published ones"
grep -q '^not as published: 2 clips, published 256; K = 2, published 10; 1 steps, published 100 or more; no FVD$' \
    one.txt || die "the differences from the published protocol are not said"
JOBS=2 run bair 'in parts' "$raw" two --clips 2 -K 2
cmp one/bair/per_clip.csv 'in parts/bair/per_clip.csv' || die "processes make other scores"

# Again: done. Another model or other options in that folder are no quiet old table.
run bair one "$raw" two --clips 2 -K 2
grep -q 'one/bair: done already' one.err || die "not known as done"
refused 2 'one/bair holds scores of another model, other data or other options' bair one "$raw" two --clips 1 -K 2
ln -s bair sets/bair-again
refused 2 'one/bair holds scores of another model, other data' bair one sets/bair-again two --clips 2 -K 2
refused 4 'missing.safetensors' bair none "$raw" missing.safetensors
refused 3 'expected Cityscapes for benchmark cityscapes, found BAIR' cityscapes none "$raw" two --clips 1
refused 3 'expected BAIR for benchmark bair, found KTH' bair none sets/kth two --clips 1
refused 3 'a window needs 32 frames, the longest of 3 test clips has 30' bair none "$raw" two --frames 30

# All tasks by one model; generated clips are as long as predicted ones with their past.
model all 2 64 3 2 predict+interp+generate
run bair all-bair "$raw" all --clips 1 -K 1
made all-bair 'bair bair-14 bair-generate bair-interp'
grep -q '^bair: interp, 2 past + 2 future -> 5 frames ' all-bair.txt || die "interpolation"
grep -q '^bair: generate, 0 past + 0 future -> 30 frames ' all-bair.txt || die "generation"
"$mcvd" eval bair --data "$raw" --model all --clips 1 -K 1 --guidance 1.5 --features none \
    --threads 1 2>/dev/null | grep -q '; guidance past=1.5; no FVD$' || die "guidance is not said"

# One past frame: the row of one past frame, without being told.
model one-past 1 64 3
run bair one-row "$raw" one-past --clips 1 -K 1 --sampler euler
made one-row bair-15
grep -q '^Video Transformer  *15  *94-96 ' one-row.txt || die "no published row of one past frame"
grep -q '; sampler euler, published ddpm or ddim; ' one-row.txt || die "the sampler is not said"

model ten 10 64 1
"$mcvd" prepare kth sets/kth >prepare.txt 2>&1 || die "KTH: not prepared"
run kth kth sets/kth/ ten --clips 1 -K 1 --set data.start_at=1
made kth 'kth kth-40'
grep -q '^== kth: sets/kth.store$' kth.err || die "KTH: the store beside it is not taken"
grep -q '; clips from frame 1 on; ' kth.txt || die "KTH: not said that clips are not the published"
grep -q 'third parties' kth.txt || die "KTH: the quoted row does not say so"
model four 4 64 3 0 predict+generate
run ucf101 ucf101 sets/ucf101 four --clips 1 -K 1
made ucf101 'ucf101 ucf101-generate'
grep -q published, ucf101/ucf101/table.md && die "UCF-101 has a published row of another setting"
grep -q '^| MCVD | - | 1143 | - | - | - | published, not measured here |$' \
    ucf101/ucf101-generate/table.md || die "UCF-101: generation without the quoted row"
grep -q 'quoted by one later paper' ucf101.txt || die "UCF-101: the quoted row does not say so"
model city 2 128 3
run cityscapes city-scores sets/cityscapes city --clips 1 -K 1
grep -q '^Hier-vRNN  *10  *567.51 .*0.264 +- 0.07 ' city-scores.txt || die "Cityscapes: no published row"
echo "eval_sets: all scripts ran"
