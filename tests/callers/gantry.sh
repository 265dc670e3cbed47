#!/bin/bash
# gantry - our own daemon runs busybox, debian and redis: with the engine in the shim, and with gantry-oci as a program.
#
# The second is chosen as a user would: a name in the configuration's [runtimes].
. "$(dirname "$0")/callers.sh"
end_caller() {
    [ -z "$daemon_pid" ] || daemon_kill
    registry_stop
}

cat >"$work/config.toml" <<CONFIG
[runtimes]
outside = "$work/bin/oci-runtime"
CONFIG

# the words of callers.sh
bring() {
    image=$registry/$1
    curl -sfI -o /dev/null "http://$registry/v2/$1/manifests/latest" || layout_push "$images" "$1" "$registry"
    run_for 0 gantry pull -q "$image"
}
once() { gantry run --rm --runtime "$how" --name "$1" "${@:2}"; }
behind() { gantry run -d --runtime "$how" --name "$1" "${@:2}"; }
inside() { gantry exec "$@"; }
at_terminal() { person "${@:3}" -- "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" exec -it "$1" "$2"; }
ended() {
    gantry wait "$1"
    gantry rm "$1" >/dev/null
}

real_busybox() {
    step "busybox: output, exit status, a terminal"
    run_for 0 once busybox-1 "$busybox" echo hello
    is "its output" hello "$out"
    run_for 7 once busybox-2 "$busybox" sh -c 'exit 7'
    run_for 0 behind busybox-3 "$busybox" sleep 1000
    run_for 4 at_terminal busybox-3 sh 'expect:# ' 'send:tty\n' 'expect:/dev/' 'expect:# ' 'send:exit 4\n'
    run_for 0 gantry rm -f busybox-3
}

busybox_registry
daemon_start --config "$work/config.toml"
export GANTRY_NAMESPACE=$prefix

step "with the engine that is in the shim"
how=native
real_busybox
debian_and_redis
is "calls of a runtime outside" "" "$(cat "$work/calls")"

step "with gantry-oci as a runtime outside"
how=outside
real_busybox
debian_and_redis
for call in run exec delete; do has "$call came by" " $call " "$(cat "$work/calls")"; done

step "nothing is left"
is "containers" "" "$(gantry ps -aq)"
is "states of the runtime" "" "$(find "$work"/s/oci -mindepth 2 2>/dev/null || true)"
is "control groups" "" "$(groups | grep -vxE '/sys/fs/cgroup(/[^/]*)?/'"$prefix" || true)"
daemon_stop
all_seen
