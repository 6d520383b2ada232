#!/bin/sh
# boot-files.sh BOARD DIRECTORY: fills DIRECTORY with what the FAT partition holds.
set -eu
. "$(dirname "$0")/common"
board=$1 directory=$2
board_load "$board"

rm -rf "$directory"
mkdir -p "$directory"
kernel=$("$top/scripts/image/kernel.sh")
release=$(ls "$kernel/lib/modules")
gzip -9nc "$kernel/boot/vmlinuz-$release" >"$directory/kernel.img"
"$top/scripts/image/initrd.sh" "$board" "$directory/initrd.img"
"$top/scripts/image/command-line.sh" "$board" debian >"$directory/cmdline.txt"
for dtb in $dtbs; do
    cp "$kernel/usr/lib/linux-image-$release/broadcom/$dtb" "$directory/"
done
if [ -n "$firmware" ]; then
    tree=$("$top/scripts/image/debs.sh" raspi-firmware)
    for file in $firmware; do
        cp "$tree/usr/lib/raspi-firmware/$file" "$directory/"
    done
    cp "$tree/usr/share/doc/raspi-firmware/copyright" "$directory/LICENCE.firmware.txt"
    # Debian's kernel names its device trees as Linux does, and reaches the card only with its first stage.
    {
        cat "$top/buildroot/board/config.txt"
        echo "upstream_kernel=1"
        echo "initramfs initrd.img followkernel"
    } >"$directory/config.txt"
fi
find "$directory" -exec touch -h -d "@$(build_time)" {} +
