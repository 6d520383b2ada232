#!/bin/sh
# Builds gatehouse for arm64 and runs every load of `make bench` against it once, below an emulated processor. It shows
# that everything works there; times under emulation mean nothing.
#
#   scripts/bench-arm64.sh      exits with 1 if a run fails, or a message is lost, doubled or out of order
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
"$here/setup.sh" image arm64
binary=$("$here/image/cross.sh")

wrapper=$(mktemp)
trap 'rm -f "$wrapper"' EXIT
printf '#!/bin/sh\nexec qemu-aarch64-static -L /usr/aarch64-linux-gnu "%s" "$@"\n' "$binary" >"$wrapper"
chmod +x "$wrapper"
cargo bench --locked --bench compare -- --quick --rounds 1 --peers gatehouse --gatehouse "$wrapper"
