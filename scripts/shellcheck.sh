#!/bin/sh
# Runs shellcheck over every shell script of the project, told by their first line.
set -eu

cd "$(dirname "$0")/.."
find .ci scripts overlay buildroot -type f -exec \
    sh -c 'for file; do head -n 1 "$file" | grep -qE "^#!.*[/ ](sh|bash)$" && printf "%s\0" "$file"; done' sh {} + \
    2>/dev/null | xargs -0 shellcheck
