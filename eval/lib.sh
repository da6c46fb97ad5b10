# What the scripts beside this file share; read with `.`.

usage() {
    echo "usage: $1" >&2
    exit 2
}

if [ -z "${MCVD:-}" ]; then
    MCVD=$(dirname "$0")/../build/mcvd
    [ -x "$MCVD" ] || MCVD=mcvd
fi

# score FOLDER ARGUMENTS OF mcvd eval
score() {
    folder=$1
    shift
    echo "== $folder" >&2
    "$MCVD" eval "$@" --out "$folder"
    echo
}

# The same; a model that has no such frames (exit status 4) is no failure.
score_if_able() {
    status=0
    score "$@" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 4 ] || exit "$status"
}

# raw_or_store NAME DATA: in `data`, what the program opens: a store beside DATA that `mcvd prepare`
# finished, else DATA as it is.
raw_or_store() {
    data=$2
    if [ -f "$2.store/manifest.json" ]; then
        data=$2.store
    fi
    echo "== $1: $data" >&2
}

# model_file MODEL OUT: in `model`, a model file of ours; the authors' checkpoint is imported to OUT
# once, with the config.yml that lies beside it.
model_file() {
    model=$1
    case $1 in
    *.pt | *.pth)
        model=$2/imported.safetensors
        if [ ! -f "$model" ]; then
            mkdir -p "$2"
            "$MCVD" import "$1" --out "$model"
        fi ;;
    esac
}

# benchmark NAME FOLDER DATA MODEL [OPTIONS]: JOBS processes share the clips, then the report. A
# folder that has its report already is left as it is; an unfinished one goes on.
benchmark() {
    name=$1
    folder=$2
    set_folder=$3
    model_path=$4
    shift 4
    if [ -f "$folder/scores.json" ]; then
        echo "== $folder: done already" >&2
        cat "$folder/table.md"
        return
    fi
    jobs=${JOBS:-1}
    echo "== $folder: $name" >&2
    if [ "$jobs" -gt 1 ]; then
        pids=
        part=0
        while [ "$part" -lt "$jobs" ]; do
            "$MCVD" eval "$name" --data "$set_folder" --model "$model_path" --out "$folder" "$@" \
                --shard "$part/$jobs" >&2 &
            pids="$pids $!"
            part=$((part + 1))
        done
        failed=0
        for pid in $pids; do
            wait "$pid" || failed=$?
        done
        [ "$failed" -eq 0 ] || exit "$failed"
    fi
    "$MCVD" eval "$name" --data "$set_folder" --model "$model_path" --out "$folder" "$@"
    echo
}

# paper_row "BENCHMARKS" OUT DATA MODEL [OPTIONS]: what bair.sh and its neighbours do.
paper_row() {
    names=$1
    shift
    [ $# -gt 2 ] || usage "$0 OUT DATA MODEL [OPTIONS OF mcvd eval]"
    out=$1
    raw=$2
    given=$3
    shift 3
    raw_or_store "$out" "$raw"
    model_file "$given" "$out"
    for name in $names; do
        benchmark "$name" "$out/$name" "$data" "$model" "$@"
    done
}
