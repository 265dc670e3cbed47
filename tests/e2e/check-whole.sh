#!/bin/bash
# check-whole - damaged layers of drivers whose layers hold their parents' files: found, and unpacked anew in their place.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"

step "an image of three layers: folders and links, then changes, then a file removed and one more"
layout_start "$work/layout"
busybox_root "$work/l1"
mkdir -p "$work"/l{1,2,3}/data "$work/l1/usr/lib"
ln -s usr/lib "$work/l1/lib"
echo lowest >"$work/l1/data/level"
echo first >"$work/l1/data/first"
echo gone >"$work/l1/data/gone"
echo middle >"$work/l2/data/level"
ln "$work/l2/data/level" "$work/l2/data/link"
mkdir -p "$work/l2/usr/lib"
echo library >"$work/l2/usr/lib/library"
touch "$work/l3/data/.wh.gone"
echo top >"$work/l3/data/top"
for i in 1 2 3; do layer_add "$work/layout" "$work/l$i" >"$work/d$i"; done
image_add "$work/layout" three '{"Cmd":["/bin/sh"]}' "$(cat "$work/d1")" "$(cat "$work/d2")" "$(cat "$work/d3")"
registry_start "$work/registry"
layout_push "$work/layout" three "$registry"
image=$registry/three
look='cd /data; cat level link first top ../lib/library; ls gone; stat -c "%n %a" level first; ls -A'
seen="middle
middle
first
top
library
level 644
first 644
first
level
link
top"

mkdir -p "$work/root"
drivers=(native)
truncate -s 256M "$work/btrfs.img"
if mkfs.btrfs -q "$work/btrfs.img" >/dev/null 2>&1 && mount -o loop "$work/btrfs.img" "$work/root" 2>/dev/null; then
    drivers+=(btrfs)
else
    echo "btrfs: not proved: no loop device, no mkfs.btrfs or a kernel without it"
fi
plugin_config copied
plugin_start copied --kind copy
daemon_start --config "$work/config.toml"

# the number of the layer that stands on layer NUMBER; 0: on none
layer_on() {
    gantry --format json snapshot ls --snapshotter "$driver" -f kind==committed |
        jq --argjson on "$1" '(map({key, value: .layer}) | from_entries) as $layers |
            .[] | select((if .parent then $layers[.parent] else 0 end) == $on) | .layer'
}
inventories_are_taken() {
    local layer
    for layer in "${layers[@]}"; do
        wait_until "the inventory of layer $layer is taken" test -e "$work/root/snapshots/$layer/inventory"
    done
}
fs() { echo "$work/root/snapshots/$1/fs"; }

