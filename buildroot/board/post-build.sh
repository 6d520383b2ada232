#!/bin/sh
# Called by Buildroot with the root file system before it is packed. The overlay's steps are all that boots:
# those of Buildroot's packages go.
set -eu
target=$1
tree=$BR2_EXTERNAL_GATEHOUSE_PATH
board=$(sed -n 's/^BR2_DEFCONFIG=.*gatehouse_\(.*\)_defconfig"$/\1/p' "$BR2_CONFIG")

for step in "$target"/etc/init.d/S*; do
    [ -e "$tree/../overlay/etc/init.d/${step##*/}" ] || rm "$step"
done
mkdir -p "$target/boot" "$target/data" "$target/root/.ssh"
chmod 700 "$target/root" "$target/root/.ssh"
mkdir -p "$target/etc/gatehouse/update-keys"
[ -z "${UPDATE_KEY:-}" ] || cp "$UPDATE_KEY.pub" "$target/etc/gatehouse/update-keys/"
"$tree/../scripts/image/release.sh" "$board" "$target"
