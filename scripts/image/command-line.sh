#!/bin/sh
# command-line.sh BOARD BASE: prints the kernel's command line of a board. Both builders call it.
set -eu
. "$(dirname "$0")/common"
board_load "$1"

case $2 in
    debian) echo "$console $kernel_arguments" ;;
    buildroot) echo "$console_buildroot $kernel_arguments" ;;
esac
