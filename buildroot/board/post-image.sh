#!/bin/sh
# Called by Buildroot with the directory of the images: gathers what the FAT partition holds and lays out the card.
set -eu
images=$1
tree=$BR2_EXTERNAL_GATEHOUSE_PATH
board=$(sed -n 's/^BR2_DEFCONFIG=.*gatehouse_\(.*\)_defconfig"$/\1/p' "$BR2_CONFIG")

rm -rf "${images:?}/boot"
mkdir "$images/boot"
gzip -9nc "$images/Image" >"$images/kernel.gz"
cp "$images/u-boot.bin" "$images/boot/"
"$tree/../scripts/image/boot-script.sh" "$images/boot/boot.scr"
find "$images" -maxdepth 1 -name '*.dtb' -exec cp {} "$images/boot/" \;
if [ -d "$images/rpi-firmware" ]; then
    cp -r "$images/rpi-firmware/." "$images/boot/"
    cp "$tree/board/config.txt" "$images/boot/config.txt"
    "$tree/../scripts/image/boot-environment.sh" "$images/boot/uboot.env"
fi
"$tree/../scripts/image/slot.sh" "$board" buildroot "$images/kernel.gz" - "$images/rootfs.squashfs" "$images/slot.img"
"$tree/../scripts/image/card.sh" "$images/boot" "$images/slot.img" "$images/card.img"
