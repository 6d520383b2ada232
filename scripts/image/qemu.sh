#!/bin/sh
# qemu.sh DISK PORT [ARGUMENT…]: becomes QEMU running the card DISK with its MQTT port at 127.0.0.1:PORT. Kernel,
# first stage and command line are read from the card's own FAT partition, as a board's firmware would do it.
# ARGUMENTs go to QEMU: the console and the serial device are the caller's.
set -eu
. "$(dirname "$0")/common.sh"
disk=$1 port=$2
shift 2
command -v qemu-system-aarch64 >/dev/null || fail "qemu-system-aarch64 is missing: run 'scripts/setup.sh image'"

boot=$(mktemp -d)
mcopy -n -i "$disk@@1M" ::kernel.img ::initrd.img ::cmdline.txt "$boot/"
command_line=$(cat "$boot/cmdline.txt")

# QEMU reads these files while it starts; they are gone a moment later, whatever becomes of QEMU.
(
    sleep 20
    rm -rf "$boot"
) >/dev/null 2>&1 </dev/null &

# One emulated core: a second one makes emulation slower, not faster.
exec qemu-system-aarch64 -machine virt -cpu cortex-a53 -smp 1 -m 256 -nodefaults -display none \
    -kernel "$boot/kernel.img" -initrd "$boot/initrd.img" -append "$command_line" \
    -drive "if=none,id=card,file=$disk,format=raw" -device virtio-blk-pci,drive=card \
    -netdev "user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:$port-:1883" -device virtio-net-pci,netdev=lan,romfile= \
    -device virtio-rng-pci "$@"
