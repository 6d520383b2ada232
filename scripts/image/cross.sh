#!/bin/sh
# cross.sh: builds gatehouse for arm64 with Debian's compilers and prints where the binary is.
# The standard library for arm64 is unpacked below output/cache, not installed on this machine.
set -eu
. "$(dirname "$0")/common"

# Debian's cargo, even where another one comes first.
PATH=/usr/bin:/bin:/usr/sbin:/sbin
export PATH

rust_version=$(dpkg-query -W -f '${Version}' rustc-web 2>/dev/null) || fail "rustc-web is missing: run 'scripts/setup.sh image'"
std=$("$top/scripts/image/debs.sh" "libstd-rust-web-dev=$rust_version")/usr/lib/rustlib/$target/lib

export CARGO_TARGET_DIR="$top/target/cross"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-L $std --remap-path-prefix=$top=/gatehouse"
(cd "$top" && nice -n 5 cargo build --profile "$profile" --locked --target "$target" --bin gatehouse >&2)

# The store flushes with fdatasync, three times cheaper for the card than fsync. The C compiler's flags come
# from .cargo/config.toml; were they lost, every test would still pass.
for archive in "$CARGO_TARGET_DIR/$target/$profile"/build/libsqlite3-sys-*/out/libsqlite3.a; do
    [ -f "$archive" ] || continue
    aarch64-linux-gnu-nm "$archive" 2>/dev/null | grep -qw 'U fdatasync' ||
        fail "SQLite was built without fdatasync: $archive"
done

printf '%s\n' "$CARGO_TARGET_DIR/$target/$profile/gatehouse"
