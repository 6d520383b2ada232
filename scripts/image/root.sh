#!/bin/sh
# root.sh BOARD BINARY DIRECTORY: lays out the root file system of a board in DIRECTORY: commands and libraries
# from Debian packages, drivers of its kernel, overlay/, and gatehouse itself.
set -eu
. "$(dirname "$0")/common"
board=$1 binary=$2 root=$3
board_load "$board"

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib"
mkdir -p "$root/boot" "$root/data" "$root/dev" "$root/proc" "$root/run" "$root/sys" "$root/tmp" "$root/root/.ssh"
chmod 700 "$root/root" "$root/root/.ssh"
for directory in bin sbin lib; do
    ln -s "usr/$directory" "$root/$directory"
done

# Files of packages. They lie below / or /usr, by the age of the package; here all lie below /usr.
list=$(sed 's/#.*//; /^ *$/d' "$top/scripts/image/root-files")
# shellcheck disable=SC2046 # a list of names
trees=$("$top/scripts/image/debs.sh" $(printf '%s\n' "$list" | cut -d: -f1 | sort -u))
printf '%s\n' "$list" | while IFS=: read -r package files; do
    tree=$(printf '%s\n' "$trees" | grep -m 1 "/${package}_")
    for file in $files; do
        case $file in
            etc/*) to=$root/$file ;;
            *) to=$root/usr/$file ;;
        esac
        mkdir -p "${to%/*}"
        if [ -e "$tree/usr/$file" ]; then
            cp -L "$tree/usr/$file" "$to"
        else
            cp -L "$tree/$file" "$to"
        fi
    done
done
ln -s aarch64-linux-gnu/ld-linux-aarch64.so.1 "$root/usr/lib/ld-linux-aarch64.so.1"

# busybox under each of its names. An applet that this busybox does not have would be a command that fails.
sed 's/#.*//' "$top/scripts/image/applets" | tr -s ' ' '\n' | while read -r applet; do
    [ -n "$applet" ] || continue
    grep -qzxF -e "$applet" "$root/usr/bin/busybox" || fail "Debian's busybox has no '$applet'"
    ln -s busybox "$root/usr/bin/$applet"
done
for applet in init modprobe mdev; do
    ln -sf ../bin/busybox "$root/usr/sbin/$applet"
done

# Drivers, with the index by which the kernel and modprobe find them.
kernel=$("$top/scripts/image/kernel.sh")
release=$(ls "$kernel/lib/modules")
# shellcheck disable=SC2086 # a list of names
"$top/scripts/image/modules.sh" "$kernel" $boot_modules $modules | while read -r file; do
    to=$root/usr/lib/modules/$release/${file#"$kernel/lib/modules/$release/"}
    mkdir -p "${to%/*}"
    cp "$file" "$to"
done
cp "$kernel/lib/modules/$release/modules.builtin" "$root/usr/lib/modules/$release/"
/usr/sbin/depmod -b "$root" "$release" 2>/dev/null
rm "$root/usr/lib/modules/$release"/*.bin # busybox reads the text form

cp -a "$top/overlay/." "$root/"
install -m 755 "$binary" "$root/usr/bin/gatehouse"
mkdir -p "$root/etc/gatehouse/update-keys"
if [ -n "${UPDATE_KEY:-}" ]; then
    cp "$UPDATE_KEY.pub" "$root/etc/gatehouse/update-keys/"
else
    say "   no UPDATE_KEY: this image will take no updates"
fi
"$top/scripts/image/release.sh" "$board" "$root"

# Every library that a program asks for is there.
find "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib/aarch64-linux-gnu" -type f -exec aarch64-linux-gnu-readelf -d {} + 2>/dev/null |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | while read -r library; do
    [ -e "$root/usr/lib/aarch64-linux-gnu/$library" ] || fail "a program needs $library, which is not in scripts/image/root-files"
done
