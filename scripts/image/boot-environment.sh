#!/bin/sh
# boot-environment.sh FILE: U-Boot's settings on a Raspberry Pi, in place of those it is built with, which look for USB
# disks and wait two seconds for a key: a stray byte on an open serial line stops that for ever. Both builders call it.
set -eu
. "$(dirname "$0")/common"
size=0x4000 # as U-Boot for the Raspberry Pi is built

# The addresses are U-Boot's own.
cat <<'END' | mkenvimage -s "$size" -o "$1" - || fail "mkenvimage cannot make U-Boot's settings"
bootdelay=-2
baudrate=115200
arch=arm
stdin=serial
stdout=serial,vidconsole
stderr=serial,vidconsole
fdt_high=ffffffffffffffff
initrd_high=ffffffffffffffff
scriptaddr=0x02400000
pxefile_addr_r=0x02500000
devtype=mmc
bootcmd=for devnum in 0 1 2; do if load mmc ${devnum}:1 ${scriptaddr} boot.scr; then source ${scriptaddr}; fi; done; reset
END
