#!/bin/bash
# main-job - the main job, from a registry to a container's exit status, and nothing left of it afterwards.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start

step "pull"
run_for 0 gantry pull "$busybox"
run_for 0 gantry images
has "images" "$busybox" "$out"

step "run, with its output and its exit status"
run_for 0 gantry run --rm "$busybox" echo hi
is "output" hi "$out"
run_for 7 gantry run --rm "$busybox" sh -c 'echo out; echo err >&2; exit 7'
is "standard output" out "$out"
is "standard error" err "$errors"
run_for 127 gantry run --rm "$busybox" no-such-command
run_for 0 gantry run --rm --name again "$busybox" true
run_for 0 gantry run --rm --name again "$busybox" true
run_for 0 gantry ps -a -q
is "what --rm leaves" "" "$out"

step "with every runtime"
for runtime in native runc crun "$GANTRY_BIN/gantry-oci"; do
    run_for 7 gantry run --rm --runtime "$runtime" "$busybox" sh -c 'cat /proc/1/comm; exit 7'
    is "output with $runtime" sh "$out"
    run_for 127 gantry run --rm --runtime "$runtime" "$busybox" no-such-command
    has "what $runtime says" no-such-command "$errors"
    run_for 126 gantry run --rm --runtime "$runtime" "$busybox" /etc
    run_for 0 gantry run -d --name "kept" --runtime "$runtime" "$busybox" sleep 1000
    run_for 5 gantry exec kept sh -c 'exit 5'
    run_for 0 gantry rm -f kept
done

step "a container that stays until it is removed"
run_for 3 gantry run --name keeper "$busybox" sh -c 'echo kept; exit 3'
run_for 0 gantry ps -a
has "ps -a" keeper "$out"
has "ps -a" "Exited (3)" "$out"
run_for 0 gantry logs keeper
is "its log" kept "$out"
run_for 0 gantry rm keeper
run_for 0 gantry ps -a
[[ $out != *keeper* ]] || fail "keeper is still listed: $out"

step "after rmi the store is empty"
run_for 0 gantry rmi "$busybox"
run_for 0 gantry images --format json
is "images" '[]' "$(jq -c . <<<"$out")"
is "blobs" "" "$(find "$work/root/blobs" -type f)"
is "ingests" "" "$(find "$work/root/ingests" -mindepth 1)"
is "snapshots" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"
run_for 0 gantry check

daemon_stop
