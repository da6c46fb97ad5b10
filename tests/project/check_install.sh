#!/bin/sh
# An installation serves another program in every way that the README names:
#   check_install.sh BUILD_FOLDER CMAKE GENERATOR CC CONSUMER_FOLDER
set -eu

build=$1
cmake=$2
generator=$3
cc=$4
consumer=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix="$work/a folder"

"$cmake" --install "$build" --prefix "$prefix" >"$work/log" || { cat "$work/log"; exit 1; }

echo "program:"
"$prefix/bin/mcvd" --version
for file in share/mcvd/configs/tiny.json share/mcvd/datasets/smmnist/t10k-images-idx3-ubyte; do
    [ -f "$prefix/$file" ] || { echo "$file is not installed"; exit 1; }
done
grep -rl --include='*.cmake' --include='*.pc' "$build" "$prefix" &&
    { echo "these installed files name the build folder"; exit 1; }

pc=$(dirname "$(find "$prefix" -name mcvd.pc)")
lib=$(dirname "$pc")
for name in mcvd mcvd-static; do
    flags=$(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs "$name")
    # pkg-config quotes the blank in the prefix for a shell, hence eval.
    eval "\"$cc\" -std=c17 -Wall -Werror \"$consumer/consumer.c\" -o \"$work/$name\" $flags"
    echo "pkg-config $name:"
    LD_LIBRARY_PATH="$lib" "$work/$name"
done
if ldd "$work/mcvd-static" | grep -q libmcvd; then
    echo "mcvd-static.pc gave a program that needs the shared libmcvd"
    exit 1
fi

"$cmake" -G "$generator" -S "$consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$cmake" --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for name in consumer consumer_static; do
    echo "CMake package, $name:"
    "$work/build/$name"
done
