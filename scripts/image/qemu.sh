#!/bin/sh
# qemu.sh BOARD CARD PORT CONSOLE SERIAL [ARGUMENT…]: becomes QEMU running a board from a card (a file), with its MQTT port at
# 127.0.0.1:PORT. CONSOLE and SERIAL are what QEMU connects the board's console and its serial port to, as its
# -chardev has it: stdio, pty, socket,path=…, file,path=…, null. The boot loader and the device tree are read from
# the card's own FAT partition into CARD.boot, as a board's firmware would do it. The ARGUMENTs go to QEMU. With SSH_PORT its SSH
# port is at 127.0.0.1:SSH_PORT. It reaches nothing outside, unless NETWORK=open: then this machine is 10.0.2.2 for it.
set -eu
. "$(dirname "$0")/common"
board=$1 card=$2 port=$3 console_to=$4 serial_to=$5
shift 5
board_load "$board"
command -v qemu-system-aarch64 >/dev/null || fail "qemu-system-aarch64 is missing: run 'scripts/setup.sh image'"

restrict=on
[ "${NETWORK:-}" != open ] || restrict=off
boot=$card.boot
rm -rf "$boot"
mkdir "$boot"
mcopy -n -i "$card@@1M" '::*' "$boot/"

# What QEMU has taken it keeps, also when it is killed: flushing the file of the card would only cost time.
set -- -nodefaults -display none \
    -chardev "$console_to,id=console" -chardev "$serial_to,id=serial" \
    -netdev "user,id=lan,restrict=$restrict,hostfwd=tcp:127.0.0.1:$port-:1883${SSH_PORT:+,hostfwd=tcp:127.0.0.1:$SSH_PORT-:22}" "$@"
case $emulator in
    virt) # one core: a second one makes emulation slower, not faster. With ACPI the machine has no GPIO chip.
        exec qemu-system-aarch64 -machine virt,acpi=off -cpu cortex-a53 -smp 1 -m 256 -bios "$boot/u-boot.bin" \
            -drive "if=none,id=card,file=$card,format=raw,cache=unsafe" -device virtio-blk-pci,drive=card \
            -device virtio-net-pci,netdev=lan,romfile= -device virtio-rng-pci -device i6300esb \
            -serial chardev:console -device pci-serial,chardev=serial "$@"
        ;;
    raspi3b) # its console is the second of its own serial ports
        # QEMU's model of the Pi's watchdog resets the board as soon as it is started.
        fdtput -t s "$boot/bcm2837-rpi-3-b.dtb" /soc/watchdog@7e100000 status disabled
        exec qemu-system-aarch64 -machine raspi3b -kernel "$boot/u-boot.bin" -dtb "$boot/bcm2837-rpi-3-b.dtb" \
            -drive "if=sd,file=$card,format=raw,cache=unsafe" -device usb-net,netdev=lan \
            -serial null -serial chardev:console -device usb-serial,chardev=serial,always-plugged=on "$@"
        ;;
    *) fail "QEMU does not know a $title; it knows: qemu, rpi3_64" ;;
esac
