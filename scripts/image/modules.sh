#!/bin/sh
# modules.sh KERNEL MODULE…: prints the files of these modules and of all they need, in the order to load them.
set -eu
. "$(dirname "$0")/common"

kernel=$1
shift
release=$(ls "$kernel/lib/modules")
for module in "$@"; do
    /usr/sbin/modprobe -d "$kernel" -S "$release" --show-depends "$module" ||
        fail "the kernel has no driver '$module'"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
