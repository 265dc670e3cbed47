#!/bin/bash
# plugins-trouble - a plugin that dies, hangs or lies, and a daemon that is killed: nothing is lost, nothing stays.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"

busybox_registry
echo '[plugins]
timeout_s = 2' >"$work/config.toml"
plugin_config p
plugin_config fenced "[proxy_plugins.fenced.exports]" "root = \"$work/fenced\""
plugin_start p
plugin_start fenced
daemon_start --config "$work/config.toml"
control() { printf '%s\n' "$@" >"$work/p/control"; }
well() { rm -f "$work/p/control"; }
p() { gantry "$@" --snapshotter p; }
nothing_stays() {
    run_for 0 gantry gc
    wait_until "all is gone" plugin_is_empty p
    is "folders" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1)"
}

step "mounts that cannot be right are refused, and what was prepared goes"
while read -r words mount; do
    control "Prepare mount $mount"
    run_for 1 p snapshot prepare bad
    has "said of $mount" "${words//_/ }" "$errors"
    has "said of $mount" "snapshot plugin p" "$errors"
    is "snapshots" "" "$(p snapshot ls -q)"
done <<MOUNTS
host's bind /etc - rbind
gantry's_own bind / - rbind
host's bind /usr/share - rbind
gantry's_own bind $work/root/blobs - rbind
gantry's_own bind $work - rbind
gantry's_own bind $work/s - rbind
has_.. bind $work/p/../../etc - rbind
no_absolute_path bind p/s/1/fs - rbind
no_absolute_path bind - - rbind
NUL bind $work/p%00 - rbind
comma bind $work/p/s - ro,rw
comma overlay overlay - lowerdir=$work/p/s,upperdir=$work/p/s
host's overlay overlay - lowerdir=$work/p/s:/etc
none_of_an_overlay overlay overlay - lowerdir=$work/p/s context=x
none_of_a_bind bind $work/p/s - rbind size=5
remount bind $work/p/s - remount
inside_the_root bind $work/p/s /etc rbind
inside_the_root bind $work/p/s ../etc rbind
type_'proc' proc proc - ro
type_'nfs' nfs host:/x - ro
type_'' - - -
type_'fuse' fuse x - ro
type_'fuse.' fuse. x - ro
mount_manager format/overlay overlay - lowerdir=/x
mount_manager mkfs/ext4 /x - ro
mount_manager mkdir/bind /x - ro
mount_manager ext4 $work/p/x - X-containerd.mkfs.size=5
id-mapped ext4 $work/p/x - uidmap=0:1:1
no_dataset zfs /a - ro
MOUNTS
control "Prepare raw"
run_for 1 p snapshot prepare bad
has "said" "0 mounts" "$errors"
well
ln -s /etc "$work/p/looks-fine"
control "Prepare mount bind $work/p/looks-fine - rbind"
run_for 1 p snapshot prepare bad
has "said of a link" "host's" "$errors"
printf 'Prepare mount bind %s - rbind\n' "$work/p/s" >"$work/fenced/control"
run_for 1 gantry snapshot prepare --snapshotter fenced bad
has "said" "not below the plugin's exports.root" "$errors"
has "the way out" "correct exports.root" "$errors"
well
nothing_stays

step "it hangs: the call ends at its deadline, and others go on"
control "Prepare hang 30"
run_for 1 p snapshot prepare slow
has "said" "Prepare" "$errors"
run_for 0 gantry --format json plugins inspect p
has "the last error" "Prepare" "$(jq -r .problem <<<"$out")"
well

step "a command that is interrupted does not wait for it"
control "Prepare hang 30"
began=$SECONDS
timeout -s INT 1 "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" snapshot prepare --snapshotter p slow >/dev/null 2>&1 || true
[ $((SECONDS - began)) -lt 5 ] || fail "it waited"
well
nothing_stays

