#!/bin/bash
# service - gantryd as a service manager and its neighbours see it: readiness, one of it, modes, limits, versions.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry

step "it says when it is ready, and when it stops"
python3 -c '
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(listener.recv(4096).decode(), flush=True)
' "$work/notify" >"$work/told" &
listener=$!
wait_until "somebody listens" grep -q listening "$work/told"
export NOTIFY_SOCKET=$work/notify
ulimit -S -n 777
daemon_start
unset NOTIFY_SOCKET
wait_until "it is ready" grep -q READY=1 "$work/told"
run_for 0 gantry version

step "its sockets are for root and a group"
is "the folder's mode" 711 "$(stat -c %a "$work/s")"
is "the socket's mode" 660 "$(stat -c %a "$work/s/gantry.sock")"
is "the socket's owner" 0 "$(stat -c %u "$work/s/gantry.sock")"

step "there is one of it"
run_for 1 "$GANTRY_BIN/gantryd" --root "$work/root" --state "$work/other"
has "who holds the state" "process $daemon_pid" "$errors"
has "who holds the state" gantryd "$errors"
run_for 0 gantry version

step "it takes what descriptors it can have, and passes on what it was given"
hard=$(ulimit -H -n)
is "the daemon's own limit" "$hard" "$(awk '/^Max open files/ { print $4 }' "/proc/$daemon_pid/limits")"
run_for 0 gantry run -d --name one "$busybox" sleep 1000
shim=$(cat "$work"/s/t/*/shim.pid)
is "the limit of a shim" 777 "$(awk '/^Max open files/ { print $4 }' "/proc/${shim%% *}/limits")"
run_for 0 gantry run --rm "$busybox" sh -c 'ulimit -n'
is "a container's limit" 1024 "$out"
run_for 0 gantry rm -f one

step "it stops as it is asked to"
daemon_stop
wait_until "it says so" grep -q STOPPING=1 "$work/told"
kill "$listener"

step "the state of a newer one is left alone"
echo 2 >"$work/root/layout"
run_for 1 "$GANTRY_BIN/gantryd" --root "$work/root" --state "$work/s"
has "both layouts are named" "has layout 2, this gantryd knows layout 1" "$errors"
echo 1 >"$work/root/layout"
daemon_start
run_for 0 gantry rmi "$busybox"
daemon_stop
