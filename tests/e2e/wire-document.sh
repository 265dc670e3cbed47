#!/bin/bash
# wire-document - the bytes and the Python program of docs/wire.md, against a running daemon.
. "$(dirname "$0")/../helpers/lib.sh"

/usr/bin/python3 -c 'import msgpack, zmq' 2>/dev/null || skip "python3-zmq and python3-msgpack are not installed"
busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"

step "the program as printed"
run_for 0 /usr/bin/python3 "$source_folder/tests/e2e/wire-document.py" "$source_folder/docs/wire.md" "ipc://$work/s/gantry.sock"
has "version" "gantry $(gantry version --format json | jq -r .daemon.version) on linux/" "$out"
has "images" "$busybox:latest sha256:" "$out"
has "an error" "images.get: not_found: " "$out"

daemon_stop