step "it dies in the middle of a pull, before and after it has done what was asked; a manager starts it again"
manage() { while :; do
    /usr/bin/python3 "$source_folder/tests/helpers/snapshot_plugin.py" "$work/p.sock" "$work/p" || true
done; }
plugin_kill p
manage >/dev/null 2>&1 &
manager=$!
wait_until "the plugin answers" plugin_answers p
control "Prepare once die" "Commit once die-after" "Mounts once die"
run_for 0 p pull "$busybox"
is "it died so often" "" "$(cat "$work/p/control")"
run_for 0 gantry run --rm --snapshotter p "$busybox" echo here
is "output" here "$out"
control "Prepare once die-after" "Remove once die-after"
run_for 0 gantry run --rm --snapshotter p "$busybox" echo again
is "output" again "$out"
wait_until "the container's snapshot is gone" sh -c "[ \$(jq '.[1] | length' '$work/p/snapshots.json') = 1 ]"
run_for 0 gantry rmi "$busybox"
well
nothing_stays
kill $manager
kill -9 $(pgrep -f "snapshot_plugin.py $work/p.sock") 2>/dev/null || true
wait $manager 2>/dev/null || true

step "what is removed while it is away goes when it is back"
plugin_start p
wait_until "the plugin answers" plugin_answers p
run_for 0 p snapshot prepare one
run_for 0 p snapshot commit one two
run_for 0 p snapshot prepare three two
plugin_stop p
run_for 0 p snapshot rm three two
is "snapshots" "" "$(p snapshot ls -q)"
is "the plugin's" 2 "$(plugin_holds p)"
plugin_start p
wait_until "the plugin answers" plugin_answers p
nothing_stays

step "the daemon is killed between the plugin's answer and its own row"
run_for 0 p snapshot prepare -l containerd.io/gc.root=1 base
run_for 0 p snapshot commit -l containerd.io/gc.root=1 base kept
control "Prepare hang 1"
gantry snapshot prepare --snapshotter p lost kept >/dev/null 2>&1 &
wait_until "the plugin was asked" grep -q '"Prepare".*lost' "$work/p/log"
daemon_kill
wait $! 2>/dev/null || true
wait_until "the plugin has made it" sh -c "[ \$(jq '.[1] | length' '$work/p/snapshots.json') = 2 ]"
well
daemon_start --config "$work/config.toml"
run_for 0 gantry gc
wait_until "the stray is gone" sh -c "[ \$(jq '.[1] | length' '$work/p/snapshots.json') = 1 ]"
is "what is kept" kept "$(p snapshot ls -q)"

step "what others keep in the same plugin is theirs"
run_for 0 p snapshot rm kept
plugin_stop p
jq -c '[.[0] + 1, {"k8s.io/7/of containerd": {id: 900, parent: "", kind: "committed", labels: {}, made: 1}}]' \
    "$work/p/snapshots.json" >"$work/p/new"
mv "$work/p/new" "$work/p/snapshots.json"
plugin_start p
wait_until "the plugin answers" plugin_answers p
run_for 0 p snapshot prepare mine
run_for 0 p snapshot rm mine
run_for 0 gantry gc
wait_until "the plugin was listed" grep -q '"List"' "$work/p/log"
is "what the plugin holds" 'k8s.io/7/of containerd' "$(jq -r '.[1] | keys[]' "$work/p/snapshots.json")"

step "a name that is our own, a default that is none"
printf '[proxy_plugins.overlay]\ntype = "snapshot"\naddress = "/x"\n' >"$work/bad.toml"
run_for 1 "$GANTRY_BIN/gantryd" --root "$work/r2" --state "$work/s2" --config "$work/bad.toml"
has "said" "bad.toml:1: proxy_plugins.overlay: gantry has a snapshot driver of its own" "$errors"
printf 'snapshotter = "nothing"\n' >"$work/bad.toml"
run_for 1 "$GANTRY_BIN/gantryd" --root "$work/r2" --state "$work/s2" --config "$work/bad.toml"
has "said" "nothing" "$errors"
