#!/bin/sh
# Runs one of the checks on the C files of the tree:  check_sources.sh includes|lengths|calls FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
check=$1
cd "$2"

case $check in
includes) set -- src include ;;
lengths) set -- src include tests ;;
calls) set -- src include ;;
*) echo "check_sources.sh: no check called $check" >&2; exit 2 ;;
esac
if [ "$check" = calls ]; then
    find "$@" -name '*.[ch]' ! -path 'src/cli/*'
else
    find "$@" -name '*.[ch]'
fi | sort | xargs awk -f "$here/check_$check.awk"