for driver in "${drivers[@]}"; do
    step "$driver: a damaged layer is named, and the file in it"
    run_for 0 gantry pull -q --snapshotter "$driver" "$image"
    low=$(layer_on 0) middle=$(layer_on "$low")
    top=$(layer_on "$middle")
    layers=("$low" "$middle" "$top")
    run_for 0 gantry create --name "before-$driver" --snapshotter "$driver" "$image" sh -c "$look"
    inventories_are_taken
    run_for 0 gantry check --deep
    echo other >"$(fs "$top")/data/first"
    chmod 4755 "$(fs "$top")/data/level"
    rm "$(fs "$middle")/usr/lib/library"
    run_for 1 gantry check --deep
    has "the bytes" "snapshot layer $top (" "$out"
    has "the bytes" "/data/first has other bytes" "$out"
    has "the mode" "/data/level has another mode" "$out"
    has "what is missing" "snapshot layer $middle (" "$out"
    has "what is missing" "/usr/lib/library is missing" "$out"
    [[ $out != *"snapshot layer $low "* ]] || fail "the lowest layer is well: $out"

    step "$driver: and unpacked anew; what runs on a copy does not keep it from that"
    run_for 0 gantry run -d --name "runs-$driver" --snapshotter "$driver" "$image" sleep 1000
    run_for 0 gantry check --deep --repair
    has "said" "/data/first has other bytes; repaired: unpacked anew from sha256:" "$out"
    has "said" "/usr/lib/library is missing; repaired: unpacked anew from sha256:" "$out"
    run_for 0 gantry rm -f "runs-$driver"
    run_for 0 gantry check --deep
    has "a second look" ", 0 findings" "$out"
    is "the layers" "${layers[*]}" "$(low=$(layer_on 0) && middle=$(layer_on "$low") && echo "$low $middle $(layer_on "$middle")")"
    inventories_are_taken
    run_for 0 gantry check --deep
    run_for 0 gantry run --rm --snapshotter "$driver" "$image" sh -c "$look"
    is "what a container sees" "$seen" "$out"
    run_for 0 gantry start -a "before-$driver"
    is "what one sees that was made before" "$seen" "$out"
    run_for 0 gantry rm "before-$driver"

    step "$driver: the same damage in all layers, the lowest first; one that is gone, too"
    for layer in "${layers[@]}"; do echo other >"$(fs "$layer")/data/first"; done
    run_for 1 gantry check --deep
    has "check" ", 3 findings" "$out"
    mv "$(fs "$middle")" "$work/root/kept-$driver"
    run_for 0 gantry check --deep --repair
    has "said" "snapshot folder $middle: is missing; repaired: unpacked anew" "$out"
    has "said" "3 findings, 3 of them repaired" "$out"
    run_for 0 gantry check --deep
    run_for 0 gantry run --rm --snapshotter "$driver" "$image" sh -c "$look"
    is "what a container sees" "$seen" "$out"

    step "$driver: a view shows the layer's own files: it is not changed under who runs on it"
    inventories_are_taken
    run_for 0 gantry create --name model --read-only --network host --snapshotter "$driver" "$image" sleep 1000
    spec=$(gantry inspect model | # nothing is made in a view: not the files that are mounted over
        jq '.[0].spec | fromjson? // . | .mounts |= map(select(.destination | startswith("/etc/") | not)) | tojson')
    run_for 0 gantry snapshot view -l containerd.io/gc.root=yes --snapshotter "$driver" look "$(gantry --format json snapshot ls \
        --snapshotter "$driver" -f kind==committed | jq -r ".[] | select(.layer == $top) | .key")"
    run_for 0 ask_daemon containers.create "{\"name\": \"views\", \"driver\": \"$driver\", \"spec\": $spec, \"snapshot\": \"look\"}"
    run_for 0 gantry start views
    echo other >"$(fs "$top")/data/first"
    run_for 1 gantry check --deep --repair
    has "said" "container views runs on layer $top; gantry stop views" "$out"
    run_for 0 gantry rm -f views model
    run_for 0 gantry check --deep --repair

    step "$driver: what stands on one that cannot be repaired is not made of it"
    inventories_are_taken
    blob=$(jq -r .digest "$work/d1")
    mv "$work/root/blobs/sha256/${blob#*:}" "$work/kept"
    registry_stop
    for layer in "$low" "$middle"; do echo other >"$(fs "$layer")/data/first"; done
    run_for 1 gantry check --deep --repair
    has "said" "snapshot layer $middle (" "$out"
    has "said" "not repaired: layer $low, which it stands on, is not repaired" "$out"
    mv "$work/kept" "$work/root/blobs/sha256/${blob#*:}"
    run_for 0 gantry check --deep --repair
    registry_start "$work/registry"
    run_for 0 gantry rmi "$image"
    run_for 0 gantry gc
    image=$registry/three
done

step "what lies with a plugin is pulled again, and the check says so"
run_for 0 gantry pull -q --snapshotter copied "$image"
run_for 0 gantry check --deep
has "check" ", 0 findings" "$out"
plugin_stop copied
run_for 0 gantry check --deep # that is for plugins ls
rm -rf "$work/copied"
plugin_start copied --kind copy
wait_until "the plugin answers" plugin_answers copied
run_for 1 gantry check --deep
has "check" ", 3 findings" "$out"
has "the way out" "remove what stands on it (gantry rm, gantry rmi), and pull it again" "$out"
run_for 1 gantry check --deep --repair
has "said" "not repaired: layer" "$out"
has "said" "plugin copied cannot give it other files; remove what stands on it" "$out"
run_for 0 gantry rmi "$image"
run_for 0 gantry gc
run_for 0 gantry pull -q --snapshotter copied "$image"
run_for 0 gantry check --deep
run_for 0 gantry run --rm --snapshotter copied "$image" sh -c "$look"
is "what a container sees" "$seen" "$out"
daemon_stop
