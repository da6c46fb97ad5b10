#!/bin/sh
# torch_export.sh MCVD SOURCE [SCRIPT]: PyTorch loads what `mcvd export` writes, and `mcvd import` what
# PyTorch writes; or another script with PyTorch. 77 when no Python here has PyTorch.
set -eu

program=$1
source=$2
script=${3:-torch_export.py}
here=$(cd "$(dirname "$0")" && pwd)

for python in /usr/bin/python3 python3; do
    if "$python" -c 'import torch' 2>/dev/null; then
        exec "$python" "$here/$script" "$program" "$source"
    fi
done
echo "skipped: no Python with PyTorch here (Debian: python3-torch)"
exit 77
