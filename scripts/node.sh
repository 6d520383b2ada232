#!/bin/sh
# Makes target/node with the MQTT clients of tests/node/package-lock.json, once per change of that file.
# Tests that need them print NOT RUN without it, so a machine off the net is told and not failed.
set -eu

cd "$(dirname "$0")/.."
stamp=target/node/installed
cmp -s tests/node/package-lock.json "$stamp" && exit 0

mkdir -p target/node
cp tests/node/package.json tests/node/package-lock.json target/node/
if ! (cd target/node && npm ci --ignore-scripts --no-audit --no-fund) >target/node.log 2>&1; then
    echo "node: no client libraries, see target/node.log; tests with mqtt.js will not run" >&2
    exit 0
fi
cp tests/node/package-lock.json "$stamp"
