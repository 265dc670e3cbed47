#!/bin/bash
# plugins-lazy - a plugin that has layers already: nothing is downloaded or unpacked; and one that has half of them.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"

layout_start "$work/layout"
busybox_root "$work/l1"
mkdir -p "$work/l1/etc" "$work/l2/etc" "$work/l3/etc"
printf 'root:x:0:0:root:/root:/bin/sh\nsomeone:x:77:78::/:/bin/sh\n' >"$work/l1/etc/passwd"
echo middle >"$work/l2/etc/middle"
echo top >"$work/l3/etc/top"
chain=
for i in 1 2 3; do
    layer_add "$work/layout" "$work/l$i" >"$work/d$i"
    diff=$(jq -r .annotations.diff_id "$work/d$i")
    [ -n "$chain" ] && chain=sha256:$(printf '%s %s' "$chain" "$diff" | sha256sum | cut -d' ' -f1) || chain=$diff
    chains[i]=$chain
    blobs[i]=$(jq -r .digest "$work/d$i")
done
image_add "$work/layout" three '{"Cmd":["/bin/sh"]}' "$(cat "$work/d1")" "$(cat "$work/d2")" "$(cat "$work/d3")"
registry_start "$work/registry"
layout_push "$work/layout" three "$registry"
image=$registry/three

# what the plugin can bring by itself: FIRST .. LAST
offer() {
    local i
    rm -rf "$work/offered"
    mkdir "$work/offered"
    for i in $(seq "$1" "$2"); do cp -a "$work/l$i" "$work/offered/${chains[i]#sha256:}"; done
}
blob_file() { echo "$work/root/blobs/sha256/${1#sha256:}"; }
wholly() {
    run_for 0 gantry run --rm "$image" cat /etc/middle /etc/top
    is "what the container sees" "middle
top" "$out"
    run_for 0 gantry run --rm -u someone "$image" id -u
    is "a user of the image" 77 "$out"
}

echo 'snapshotter = "lazy"' >"$work/config.toml"
plugin_config lazy
plugin_config both 'capabilities = ["rebase"]'
offer 1 3
plugin_start lazy --remote "$work/offered"
daemon_start --config "$work/config.toml"

step "it has all of them: no blob of a layer comes here"
run_for 0 gantry pull "$image"
for i in 1 2 3; do [ ! -e "$(blob_file "${blobs[i]}")" ] || fail "layer $i was downloaded"; done
is "snapshots" 3 "$(gantry --format json snapshot ls | jq '[.[] | select(.remote)] | length')"
is "nothing was committed" "" "$(plugin_log lazy 'select(.method == "Commit") | .key')"
is "each was asked for on its parent" 3 "$(plugin_log lazy 'select(.method == "Prepare") | .parent' | sort -u | wc -l)"
is "by its chain id" "${chains[3]}" "$(plugin_log lazy 'select(.method == "Prepare") | .labels["containerd.io/snapshot.ref"]' | tail -n 1)"
is "with the digest of its blob" "${blobs[3]}" \
    "$(plugin_log lazy 'select(.method == "Prepare") | .labels["containerd.io/snapshot/cri.layer-digest"]' | tail -n 1)"
is "and of those above it" "${blobs[1]},${blobs[2]},${blobs[3]}" \
    "$(plugin_log lazy 'select(.method == "Prepare") | .labels["containerd.io/snapshot/cri.image-layers"]' | head -n 1)"
has "found by a list" 'labels.\"containerd.io/snapshot.ref\"==' "$(cat "$work/lazy/log")"
wholly
run_for 0 gantry pull "$image"
for i in 1 2 3; do [ ! -e "$(blob_file "${blobs[i]}")" ] || fail "layer $i was downloaded the second time"; done
run_for 0 gantry check

step "another namespace has them without asking, and they stay for it"
before=$(wc -l <"$work/lazy/log")
run_for 0 gantry -n other pull "$image"
is "prepared again" "" "$(tail -n +$((before + 1)) "$work/lazy/log" | jq -r 'select(.method == "Prepare") | .key')"
run_for 0 gantry rmi "$image"
run_for 0 gantry gc
run_for 0 gantry -n other run --rm "$image" cat /etc/top
is "output" top "$out"
is "the plugin's" 3 "$(plugin_holds lazy)"
run_for 0 gantry -n other rmi "$image"
run_for 0 gantry -n other gc
wait_until "all is gone" plugin_is_empty lazy

step "it has the lower two: the top is unpacked on them"
offer 1 2
run_for 0 gantry pull "$image"
[ ! -e "$(blob_file "${blobs[1]}")" ] || fail "layer 1 was downloaded"
[ -e "$(blob_file "${blobs[3]}")" ] || fail "layer 3 was not downloaded"
is "remote ones" 2 "$(gantry --format json snapshot ls | jq '[.[] | select(.remote)] | length')"
wholly
run_for 0 gantry rmi "$image"
run_for 0 gantry gc
wait_until "all is gone" plugin_is_empty lazy

step "it has the top alone: that is found when what is below is there"
offer 3 3
run_for 0 gantry pull "$image"
is "the top was not committed" 2 "$(plugin_log lazy 'select(.method == "Commit") | .name' | grep -cE "${chains[1]}|${chains[2]}")"
wholly
run_for 0 gantry rmi "$image"
run_for 0 gantry gc
wait_until "all is gone" plugin_is_empty lazy

step "it says that it has a layer, and lists none"
echo 'Prepare fail 6 first it is here: already exists' >"$work/lazy/control"
run_for 1 gantry pull "$image"
has "said" "says that it has" "$errors"
rm "$work/lazy/control"
run_for 0 gantry gc
is "what the plugin holds" 0 "$(plugin_holds lazy)"

step "one that rebases, too, and has the lowest: the others are unpacked at once, and it is told that they stand on that"
offer 1 1
plugin_start both --remote "$work/offered" --rebase
wait_until "the plugin answers" plugin_answers both
run_for 0 gantry pull --snapshotter both "$image"
[ ! -e "$(blob_file "${blobs[1]}")" ] || fail "layer 1 was downloaded"
is "remote ones" 1 "$(gantry --format json snapshot ls --snapshotter both | jq '[.[] | select(.remote)] | length')"
is "commits that say a parent" 2 "$(plugin_log both 'select(.method == "Commit" and .parent) | .name' | wc -l)"
has "the first of them" "remote/" "$(plugin_log both 'select(.method == "Commit") | .parent' | head -n 1)"
run_for 0 gantry run --rm --snapshotter both -u someone "$image" sh -c 'cat /etc/middle /etc/top; id -u'
is "what the container sees" "middle
top
77" "$out"
