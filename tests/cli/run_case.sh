#!/bin/sh
# Runs transcripts against the program:  run_case.sh MCVD FILE.case SOURCE_FOLDER
#
#   # comment
#   file NAME            the indented lines that follow, without four spaces, become ./NAME
#   $ mcvd config x      run in an empty folder; $SOURCE is the source folder
#   exit 2               expected exit status, required after each command
#   > text               the whole stdout, line by line; "> nothing" for an empty one
#   >~ ERE               some line of stdout matches
#   2> text, 2>~ ERE     the same for stderr
set -u
unset POSIXLY_CORRECT

# Line number and text of what differs, and what the program said.
complain() {
    printf '%s:%s: %s\n' "$case_file" "$line_number" "$1"
    printf '  command: %s (exit %s)\n' "$command" "$status"
    sed 's/^/  stdout: /' "$work/stdout"
    sed 's/^/  stderr: /' "$work/stderr"
    failures=$((failures + 1))
}

run_command() {
    finish_command
    command=$1
    : >"$work/expect_1"
    : >"$work/expect_2"
    exit_checked=no
    (cd "$work/folder" && PATH="$work/bin:$PATH" SOURCE="$source" sh -c "$command") \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    status=$?
    commands=$((commands + 1))
}

# Exact expectations are collected, then compared as a whole.
finish_command() {
    [ -n "$command" ] || return 0
    [ "$exit_checked" = yes ] || complain "no 'exit' line for this command"
    for stream in 1:stdout 2:stderr; do
        expected=$work/expect_${stream%%:*}
        found=$work/${stream#*:}
        [ -s "$expected" ] || continue
        if [ "$(cat "$expected")" = nothing ]; then
            [ ! -s "$found" ] || complain "${stream#*:} is not empty"
        elif ! cmp -s "$expected" "$found"; then
            complain "${stream#*:} differs: $(diff "$expected" "$found" | tr '\n' ';')"
        fi
    done
    command=
}

take_line() {
    case $line in
    '    '*)
        if [ -n "$writing" ]; then
            printf '%s\n' "${line#    }" >>"$work/folder/$writing"
            return
        fi
        complain "an indented line outside of a file" ;;
    esac
    writing=
    case $line in
    '' | '#'*) ;;
    'file '*)
        writing=${line#file }
        : >"$work/folder/$writing" ;;
    '$ '*) run_command "${line#??}" ;;
    'exit '*)
        exit_checked=yes
        [ "$status" = "${line#exit }" ] || complain "expected ${line}" ;;
    '>~ '*) grep -Eq -e "${line#>~ }" "$work/stdout" || complain "no stdout line like: ${line#>~ }" ;;
    '2>~ '*) grep -Eq -e "${line#2>~ }" "$work/stderr" || complain "no stderr line like: ${line#2>~ }" ;;
    '> '*) printf '%s\n' "${line#> }" >>"$work/expect_1" ;;
    '2> '*) printf '%s\n' "${line#2> }" >>"$work/expect_2" ;;
    *) complain "cannot read this line: $line" ;;
    esac
}

run_case() {
    case_file=$1
    work=$(mktemp -d) || exit 1
    mkdir "$work/folder" "$work/bin"
    ln -s "$program" "$work/bin/mcvd"
    : >"$work/stdout"
    : >"$work/stderr"
    failures=0 commands=0 line_number=0 command='' writing='' status='-' exit_checked=yes
    while IFS= read -r line || [ -n "$line" ]; do
        line_number=$((line_number + 1))
        take_line
    done <"$case_file"
    finish_command
    [ "$commands" -gt 0 ] || { echo "$case_file: no command"; failures=1; }
    rm -rf "$work"
    echo "$case_file: $commands commands, $failures failures"
    [ "$failures" -eq 0 ]
}

# Each of these transcripts is wrong in one way.
self_test() {
    folder=$(mktemp -d) || exit 1
    bad=0
    for text in 'exit 1' '> mcvd' '>~ ^nothing like this$' 'exit 0\n2>~ error' '2> x' 'what'; do
        printf "\$ mcvd --version\n$text\n" >"$folder/wrong.case"
        if run_case "$folder/wrong.case" >/dev/null; then
            echo "passed, but is wrong: $text"
            bad=1
        fi
    done
    printf '$ mcvd --version\nexit 0\n2> nothing\n>~ ^mcvd [0-9]\n' >"$folder/right.case"
    run_case "$folder/right.case" || bad=1
    rm -rf "$folder"
    return $bad
}

if [ "$1" = --self-test ]; then
    program=$2 source=$3
    self_test
else
    program=$1 source=$3
    run_case "$2"
fi
