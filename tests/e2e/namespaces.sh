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

step "labels set what requests do not say, if it is there"
run_for 0 gantry namespace create labelled containerd.io/defaults/runtime=runc color=blue
run_for 1 gantry namespace label labelled containerd.io/defaults/runtime=no-such-runtime
has "which" "label containerd.io/defaults/runtime: OCI runtime no-such-runtime" "$errors"
run_for 1 gantry namespace create other containerd.io/defaults/snapshotter=zfs
has "which" "snapshot driver 'zfs': there is none" "$errors"
run_for 1 gantry namespace label labelled containerd.io/namespace.shareable=maybe
has "which words" "is not true or false" "$errors"
run_for 1 gantry namespace label labelled color
has "no pair" "'color' is not KEY=VALUE" "$errors"
run_for 0 gantry -n labelled pull -q "$busybox"
run_for 0 gantry -n labelled create --name one "$busybox" true
is "the runtime" runc "$(gantry -n labelled inspect one | jq -r '.[0].runtime')"
run_for 0 gantry -n labelled create --name two --runtime native "$busybox" true
is "what is said counts more" native "$(gantry -n labelled inspect two | jq -r '.[0].runtime')"
run_for 0 gantry namespace label labelled containerd.io/defaults/runtime=
run_for 0 gantry namespace inspect labelled
is "as JSON" '{"color":"blue"}' "$(jq -c '.[0].labels' <<<"$out")"
run_for 1 gantry namespace inspect labelled nowhere
has "one of two" "namespace nowhere: there is none" "$errors"
run_for 0 gantry -n labelled rm one two
run_for 0 gantry -n labelled rmi "$busybox"
run_for 0 gantry namespace rm labelled
run_for 0 gantry check
daemon_stop

step "isolated namespaces bring their bytes themselves"
printf '[content]\nsharing = "isolated"\n' >"$work/isolated.toml"
daemon_start --config "$work/isolated.toml"
run_for 0 gantry -n one pull -q "$busybox"
before=$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*' | wc -l)
digest=$(gantry -n one --format json images | jq -r '.[0].target.digest')
run_for 0 gantry -n two pull -q "$busybox"
is "unpacked anew" $((2 * before)) "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*' | wc -l)"
run_for 0 gantry -n two run --rm "$busybox" echo hello
is "and it runs" hello "$out"
run_for 0 gantry -n one rmi "$busybox"
run_for 0 gantry -n two run --rm "$busybox" echo again
run_for 0 gantry check
daemon_stop
