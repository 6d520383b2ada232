#!/bin/sh
# initrd.sh BOARD FILE: makes the first stage for Debian's kernel, which has the drivers of the card as modules:
# busybox, those drivers, and a script that mounts the root.
set -eu
. "$(dirname "$0")/common"
board=$1 file=$2
board_load "$board"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/bin" "$work/dev" "$work/proc" "$work/sys" "$work/system" "$work/modules"
busybox=$("$top/scripts/image/debs.sh" busybox-static)
cp "$busybox/bin/busybox" "$work/bin/" 2>/dev/null || cp "$busybox/usr/bin/busybox" "$work/bin/"
ln -s busybox "$work/bin/sh"
cp "$top/overlay/usr/lib/gatehouse/disk" "$work/"
install -m 755 "$top/scripts/image/first-stage" "$work/init"

number=100
kernel=$("$top/scripts/image/kernel.sh")
# shellcheck disable=SC2086 # a list of names
"$top/scripts/image/modules.sh" "$kernel" $boot_modules | while read -r module; do
    cp "$module" "$work/modules/$number-${module##*/}"
    number=$((number + 1))
done

find "$work" -exec touch -h -d "@$(build_time)" {} +
(cd "$work" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet --reproducible) | gzip -9n >"$file"
