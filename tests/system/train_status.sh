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

# A network of another size, and what else must not change.
newest=checkpoints/step-00000020.safetensors
for change in model.ngf=16 training.seed=5 training.batch_size=2 training.task=predict optim.lr=0.01 \
    model.ema_warmup=false training.accumulate=2 data.num_digits=2; do
    expect 2 "${change%%=*} = " "$newest" -- train --resume --out run --steps 30 --set $change
done
expect 2 "training.seed" -- train --resume --out run --steps 30 --seed 5
expect 2 "n_iters = 19" "20 steps" -- train --resume --out run --steps 19
same_runs run copy
expect 0 -- train --resume --out run --set training.log_freq=7 --set data.num_workers=0 \
    --set sampling.subsample=5 --set optim.cooldown=3 --set training.keep_checkpoints=9 --set training.val_freq=3
grep -q '"steps":20}' stdout || complain "stdout does not tell the true steps"
expect 0 -- train --resume --out run --set training.log_freq=5 --set data.num_workers=1 \
    --set sampling.subsample=10 --set optim.cooldown=0 --set training.keep_checkpoints=3 --set training.val_freq=0
same_runs run copy

# A damaged newest checkpoint: the one before it goes on, to the same bytes.
cp -r copy damaged
cp -r copy longer
head -c 5000 copy/$newest >damaged/$newest
expect 0 -- train --resume --out damaged --steps 30
grep -q "^mcvd: warning: damaged/$newest" stderr || complain "the damaged file is not named"
grep -q 'steps 10\.\.30' stderr || complain "did not go back to step 10"
cmp -s damaged/$newest.damaged damaged/$newest && complain "the damaged file stands"
[ -f damaged/$newest.damaged ] || complain "the damaged file was not set aside"
expect 0 -- train --resume --out longer --steps 30
same_end damaged longer 30

# All of them damaged: nothing goes on, nothing changes.
for name in copy/checkpoints/*; do
    head -c 5000 "$name" >"run/checkpoints/${name##*/}"
done
rm -rf damaged
cp -r run damaged
expect 4 "run/checkpoints/step-00000010" -- train --resume --out run --steps 30
grep -q "^mcvd: warning: run/$newest" stderr || complain "the newest is not named"
same_runs run damaged
cp copy/checkpoints/* run/checkpoints/

# A checkpoint with a NaN in the last float of a moment, and in the last float of a weight.
size=$(wc -c <copy/$newest)
head -c $((size - 4)) copy/$newest >run/$newest
printf '\000\000\300\177' >>run/$newest
cp run/$newest poisoned
expect 1 "a NaN or infinity appeared" -- train --resume --out run --steps 30
cp copy/config.json run/config.json
cmp -s run/$newest poisoned || complain "the poisoned checkpoint was replaced"
[ ! -e run/checkpoints/step-00000030.safetensors ] || complain "a NaN was saved"

# --force starts anew, but only when the new run can start; what is not of a run stays.
cp -r run before
: >short.mp4
expect 3 "missing.mp4" -- train --config "$tiny" --out run --force --data missing.mp4
expect 3 "short.mp4" -- train --config "$tiny" --out run --force --data short.mp4
same_runs run before
touch run/samples/step-00000020.png run/samples/mine.png run/$newest.damaged
expect 0 -- train --config "$tiny" --out run --force
[ ! -e run/samples/step-00000020.png ] || complain "--force keeps old samples"
[ ! -e run/$newest.damaged ] || complain "--force keeps damaged checkpoints"
[ -e run/samples/mine.png ] || complain "--force removes files that no run has made"
rm run/samples/mine.png
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

# A run that fails at its first checkpoint is no obstacle to the next.
(
    trap '' XFSZ
    ulimit -f 400
    "$mcvd" train --config "$tiny" --out early >stdout 2>stderr
    echo $? >status
)
[ "$(cat status)" = 5 ] || complain "full disk: exit $(cat status), expected 5"
[ -s early/journal.jsonl ] || complain "full disk: no journal"
expect 0 -- train --config "$tiny" --out early --steps 30
same_end early copy 30
mkdir foreign
echo '{}' >foreign/config.json
expect 2 "foreign" -- train --config "$tiny" --out foreign
[ "$(cat foreign/config.json)" = '{}' ] || complain "somebody's config.json was replaced"
cp -r copy only
rm -r only/checkpoints
expect 2 "only" -- train --config "$tiny" --out only
cmp -s only/model.safetensors copy/model.safetensors || complain "a model was replaced"

# Names of any kind and length.
odd=$(printf 'a "b"\\c\001')
expect 0 -- train --config "$tiny" --out "$odd" --steps 1
grep -qF '{"folder":"a \"b\"\\c\u0001","model":"a \"b\"\\c\u0001/model.safetensors","steps":1}' \
    stdout || complain "stdout is not JSON: $(cat stdout)"
! grep -q "$(printf '\001')" stderr || complain "stderr has control characters"
long=$(printf '%05000d' 0)
expect 2 "5000 bytes" -- train --config "$tiny" --out "$long"
expect 2 "5005 bytes" -- train --config "$long"

# A folder that cannot be written to.
: >file
expect 5 "file" -- train --config "$tiny" --out file/run
finish
