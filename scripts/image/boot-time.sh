#!/bin/sh
# boot-time.sh: boots the QEMU image twice on a fresh card and prints the seconds from the start of the kernel to
# the first CONNACK, the same kernel's time to an init that does nothing, and the size of the image. Emulated on this
# machine: good for comparing one image with another, and the ratio for guessing at a board.
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

# The same kernel with a first stage that only tells the time.
empty() {
    mkdir -p "$work/empty/bin" "$work/empty/proc"
    busybox=$("$top/scripts/image/debs.sh" busybox-static)
    cp "$busybox/bin/busybox" "$work/empty/bin/"
    cat >"$work/empty/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox cut -d' ' -f1 /proc/uptime
/bin/busybox poweroff -f
END
    chmod 755 "$work/empty/init"
    (cd "$work/empty" && find . | cpio -o -H newc -R 0:0 --quiet) >"$work/empty.img"
    gunzip -c "$output/qemu/kernel.gz" >"$work/kernel"
    qemu-system-aarch64 -machine virt,acpi=off -cpu cortex-a53 -smp 1 -m 256 -nodefaults -display none \
        -serial "file:$work/console" -kernel "$work/kernel" -initrd "$work/empty.img" -no-reboot \
        -append "console=ttyAMA0 quiet loglevel=3 panic=-1" &
    qemu=$!
    wait "$qemu"
    printf '%-12s %s s\n' "empty init" "$(grep -o '^[0-9.]*' "$work/console" | head -n 1)"
}

cp --sparse=always "$image" "$work/card.img"
truncate -s "$card_size" "$work/card.img"
printf '%-12s %s KiB, root file system %s KiB\n' "image" "$(($(stat -c %b "$image") / 2))" \
    "$(($(stat -c %s "$output/qemu/root.squashfs") / 1024))"
empty
boot "first boot"
boot "later boot"
