#!/bin/sh
# card.sh BOOT_FILES SLOT IMAGE: lays a card out as buildroot/board/layout.cfg says. Both builders call it.
set -eu
. "$(dirname "$0")/common"
boot_files=$1 slot=$2 image=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" "$work/out"
ln -s "$(realpath "$slot")" "$work/in/slot.img"
printf 'gh_slot=a\n' | mkenvimage -s "$sector" -p 0x00 -o "$work/in/boot-state" -
PATH=$PATH:/usr/sbin:/sbin SOURCE_DATE_EPOCH=$(build_time) genimage --config "$top/buildroot/board/layout.cfg" \
    --rootpath "$boot_files" --inputpath "$work/in" --outputpath "$work/out" --tmppath "$work/tmp" \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "genimage cannot lay out the card"; }
cp --sparse=always "$work/out/card.img" "$image.part"
mv "$image.part" "$image"
