#!/bin/sh
# No tracked file names this machine: the source folder, the home folder, the package hosts that
# apt and npm are set up with. All are asked at run time, so that none stands here.
#   check_paths.sh FOLDER
set -u

cd "$1" || exit 1
if ! git ls-files >/dev/null 2>&1; then
    echo "skipped: $1 is not a git checkout"
    exit 77
fi

words=$(mktemp) || exit 1
trap 'rm -f "$words"' EXIT
{
    printf '%s/\n' "$(pwd -P)"
    [ "${#HOME}" -gt 1 ] && printf '%s/\n' "$HOME"
    {
        grep -rhoE '^[^#]*https?://[^/ ]+' /etc/apt/sources.list /etc/apt/sources.list.d
        npm config get registry
    } 2>/dev/null | sed -n -E 's#.*https?://([^/]+).*#\1#p'
} | sort -u >"$words"

if git grep -nIFf "$words" -- .; then
    echo "these lines name a path or a package host of this machine"
    exit 1
fi
echo "$(git ls-files | wc -l) tracked files name none of $(wc -l <"$words") paths and hosts"
