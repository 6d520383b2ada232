#!/bin/sh
# kernel.sh: prints the directory of Debian's arm64 kernel: the one its release stands behind.
set -eu
. "$(dirname "$0")/common"

meta=$("$top/scripts/image/debs.sh" linux-image-arm64)
package=$(dpkg-deb -f "$cache/deb/${meta##*/}.deb" Depends | sed -n 's/^\(linux-image-[^ ]*\).*/\1/p')
[ -n "$package" ] || fail "linux-image-arm64 names no kernel"
tree=$("$top/scripts/image/debs.sh" "$package")
release=$(ls "$tree/lib/modules")
[ -f "$tree/lib/modules/$release/modules.dep" ] || /usr/sbin/depmod -b "$tree" "$release"
printf '%s\n' "$tree"
