#!/bin/sh
# defconfig.sh BOARD: prints Buildroot's configuration of a board, put together from buildroot/configs.
set -eu
. "$(dirname "$0")/common"
board_load "$1"

for fragment in $fragments; do
    grep -v '^# [^B]' "$top/buildroot/configs/$fragment.fragment"
done
