#!/bin/sh
# Runs a command as the terminal's foreground job, so that Ctrl-C reaches it alone and its exit code is what counts:
# otherwise make would be interrupted with it and report a failure after a clean stop.
set -eu

[ -t 0 ] || exec "$@"
set -m
"$@" &
fg %1 >/dev/null
