#!/bin/sh
# build-buildroot.sh BOARD: makes the image of a board with Buildroot, everything from source.
set -eu
. "$(dirname "$0")/common"
board=$1
board_load "$board"
board_needs_base buildroot
version=$(cat "$top/buildroot/VERSION")
image=$output/$board/gatehouse-$board.img

if [ -z "${BUILDROOT_DIR:-}" ]; then
    say "Buildroot is not part of Gatehouse. To build everything from source:"
    say "  1. get release $version from buildroot.org, check its signature, and unpack it"
    say "  2. make image BASE=buildroot BOARD=$board BUILDROOT_DIR=/path/to/buildroot-$version"
    say "It takes an hour or two, 15 GB of disk, and the internet for the sources."
    exit 1
fi
have=$(make -s -C "$BUILDROOT_DIR" print-version 2>/dev/null) || fail "$BUILDROOT_DIR holds no Buildroot"
[ "$have" = "$version" ] || say "note: made for Buildroot $version, this is $have"

directory=$output/buildroot-$board
say "[1/2] configuration"
"$top/scripts/image/buildroot-config.sh" "$board" "$directory"
say "[2/2] building; the whole log is $directory/build.log"
make -C "$BUILDROOT_DIR" O="$directory" BR2_EXTERNAL="$top/buildroot" 2>&1 | tee "$directory/build.log" | grep --line-buffered '^>>>' >&2 || true
[ -f "$directory/images/card.img" ] || { tail -n 30 "$directory/build.log" >&2; fail "Buildroot made no card"; }
mkdir -p "$output/$board"
cp --sparse=always "$directory/images/card.img" "$image"
cp --sparse=always "$directory/images/slot.img" "$output/$board/slot.img"
cp "$directory/target/usr/lib/gatehouse/release" "$output/$board/release"
say "image:      $image"
