#!/bin/bash
# plugins - snapshots by other programs: pulled, run, collected; one with an overlay behind it, one that copies.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"

step "an image of three layers: a file, then one over it and a link to it, then one removed"
layout_start "$work/layout"
busybox_root "$work/l1"
mkdir -p "$work/l1/etc" "$work/l2/etc" "$work/l3/etc"
printf 'root:x:0:0:root:/root:/bin/sh\nsomeone:x:77:78::/:/bin/sh\n' >"$work/l1/etc/passwd"
echo lowest >"$work/l1/etc/level"
echo gone >"$work/l1/etc/gone"
chmod 1777 "$work"/l[123]/etc
echo middle >"$work/l2/etc/level"
ln "$work/l2/etc/level" "$work/l2/etc/link"
touch "$work/l3/etc/.wh.gone"
echo top >"$work/l3/etc/top"
for i in 1 2 3; do layer_add "$work/layout" "$work/l$i" >"$work/d$i"; done
image_add "$work/layout" three '{"Cmd":["/bin/sh"]}' "$(cat "$work/d1")" "$(cat "$work/d2")" "$(cat "$work/d3")"
registry_start "$work/registry"
layout_push "$work/layout" three "$registry"
image=$registry/three

echo 'version = 2' >"$work/config.toml"
plugin_config layered "[proxy_plugins.layered.exports]" "root = \"$work/layered\""
plugin_config copied 'capabilities = ["remap-ids"]'
plugin_config nobody
printf '[proxy_plugins.blobs]\ntype = "content"\naddress = "/run/blobs.sock"\n' >>"$work/config.toml"
daemon_start --config "$work/config.toml"
has "the log" "proxy_plugins.blobs: content stores of others are not supported" "$(cat "$work/gantryd.log")"

step "a daemon whose plugins are not there yet"
run_for 0 gantry --format json plugins ls
is "states" "blobs:error btrfs:ok copied:connecting layered:connecting native:ok nobody:connecting overlay:ok" \
    "$(jq -r '[.[] | select(.type != "runtime") | "\(.id):\(.state)"] | sort | join(" ")' <<<"$out")"
run_for 1 gantry pull --snapshotter layered "$image"
has "said" "snapshot plugin layered ($work/layered.sock)" "$errors"
has "said" "nobody listens there" "$errors"

plugin_start layered
plugin_start copied --kind copy
for plugin in layered copied; do
    step "$plugin: pulled, run, listed, removed"
    wait_until "the plugin answers" plugin_answers $plugin
    run_for 0 gantry pull --snapshotter $plugin "$image"
    is "committed snapshots" 3 "$(gantry snapshot ls -q --snapshotter $plugin | wc -l)"
    is "what the plugin holds" 3 "$(plugin_holds $plugin)"
    is "the labels of a layer" "$image:latest" \
        "$(plugin_log $plugin 'select(.method == "Prepare" and .labels) | .labels["containerd.io/snapshot/cri.image-ref"]' | sort -u)"
    is "its namespace" default "$(plugin_log $plugin 'select(.method == "Prepare") | .["containerd-namespace"]' | sort -u)"
    run_for 0 gantry run --rm --snapshotter $plugin "$image" sh -c 'cat /etc/level /etc/link /etc/top; ls /etc/gone; stat -c %a /etc; stat -c %h /etc/link; echo new >/etc/level; cat /etc/level'
    is "what the container sees" "middle
middle
top
1777
2
new" "$out"
    has "what it does not" "No such file" "$errors"
    run_for 0 gantry run --rm --snapshotter $plugin -u someone "$image" id -u
    is "a user of the image" 77 "$out"
    run_for 0 gantry create --name keeps --snapshotter $plugin "$image" sh -c 'echo here >/kept; cat /kept'
    run_for 0 gantry start -a keeps
    is "output" here "$out"
    is "what the plugin holds" 4 "$(plugin_holds $plugin)"
    run_for 0 gantry snapshot usage --snapshotter $plugin "$(gantry snapshot ls -q --snapshotter $plugin -f kind==active)"
    run_for 0 gantry check
    daemon_stop
    daemon_start --config "$work/config.toml"
    run_for 0 gantry start -a keeps
    is "output after a restart" here "$out"
    run_for 0 gantry rm keeps
    run_for 0 gantry rmi "$image"
    run_for 0 gantry gc
    wait_until "all is gone" plugin_is_empty $plugin
