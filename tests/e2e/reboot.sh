#!/bin/bash
# reboot - after a restart of the host containers have exited, say why, and start again.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
export GANTRY_TEST_BOOT_ID=the-first-boot
daemon_start
[ "$(gantry info --format json | jq -r .boot)" = the-first-boot ] || skip "not a build with test hooks"
run_for 0 gantry pull "$busybox"
run_for 3 gantry run --name over "$busybox" sh -c 'exit 3'
run_for 0 gantry run -d --name server "$busybox" sh -c 'echo up; exec sleep 1000'
run_for 0 gantry run -d --rm --name passing "$busybox" sleep 1000
run_for 0 gantry create --name fresh --hostname newest "$busybox" sh -c 'hostname; grep -c newest /etc/hosts; cat /etc/hostname'

step "the host goes down: no process is left, and nothing of the folder for run-time state"
pids=$(gantry ps -q | xargs -n 1 "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" inspect | jq '.[0].pid')
ids=$(gantry ps -q --no-trunc)
fresh=$work/root/containers/default/$(gantry inspect fresh | jq -r '.[0].id')
fresh_layer=$(gantry --format json snapshot ls -f "key==${fresh##*/}" | jq '.[0].layer')
daemon_kill
for pid in $(own_processes); do
    if { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q gantry-shim; then kill -9 "$pid"; fi
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
for pid in $pids; do wait_until "process $pid ends" eval "! kill -0 $pid 2>/dev/null"; done
rm -rf "${work:?}/s"
for id in $ids; do find /sys/fs/cgroup -depth -type d -name "$id" -exec rmdir {} +; done

step "with it what was not flushed of the newest container: the record is there, its files are not, or are empty"
rm "$fresh/hostname"
: >"$fresh/hosts"
rm -r "$work/root/snapshots/$fresh_layer/fs"

step "and comes up"
export GANTRY_TEST_BOOT_ID=the-second-boot
daemon_start
run_for 0 gantry ps -q
is "what runs" "" "$out"
run_for 0 gantry ps -a
has "ps -a" "host restarted" "$(grep server <<<"$out")"
has "what had ended before" "Exited (3)" "$(grep over <<<"$out")"
has "what was never started" "Created" "$(grep fresh <<<"$out")"
wait_until "--rm is carried out" eval '! gantry inspect --type container passing'
run_for 0 gantry start server
wait_until "it runs again" eval "gantry logs server | grep -c up | grep -qx 2"
run_for 0 gantry exec server echo again
is "exec" again "$out"
run_for 0 gantry start -a fresh
is "the other starts, with all its files" "newest 1 newest" "$(tr '\n' ' ' <<<"$out" | sed 's/ $//')"

run_for 0 gantry rm -f server over fresh
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
