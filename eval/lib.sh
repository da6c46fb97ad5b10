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
    beside=${2%"${2##*[!/]}"}.store
    if [ -f "$beside/manifest.json" ]; then
        data=$beside
    fi
    echo "== $1: $data" >&2
}

# model_file MODEL OUT: in `model`, a model file or run folder of ours; the authors' checkpoint is
# imported to OUT once, with the config.yml that lies beside it.
model_file() {
    model=$1
    case $1 in
    *.pt | *.pth)
        [ -f "$1" ] || {
            echo "$1: no such file" >&2
            exit 4
        }
        model=$2/imported-$(cksum <"$1" | tr ' ' -).safetensors
        if [ ! -f "$model" ]; then
            mkdir -p "$2"
            "$MCVD" import "$1" --out "$model"
        fi ;;
    esac
}

# model_fact NAME: what `mcvd info` says of `model`.
model_fact() {
    "$MCVD" info "$model" | sed -n "s/^$1  *//p"
}

# Whether `model` was trained for task $1, which `tasks` says; a note when it was not.
trained_for() {
    case +$tasks+ in
    *+"$1"+*) return 0 ;;
    esac
    echo "== no $1: $model was trained for: $tasks" >&2
    return 1
}

# threads_each JOBS: of that many processes, so that they share the cores.
threads_each() {
    cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
    echo $((cores > $1 ? cores / $1 : 1))
}

# in_parts JOBS ARGUMENTS OF mcvd eval: that many processes share the clips. They end with the
# script: a shell starts them deaf to Ctrl-C.
in_parts() {
    jobs=$1
    shift
    threads="--threads $(threads_each "$jobs")"
    case " $* " in
    *" --threads "*) threads= ;;
    esac
    pids=
    trap 'kill $pids 2>/dev/null; exit 130' INT
    trap 'kill $pids 2>/dev/null; exit 143' TERM
    part=0
    while [ "$part" -lt "$jobs" ]; do
        # shellcheck disable=SC2086 # two words or none
        "$MCVD" eval "$@" $threads --shard "$part/$jobs" >&2 &
        pids="$pids $!"
        part=$((part + 1))
    done
    failed=0
    for pid in $pids; do
        wait "$pid" || failed=$?
    done
    trap - INT TERM
    [ "$failed" -eq 0 ] || exit "$failed"
}

# benchmark NAME FOLDER DATA MODEL [OPTIONS]: JOBS processes share the clips, then the report. A
# folder that has its report already is left as it is when data, model and options were these; an
# unfinished one goes on.
benchmark() {
    name=$1
    folder=$2
    set_folder=$3
    model_path=$4
    shift 4
    made_by="$name, data $set_folder, model $(cksum <"$model_weights"), options:$(printf ' %s' "$@")"
    if [ -f "$folder/scores.json" ]; then
        if [ "$(cat "$folder/made-by.txt" 2>/dev/null)" != "$made_by" ]; then
            echo "$folder holds scores of another model, other data or other options" >&2
            exit 2
        fi
        echo "== $folder: done already" >&2
        cat "$folder/table.md"
        return
    fi
    echo "== $folder: $name $*" >&2
    mkdir -p "$folder"
    [ "${JOBS:-1}" -le 1 ] || in_parts "$JOBS" "$name" --data "$set_folder" \
        --model "$model_path" --out "$folder" "$@"
    printf '%s\n' "$made_by" >"$folder/made-by.txt"
    "$MCVD" eval "$name" --data "$set_folder" --model "$model_path" --out "$folder" "$@"
    echo
}

# paper_row "BENCHMARKS" OUT DATA MODEL [OPTIONS]: what bair.sh and its neighbours do. Every
# benchmark predicts; the first one also interpolates and generates. What the model was not trained
# for is left out.
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
    tasks=$(model_fact tasks)
    model_weights=$(model_fact file)
    [ -n "$tasks" ] && [ -f "$model_weights" ] || exit 4
    first=${names%% *}
    if trained_for predict; then
        for name in $names; do
            benchmark "$name" "$out/$name" "$data" "$model" "$@"
        done
    fi
    for task in interp generate; do
        if trained_for "$task"; then
            benchmark "$first" "$out/$first-$task" "$data" "$model" --task "$task" "$@"
        fi
    done
}
