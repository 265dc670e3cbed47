#!/bin/bash
# lifecycle - a container from create to rm: its states, output, processes beside it, and how it ends.
. "$(dirname "$0")/../helpers/lib.sh"

status_of() { gantry inspect --type container "$1" | jq -r '.[0].status // .status'; }

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"

step "create and start"
run_for 0 gantry create --name one "$busybox" sh -c 'echo first; exec sleep 1000'
is "status" created "$(status_of one)"
run_for 0 gantry start one
is "status" running "$(status_of one)"
run_for 0 gantry ps -q --no-trunc
is "ps lists it" "$(gantry inspect --type container one | jq -r '.[0].id // .id')" "$out"
run_for 1 gantry rm one
has "a running container is not removed" "running" "$errors"

step "exec beside it"
run_for 0 gantry exec one echo beside
is "exec" beside "$out"
run_for 9 gantry exec one sh -c 'exit 9'
run_for 0 gantry exec -e A=b -w /tmp one sh -c 'echo $A $(pwd)'
is "its environment and folder" "b /tmp" "$out"
run_for 127 gantry exec one no-such-command

step "standard input"
is "run -i" "through" "$(echo through | gantry run --rm -i "$busybox" cat)"
is "exec -i" "through" "$(echo through | gantry exec -i one cat)"

step "stop, wait, start again"
gantry wait one >"$work/waited" &
waiter=$!
run_for 0 gantry stop -t 1 one
wait $waiter
is "wait tells how it was stopped" 137 "$(cat "$work/waited")"
is "status" exited "$(status_of one)"
run_for 0 gantry start one
run_for 0 gantry kill one
run_for 0 gantry wait one
is "killed" 137 "$out"
run_for 0 gantry logs one
is "both runs are in the log" "first
first" "$out"
run_for 0 gantry rm one

step "logs"
run_for 0 gantry run --name talker "$busybox" sh -c 'for i in 1 2 3; do echo line $i; done; echo problem >&2'
run_for 0 gantry logs --tail 1 talker
run_for 0 gantry logs talker
has "logs" "line 3" "$out"
is "its errors" problem "$errors"
has "a log line has a time, a stream and a tag" " stdout F line 1" "$(cat "$work"/root/containers/*/*/log)"
run_for 0 gantry rm talker

step "in the background"
run_for 0 gantry run -d --name back "$busybox" sleep 1000
is "the id is printed" 64 ${#out}
run_for 0 gantry ps
has "ps" back "$out"
has "its command" '"sleep 1000"' "$out"
has "columns" COMMAND "$out"
run_for 0 gantry rm -f back
run_for 0 gantry ps -a
[[ $out != *back* ]] || fail "back is still listed: $out"

daemon_stop
