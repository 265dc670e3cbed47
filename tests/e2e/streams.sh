#!/bin/bash
# streams - many bytes in and out of a container, past slow readers on either side: all arrive, nothing piles up.
. "$(dirname "$0")/../helpers/lib.sh"

digest() { openssl dgst -sha256 -r | cut -d' ' -f1; }

pss_kib() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"; }

# reads some, rests, reads on
slowly() {
    local i
    for i in 1 2 3 4 5; do
        head -c 1048576 # of a pipe, head takes no more than it prints
        sleep 0.1
    done
    cat
}

command -v openssl >/dev/null || skip "openssl is missing"
busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
head -c $((64 << 20)) /dev/urandom >"$work/data"
expected=$(digest <"$work/data")

step "64 MiB in, to a reader that takes its time"
got=$(gantry run --rm -i "$busybox" sh -c \
    'for i in 1 2 3 4 5; do dd bs=1024 count=1024 2>/dev/null; sleep 0.1; done | wc -c >&2; sha256sum' \
    <"$work/data" 2>"$work/errors") || true
first=$(cat "$work/errors")
is "what was read after the slow part" "$(tail -c +$((first + 1)) "$work/data" | digest)" "${got%% *}"
got=$(gantry run --rm -i "$busybox" sh -c 'sleep 0.5; sha256sum' <"$work/data")
is "all of it" "$expected" "${got%% *}"

step "64 MiB in and out again, past a slow reader here"
is "all of it" "$expected" "$(gantry run --rm -i "$busybox" cat <"$work/data" | slowly | digest)"
run_for 0 gantry run -d --name beside "$busybox" sleep 1000
is "through exec" "$expected" "$(gantry exec -i beside cat <"$work/data" | slowly | digest)"
run_for 0 gantry rm -f beside

step "nobody reads: the container waits, and the daemon stays small"
mkfifo "$work/pipe"
"$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" run --name talker "$busybox" \
    dd if=/dev/zero bs=1M count=256 >"$work/pipe" 2>/dev/null </dev/null &
command=$!
exec 8<"$work/pipe"
wait_until "it runs" eval 'gantry inspect talker | jq -e ".[0].status == \"running\""'
read_bytes() { awk '/^wchar/ { print $2 }' "/proc/$(gantry inspect talker | jq '.[0].pid')/io"; }
before=-1
is_held() { # the same twice in a row
    local now
    now=$(read_bytes)
    [ "$now" -gt 0 ] && [ "$now" = "$before" ] && return 0
    before=$now
    sleep 0.2
    return 1
}
wait_until "it is held back" is_held
[ "$before" -lt $((16 << 20)) ] || fail "the container wrote $before bytes that nobody has read"
[ "$(pss_kib $daemon_pid)" -lt $((64 << 10)) ] || fail "the daemon has grown to $(pss_kib $daemon_pid) KiB"
is "all of it comes" $((256 << 20)) "$(wc -c <&8)"
exec 8<&-
wait $command
run_for 0 gantry rm talker

step "its supervisor is killed"
"$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" run --name orphan "$busybox" \
    sh -c 'echo ready; exec sleep 1000' >"$work/out" 2>"$work/errors" </dev/null &
command=$!
wait_until "it runs" grep -q ready "$work/out"
pid=$(gantry inspect orphan | jq '.[0].pid')
kill -9 "$(cat "$work"/s/t/*/shim.pid)"
status=0
wait $command || status=$?
[ $status != 0 ] || fail "the command succeeded although the container was lost"
has "what the command says" "supervisor is lost" "$(cat "$work/errors")"
run_for 0 gantry wait orphan
is "its status" 255 "$out"
run_for 0 gantry inspect orphan
has "why" "supervisor lost" "$out"
wait_until "its processes are gone" eval "! kill -0 $pid"
wait_until "its folder is gone" eval '[ -z "$(ls "$work/s/t")" ]'
run_for 1 grep -r "$work" /proc/self/mountinfo
id=$(gantry inspect orphan | jq -r '.[0].id')
is "control groups" "" "$(find /sys/fs/cgroup -type d -name "*$id*")"
run_for 0 gantry rm orphan

run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
