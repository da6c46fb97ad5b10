#!/bin/sh
# Processes, objectives and samplers through the program: what was trained can be sampled from its
# file, and what does not fit is wrong usage with the reason.
. "${0%/*}/train_lib.sh"

# try NAME "SAMPLER ..." SET...: train, then generate with each sampler.
try() {
    name=$1
    samplers=$2
    shift 2
    sets=
    for set in "$@"; do
        sets="$sets --set $set"
    done
    expect 0 -- train --config "$tiny" $sets --out "$name" --steps 6
    for sampler in $samplers; do
        expect 0 -- rollout --model "$name/model.safetensors" --task generate --frames 4 \
            --sampler "$sampler" --steps 10 --plain -o "$name-$sampler.mkv" --json
        grep -q "\"sampler\":\"$sampler\"" stdout || complain "$name: $sampler: $(cat stdout)"
    done
}

ve="model.sigma_dist=geometric model.sigma_begin=10 model.sigma_end=0.01"
try vp "ddpm ddim pndm euler-maruyama reverse-diffusion pc euler heun dpm++2m dpm++2m-sde unipc"
try zero "ddim unipc" model.zero_terminal_snr=true model.prediction=x0
try ve "langevin cas pc heun" $ve model.version=SMLD
try score "euler-maruyama ddpm" $ve model.prediction=score training.loss_weight=sigma
try flow "euler heun" model.sigma_dist=flow model.prediction=flow training.loss_weight=min-snr
try gamma "ddpm ddim" model.gamma=true

# The model's own sampler follows model.version.
expect 0 -- rollout --model ve/model.safetensors --task generate --frames 2 --plain -o own.mkv --json
grep -q '"sampler":"langevin"' stdout || complain "SMLD samples with $(cat stdout)"

# Training that cannot be sampled, or is not defined, is refused before it begins.
expect 2 "model.prediction = eps" -- train --config "$tiny" --set model.sigma_dist=flow --out no
expect 2 "langevin does not suit a vp" -- \
    train --config "$tiny" --set sampling.sampler=langevin --out no
expect 2 "score matching" -- train --config "$tiny" --set model.version=SMLD --out no
[ ! -e no ] || complain "a refused training left a folder"

# rollout and eval.
bad() {
    reason=$1
    model=$2
    shift 2
    expect 2 "$reason" -- rollout --model "$model/model.safetensors" --task generate --frames 2 \
        -o bad.mkv "$@"
    expect 2 "$reason" -- eval smmnist --model "$model/model.safetensors" --clips 1 "$@"
    [ ! -e bad.mkv ] || complain "a refused rollout left a file"
}
bad "langevin does not suit a vp process" vp --sampler langevin
bad "pc does not suit a flow process" flow --sampler pc
bad "heun takes no eta" vp --sampler heun --eta 0.5
bad "the model has 100 timesteps" vp --steps 101
bad "the nearest is heun" vp --sampler huen
bad "in equal steps" vp --sampler euler-maruyama --spacing logsnr
bad "gamma noise" gamma --sampler heun
bad "found '2'" vp --sampler ddim --eta 2

# An eta that was stored with ddim does not follow another sampler; one that is given does.
expect 0 -- train --config "$tiny" --set sampling.sampler=ddim --set sampling.eta=0.5 --out eta \
    --steps 2
expect 0 -- rollout --model eta/model.safetensors --task generate --frames 2 --plain -o eta.mkv
expect 0 -- rollout --model eta/model.safetensors --task generate --frames 2 --plain -o eta2.mkv \
    --sampler heun
expect 2 "heun takes no eta" -- rollout --model eta/model.safetensors --task generate --frames 2 \
    -o eta3.mkv --sampler heun --set sampling.eta=0.5

finish
