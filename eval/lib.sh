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
