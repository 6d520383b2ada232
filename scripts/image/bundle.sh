#!/bin/sh
# bundle.sh BOARD: makes the signed update of a board from the slot that `make image` left.
set -eu
. "$(dirname "$0")/common"
board=$1
board_load "$board"
out=$output/$board
[ -n "${UPDATE_KEY:-}" ] || fail "say which key signs: UPDATE_KEY=NAME of NAME.key, from 'gatehouse image key NAME'"
[ -f "$out/slot.img" ] || fail "no image yet: run 'make image BOARD=$board UPDATE_KEY=$UPDATE_KEY'"
[ -f "$out/release" ] || fail "run 'make image BOARD=$board' again"
[ -f "$UPDATE_KEY.key" ] || fail "$UPDATE_KEY.key is not there"

(cd "$top" && "${CARGO:-cargo}" build --locked --quiet --bin gatehouse)
"${CARGO_TARGET_DIR:-$top/target}/debug/gatehouse" image bundle --key "$UPDATE_KEY.key" --board "$board" --version "$(version)" \
    --build-time "$(sed -n 's/^BUILD_TIME=//p' "$out/release")" "$out/slot.img" "$out/gatehouse-$board.update"
say "update:     $out/gatehouse-$board.update"
