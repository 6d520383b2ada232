# Sourced by the image scripts: where things are, and how a step speaks.
# shellcheck shell=sh disable=SC2034

top=$(cd "$(dirname "$0")/../.." && pwd)
output=$top/output
cache=$output/cache
target=aarch64-unknown-linux-gnu
card_size=512M # of the card that QEMU gets; any size will do, the data partition grows into it

# say TEXT: one line of progress, on standard error, since a script's standard output is its result.
say() {
    printf '%s\n' "$*" >&2
}

# fail TEXT: ends the script with a reason.
fail() {
    say "error: $*"
    exit 1
}

# The facts of a board, set by board_load; what each means is said in buildroot/board/common.conf.
board_dir='' title='' console='' kernel_arguments='' boot_modules='' modules='' dtbs='' firmware=''

# boards: their names.
boards() {
    (cd "$top/buildroot/board" && echo */) | tr -d /
}

# board_load NAME
board_load() {
    board_dir=$top/buildroot/board/$1
    [ -f "$board_dir/board.conf" ] || fail "no board '$1'; boards: $(boards)"
    # shellcheck source=../../buildroot/board/common.conf
    . "$board_dir/../common.conf"
    # shellcheck source=../../buildroot/board/qemu/board.conf
    . "$board_dir/board.conf"
}

# build_time: the second in which the source was last changed, so that the same source gives the same image.
build_time() {
    printf '%s\n' "${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}"
}

# version: the crate's version.
version() {
    sed -n 's/^version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1
}
