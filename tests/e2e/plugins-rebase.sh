#!/bin/bash
# plugins-rebase - a plugin that is told with the commit what a layer stands on: layers are unpacked into it side by side.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"

step "an image whose layers remove, hide, replace, link, and go through links of those below"
layout=$work/layout
layout_start "$layout"
busybox_root "$work/l"
mkdir -p "$work"/l/data/{real,old,kept,gone/deep}
echo first >"$work/l/data/changed"
echo target >"$work/l/data/target"
echo old >"$work/l/data/old/file"
echo deep >"$work/l/data/gone/deep/file"
echo folder >"$work/l/data/kept/file"
ln -s data/real "$work/l/way"
chmod 751 "$work/l" "$work/l/data/kept"
chown 12:34 "$work/l/data/kept"
layers=("$(layer_add "$layout" "$work/l")")
next() { # FILE...: the layer of these names alone, so that folders are its parents'
    layers+=("$(layer_add "$layout" "$work/l" gzip "$@")")
    rm -rf "$work/l"
}
rm -rf "$work/l"
mkdir -p "$work"/l/data/{old,kept}
echo second >"$work/l/data/changed"
touch "$work/l/data/.wh.gone" "$work/l/data/old/.wh..wh..opq"
echo new >"$work/l/data/old/new"
next data/changed data/.wh.gone data/old/.wh..wh..opq data/old/new
mkdir -p "$work/l/data/kept" "$work/l/way"
echo beside >"$work/l/data/kept/beside"
echo through >"$work/l/way/through"
next data/kept/beside way/through
mkdir -p "$work/l/data/gone"
echo again >"$work/l/data/gone/again"
echo file >"$work/l/data/old"
next data/gone/again data/old
mkdir -p "$work/l/data" "$work/l/etc"
echo target >"$work/l/data/target"
ln "$work/l/data/target" "$work/l/data/link"
printf 'root:x:0:0:root:/root:/bin/sh\nsomeone:x:77:78::/:/bin/sh\n' >"$work/l/etc/passwd"
next etc/passwd data/target data/link
image_add "$layout" five '{"Cmd":["/bin/sh"]}' "${layers[@]}"
image_add "$layout" two '{"Cmd":["/bin/sh"]}' "${layers[@]:0:2}"
registry_start "$work/registry"
layout_push "$layout" five "$registry"
layout_push "$layout" two "$registry"
image=$registry/five

plugin_config rebasing 'capabilities = ["rebase"]'
plugin_config boxed 'capabilities = ["rebase"]'
plugin_config plain
plugin_start rebasing --rebase
plugin_start boxed --rebase --boxed
plugin_start plain
daemon_start --config "$work/config.toml"
mkdir "$work/mnt"
# all that an image is, as DRIVER shows it
tree_of() {
    local top
    top=$(gantry --format json snapshot ls --snapshotter "$1" | jq -r '([.[] | .parent] | map(select(.))) as $below | .[] |
        select(.kind == "committed" and ([.key] - $below | length) > 0) | .key')
    run_for 0 gantry snapshot mount --snapshotter "$1" "$top" "$work/mnt"
    (cd "$work/mnt" && find . -printf '%p %y %m %U:%G %T@ %l\n' && find . -type f -printf '%p %n ' -exec sha256sum {} \;) |
        sort >"$work/tree.$1"
    run_for 0 gantry snapshot umount --snapshotter "$1" "$work/mnt"
}
committed() { plugin_log "$1" 'select(.method == "Commit") | .key'; }
run_for 0 gantry pull --snapshotter overlay "$image"
tree_of overlay
grep -q '^./data/real/through f' "$work/tree.overlay" || fail "the layers are not what the test wants"

for plugin in rebasing boxed plain; do
    step "$plugin: its tree is overlay's"
    run_for 0 gantry pull --snapshotter $plugin "$image"
    is "what it holds" 5 "$(plugin_holds $plugin)"
    tree_of $plugin
    run_for 0 diff -u "$work/tree.overlay" "$work/tree.$plugin"
    run_for 0 gantry run --rm --snapshotter $plugin -u someone "$image" sh -c 'id -u; cat /way/through /data/old; ls /data/gone; stat -c %a /data/kept'
    is "what a container sees" "77
through
file
again
751" "$out"
    run_for 0 gantry check
done

step "the plugin was told the parents with the commits, and layers were prepared before those under them were there"
is "prepared on nothing" 5 "$(plugin_log rebasing 'select(.method == "Prepare" and (.parent | not) and (.key | contains("extract-"))) | .key' | wc -l)"
is "on something" 0 "$(plugin_log rebasing 'select(.method == "Prepare" and .parent and (.key | contains("extract-"))) | .key' | wc -l)"
is "parents that were told" 4 "$(plugin_log rebasing 'select(.method == "Commit" and .parent) | .parent' | sort -u | wc -l)"
is "each is the one committed before" "$(plugin_log rebasing 'select(.method == "Commit") | .name' | head -n 4)" \
    "$(plugin_log rebasing 'select(.method == "Commit" and .parent) | .parent')"
is "commits before all were prepared" 0 "$(plugin_log rebasing 'select(.method == "Commit" or (.method == "Prepare" and (.key | contains("extract-")))) | .method' |
    head -n 5 | grep -c Commit || true)"
