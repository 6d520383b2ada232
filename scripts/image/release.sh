#!/bin/sh
# release.sh BOARD ROOT: writes into a root file system what it was made from. Both builders call it.
set -eu
. "$(dirname "$0")/common"
board=$1 root=$2

mkdir -p "$root/etc" "$root/usr/lib/gatehouse"
cat >"$root/usr/lib/gatehouse/release" <<END
VERSION=$(version)
BOARD=$board
BUILD_TIME=$(build_time)
END
cat >"$root/etc/os-release" <<END
NAME=Gatehouse
ID=gatehouse
VERSION_ID=$(version)
PRETTY_NAME="Gatehouse $(version) for $board"
END
