#!/bin/bash
# disk-full - no room for an image, for run-time state, for a log or for the database: clear errors, and all goes on later.
. "$(dirname "$0")/../helpers/lib.sh"

mkdir "$work/root" "$work/s"
mount -t tmpfs -o mode=711,size=6m tmpfs "$work/root"
mount -t tmpfs -o mode=711,size=16m tmpfs "$work/s"
fill() { dd if=/dev/zero of="$1/filling" bs=4096 2>/dev/null || true; }
empty() { rm -f "$1/filling"; }

# 8 MiB that no compression makes smaller
mkdir "$work/big"
head -c 8388608 /dev/urandom >"$work/big/file"
layout_start "$work/layout"
image_add "$work/layout" big '{}' "$(layer_add "$work/layout" "$work/big" gzip)"
busybox_registry
layout_push "$work/layout" big "$registry"
daemon_start

step "during a pull"
run_for 1 gantry pull "$registry/big"
[[ ${errors,,} == *"disk is full"* || ${errors,,} == *"no space left"* ]] || fail "the error does not say it: $errors"
run_for 0 gantry version
wait_until "blobs and snapshots go" eval '[ -z "$(find "$work/root/blobs" -type f; find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name "[0-9]*")" ]'
run_for 0 gantry images -q
is "images" "" "$out"
[ "$(find "$work/root/ingests" -type f | wc -l)" -le 1 ] || fail "more is left than a resumable ingest"
run_for 0 gantry check
mount -o remount,size=64m "$work/root"
run_for 0 gantry pull "$registry/big"
run_for 0 gantry rmi "$registry/big"
is "ingests" "" "$(find "$work/root/ingests" -mindepth 1)"

step "for run-time state"
run_for 0 gantry pull "$busybox"
fill "$work/s"
run_for 125 gantry run --rm "$busybox" echo hi
[[ ${errors,,} == *"disk is full"* || ${errors,,} == *"no space left"* ]] || fail "the error does not say it: $errors"
run_for 0 gantry version
empty "$work/s"
run_for 0 gantry run --rm "$busybox" echo hi
is "output" hi "$out"
run_for 0 gantry ps -a -q
is "containers" "" "$out"
wait_until "the task folder goes" eval '[ -z "$(find "$work/s/t" -mindepth 1 -maxdepth 1)" ]' # behind the answer

step "for the log and the database: the container goes on, and how it ends is known"
run_for 0 gantry run -d --name talker "$busybox" sh -c \
    'while [ ! -e /dev/shm/stop ]; do echo something that takes some room in the log; sleep 0.01; done; echo last; exit 5'
pid=$(gantry inspect talker | jq '.[0].pid')
fill "$work/root"
run_for 125 gantry run -d "$busybox" true
[[ ${errors,,} == *"disk is full"* || ${errors,,} == *"no space left"* ]] || fail "the error does not say it: $errors"
kill -0 "$pid" || fail "the container died of the full disk"
run_for 0 gantry exec talker echo alive
is "exec" alive "$out"
touch "/proc/$pid/root/dev/shm/stop"
wait_until "it ends" eval "! kill -0 $pid 2>/dev/null"
empty "$work/root"
run_for 0 gantry wait talker
is "its exit status" 5 "$out"
wait_until "it is written down" eval 'gantry ps -a | grep -q "Exited (5)"'
daemon_kill
daemon_start
run_for 0 gantry ps -a
has "ps -a after a restart" "Exited (5)" "$out"
run_for 0 gantry rm talker

run_for 0 gantry rmi "$busybox"
is "blobs" "" "$(find "$work/root/blobs" -type f)"
is "snapshots" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"
run_for 0 gantry check
daemon_stop
