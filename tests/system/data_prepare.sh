#!/bin/sh
# data_prepare.sh MCVD SOURCE_FOLDER MAKE_BAIR: mcvd prepare on miniatures of every set, killed and
# continued, damaged, wrongly used; training from the set and from its store.
. "${0%/*}/train_lib.sh"
make_bair=$3

sh "$source/tests/support/make_datasets.sh" "$make_bair" sets || exit 1
sh "$source/tests/support/make_datasets.sh" "$make_bair" sets damaged || exit 1

# tiny_config FILE DATASET CHANNELS PAST
tiny_config() {
    sed -e "s/\"dataset\": *\"[^\"]*\"/\"dataset\": \"$2\"/" "$tiny" >"$1"
    "$mcvd" config "$1" --set data.channels="$3" --set data.image_size=32 --set data.num_frames_cond="$4" \
        --set data.num_frames_future=0 --set data.prob_mask_future=0 --set training.task= \
        --set training.n_iters=2 --set training.val_freq=2 --set training.batch_size=2 \
        --set training.accumulate=1 --set data.random_flip=false >"$1.whole" && mv "$1.whole" "$1"
}

for set in bair:BAIR:3 kth:KTH:1 ucf101:UCF101:3 cityscapes:Cityscapes:3 videos:VIDEOS:3; do
    name=${set%%:*}
    rest=${set#*:}
    kind=${rest%:*}
    expect 0 -- prepare "$name" "sets/$name" -o "store/$name" --size 32
    expect 0 -- prepare --check "store/$name"
    expect 2 "finished store" -- prepare "$name" "sets/$name" -o "store/$name" --size 32
    tiny_config "$name.json" "$kind" "${rest#*:}" 2
    expect 0 -- train --config "$name.json" --data "store/$name" --out "run/$name-store"
    [ "$name" = videos ] && continue
    expect 0 -- train --config "$name.json" --data "sets/$name" --out "run/$name-raw"
    cmp -s "run/$name-raw/model.safetensors" "run/$name-store/model.safetensors" ||
        complain "$name: a store trains another model than the set itself"
    expect 0 -- info "store/$name"
    grep -q "$kind" stdout || complain "info does not name $kind: $(cat stdout)"
done

# With the robot's actions.
expect 0 -- train --config bair.json --data store/bair --set model.action_dim=4 --out run/actions
expect 3 "action_dim" -- train --config kth.json --data store/kth --set model.action_dim=4 --out run/none

# Killed again and again, the store is the one of an unbroken run. Threads do not matter.
expect 0 -- prepare ucf101 sets/ucf101 -o whole --threads 1
n=0
mkdir killed
while [ ! -e killed/manifest.json ] && [ "$n" -lt 24 ]; do
    n=$((n + 1))
    "$mcvd" prepare ucf101 sets/ucf101 -o killed --threads 2 >/dev/null 2>&1 &
    pid=$!
    sleep 0.$((n / 3))
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    [ ! -e killed/settings.json ] || [ -e killed/manifest.json ] || [ $((n % 3)) -ne 0 ] ||
        printf '{"name":"half a li' >>killed/train.index
done
[ -e killed/manifest.json ] || expect 0 -- prepare ucf101 sets/ucf101 -o killed
for file in train.frames train.index test.frames test.index manifest.json; do
    cmp -s "whole/$file" "killed/$file" || complain "killed $n times: another $file"
done

# A power cut may lose the end of the frames, or leave zeros in the middle: what is not whole is made again.
rm killed/manifest.json
truncate -s -40000 killed/test.frames
truncate -s -5 killed/train.index
expect 0 -- prepare ucf101 sets/ucf101 -o killed
grep -q 'clip 10 of its index is not whole' stderr || complain "lost frames are not named: $(cat stderr)"
rm killed/manifest.json
dd if=/dev/zero of=killed/test.frames bs=1000 seek=500 count=1 conv=notrunc 2>/dev/null
expect 0 -- prepare ucf101 sets/ucf101 -o killed
grep -q 'is not whole' stderr || complain "zeros are not noticed"
for file in train.frames train.index test.frames test.index manifest.json; do
    cmp -s "whole/$file" "killed/$file" || complain "after a power cut: another $file"
done

# Ctrl-C, then on.
"$mcvd" prepare ucf101 sets/ucf101 -o stopped --threads 1 >/dev/null 2>stderr &
pid=$!
n=0
while [ ! -s stopped/train.index ] && [ "$n" -lt 200 ]; do
    n=$((n + 1))
    sleep 0.02
done
kill -TERM "$pid"
wait "$pid"
[ $? = 143 ] || [ -e stopped/manifest.json ] || complain "stopped: $(cat stderr)"
[ -e stopped/manifest.json ] || expect 0 -- prepare ucf101 sets/ucf101 -o stopped
cmp -s whole/test.frames stopped/test.frames || complain "stopped and continued: another store"

# No room: what is whole stays, and the same command goes on when there is room again. (25: SIGXFSZ)
expect 0 -- prepare bair sets/bair -o roomy --threads 1
(trap '' 25; ulimit -f 2000; exec "$mcvd" prepare bair sets/bair -o full --threads 1) >stdout 2>stderr
[ $? = 5 ] || complain "no room: not exit 5"
grep -q 'train.frames: ' stderr || complain "what has no room is not said"
[ "$(wc -l <full/train.index)" -gt 0 ] || complain "nothing was stored before the room ended"
expect 0 -- prepare bair sets/bair -o full --threads 2
for file in train.frames train.actions train.index test.frames test.actions test.index manifest.json; do
    cmp -s "roomy/$file" "full/$file" || complain "after no room: another $file"
done
expect 5 "cannot make the folder" -- prepare kth sets/kth -o sets/kth/raw/00sequences.txt/store
if command -v flock >/dev/null; then
    mkdir busy
    flock busy/lock "$mcvd" prepare kth sets/kth -o busy >stdout 2>stderr && complain "two at once"
    grep -q 'another process prepares there' stderr || complain "two at once: $(cat stderr)"
fi

# Another source is not mixed in, nor are files of somebody else cut.
rm stopped/manifest.json
mkdir swapped && cp -r sets/ucf101/. swapped
sed -e 's/g01_c01/g01_c99/' sets/ucf101/ucfTrainTestlist/trainlist03.txt >swapped/ucfTrainTestlist/trainlist03.txt
mv swapped/UCF-101/Archery/v_Archery_g01_c01.avi swapped/UCF-101/Archery/v_Archery_g01_c99.avi
expect 2 "was begun from another source" "g01_c99" -- prepare ucf101 swapped -o stopped
expect 0 -- prepare ucf101 sets/ucf101 -o stopped
mkdir foreign && echo 'mine' >foreign/train.frames
expect 2 "train.frames" "not of mcvd prepare" -- prepare kth sets/kth -o foreign
[ "$(cat foreign/train.frames)" = mine ] || complain "a foreign file was touched"

# Where the store goes when nobody says.
expect 0 -- prepare kth sets/kth/ --size 16
[ -e sets/kth.store/manifest.json ] || complain "no sets/kth.store"
expect 2 "-o DIR" -- prepare kth .

# What a set is cut into: kept in the manifest, asked for by the reader.
expect 0 -- prepare ucf101 sets/ucf101 -o split2 --size 32 --set data.ucf101_split=2
grep -q 'test: 2 clips.*1 damaged' stdout || complain "split 2: $(cat stdout)"
grep -q '"ucf101_split":[[:space:]]*2' split2/manifest.json || complain "the manifest forgets the split"
expect 0 -- prepare --check split2
expect 0 -- info split2
expect 2 "data.ucf101_split = 2, asked for 3" -- train --config ucf101.json --data split2 --out run/split
expect 0 -- train --config ucf101.json --data split2 --set data.ucf101_split=2 --out run/split2
expect 0 -- train --config ucf101.json --data sets/ucf101 --set data.ucf101_split=2 --out run/split2-raw
cmp -s run/split2/model.safetensors run/split2-raw/model.safetensors || complain "split 2: another model from the store"
expect 3 "nothing of ucf101" -- prepare ucf101 sets/ucf101 -o split2 --set data.ucf101_split=1 --force
[ -e split2/manifest.json ] || complain "a store was dropped for nothing"
rm split2/manifest.json
expect 2 "other settings" -- prepare ucf101 sets/ucf101 -o split2 --size 32
expect 0 -- prepare kth sets/kth -o sequences --size 32 --set data.kth_clips=sequences
grep -q 'train: 3 clips, 71 frames' stdout || complain "sequences: $(cat stdout)"
grep -q 'person03_boxing_d1, whose film is not there' stderr || complain "an absent film is not named"
expect 0 -- prepare cityscapes sets/cityscapes -o val --size 32 --set data.cityscapes_test=val
grep -q 'test: 1 clips, 30 frames' stdout || complain "val: $(cat stdout)"
expect 0 -- prepare videos sets/videos -o half --size 32 --set data.test_fraction=0.5 --set data.frame_step=2
grep -q 'train: 2 clips, 30 frames' stdout || complain "half of every second frame: $(cat stdout)"
expect 2 "frame_step = 2, asked for 1" -- train --config videos.json --data half --out run/half
sed -i '/"test_fraction"/d' videos.json
expect 0 -- train --config videos.json --data half --set data.frame_step=2 --out run/half
grep -q '"test_fraction": 0.5' run/half/config.json || complain "the run does not know what the store holds out"
expect 0 -- train --config videos.json --data half --set data.frame_step=2 --set data.test_fraction=0 --out run/none-of-half
grep -q '"test_fraction": 0.5' run/none-of-half/config.json || complain "the run says that nothing was held out"
grep -q 'note: data.test_fraction = 0.5: half was prepared so' stderr || complain "not told: $(cat stderr)"
expect 2 "asked for 0.3" -- train --config videos.json --data half --set data.frame_step=2 --set data.test_fraction=0.3 --out x
expect 0 -- prepare videos sets/videos -o more --size 32 --set data.test_fraction=0.4
scored="--clips 1 -K 1 --threads 1 --features none"
expect 0 -- eval videos --model run/videos-store --data more $scored
grep -q 'left out 0.2 of every video, the last 0.4 are scored' stderr || complain "more than was held out: $(cat stderr)"
expect 0 -- eval videos --model run/videos-store --data more $scored --set data.test_fraction=0
grep -q 'the last 0.4 are scored' stderr || complain "a fraction of 0 hides what was held out: $(cat stderr)"
expect 2 "test_fraction = 0.4, asked for 0.2" -- eval videos --model run/videos-store --data more $scored --set data.test_fraction=0.2
expect 2 "no such option" -- prepare ucf101 sets/ucf101 -o x --set data.kth_clips=files
expect 2 "no such option" -- prepare ucf101 sets/ucf101 -o x --set model.ngf=8
expect 2 "ucf101_split" -- prepare ucf101 sets/ucf101 -o x --set data.ucf101_split=4
expect 2 "moving digits are drawn" -- prepare smmnist sets/kth -o x

# A clip left out keeps its place: the raw set and the store test the same ones, though one is damaged.
printf 'no video' >sets/ucf101/UCF-101/Archery/v_Archery_g03_c04.avi
expect 0 -- prepare ucf101 sets/ucf101 -o gap --size 32
expect 0 -- train --config ucf101.json --data gap --out run/gap
expect 0 -- train --config ucf101.json --data sets/ucf101 --out run/gap-raw
grep -o '"validation_loss_per_element":[0-9.e-]*' run/gap/journal.jsonl >gap.losses
grep -o '"validation_loss_per_element":[0-9.e-]*' run/gap-raw/journal.jsonl >gap-raw.losses
[ -s gap.losses ] && cmp -s gap.losses gap-raw.losses || complain "validated on other clips"

# A clip above 64 MB passes in pieces, here of 20 frames; one that is damaged behind its first piece leaves nothing.
mkdir -p long/ucfTrainTestlist long/Archery
cp sets/ucf101/UCF-101/Archery/v_Archery_g01_c01.avi long/Archery/a.avi
cp sets/kth-damaged/raw/boxing/person01_boxing_d2_uncomp.avi long/Archery/b.avi
dd if=/dev/zero of=long/Archery/a.avi bs=1 seek=$(($(wc -c <long/Archery/a.avi) * 92 / 100)) count=2000 conv=notrunc 2>/dev/null
printf 'Archery/a.avi 1\nArchery/b.avi 1\n' >long/ucfTrainTestlist/trainlist03.txt
expect 0 -- prepare ucf101 long --size 900 --threads 1
grep -q 'Archery/a.avi: left out' stderr || complain "a damaged long clip is not named: $(cat stderr)"
grep -q 'train: 1 clips, 4 frames, 1 damaged' stdout || complain "long clips: $(cat stdout)"
[ "$(wc -c <long.store/train.frames | tr -d ' ')" = $((4 * 900 * 1200 * 3)) ] || complain "pieces of a damaged clip are left"
expect 0 -- prepare --check long.store
rm -r long.store

# Damage: named, counted, left out.
expect 0 -- prepare cityscapes sets/cityscapes-damaged -o damaged --size 64
grep -q 'aachen_000001_000007' stderr || complain "the damaged picture is not named"
grep -q 'test: 1 clips.*1 damaged' stdout || complain "damage is not counted: $(cat stdout)"
expect 0 -- prepare --check damaged
expect 0 -- prepare bair sets/bair-damaged -o damaged-bair
grep -q 'traj_0_to_255.tfrecords, record 0: left out' stderr || complain "the record is not named"
expect 0 -- prepare kth sets/kth-damaged -o damaged-kth --size 32
grep -q 'train: 5 clips, 224 frames, 3 damaged' stdout || complain "damage of KTH: $(cat stdout)"
grep -q 'person02_walking_d4_uncomp.avi: left out: .*no decoder' stderr || complain "the unknown codec is not named"
grep -q 'person02_walking_d5_uncomp.avi: left out: .*a side of 70000' stderr || complain "the wide film is not named"
expect 3 "leads out of the data set" -- prepare ucf101 sets/ucf101-damaged -o damaged-ucf
[ ! -e damaged-ucf/manifest.json ] || complain "a refused set left a manifest"

# Stores that changed under us.
printf X | dd of=store/kth/test.frames bs=1 seek=70000 conv=notrunc 2>/dev/null
expect 3 "person21_walking" "checksum" -- prepare --check store/kth
printf x | dd of=store/bair/train.index bs=1 seek=10 conv=notrunc 2>/dev/null
expect 3 "train.index" "checksum" -- prepare --check store/bair
expect 3 "train.index" -- train --config bair.json --data store/bair --out run/changed

expect 0 -- prepare --check val
mv val/test.frames val/lost
expect 3 "test.frames" -- prepare --check val

# Wrong use.
expect 2 "no data set 'bare'" -- prepare bare sets/bair -o x
expect 2 "no data set 'kht'" -- prepare kht sets/kth -o x --set data.kth_clips=files
expect 0 -- prepare KTH sets/kth -o upper --size 16 --set data.kth_clips=files
"$mcvd" prepare --help | sed -n '2,/^  DATASET/p' | sed '$d' | awk 'length > 90 || /^to$/ { exit 1 }' ||
    complain "prepare --help is broken badly"
expect 3 "not kth" -- prepare kth sets/bair -o x
expect 3 "sets/none" -- prepare bair sets/none -o x
expect 2 "DATASET SOURCE" -- prepare bair
expect 3 "not a finished store" -- prepare --check sets/bair
mkdir other && "$mcvd" prepare kth sets/kth -o other --size 16 >/dev/null 2>&1
rm other/manifest.json
expect 2 "other settings" -- prepare kth sets/kth -o other --size 32
expect 0 -- prepare kth sets/kth -o other --size 32 --force

[ "$failures" = 0 ]
