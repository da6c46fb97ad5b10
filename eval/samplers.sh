#!/bin/sh
# How samplers compare at the same number of network calls, on moving digits:
#
#   eval/samplers.sh OUT [OPTIONS OF mcvd eval]         PSNR, SSIM and seconds, sampler x calls
#   eval/samplers.sh --eta OUT [OPTIONS OF mcvd eval]   PSNR, eta of ddim x steps
#   eval/samplers.sh scores/samplers --clips 32 --frames 10
#
# Every cell is one trajectory of each clip, from the same start noise. OUT receives the JSON result
# of every cell and table.md; cells that are there are not computed again, so a run that was stopped
# goes on. Seconds are those of a rollout of 28 frames, one clip at a time.
# CALLS names the columns; MCVD the program, default: build/mcvd, else the installed one.
set -eu

. "$(dirname "$0")/lib.sh"

samplers="ddpm ddim euler-maruyama reverse-diffusion pc euler heun pndm dpm++2m dpm++2m-sde unipc"
clip=$(dirname "$0")/../datasets/smmnist/clip.mp4

# Steps that make this many calls: heun calls twice in every step but the last, pc twice, pndm four
# times in its first three.
steps_for() {
    case $1 in
    heun) echo $((($2 + 1) / 2)) ;;
    pc) echo $(($2 / 2)) ;;
    pndm) echo $(($2 - 9)) ;;
    *) echo "$2" ;;
    esac
}

# cell FILE OPTIONS: the JSON of an evaluation, whole or not there.
cell() {
    file=$1
    shift
    if [ ! -s "$file" ]; then
        "$MCVD" eval smmnist -K 1 --json "$@" >"$file.part" || { rm -f "$file.part"; return 1; }
        mv "$file.part" "$file"
    fi
}

# mean FILE KEY: the model's mean of psnr or ssim.
mean() {
    awk -v key="\"$2\":{\"mean\":" '{
        from = substr($0, index($0, "\"model\":{\"title\""))
        print substr(from, index(from, key) + length(key)) + 0
    }' "$1"
}

seconds() {
    start=$(date +%s.%N)
    "$MCVD" rollout "$clip" --frames 28 --sampler "$1" --steps "$2" --set sampling.denoise=false \
        -o "$out/rollout.mp4" --force >/dev/null 2>&1
    echo "$start $(date +%s.%N)" | awk '{ printf "%.2f", $2 - $1 }'
}

# sampler_row SAMPLER OPTIONS
sampler_row() {
    sampler=$1
    shift
    line="| $sampler"
    for calls in $CALLS; do
        steps=$(steps_for "$sampler" "$calls")
        if [ "$steps" -lt 2 ]; then
            line="$line | -"
            continue
        fi
        file=$out/$sampler-$calls.json
        cell "$file" --sampler "$sampler" --steps "$steps" --set sampling.denoise=false "$@"
        time=$out/$sampler-$calls.seconds
        [ -s "$time" ] || seconds "$sampler" "$steps" >"$time"
        line="$line | $(printf '%.2f, %.3f, %s s' "$(mean "$file" psnr)" "$(mean "$file" ssim)" "$(cat "$time")")"
    done
    echo "$line |"
}

# eta_row ETA OPTIONS; "large" is the row of the larger variance, sigma-hat in the paper.
eta_row() {
    eta=$1
    shift
    line="| $eta"
    setting=sampling.eta=$eta
    [ "$eta" != large ] || setting=sampling.variance=large
    for steps in $CALLS; do
        file=$out/eta$eta-$steps.json
        cell "$file" --sampler ddim --steps "$steps" --set "$setting" --set sampling.denoise=false "$@"
        line="$line | $(printf '%.2f' "$(mean "$file" psnr)")"
    done
    echo "$line |"
}

table() {
    echo "| $1 | $(echo "$CALLS" | sed 's/ / | /g') |"
    echo "|---|$(echo "$CALLS" | sed 's/[0-9][0-9]*/---:|/g; s/ //g')"
}

kind=sampler
if [ "${1:-}" = --eta ]; then
    kind=eta
    shift
fi
[ $# -gt 0 ] || usage "$0 [--eta] OUT [OPTIONS OF mcvd eval]"
out=$1
shift
mkdir -p "$out"
if [ "$kind" = eta ]; then
    CALLS=${CALLS:-10 20 50 100 1000}
    table "eta \\ steps" >"$out/table.md"
    for eta in 0 0.2 0.5 1 large; do
        eta_row "$eta" "$@" >>"$out/table.md"
    done
else
    CALLS=${CALLS:-5 10 20 50 100 250}
    table "sampler \\ calls" >"$out/table.md"
    for sampler in $samplers; do
        sampler_row "$sampler" "$@" >>"$out/table.md"
    done
fi
cat "$out/table.md"
