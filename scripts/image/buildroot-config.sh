#!/bin/sh
# buildroot-config.sh BOARD DIRECTORY: configures Buildroot, which lies in BUILDROOT_DIR, to build a board in
# DIRECTORY, and proves that it took every line: one it does not know, or whose condition is not met, it drops
# without a word.
set -eu
. "$(dirname "$0")/common"
board=$1 directory=$2

mkdir -p "$directory"
defconfig=$directory/gatehouse_${board}_defconfig
"$top/scripts/image/defconfig.sh" "$board" >"$defconfig"
make -s -C "$BUILDROOT_DIR" O="$directory" BR2_EXTERNAL="$top/buildroot" BR2_DEFCONFIG="$defconfig" defconfig \
    >"$directory/defconfig.log" 2>&1 || { cat "$directory/defconfig.log" >&2; fail "Buildroot does not load the configuration of $board"; }

lost=$(grep -vxF -f "$directory/.config" "$defconfig" || true)
[ -z "$lost" ] || fail "Buildroot does not take these lines for $board:
$lost"
! grep -q '^BR2_LEGACY=y' "$directory/.config" || fail "the configuration of $board uses options that Buildroot has retired"
