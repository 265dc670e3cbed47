#!/bin/bash
# namespaces - consumers share a daemon, and layers, without seeing each other's names.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start

run_for 0 gantry -n one pull "$busybox"
run_for 0 gantry -n two images -q
is "another namespace sees nothing" "" "$out"
before=$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*' | wc -l)
run_for 0 gantry -n two pull "$busybox"
is "the second has its image without another unpacked layer" "$before" \
    "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*' | wc -l)"

run_for 0 gantry -n one create --name same "$busybox" true
run_for 0 gantry -n two create --name same "$busybox" true
run_for 0 gantry namespace ls
has "namespaces" one "$out"
has "namespaces" two "$out"
run_for 1 gantry namespace rm one
has "a namespace in use is kept" one "$errors"

for name in one two; do
    run_for 0 gantry -n $name rm same
    run_for 0 gantry -n $name rmi "$busybox"
    run_for 0 gantry namespace rm $name
done
is "nothing is left" "" "$(find "$work/root/blobs" -type f)"
run_for 0 gantry check
daemon_stop
