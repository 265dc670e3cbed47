#!/bin/bash
# embedded - the engine inside a command: a second command becomes its client, and gantryd takes over.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
beside() { "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" "$@"; }

step "without a daemon"
run_for 0 embedded pull "$busybox"
run_for 0 embedded run --rm "$busybox" echo alone
is "output" alone "$out"
[ -n "$errors" ] || fail "nothing says that the engine runs inside the command"

step "a second command becomes a client of the first"
mkfifo "$work/input"
embedded run --rm -i --name first "$busybox" cat >"$work/first.out" 2>"$work/first.err" <"$work/input" &
first=$!
exec 7>"$work/input"
wait_until "the first answers" beside exec first true
run_for 0 beside ps
has "ps beside it" first "$out"
run_for 0 embedded ps
has "embedded finds the engine that is there" first "$out"

step "gantryd takes over, the container stays"
daemon_start
wait_until "the daemon has taken over" eval '[ "$(gantry info --format json | jq .embedded)" = false ]'
run_for 0 gantry ps
has "ps" first "$out"
run_for 0 gantry exec first echo moved
is "exec" moved "$out"
exec 7>&-
wait $first || true
run_for 0 gantry rm -f first || true
run_for 0 gantry rmi "$busybox"
daemon_stop
