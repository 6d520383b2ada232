#!/bin/sh
# slot.sh BOARD BASE KERNEL_GZ INITRD ROOT_SQUASHFS SLOT: lays out a slot, the whole system of a board: the root file
# system at its start and, at a fixed place, what the boot loader needs: a script, then kernel and first stage, each with
# a checksum. INITRD may be -, for a kernel that reaches its root by itself. Both builders call it.
set -eu
. "$(dirname "$0")/common"
board=$1 base=$2 kernel=$3 initrd=$4 squashfs=$5 slot=$6
board_load "$board"
root_max=$((slot_boot_mib * 1048576))
boot_max=$(((128 - slot_boot_mib) * 1048576))

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
SOURCE_DATE_EPOCH=$(build_time)
export SOURCE_DATE_EPOCH

# image TYPE FILES NAME OUTPUT COMPRESSION: an image as U-Boot reads it.
image() {
    mkimage -A arm64 -O linux -T "$1" -C "$5" -a "$kernel_at" -e "$kernel_at" -n "$3" -d "$2" "$4" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "mkimage cannot make the $3"; }
}

image kernel "$kernel" kernel "$work/blob" gzip
truncate -s "%$sector" "$work/blob"
ramdisk=-
if [ "$initrd" != - ]; then
    ramdisk=$(printf '0x%x' $((blob_at + $(stat -c %s "$work/blob"))))
    image ramdisk "$initrd" "first stage" "$work/ramdisk" none
    cat "$work/ramdisk" >>"$work/blob"
fi
sectors=$((($(stat -c %s "$work/blob") + sector - 1) / sector))
cat >"$work/script" <<END
setenv bootargs "$("$top/scripts/image/command-line.sh" "$board" "$base") root=PARTUUID=47480001-0\${gh_number} \${gh_mark}"
setexpr gh_at \${gh_at} + 8
if \${devtype} read $blob_at \${gh_at} $(printf %x "$sectors"); then bootm $blob_at $ramdisk \${gh_fdt}; fi
END
image script "$work/script" script "$work/boot" none
truncate -s 4096 "$work/boot"
cat "$work/blob" >>"$work/boot"

[ "$(stat -c %s "$squashfs")" -le "$root_max" ] || fail "the root file system is larger than $slot_boot_mib MiB"
[ "$(stat -c %s "$work/boot")" -le "$boot_max" ] || fail "kernel and first stage are larger than a slot has room for"
cp "$squashfs" "$slot.part"
truncate -s "$root_max" "$slot.part"
cat "$work/boot" >>"$slot.part"
truncate -s %512 "$slot.part"
mv "$slot.part" "$slot"
