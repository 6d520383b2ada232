#!/bin/sh
# boot-script.sh FILE: compiles buildroot/board/boot.cmd, by which the boot loader chooses a slot. Both builders call it.
set -eu
. "$(dirname "$0")/common"
file=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "s/@STATE_SECTOR@/$(printf %x "$state_sector")/g; s/@SLOT_BOOT_SECTOR@/$(printf %x $((slot_boot_mib * 1048576 / sector)))/" \
    "$top/buildroot/board/boot.cmd" >"$work/boot.cmd"
! grep -n '@' "$work/boot.cmd" >&2 || fail "boot.cmd has a name that is not filled in"
SOURCE_DATE_EPOCH=$(build_time) mkimage -A arm64 -O linux -T script -C none -n gatehouse -d "$work/boot.cmd" "$file" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "mkimage cannot make the boot script"; }
