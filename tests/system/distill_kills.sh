#!/bin/sh
# distill_kills.sh MCVD SOURCE_FOLDER [KILLS]: a distillation that is killed (SIGKILL) KILLS times at
# random moments and resumed each time ends with the bytes of one that was left alone.
. "${0%/*}/train_lib.sh"
kills=${3:-4}
seed=${MCVD_TEST_SEED:-$$}
echo "seed $seed (MCVD_TEST_SEED repeats the moments, as far as the clock allows)"

expect 0 -- train --config "$tiny" --out base --steps 20 --set training.snapshot_freq=20
options="--model base --steps 2 --from 8 --iters 12 --windows 20 --set training.snapshot_freq=5"

now() {
    date +%s%N
}

begin=$(now)
# shellcheck disable=SC2086  # several words
expect 0 -- distill $options --out whole
whole_ns=$(($(now) - begin))

random_s() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    awk -v r="$seed" -v t="$whole_ns" 'BEGIN { printf "%.3f", 0.01 + r / 2147483648 * t / 1e9 }'
}

hits=0
rounds=0
while [ "$hits" -lt "$kills" ] && [ "$rounds" -lt $((10 * kills)) ]; do
    rounds=$((rounds + 1))
    if [ -f run/config.json ]; then
        "$mcvd" distill --resume --out run >stdout 2>stderr </dev/null &
    else
        # shellcheck disable=SC2086
        "$mcvd" distill $options --out run >stdout 2>stderr </dev/null &
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
    expect 0 -- distill --resume --out run
else
    # shellcheck disable=SC2086
    expect 0 -- distill $options --out run
fi
[ -z "$(find run -name '.tmp-*')" ] || complain "half-written files stay"
same_runs whole run

# A signal stops after a checkpoint; the table tells what is done.
"$mcvd" distill $options --iters 2000 --out stopped >stdout 2>stderr </dev/null &
pid=$!
wait_for test -s stopped/journal.jsonl
kill -INT $pid
wait $pid
[ $? = 130 ] || complain "SIGINT: exit status is not 130"
grep -qF "continue with: mcvd distill --resume --out stopped" stderr || complain "no advice"
[ -s stopped/latest ] || complain "no checkpoint after SIGINT"
expect 3 "mcvd distill" -- train --resume --out stopped
expect 3 "no distillation to resume" -- distill --resume --out base
expect 2 "began with 2" -- distill --resume --out stopped --steps 1
echo "$hits kills in $rounds rounds"
finish
