#!/bin/sh
# build-debian.sh BOARD: makes the image of a board from Debian arm64 packages, overlay/ and gatehouse. Needs no root
# rights and no loop device.
set -eu
. "$(dirname "$0")/common"
board=$1
board_load "$board"
board_needs_base debian
scripts=$top/scripts/image
out=$output/$board
image=$out/gatehouse-$board.img
mkdir -p "$out" "$cache/deb" "$cache/tree"
PACKAGES_LIST=$out/packages # for the bill of materials
export PACKAGES_LIST
: >"$PACKAGES_LIST"

say "[1/4] gatehouse for arm64"
binary=$("$scripts/cross.sh")

say "[2/4] root file system"
"$scripts/root.sh" "$board" "$binary" "$out/root"
cp "$out/root/usr/lib/gatehouse/release" "$out/release"
mksquashfs "$out/root" "$out/root.squashfs" -comp zstd -all-root -noappend -quiet -no-progress \
    -mkfs-time "$(build_time)" -all-time "$(build_time)" >&2

say "[3/4] kernel and boot files"
kernel=$("$scripts/kernel.sh")
gzip -9nc "$kernel"/boot/vmlinuz-* >"$out/kernel.gz"
"$scripts/initrd.sh" "$board" "$out/initrd.img"
"$scripts/slot.sh" "$board" debian "$out/kernel.gz" "$out/initrd.img" "$out/root.squashfs" "$out/slot.img"
"$scripts/boot-files.sh" "$board" "$out/boot"

say "[4/4] card"
"$scripts/card.sh" "$out/boot" "$out/slot.img" "$image"

mib() {
    awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'
}
say ""
say "image:      $image"
say "on a card:  $(mib "$(stat -c %s "$image")"), of which $(mib "$(($(stat -c %b "$image") * 512))") hold something"
say "root:       $(mib "$(stat -c %s "$out/root.squashfs")")"
[ -z "$emulator" ] || say "try it:     make boot BOARD=$board"
if [ -n "$firmware" ]; then
    say "flash it:   Raspberry Pi Imager, 'Use custom'; or  sudo dd if=$image of=/dev/sdX bs=4M conv=fsync status=progress"
    say "settings:   put a gatehouse.toml on the card's first partition"
fi