is "whose target was told before its parent was known" 1 \
    "$(plugin_log rebasing 'select(.method == "Prepare" and .labels["containerd.io/snapshot.ref"]) | .key' | wc -l)"
is "files of layers here" "" "$(find "$work/root/snapshots" -path "*/fs/*" -newer "$work/rebasing/snapshots.json" -print -quit)"
is "what is left here of an unpacking" "" "$(find "$work/root/snapshots" -mindepth 2 -name deferred)"

step "with mounts that are no folder, and without the capability, as before: on the parent"
for plugin in boxed plain; do
    is "parents told with commits" "" "$(plugin_log $plugin 'select(.method == "Commit" and .parent) | .parent')"
    is "prepared on their parents" 4 "$(plugin_log $plugin 'select(.method == "Prepare" and .parent and (.key | contains("extract-"))) | .key' | wc -l)"
done

step "the daemon is killed while layers are unpacked, and between a commit and its own row"
run_for 0 gantry rmi "$image"
run_for 0 gantry gc
for plugin in rebasing boxed plain; do wait_until "$plugin: all is gone" plugin_is_empty $plugin; done
before=$(committed rebasing | wc -l)
printf 'Commit hang 2\n' >"$work/rebasing/control"
gantry pull --snapshotter rebasing "$image" >/dev/null 2>&1 &
wait_until "a commit was asked for" sh -c "[ \$(jq -r 'select(.method == \"Commit\") | .key' '$work/rebasing/log' | wc -l) -gt $before ]"
daemon_kill
wait $! 2>/dev/null || true
rm "$work/rebasing/control"
daemon_start --config "$work/config.toml"
run_for 0 gantry pull --snapshotter rebasing "$image"
mv "$work/tree.rebasing" "$work/tree.before"
tree_of rebasing
run_for 0 cmp "$work/tree.before" "$work/tree.rebasing"
run_for 0 gantry rmi "$image"
run_for 0 gantry gc
wait_until "all is gone" plugin_is_empty rebasing

step "what is below is there already: the lowest that is missing is asked for on it first"
run_for 0 gantry pull --snapshotter rebasing "$registry/two"
before=$(wc -l <"$work/rebasing/log")
run_for 0 gantry pull --snapshotter rebasing "$image"
since() { tail -n "+$((before + 1))" "$work/rebasing/log" | jq -r "$1"; }
is "asked for with a target" 1 "$(since 'select(.method == "Prepare" and .parent and .labels["containerd.io/snapshot.ref"]) | .key' | wc -l)"
is "told with the commits" 3 "$(since 'select(.method == "Commit" and .parent) | .name' | wc -l)"
tree_of rebasing
run_for 0 cmp "$work/tree.before" "$work/tree.rebasing"
run_for 0 gantry rmi "$image" "$registry/two"
run_for 0 gantry gc
wait_until "all is gone" plugin_is_empty rebasing

step "it says that it can, and cannot"
plugin_stop rebasing
plugin_start rebasing
wait_until "the plugin answers" plugin_answers rebasing
run_for 1 gantry pull --snapshotter rebasing "$image"
has "said" "parent cannot change" "$errors"
has "the way out" "capabilities" "$errors"
run_for 0 gantry gc
wait_until "all is gone" plugin_is_empty rebasing
