# Sourced by the train_*.sh tests:  train_*.sh MCVD SOURCE_FOLDER [...]
set -u
mcvd=$1
source=$2
tiny=$source/configs/tiny.json
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
work=$(mktemp -d "${TMPDIR:-/tmp}/mcvd-test-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

complain() {
    echo "FAILED: $1"
    [ ! -s stderr ] || sed 's/^/  stderr: /' stderr
    failures=$((failures + 1))
}

# expect STATUS WORDS... -- ARGUMENTS: the exit status, and an error line that holds every word.
expect() {
    wanted=$1
    shift
    : >words
    while [ "$1" != -- ]; do
        printf '%s\n' "$1" >>words
        shift
    done
    shift
    "$mcvd" "$@" >stdout 2>stderr </dev/null
    status=$?
    [ "$status" = "$wanted" ] || complain "mcvd $*: exit $status, expected $wanted"
    while IFS= read -r word; do
        grep '^mcvd: error: ' stderr | grep -qF -e "$word" ||
            complain "mcvd $*: no error line with: $word"
    done <words
    if [ "$wanted" -lt 100 ] && [ "$wanted" -gt 0 ]; then
        [ "$(grep -c '^mcvd: error: ' stderr)" = 1 ] || complain "mcvd $*: not one error line"
    fi
}

# What a clock or the machine decides is cut from the journal.
plain_journal() {
    sed 's/,"samples_per_s".*//' "$1/journal.jsonl"
}

# same_runs A B: the same files, the same bytes, but for rates in the journal.
same_runs() {
    for pair in "$1:list_a" "$2:list_b"; do
        (cd "${pair%%:*}" && find . ! -name journal.jsonl ! -name lock -type f | sort) \
            >"${pair#*:}"
    done
    cmp -s list_a list_b || complain "$1 and $2 hold other files: $(diff list_a list_b)"
    while IFS= read -r name; do
        cmp -s "$1/$name" "$2/$name" || complain "$1/$name and $2/$name differ"
    done <list_a
    plain_journal "$1" >journal_a
    plain_journal "$2" >journal_b
    cmp -s journal_a journal_b || complain "journals differ: $(diff journal_a journal_b | head -5)"
}

# same_end A B STEP: the same results; other files may tell of another way to them.
same_end() {
    name=$(printf 'checkpoints/step-%08d.safetensors' "$3")
    for name in "$name" model.safetensors latest; do
        cmp -s "$1/$name" "$2/$name" || complain "$1/$name and $2/$name differ"
    done
    plain_journal "$1" >journal_a
    plain_journal "$2" >journal_b
    cmp -s journal_a journal_b || complain "journals differ: $(diff journal_a journal_b | head -5)"
}

# wait_for COMMAND...: until it succeeds, 60 s at most.
wait_for() {
    tries=0
    until "$@" 2>/dev/null; do
        sleep 0.02
        tries=$((tries + 1))
        [ "$tries" -lt 3000 ] || {
            complain "waited in vain for: $*"
            return 1
        }
    done
}

finish() {
    [ "$failures" = 0 ] || {
        echo "$failures failures"
        exit 1
    }
    echo "ok"
}