done

step "labels that are for plugins change there first, and are there after a commit; others stay here"
p() { run_for 0 gantry snapshot "$1" --snapshotter layered "${@:2}"; }
told() { # the snapshot's labels at the plugin
    jq -r --arg key "$1" '.[1] | to_entries[] | select(.key | endswith($key)) | .value.labels | to_entries |
        map(select(.key | startswith("containerd.io/snapshot/gantry") | not)) | map("\(.key | ltrimstr("containerd.io/snapshot/"))=\(.value)") |
        sort | join(" ")' "$work/layered/snapshots.json"
}
here() { gantry --format json snapshot ls --snapshotter layered | jq -r --arg key "$1" '.[] | select(.key == $key) | .labels | map_values(select(. != null)) | to_entries |
    map(select(.key | startswith("containerd.io/snapshot/"))) | map("\(.key | ltrimstr("containerd.io/snapshot/"))=\(.value)") | sort | join(" ")'; }
p prepare -l containerd.io/snapshot/a=1 -l containerd.io/gc.root=1 writing
p label writing containerd.io/snapshot/a=2 containerd.io/snapshot/b=3 color=green
is "at the plugin" "a=2 b=3" "$(told writing)"
is "here" "a=2 b=3" "$(here writing)"
is "the mask" "labels.containerd.io/snapshot/a" "$(plugin_log layered 'select(.method == "Update") | .update_mask' | grep -o 'labels[^"]*a\b')"
before=$(plugin_log layered 'select(.method == "Update") | .method' | wc -l)
p label writing color=red containerd.io/snapshot/gantry.root=stolen
is "asked for what is not the plugin's" "$before" "$(plugin_log layered 'select(.method == "Update") | .method' | wc -l)"
p commit -l containerd.io/gc.root=1 -l containerd.io/snapshot/c=4 writing written
is "at the plugin, committed" "a=2 b=3 c=4" "$(told written)"
p label written containerd.io/snapshot/b= containerd.io/snapshot/a=5
is "at the plugin" "a=5 c=4" "$(told written)"
echo "Update fail 13 trailers no labels today" >"$work/layered/control"
run_for 1 gantry snapshot label --snapshotter layered written containerd.io/snapshot/c=6
has "said" "written" "$errors"
has "said" "snapshot plugin layered" "$errors"
has "said" "no labels today" "$errors"
rm "$work/layered/control"
is "here" "a=5 c=4" "$(here written)"
! grep -q stolen "$work/layered/snapshots.json" || fail "the mark was changed"
p label written containerd.io/snapshot/c=
p rm written
wait_until "all is gone" plugin_is_empty layered

step "plugins ls and inspect"
run_for 0 gantry plugins ls
has "the table" "overlay" "$out"
has "the table" "nobody" "$out"
run_for 0 gantry plugins inspect nobody
has "said" "nobody listens there" "$out"
run_for 0 gantry --format json plugins inspect layered
is "as JSON" "snapshotter layered ok true $work/layered" "$(jq -r '"\(.type) \(.id) \(.state) \(.proxy) \(.exports.root)"' <<<"$out")"
run_for 0 gantry --format json plugins inspect copied
is "capabilities" remap-ids "$(jq -r '.capabilities[0]' <<<"$out")"
run_for 0 gantry --format json plugins inspect runtime/native
is "our own engine" "ok true" "$(jq -r '"\(.state) \(.standard)"' <<<"$out")"
run_for 1 gantry plugins inspect nothing
has "said" "there is none" "$errors"
run_for 1 gantry pull --snapshotter blobs "$image"
has "said" "blobs" "$errors"
