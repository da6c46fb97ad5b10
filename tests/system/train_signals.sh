#!/bin/sh
# SIGINT, SIGTERM and SIGHUP stop after a checkpoint and --resume continues to the same bytes; a folder has
# one writer.
. "${0%/*}/train_lib.sh"

steps=4000

start() {
    "$mcvd" train --config "$tiny" --out "$1" --steps $steps --set training.snapshot_freq=1000 \
        >out_of_writer 2>stderr_of_writer </dev/null &
    pid=$!
    wait_for grep -q '"step":3' "$1/journal.jsonl"
}

# stop FOLDER SIGNAL STATUS
stop() {
    start "$1"
    kill "-$2" $pid
    wait $pid
    status=$?
    [ $status = "$3" ] || complain "SIG$2: exit $status, expected $3"
    grep -q -- "--resume --out $1" stderr_of_writer || complain "SIG$2: stderr does not tell how to continue"
    last=$(tail -n 1 "$1/journal.jsonl" | sed 's/{"step":\([0-9]*\),.*/\1/')
    [ "$last" -lt $steps ] || complain "SIG$2: the run was over before the signal"
    name=$(printf 'step-%08d.safetensors' "$last")
    [ -f "$1/checkpoints/$name" ] || complain "SIG$2: no checkpoint of step $last"
    [ "$(cat "$1/latest")" = "checkpoints/$name" ] || complain "SIG$2: latest is another one"
    [ -f "$1/model.safetensors" ] || complain "SIG$2: no model file"
    # To the next 20 steps, as an undisturbed run.
    total=$((last + 20))
    expect 0 -- train --resume --out "$1" --steps $total
    expect 0 -- train --config "$tiny" --out whole --force --steps $total \
        --set training.snapshot_freq=1000
    cmp -s "$1/model.safetensors" whole/model.safetensors || complain "SIG$2: another model"
    name=$(printf 'step-%08d.safetensors' $total)
    cmp -s "$1/checkpoints/$name" "whole/checkpoints/$name" || complain "SIG$2: another state"
    plain_journal "$1" >journal_a
    plain_journal whole >journal_b
    cmp -s journal_a journal_b || complain "SIG$2: another journal"
}

stop interrupted INT 130
stop terminated TERM 143
stop hung_up HUP 129

# Under nohup a lost terminal is no reason to stop.
(
    trap '' HUP
    "$mcvd" train --config "$tiny" --out nohup --steps 60 >stdout 2>stderr </dev/null &
    echo $! >pid
    wait_for grep -q '"step":3' nohup/journal.jsonl
    kill -HUP "$(cat pid)"
    wait "$(cat pid)"
    echo $? >status
)
[ "$(cat status)" = 0 ] || complain "nohup: exit $(cat status), expected 0"

# A second writer.
start busy
expect 1 "busy" "another process" -- train --resume --out busy
expect 1 "busy" "another process" -- train --config "$tiny" --out busy
expect 1 "busy" "another process" -- train --config "$tiny" --out busy --force
kill -0 $pid || complain "the first writer is gone"
[ -s busy/journal.jsonl ] || complain "the first writer's journal is gone"
kill -TERM $pid
wait $pid
finish
