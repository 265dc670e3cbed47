#!/bin/bash
# containerd - Debian's containerd runs busybox, debian and redis with the runtime under test: ctr run --runc-binary.
. "$(dirname "$0")/callers.sh"
command -v containerd >/dev/null && command -v ctr >/dev/null || skip "containerd is not installed"

containerd_namespace=$prefix
end_caller() {
    local id
    for id in $(ctr_here tasks ls -q); do ctr_here tasks rm -f "$id"; done
    containerd_stop
}

ctr_words=(ctr -a "$work/c.sock" -n "$prefix")
run_here() { ctr_here run --runc-binary "$work/bin/oci-runtime" --runc-root "$work/state" "$@"; }

has_stopped() { ctr_here tasks ls | grep -q "^$1 .*STOPPED"; }

# the words of callers.sh
bring() {
    image=example.org/$1:latest
    run_for 0 skopeo --insecure-policy copy -q "oci:$images:$1" "oci-archive:$work/$1.tar:$image"
    run_for 0 ctr_here images import "$work/$1.tar"
    rm "$work/$1.tar"
}
once() { run_here --rm "$2" "$1" "${@:3}"; }
behind() { run_here -d "$2" "$1" "${@:3}"; }
inside() { ctr_here tasks exec --exec-id "inside-$RANDOM$RANDOM" "$@"; }
at_terminal() { person "${@:3}" -- "${ctr_words[@]}" tasks exec -t --exec-id "terminal-$RANDOM" "$1" "$2"; }
ended() {
    wait_until "$1 has ended" has_stopped "$1"
    # a status that is not 0 is told in a warning: "... exit with non-zero exit code N"
    ctr_here tasks rm "$1" 2>&1 >/dev/null | sed -n 's/.*exit code \([0-9]*\).*/\1/p' | grep . || echo 0
    ctr_here containers rm "$1"
}

containerd_start
busybox_image "$work/layout"
tar -C "$work/layout" -cf "$work/layout.tar" .
run_for 0 ctr_here images import --base-name example.org/box "$work/layout.tar"
image=$(ctr_here images ls -q | head -n 1)

step "a container's output and exit status"
run_for 0 run_here --rm "$image" one echo hello
is "its output" hello "$out"
run_for 7 run_here --rm "$image" two sh -c 'exit 7'
has "create came by" create "$(cat "$work/calls")"
has "start came by" start "$(cat "$work/calls")"
has "delete came by" delete "$(cat "$work/calls")"

step "a program that is not there"
run_for 1 run_here --rm "$image" missing no-such-program
has "its name" no-such-program "$errors"
has "runc's words" "executable file not found" "$errors"

step "a container with a terminal"
run_for 3 person 'expect:# ' 'send:tty; echo a""b\n' 'expect:/dev/' 'expect:ab' 'expect:# ' 'send:exit 3\n' \
    -- "${ctr_words[@]}" run --runc-binary "$work/bin/oci-runtime" --runc-root "$work/state" \
    --rm -t "$image" terminal sh

step "a container in the background, and what runs beside it"
run_for 0 run_here -d --memory-limit 67108864 "$image" back sleep 1000
run_for 0 ctr_here tasks ls
has "its state" RUNNING "$out"
run_for 0 ctr_here tasks exec --exec-id e1 back echo beside
is "its output" beside "$out"
run_for 9 ctr_here tasks exec --exec-id e2 back sh -c 'exit 9'
run_for 4 person 'expect:# ' 'send:tty\n' 'expect:/dev/' 'expect:# ' 'send:exit 4\n' \
    -- "${ctr_words[@]}" tasks exec -t --exec-id e3 back sh

step "pausing, processes, limits"
run_for 0 ctr_here tasks pause back
run_for 0 ctr_here tasks ls
has "its state" PAUSED "$out"
run_for 0 ctr_here tasks resume back
run_for 0 ctr_here tasks ps back
is "one process" 2 "$(wc -l <<<"$out")"
run_for 0 ctr_here tasks metrics back
has "its numbers" memory "$out"

step "its end"
run_for 0 ctr_here tasks kill -s KILL back
wait_until "it has stopped" has_stopped back
run_for 0 ctr_here tasks rm back
has "its status" 137 "$errors"
run_for 0 ctr_here containers rm back

debian_and_redis

step "nothing is left"
is "states of the runtime" "" "$(find "$work/state" -mindepth 2 2>/dev/null)"
remove=$(groups | grep -vxE '/sys/fs/cgroup(/[^/]*)?/'"$prefix" || true)
is "control groups" "" "$remove"
all_seen
