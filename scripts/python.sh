#!/bin/sh
# Makes target/python with the MQTT clients of tests/requirements.txt, once per change of that file.
# Tests that need them print NOT RUN without it, so a machine off the net is told and not failed.
set -eu

cd "$(dirname "$0")/.."
stamp=target/python/requirements.txt
cmp -s tests/requirements.txt "$stamp" && exit 0

mkdir -p target
if ! python3 -m venv target/python >target/python.log 2>&1 ||
    ! target/python/bin/pip install --quiet --disable-pip-version-check \
        -r tests/requirements.txt >>target/python.log 2>&1; then
    echo "python: no client libraries, see target/python.log; tests with paho-mqtt will not run" >&2
    exit 0
fi
cp tests/requirements.txt "$stamp"
