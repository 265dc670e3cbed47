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

step "gantryd takes over, the container stays, and so does the command that runs it"
count='i=0; while [ ! -e /stop ]; do echo $i; i=$((i + 1)); usleep 500; done; echo $i; exit 5'
beside run --name counter "$busybox" sh -c "$count" >"$work/counter.out" 2>"$work/counter.err" </dev/null 7>&- &
counter=$!
wait_until "the second counts" grep -q '^100$' "$work/counter.out"
echo before >&7
wait_until "the first answers" grep -q before "$work/first.out"
daemon_start 7>&-
wait_until "the daemon has taken over" eval '[ "$(gantry info --format json | jq .embedded)" = false ]'
run_for 0 gantry ps
has "ps" first "$out"
run_for 0 gantry exec first echo moved
is "exec" moved "$out"
echo after >&7
wait_until "the first is heard behind the change" grep -q after "$work/first.out"
exec 7>&-
status=0
wait $first || status=$?
is "the first one's exit status" 0 $status
is "all that the first said" "before after" "$(paste -sd ' ' "$work/first.out")"
has "the first says that it waited" "waiting for one, first keeps running" "$(cat "$work/first.err")"
seen=$(tail -n 1 "$work/counter.out")
wait_until "the second counts on" eval "[ \"\$(tail -n 1 '$work/counter.out')\" -gt $((seen + 100)) ]"
status=0
gantry exec counter touch /stop || status=$?
[ $status = 0 ] || is "touch, unless the container's end was quicker than its own" 137 $status
status=0
wait $counter || status=$?
is "the second one's exit status" 5 $status
last=$(tail -n 1 "$work/counter.out")
seq 0 "$last" | cmp - "$work/counter.out" || fail "the second lost bytes, or had some twice"
run_for 0 gantry rm counter
run_for 0 gantry rmi "$busybox"
daemon_stop
