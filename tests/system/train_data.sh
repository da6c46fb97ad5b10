#!/bin/sh
# What a run was trained on: kept in the folder, found again by --resume, never changed silently;
# and how a run is found, shown and completed.
. "${0%/*}/train_lib.sh"

# make_video FILE FRAMES PHASE: gray 16 x 16, every frame of another brightness.
make_video() {
    {
        printf 'YUV4MPEG2 W16 H16 F25:1 Ip A1:1 Cmono\n'
        awk -v n="$2" -v p="$3" 'BEGIN {
            for (f = 0; f < n; f++) {
                printf "FRAME\n"
                for (i = 0; i < 256; i++)
                    printf "%c", 33 + (f * 7 + p + i) % 90
            }
        }'
    } >"$1"
}

key() { # FILE KEY: its value in a dumped configuration
    sed -n "s/^ *\"$2\": \(.*[^,]\),*\$/\1/p" "$1"
}

make_video street.y4m 60 0
make_video other.y4m 60 5
here=$(pwd -P)
expect 0 -- train --config "$tiny" --data street.y4m --out whole --steps 30
expect 0 -- train --config "$tiny" --data street.y4m --out run
[ "$(key run/config.json dataset)" = '"VIDEOS"' ] || complain "the configuration names other data"
[ "$(key run/config.json test_fraction)" = 0.2 ] || complain "no part of the video is held out"
grep -aq 'dataset......VIDEOS' run/model.safetensors || complain "the model names other data"
grep -qF "\"data\":	\"$here/street.y4m\"" run/run.json || complain "run.json: $(cat run/run.json)"
grep -q '^mcvd: note: data.test_fraction' stderr || complain "the default is not told"
cp -r run first

# From elsewhere, without --data.
mkdir elsewhere
cd elsewhere || exit 1
expect 0 -- train --resume --out ../run --steps 30
cd ..
same_end run whole 30
cmp -s run/run.json whole/run.json || complain "another run.json"

# Other data: refused, or taken with a warning and kept.
rm -r run
cp -r first run
mv street.y4m away.y4m
expect 3 "street.y4m" "run" -- train --resume --out run --steps 30
cp other.y4m street.y4m
expect 3 "run" "other data" "street.y4m" -- train --resume --out run --steps 30
same_runs run first
expect 0 -- train --resume --out run --steps 30 --data away.y4m
! grep -q '^mcvd: warning' stderr || complain "a warning about a file that has only moved"
grep -qF 'away.y4m' run/run.json || complain "the new place is not kept"
cmp -s run/model.safetensors whole/model.safetensors || complain "moved: another model"
rm -r run
cp -r first run
expect 0 -- train --resume --out run --steps 30 --data other.y4m
grep -q '^mcvd: warning: .*other data' stderr || complain "no warning about other data"
grep -qF 'other.y4m' run/run.json || complain "the new data are not kept"
cmp -s run/model.safetensors whole/model.safetensors && complain "the other data were not used"

# A run of an older version has no run.json: the data must be named, the bytes are the same.
rm -r run
cp -r first run
rm run/run.json
mv -f away.y4m street.y4m
expect 3 "run.json" "--data" -- train --resume --out run --steps 30
expect 0 -- train --resume --out run --steps 30 --data street.y4m
same_end run whole 30
cmp -s run/run.json whole/run.json || complain "another run.json: $(cat run/run.json)"

# Nothing held out when asked for, and for digits.
expect 0 -- train --config "$tiny" --data street.y4m --out all --steps 1 --set data.test_fraction=0
[ "$(key all/config.json test_fraction)" = 0 ] || complain "an explicit 0 does not stay"
expect 0 -- train --config "$tiny" --out digits --steps 10
[ "$(key digits/config.json test_fraction)" = 0 ] || complain "digits with a held-out part"

# Options of other data, which would do nothing.
expect 2 "data.color_jitter = 0.2" "gray frames of StochasticMovingMNIST" -- \
    train --config "$tiny" --out odd --steps 1 --set data.color_jitter=0.2
expect 2 "data.kth_clips: not an option of StochasticMovingMNIST" -- \
    train --config "$tiny" --out odd --steps 1 --set data.kth_clips=sequences
expect 2 "data.test_digits: not an option of VIDEOS" -- \
    train --config "$tiny" --data street.y4m --out odd --steps 1 --set data.test_digits=9
[ ! -e odd ] || complain "refused, but there is a run"

# Fewer digits than before.
mkdir mnist
cp "$source"/datasets/smmnist/*-ubyte mnist/
expect 0 -- train --config "$tiny" --out few --steps 10 --data mnist
printf '\000\000\010\003\000\000\000\001\000\000\000\034\000\000\000\034' \
    >mnist/train-images-idx3-ubyte
head -c 784 /dev/zero >>mnist/train-images-idx3-ubyte
expect 3 "few" "other data" -- train --resume --out few --steps 20

# Killed between checkpoint and export.
cp -r whole killed
cp first/model.safetensors killed/model.safetensors
cp first/latest killed/latest
expect 0 -- train --resume --out killed
same_runs killed whole
rm killed/model.safetensors
expect 0 -- train --resume --out killed
same_runs killed whole

# --resume finds the only run of a configuration.
expect 3 "runs/tiny" "--out" -- train --resume --config "$tiny"
expect 0 -- train --config "$tiny" --task predict --steps 10
expect 0 -- train --config "$tiny" --task predict --steps 10 --resume
expect 2 "training.task" -- train --config "$tiny" --resume
mkdir -p runs/mnist_general-predict
cp -r runs/tiny-predict/. runs/mnist_general-predict/
expect 0 -- train --resume --steps 20
grep -qF '"folder":"runs/mnist_general-predict"' stdout || complain "another run: $(cat stdout)"
cp -r runs/mnist_general-predict runs/mnist_general-interp
expect 3 "2 runs" "runs/mnist_general-predict" "runs/mnist_general-interp" -- train --resume

# A plain line every training.log_freq steps.
expect 0 -- train --config "$tiny" --out lines --steps 10 --set training.log_freq=3
[ "$(grep '^training  ' stderr | sed 's,/.*,,' | tr -d '\n')" = \
    "training  3training  6training  9training  10" ] || complain "other lines of progress"
finish
