#!/bin/sh
# boot.sh: boots the QEMU image with this terminal as its console.
set -eu
. "$(dirname "$0")/common.sh"
image=$output/qemu/gatehouse-qemu.img
disk=$output/qemu/card.img
port=${PORT:-11883}

[ -f "$image" ] || fail "no image yet: run 'make image'"
if [ ! -f "$disk" ] || [ -n "$(find "$image" -newer "$disk")" ]; then
    cp --sparse=always "$image" "$disk"
    truncate -s "$card_size" "$disk"
fi

cat <<END
The gateway boots in QEMU; this terminal is its serial console. When it says GATEHOUSE READY, from another one:

    mosquitto_sub -p $port -t 'home/#' -v

Enter opens a root shell on the console: 'logread' shows the log, 'poweroff' shuts down.
Ctrl-C pulls the plug. The card is kept in $disk
The far end of the gateway's serial port /dev/ttyS0 is the "char device" named next: write lines to it.

END
exec "$top/scripts/image/qemu.sh" "$disk" "$port" \
    -chardev stdio,id=console,signal=on -serial chardev:console \
    -chardev pty,id=serial -device pci-serial,chardev=serial
