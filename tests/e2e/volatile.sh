#!/bin/bash
# volatile - root file systems that need not outlive a crash: those of containers run with --rm.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
run_for 0 gantry run --rm "$busybox" awk '$5 == "/" { print $NF }' /proc/self/mountinfo
[[ $out == *lowerdir=* ]] || skip "no overlay here: $out"
root_options() { gantry exec "$1" awk '$5 == "/" { print $NF }' /proc/self/mountinfo; }
folder() { # of a container's snapshot
    echo "$work/root/snapshots/$(ask_daemon snapshots.mounts "{\"key\": \"$(gantry inspect "$1" | jq -r '.[0].snapshot')\"}" | jq .layer)"
}

step "with --rm"
run_for 0 gantry run -d --rm --name passing "$busybox" sleep 1000
has "options" "volatile" "$(root_options passing)"

step "others are not"
run_for 0 gantry run -d --name lasting "$busybox" sleep 1000
case $(root_options lasting) in *volatile*) fail "it is volatile" ;; esac
run_for 0 gantry rm -f lasting

step "it can be looked at, copied from and committed while it runs"
run_for 0 gantry exec passing sh -c 'echo new >/new && sync'
run_for 0 gantry diff passing
has "what changed" "/new" "$out"
run_for 0 gantry commit passing of-passing
run_for 0 gantry run --rm of-passing cat /new
is "what was committed" new "$out"
run_for 0 gantry exec passing cat /new
run_for 0 gantry rm -f passing

step "what a crash left does not keep it from starting"
run_for 0 gantry create --rm --name crashed "$busybox" true
(cd "$(folder crashed)/work" && mkdir -p work/incompat/volatile)
run_for 0 gantry start -a crashed
wait_until "it has gone" eval "! gantry inspect crashed"

step "switched off"
daemon_stop
printf '[snapshots]\nvolatile = false\n' >"$work/config.toml"
daemon_start --config "$work/config.toml"
run_for 0 gantry run -d --rm --name passing "$busybox" sleep 1000
case $(root_options passing) in *volatile*) fail "it is volatile" ;; esac
run_for 0 gantry rm -f passing
daemon_stop
printf '[snapshots]\nvolatile = "perhaps"\n' >"$work/config.toml"
run_for 1 "$GANTRY_BIN/gantryd" --config "$work/config.toml" --root "$work/root" --state "$work/s"
has "said" "snapshots.volatile" "$errors"
