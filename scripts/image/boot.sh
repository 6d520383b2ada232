#!/bin/sh
# boot.sh BOARD: boots the image of a board in QEMU with this terminal as its console.
set -eu
. "$(dirname "$0")/common"
board=$1
board_load "$board"
image=$output/$board/gatehouse-$board.img
card=$output/$board/card.img
port=${PORT:-11883}

[ -f "$image" ] || fail "no image yet: run 'make image BOARD=$board'"
if [ ! -f "$card" ] || [ -n "$(find "$image" -newer "$card")" ]; then
    cp --sparse=always "$image" "$card"
    truncate -s "$card_size" "$card"
fi

cat <<END
$title boots in QEMU; this terminal is its serial console. When its broker is ready, from another terminal:

    mosquitto_sub -p $port -t 'home/#' -v

Enter opens a root shell here: 'logread' shows the log, 'poweroff' shuts down. Ctrl-C pulls the plug.
The card is kept in $card
The far end of the board's serial port ($emulated_serial) is the "char device" named next: write lines to it.

END
exec "$top/scripts/image/qemu.sh" "$board" "$card" "$port" stdio,signal=on pty
