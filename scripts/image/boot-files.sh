#!/bin/sh
# boot-files.sh BOARD DIRECTORY: fills DIRECTORY with what the FAT partition holds: the boot loader and its script, and
# before it the Pi's firmware. Kernel and first stage lie in the slots.
set -eu
. "$(dirname "$0")/common"
board=$1 directory=$2
board_load "$board"

rm -rf "$directory"
mkdir -p "$directory"
loader=$("$top/scripts/image/debs.sh" "${boot_loader%%/*}")
cp "$loader/usr/lib/u-boot/${boot_loader#*/}/u-boot.bin" "$directory/"
"$top/scripts/image/boot-script.sh" "$directory/boot.scr"
kernel=$("$top/scripts/image/kernel.sh")
release=$(ls "$kernel/lib/modules")
for dtb in $dtbs; do
    cp "$kernel/usr/lib/linux-image-$release/broadcom/$dtb" "$directory/"
done
if [ -n "$firmware" ]; then
    tree=$("$top/scripts/image/debs.sh" raspi-firmware)
    for file in $firmware; do
        cp "$tree/usr/lib/raspi-firmware/$file" "$directory/"
    done
    "$top/scripts/image/boot-environment.sh" "$directory/uboot.env"
    cp "$tree/usr/share/doc/raspi-firmware/copyright" "$directory/LICENCE.firmware.txt"
    # Debian's kernel names its device trees as Linux does.
    {
        cat "$top/buildroot/board/config.txt"
        echo "upstream_kernel=1"
    } >"$directory/config.txt"
fi
find "$directory" -exec touch -h -d "@$(build_time)" {} +
