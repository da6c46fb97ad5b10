#!/bin/sh
# train_kills.sh MCVD SOURCE_FOLDER [KILLS]: a run that is killed (SIGKILL) KILLS times at random
# moments and resumed each time ends with the bytes of one that was left alone.
. "${0%/*}/train_lib.sh"
kills=${3:-3}
steps=$((10 * kills + 20))
seed=${MCVD_TEST_SEED:-$$}
echo "seed $seed (MCVD_TEST_SEED repeats the moments, as far as the clock allows)"

options="--steps $steps --set training.snapshot_freq=4 --set training.val_freq=3
    --set model.dropout=0.1 --set data.num_workers=2"

now() {
    date +%s%N
}

begin=$(now)
# shellcheck disable=SC2086  # several words
expect 0 -- train --config "$tiny" --out whole $options
whole_ns=$(($(now) - begin))

# A random fraction of a start and a fair share of the run, so that some kills come early.
random_s() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    awk -v r="$seed" -v t="$whole_ns" -v k="$kills" \
        'BEGIN { printf "%.3f", 0.01 + r / 2147483648 * t / 1e9 * (0.2 + 1.5 / k) }'
}

hits=0
early=0
rounds=0
while [ "$hits" -lt "$kills" ] && [ "$rounds" -lt $((10 * kills)) ]; do
    rounds=$((rounds + 1))
    if [ -f run/config.json ]; then
        "$mcvd" train --resume --out run >stdout 2>stderr </dev/null &
    else
        early=$((early + 1))
        # shellcheck disable=SC2086
        "$mcvd" train --config "$tiny" --out run $options >stdout 2>stderr </dev/null &
    fi
    pid=$!
    sleep "$(random_s)"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    case $? in
    137) hits=$((hits + 1)) ;;
    0) # over too soon: compare, and begin another run
        same_runs whole run
        rm -rf run ;;
    *) complain "round $rounds: neither killed nor done" ;;
    esac
    [ "$failures" = 0 ] || break
done
[ "$hits" -ge "$kills" ] || complain "only $hits kills hit a living process"
if [ -f run/config.json ]; then
    expect 0 -- train --resume --out run
else
    # shellcheck disable=SC2086
    expect 0 -- train --config "$tiny" --out run $options
fi
[ -z "$(find run -name '.tmp-*')" ] || complain "half-written files stay"
same_runs whole run
echo "$hits kills in $rounds rounds, $early of them before the run had begun"
finish
