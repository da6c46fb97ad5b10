#!/bin/sh
# Exit statuses and messages of `mcvd train`; what must stand afterwards still stands.
. "${0%/*}/train_lib.sh"

# Usage.
expect 2 "ploedict" "predict" -- train --config "$tiny" --out x --task ploedict
expect 2 "twice" -- train --config "$tiny" --out x --task predict+predict
expect 2 "exclude each other" -- train --config "$tiny" --out x --resume --force
expect 2 "data.channels" -- train --config "$tiny" --out x --data "$source/datasets/smmnist" \
    --set data.channels=3
expect 3 "x" "no config.json" -- train --resume --out x
expect 3 "missing.mp4" -- train --config "$tiny" --out x --data missing.mp4
mkdir nothing
expect 3 "nothing" -- train --config "$tiny" --out x --data nothing
[ ! -e x ] || complain "a failed start has made the run folder"

# A video shorter than a window of 5 frames.
{
    printf 'YUV4MPEG2 W16 H16 F25:1 Ip A1:1 Cmono\n'
    for frame in 1 2 3; do
        printf 'FRAME\n'
        head -c 256 /dev/zero
    done
} >short.y4m
expect 3 "short.y4m" -- train --config "$tiny" --out x --data short.y4m

# A run, and the folder that holds it.
expect 0 -- train --config "$tiny" --out run
grep -q '"steps":20' stdout || complain "stdout does not tell the steps"
grep -q 'moving digits' stderr || complain "stderr does not tell the data"
cp -r run copy
expect 2 "run" "--resume" "--force" -- train --config "$tiny" --out run
same_runs run copy

# A damaged newest checkpoint.
newest=checkpoints/step-00000020.safetensors
head -c 5000 copy/$newest >run/$newest
cp -r run damaged
expect 4 "run/$newest" -- train --resume --out run --steps 30
same_runs run damaged

# A checkpoint of a network of another size.
cp copy/$newest run/$newest
expect 4 "run/$newest" -- train --resume --out run --steps 30 --set model.ngf=16
cmp -s run/$newest copy/$newest || complain "the checkpoint has changed"

# A checkpoint with a NaN in the last float of a moment, and in the last float of a weight.
size=$(wc -c <copy/$newest)
head -c $((size - 4)) copy/$newest >run/$newest
printf '\000\000\300\177' >>run/$newest
cp run/$newest poisoned
expect 1 "a NaN or infinity appeared" -- train --resume --out run --steps 30
cmp -s run/$newest poisoned || complain "the poisoned checkpoint was replaced"
[ ! -e run/checkpoints/step-00000030.safetensors ] || complain "a NaN was saved"

# --force starts anew.
expect 0 -- train --config "$tiny" --out run --force
same_runs run copy

# A full disk: no file may grow beyond 200 KB, a checkpoint has 1 MB.
(
    trap '' XFSZ
    ulimit -f 400
    "$mcvd" train --resume --out run --steps 30 >stdout 2>stderr
    echo $? >status
)
[ "$(cat status)" = 5 ] || complain "full disk: exit $(cat status), expected 5"
grep -q '^mcvd: error: .*step-00000030' stderr || complain "full disk: the file is not named"
cmp -s run/$newest copy/$newest || complain "full disk: the previous checkpoint has changed"
[ -z "$(find run -name '.tmp-*')" ] || complain "full disk: half-written files stay"
[ ! -e run/checkpoints/step-00000030.safetensors ] || complain "full disk: a checkpoint appeared"
expect 0 -- train --resume --out run --steps 30
expect 0 -- train --resume --out copy --steps 30
same_runs run copy

# A folder that cannot be written to.
: >file
expect 5 "file" -- train --config "$tiny" --out file/run
finish
