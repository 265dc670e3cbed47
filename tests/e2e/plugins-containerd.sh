#!/bin/bash
# plugins-containerd - the same service by who has defined it: containerd's snapshotters behind its socket.
. "$(dirname "$0")/../helpers/lib.sh"

command -v containerd >/dev/null || skip "containerd is not installed"
busybox_registry
# its own collector knows none of our reasons, and would remove all of it
containerd_more='[plugins."io.containerd.gc.v1.scheduler"]
schedule_delay = "24h"
startup_delay = "24h"'
containerd_start
for name in overlayfs other; do
    printf '[proxy_plugins.%s]\ntype = "snapshot"\naddress = "%s"\n' $name "$work/c.sock" >>"$work/config.toml"
done
daemon_start --config "$work/config.toml"
containerd_namespace=default

step "pulled, run, committed and removed by way of containerd's overlayfs"
run_for 0 gantry --format json plugins inspect overlayfs
is "its state" ok "$(jq -r .state <<<"$out")"
run_for 0 gantry pull --snapshotter overlayfs "$busybox"
run_for 0 ctr_here snapshots ls
is "what containerd has" 1 "$(grep -c Committed <<<"$out")"
run_for 0 gantry run --rm --snapshotter overlayfs "$busybox" sh -c 'echo written >/file; cat /file; grep " / " /proc/mounts | cut -d" " -f3'
is "output" "written
overlay" "$out"
run_for 0 gantry snapshot usage --snapshotter overlayfs "$(gantry snapshot ls -q --snapshotter overlayfs)"
for i in $(seq 40); do run_for 0 gantry snapshot prepare -l containerd.io/gc.root=1 --snapshotter overlayfs "many-$i"; done
is "snapshots" 41 "$(gantry snapshot ls -q --snapshotter overlayfs | wc -l)"
run_for 0 gantry snapshot rm --snapshotter overlayfs $(seq -f many-%g 40)
wait_until "what nothing names is gone" sh -c "[ \$(ctr -a '$work/c.sock' -n default snapshots ls | wc -l) = 2 ]"
run_for 0 gantry snapshot prepare -l containerd.io/gc.root=1 --snapshotter overlayfs base
run_for 1 gantry snapshot prepare --snapshotter overlayfs on-it base
has "said" "base" "$errors"
run_for 0 gantry snapshot rm --snapshotter overlayfs base
run_for 0 gantry rmi "$busybox"
run_for 0 gantry gc
wait_until "all is gone" sh -c "[ \$(ctr -a '$work/c.sock' -n default snapshots ls | wc -l) = 1 ]"

step "one that containerd does not have"
run_for 1 gantry pull --snapshotter other "$busybox"
has "said" "snapshotter not loaded: other" "$errors"
run_for 0 gantry --format json plugins inspect other
is "its state" ok "$(jq -r .state <<<"$out")"
has "its last error" "other" "$(jq -r .problem <<<"$out")"
containerd_stop
