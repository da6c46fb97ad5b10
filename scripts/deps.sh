#!/bin/sh
# Installs what building needs and is missing, on Debian and Ubuntu. Does nothing when all is there.
#
#   scripts/deps.sh           compiler, build tools, libraries
#   scripts/deps.sh --test    also what the tests use
#   scripts/deps.sh --fuzz    also clang with its sanitizers and OpenMP, for scripts/nightly.sh
set -eu

packages="gcc libc6-dev cmake ninja-build pkg-config
    libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
    libdnnl-dev libcjson-dev libyaml-dev libzip-dev nettle-dev librandom123-dev
    libhdf5-dev liblzf-dev"
# Any flavour of OpenBLAS will do; the OpenMP one shares its threads with us.
openblas_flavours="libopenblas-openmp-dev libopenblas-pthread-dev libopenblas-serial-dev"
openblas=libopenblas-openmp-dev

for option; do
    case $option in
    --test) packages="$packages g++ binutils libcmocka-dev ffmpeg clang-format-14" ;;
    --fuzz) packages="$packages clang llvm libclang-rt-14-dev libomp-dev" ;;
    *)
        echo "usage: scripts/deps.sh [--test] [--fuzz]" >&2
        exit 2
        ;;
    esac
done

is_installed() {
    dpkg-query -W -f='${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed'
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "deps: not Debian or Ubuntu; see that these are installed under your system's names:"
    echo $packages $openblas
    exit 0
fi

missing=
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
have_openblas=no
for package in $openblas_flavours; do
    if is_installed "$package"; then
        have_openblas=yes
    fi
done
[ "$have_openblas" = yes ] || missing="$missing $openblas"

if [ -z "$missing" ]; then
    echo "deps: everything is installed"
    exit 0
fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null; then
        echo "deps: missing:$missing" >&2
        echo "deps: run this script as root, or install sudo" >&2
        exit 1
    fi
fi

echo "deps: installing$missing"
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
echo "deps: done"
