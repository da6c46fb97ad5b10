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
    [ -e killed/manifest.json ] || [ $((n % 3)) -ne 0 ] || printf '{"name":"half a li' >>killed/train.index
done
[ -e killed/manifest.json ] || expect 0 -- prepare ucf101 sets/ucf101 -o killed
for file in train.frames train.index test.frames test.index manifest.json; do
    cmp -s "whole/$file" "killed/$file" || complain "killed $n times: another $file"
done

# Damage: named, counted, left out.
expect 0 -- prepare cityscapes sets/cityscapes-damaged -o damaged --size 64
grep -q 'aachen_000001_000007' stderr || complain "the damaged picture is not named"
grep -q 'test: 1 clips.*1 damaged' stdout || complain "damage is not counted: $(cat stdout)"
expect 0 -- prepare --check damaged
expect 0 -- prepare bair sets/bair-damaged -o damaged-bair
grep -q 'traj_0_to_255.tfrecords, record 0: left out' stderr || complain "the record is not named"
expect 3 "leads out of the data set" -- prepare ucf101 sets/ucf101-damaged -o damaged-ucf
[ ! -e damaged-ucf/manifest.json ] || complain "a refused set left a manifest"

# Stores that changed under us.
printf X | dd of=store/kth/test.frames bs=1 seek=70000 conv=notrunc 2>/dev/null
expect 3 "person21_walking" "checksum" -- prepare --check store/kth
printf x | dd of=store/bair/train.index bs=1 seek=10 conv=notrunc 2>/dev/null
expect 3 "train.index" "checksum" -- prepare --check store/bair
expect 3 "train.index" -- train --config bair.json --data store/bair --out run/changed

# Wrong use.
expect 2 "no data set 'bare'" -- prepare bare sets/bair -o x
expect 3 "not kth" -- prepare kth sets/bair -o x
expect 3 "sets/none" -- prepare bair sets/none -o x
expect 2 "DATASET SOURCE" -- prepare bair
expect 3 "not a finished store" -- prepare --check sets/bair
mkdir other && "$mcvd" prepare kth sets/kth -o other --size 16 >/dev/null 2>&1
rm other/manifest.json
expect 2 "other settings" -- prepare kth sets/kth -o other --size 32
expect 0 -- prepare kth sets/kth -o other --size 32 --force

[ "$failures" = 0 ]
