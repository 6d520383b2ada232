#!/bin/sh
# boot-files.sh BOARD DIRECTORY: fills DIRECTORY with what the FAT partition holds.
set -eu
. "$(dirname "$0")/common.sh"
board=$1 directory=$2
board_load "$board"

rm -rf "$directory"
mkdir -p "$directory"
kernel=$("$top/scripts/image/kernel.sh")
release=$(ls "$kernel/lib/modules")
gzip -9nc "$kernel/boot/vmlinuz-$release" >"$directory/kernel.img"
"$top/scripts/image/initrd.sh" "$board" "$directory/initrd.img"
cp "$board_dir/cmdline.txt" "$directory/"
for dtb in $dtbs; do
    cp "$kernel/usr/lib/linux-image-$release/broadcom/$dtb" "$directory/"
done
if [ "$firmware" = yes ]; then
    tree=$("$top/scripts/image/debs.sh" raspi-firmware)
    cp "$tree"/usr/lib/raspi-firmware/*.bin "$tree"/usr/lib/raspi-firmware/*.elf "$tree"/usr/lib/raspi-firmware/*.dat "$directory/"
    cp "$board_dir/config.txt" "$directory/"
fi
find "$directory" -exec touch -h -d "@$(build_time)" {} +
