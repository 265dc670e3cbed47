#!/bin/bash
# pull-interrupted - ctrl-C in the midst of a download: nothing half done is left, and the next pull goes on there.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
/usr/bin/python3 "$source_folder/tests/e2e/slow_registry.py" "$registry" 100000 >"$work/asked" &
slow=$!
wait_until "the slow registry listens" grep -q . "$work/asked"
image=127.0.0.1:$(head -n 1 "$work/asked")/busybox
daemon_start

# a shell without job control has its background commands ignore SIGINT
interrupted_pull() {
    env --default-signal=INT "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" pull "$image" \
        >"$work/out" 2>"$work/errors" </dev/null &
    pull=$!
    wait_until "half of it has come" eval '[ "$(find "$work/root/ingests" -type f -size +100k | wc -l)" = 1 ]'
    # all that was sent has been written
    local before=-1 now
    until now=$(stat -c %s "$work"/root/ingests/*) && [ "$now" = "$before" ]; do
        before=$now
        sleep 0.1
    done
    came=$now
}

step "ctrl-C"
interrupted_pull
status=0
kill -INT $pull
wait $pull || status=$?
is "exit status" 130 $status
run_for 0 gantry images -q
is "images" "" "$out"
# whole documents are kept for a day, for the next try; nothing half done is
wait_until "snapshots go" eval '[ -z "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name "[0-9]*")" ]'
is "large blobs" "" "$(find "$work/root/blobs" -type f -size +100k)"
run_for 0 gantry check --deep
is "what is left is the part that came" "$came" "$(stat -c %s "$work"/root/ingests/*)"
is "no helper is left" "" "$(pgrep -f "gantry-unpack.*$work/" || true)"

step "the next pull asks for the rest alone"
run_for 0 gantry pull "$image"
is "what was asked" "bytes=$came-" "$(tail -n 1 "$work/asked" | cut -d' ' -f2)"
run_for 0 gantry run --rm "$image" echo whole
is "the image" whole "$out"
run_for 0 gantry rmi "$image"
is "ingests" "" "$(find "$work/root/ingests" -mindepth 1)"
is "blobs" "" "$(find "$work/root/blobs" -type f)"

step "the same with a daemon that is killed in the midst"
interrupted_pull
daemon_kill
wait $pull || true
daemon_start
run_for 0 gantry check
run_for 0 gantry pull "$image"
is "what was asked" "bytes=$came-" "$(tail -n 1 "$work/asked" | cut -d' ' -f2)"
run_for 0 gantry check --deep
run_for 0 gantry rmi "$image"
run_for 0 gantry check
kill $slow
daemon_stop
