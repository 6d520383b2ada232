#!/bin/sh
# boot-time.sh: boots the QEMU image twice on a fresh card and prints the seconds from the start of the kernel to
# the first CONNACK, and the size of the image. Emulated on this machine: good for comparing one image with another.
set -eu
. "$(dirname "$0")/common"
image=$output/qemu/gatehouse-qemu.img
patience=180 # seconds

[ -f "$image" ] || fail "no image yet: run 'make image'"
work=$(mktemp -d)
qemu=
trap 'kill -KILL "$qemu" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# boot LABEL: boots the card, prints the time, pulls the plug.
boot() {
    rm -f "$work/console"
    "$top/scripts/image/qemu.sh" qemu "$work/card.img" 0 "file,path=$work/console" null &
    qemu=$!
    waited=0
    until grep -q 'GATEHOUSE READY' "$work/console" 2>/dev/null; do
        kill -0 "$qemu" 2>/dev/null || fail "QEMU ended"
        [ "$waited" -lt "$patience" ] || fail "the board was not ready within $patience s"
        sleep 1
        waited=$((waited + 1))
    done
    printf '%-12s %s s\n' "$1" "$(sed -n 's/.*GATEHOUSE READY \([0-9.]*\).*/\1/p' "$work/console")"
    kill -KILL "$qemu"
    wait "$qemu" 2>/dev/null || true
}

cp --sparse=always "$image" "$work/card.img"
truncate -s "$card_size" "$work/card.img"
printf '%-12s %s KiB, root file system %s KiB\n' "image" "$(($(stat -c %b "$image") / 2))" \
    "$(($(stat -c %s "$output/qemu/root.squashfs") / 1024))"
boot "first boot"
boot "later boot"
