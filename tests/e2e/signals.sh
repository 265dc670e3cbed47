#!/bin/bash
# signals - what signals to the command mean: for a container in the foreground, for a pull, for a slow or vanished reader.
. "$(dirname "$0")/../helpers/lib.sh"

# The command itself, so that $! is its process; a script's background jobs ignore Ctrl-C unless told.
start() {
    : >"$work/out" >"$work/errors" # here and now: what the one before said is not waited for
    env --default-signal=INT "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" "$@" >"$work/out" 2>"$work/errors" </dev/null &
    command=$!
}

status_of_command() { status=0; wait "$command" || status=$?; }

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"

step "a container in the foreground gets them"
for signal in TERM INT HUP USR1; do
    start run --rm "$busybox" sh -c "trap 'echo got $signal; exit 9' $signal; echo ready; while :; do sleep 0.05; done"
    wait_until "the container runs" grep -q ready "$work/out"
    kill -$signal $command
    status_of_command
    is "exit status after $signal" 9 $status
    has "what it said" "got $signal" "$(cat "$work/out")"
done

step "one that does not listen is left after some more"
start run --name deaf "$busybox" sh -c "trap 'echo no >&2' INT; echo ready; while :; do sleep 0.05; done"
wait_until "the container runs" grep -q ready "$work/out"
for said in 1 2 3; do
    kill -INT $command
    wait_until "it hears the signal" eval "[ \"\$(grep -c no '$work/errors')\" -ge $said ]"
done
kill -INT $command
status_of_command
is "exit status" 130 $status
has "it says so" "left it running" "$(cat "$work/errors")"
run_for 0 gantry ps
has "ps" deaf "$out"
run_for 0 gantry rm -f deaf

step "a reader who has seen enough"
status=0
gantry run --name chatter "$busybox" yes 2>"$work/errors" | head -n 1 >"$work/out" || status=$?
is "exit status" 141 $status
is "what was read" y "$(cat "$work/out")"
has "it says so" chatter "$(cat "$work/errors")"
run_for 0 gantry rm -f chatter

step "an interrupted pull leaves nothing"
python3 -c '
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
kept = []
while True:
    kept.append(listener.accept())
    print("connected", flush=True)
' >"$work/silent" &
silent=$!
wait_until "the silent registry listens" grep -q . "$work/silent"
start pull "127.0.0.1:$(head -n 1 "$work/silent")/never"
wait_until "it is asked" grep -q connected "$work/silent"
kill -INT $command
status_of_command
kill $silent
is "exit status" 130 $status
run_for 0 gantry images -q
is "images" 1 "$(wc -l <<<"$out")"
is "ingests" "" "$(find "$work/root/ingests" -mindepth 1)"

step "logs -f ends quietly"
run_for 0 gantry run -d --name talker "$busybox" sh -c 'echo hello; exec sleep 1000'
start logs -f talker
wait_until "the log is shown" grep -q hello "$work/out"
kill -INT $command
status_of_command
is "exit status" 130 $status
is "it says nothing" "" "$(cat "$work/errors")"
run_for 0 gantry rm -f talker

daemon_stop
