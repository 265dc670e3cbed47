#!/bin/bash
# daemon-killed - containers outlive the daemon: kill -9 and start, and what ended meanwhile is known.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"

run_for 0 gantry run -d --name stays "$busybox" sleep 1000
run_for 0 gantry run -d --name ends "$busybox" sh -c 'echo before; while [ ! -e /go ]; do sleep 0.02; done; echo after; exit 5'
run_for 0 gantry run -d --rm --name goes "$busybox" sh -c 'while [ ! -e /go ]; do sleep 0.02; done'
for name in fore gone; do
    gantry run --name $name $([ $name = fore ] || echo --rm) "$busybox" sh -c \
        'echo before; while [ ! -e /go ]; do sleep 0.02; done; echo after; exit 6' >"$work/$name.out" 2>"$work/$name.err" </dev/null &
    eval "$name=$!"
    wait_until "$name runs" grep -q before "$work/$name.out"
done
fore_pid=$(gantry inspect --type container fore | jq -r '.[0].pid // .pid')
gone_pid=$(gantry inspect --type container gone | jq -r '.[0].pid // .pid')
ends=$(gantry inspect --type container ends | jq -r '.[0].pid // .pid')
goes=$(gantry inspect --type container goes | jq -r '.[0].pid // .pid')
stays=$(gantry inspect --type container stays | jq -r '.[0].pid // .pid')

step "kill -9, and two of them end while nobody looks"
daemon_kill
kill -0 "$stays" || fail "the container died with the daemon"
touch "/proc/$ends/root/go" "/proc/$goes/root/go" "/proc/$fore_pid/root/go" "/proc/$gone_pid/root/go"
wait_until "the containers end" eval "! kill -0 $ends 2>/dev/null && ! kill -0 $goes 2>/dev/null && ! kill -0 $fore_pid 2>/dev/null && ! kill -0 $gone_pid 2>/dev/null"

step "a new daemon finds them"
daemon_start
run_for 0 gantry ps
has "what runs" stays "$out"
run_for 0 gantry exec stays echo still here
is "exec" "still here" "$out"
run_for 0 gantry wait ends
is "the exit status of what ended meanwhile" 5 "$out"
run_for 0 gantry logs ends
is "its log" "before
after" "$out"
wait_until "--rm is carried out" eval '! gantry inspect --type container goes'

step "commands in the foreground went on, and end as their containers did"
status=0
wait $fore || status=$?
is "the exit status" 6 $status
is "all it said" "before after" "$(paste -sd ' ' "$work/fore.out")"
status=0
wait $gone || status=$?
is "the exit status of what is removed already" 6 $status

step "stop is orderly too"
daemon_stop
kill -0 "$stays" || fail "the container stopped with the daemon"
daemon_start
run_for 0 gantry stop -t 0 stays
run_for 0 gantry rm stays ends fore
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
