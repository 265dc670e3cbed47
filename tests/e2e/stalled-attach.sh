#!/bin/bash
# stalled-attach - a client that does not read is cut off with an error, and holds up nobody.
. "$(dirname "$0")/../helpers/lib.sh"

pieces=128 # of 64 KiB, at a pace that a client who reads keeps up with
size=$((pieces << 16))
busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
run_for 0 gantry run -d --name talker "$busybox" sh -c \
    "while [ ! -e /go ]; do sleep 0.02; done; i=0; while [ \$i -lt $pieces ]; do
    dd if=/dev/zero bs=65536 count=1 2>/dev/null; usleep 5000; i=\$((i + 1)); done; exit 4"
pid=$(gantry inspect talker | jq '.[0].pid')

attach() { exec "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" attach --no-stdin talker; }
attach >"$work/live" 2>"$work/live.err" </dev/null &
live=$!
mkfifo "$work/pipe"
attach >"$work/pipe" 2>"$work/stalled.err" </dev/null &
stalled=$!
exec 8<"$work/pipe" # open, and never read until the end
attached() { [ "$(gantry actors --format json | jq '[.. | objects | select(.name == "tasks") | .open][0]')" -ge 2 ]; }
wait_until "both are attached" attached

step "eight times what a stalled client may fall behind"
touch "/proc/$pid/root/go"
status=0
wait $live || status=$?
[ $status = 4 ] || fail "the live one ended with $status: $(cat "$work/live.err")"
is "the live one has everything" $size "$(stat -c %s "$work/live")"
run_for 0 gantry wait talker
is "the container was not held up" 4 "$out"

step "the stalled one hears why it was cut off"
cat <&8 >"$work/late" &
reader=$!
exec 8<&-
status=0
wait $stalled || status=$?
wait $reader
[ $status != 0 ] && [ $status != 4 ] || fail "the stalled client ended with $status"
has "its error" "behind" "$(cat "$work/stalled.err")"
[ "$(stat -c %s "$work/late")" -lt $size ] || fail "it was not cut off: it has everything"

run_for 0 gantry rm talker
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
