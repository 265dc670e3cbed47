#!/bin/bash
# diff-drivers - the layer of what a container has changed, on every driver: put elsewhere it makes the same tree.

# The disk of btrfs is a file, mounted where nobody else sees it.
if [ -z "${GANTRY_E2E_APART:-}" ] && [ "$(id -u)" = 0 ]; then
    exec unshare --mount --propagation private env GANTRY_E2E_APART=1 "$0"
fi
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"
for program in setfattr getfattr jq; do command -v $program >/dev/null || skip "$program is not installed"; done

drivers=(overlay native layered rebasing copied)
mkdir -p "$work/root"
truncate -s 600M "$work/disk"
if mkfs.btrfs -q "$work/disk" >/dev/null 2>&1 && mount -o loop "$work/disk" "$work/root" 2>/dev/null; then
    drivers+=(btrfs)
else
    echo "btrfs: left out: no loop device, no mkfs.btrfs, or a kernel without it"
fi

busybox_root "$work/l"
mkdir -p "$work"/l/{etc,data/{kept,emptied,replaced/deep,gone/deep,modes},new}
touch "$work"/l/etc/{hosts,hostname,resolv.conf}
for file in changed same link moved kept/file emptied/{a,b} replaced/deep/file gone/deep/file modes/{owner,mode,time,xattr}; do
    echo "$file" >"$work/l/data/$file"
done
ln "$work/l/data/link" "$work/l/data/second"
ln -s same "$work/l/data/symbolic"
layout_start "$work/layout"
image_add "$work/layout" base '{"Cmd":["/bin/sh"]}' "$(layer_add "$work/layout" "$work/l")"
registry_start "$work/registry"
layout_push "$work/layout" base "$registry"
image=$registry/base

plugin_config layered
plugin_config rebasing 'capabilities = ["rebase"]'
plugin_config copied
plugin_start layered
plugin_start rebasing --rebase
plugin_start copied --kind copy
daemon_start --config "$work/config.toml"
mkdir "$work/mnt"

# Everything that can become of a file.
change() {
    local data=$1/data
    echo more >>"$data/changed"
    rm -r "$data/gone" "$data/emptied"/*
    rm -r "$data/replaced" && echo "a file now" >"$data/replaced"
    rm "$data/same" && mkdir "$data/same" && echo inside >"$data/same/file"
    rm -r "$data/kept" && mkdir "$data/kept" && echo other >"$data/kept/other"
    mv "$data/moved" "$data/modes/moved"
    ln -sfn /nowhere "$data/symbolic"
    chown 1234:5678 "$data/modes/owner"
    chmod 4750 "$data/modes/mode"
    touch -d @1234567890 "$data/modes/time"
    setfattr -n user.words -v "of ours" "$data/modes/xattr"
    mkdir -p "$1/new/a folder/deep" && chmod 1777 "$1/new/a folder"
    echo one >"$1/new/one" && ln "$1/new/one" "$1/new/a folder/deep/another"
    mkfifo "$1/new/pipe"
    mknod "$1/new/null" c 1 3
    truncate -s 1M "$1/new/hole"
    echo long >"$1/new/$(printf 'n%.0s' {1..200})"
}
tree_in() {
    (cd "$1" && find . -printf '%p %y %m %U:%G %l %T@\n' | sed 's/\.[0-9]*$//' &&
        find . -type f -printf '%p %n ' -exec sha256sum {} \; && find . -type f -exec getfattr -d -m 'user\.' {} +) | sort
}
tree_of() { # DRIVER KEY
    run_for 0 gantry snapshot mount --snapshotter "$1" "$2" "$work/mnt"
    tree_in "$work/mnt"
    run_for 0 gantry snapshot umount --snapshotter "$1" "$work/mnt"
}
top_of() { ask_daemon images.unpack "{\"name\": \"$1\", \"driver\": \"$2\"}" | jq -r .chain_id; }
expected="C /data
C /data/changed
D /data/emptied/a
D /data/emptied/b
D /data/gone
D /data/kept/file
D /data/moved
C /data/replaced
C /data/same
A /data/kept/other
A /data/modes/moved
A /data/same/file
A /new/one
A /new/pipe
C /data/modes/mode
C /data/modes/owner
C /data/modes/xattr
C /data/symbolic"

for at in "${!drivers[@]}"; do
    driver=${drivers[at]} other=${drivers[(at + 1) % ${#drivers[@]}]}
    step "$driver: what was changed, listed and as a layer"
    run_for 0 gantry pull -q --snapshotter "$driver" "$image"
    run_for 0 gantry run --name "on-$driver" --snapshotter "$driver" "$image" sh -c 'echo run >/data/run; rm /bin/cat'
    key=$(gantry inspect "on-$driver" | jq -r '.[0].snapshot')
    run_for 0 gantry snapshot mount --snapshotter "$driver" "$key" "$work/mnt"
    change "$work/mnt"
    run_for 0 gantry snapshot umount --snapshotter "$driver" "$work/mnt"
    run_for 0 gantry diff "on-$driver"
    sort <<<"$out" >"$work/changes.$driver"
    while read -r line; do grep -qx "$line" "$work/changes.$driver" || fail "diff does not say '$line': $out"; done <<<"$expected"
    run_for 0 diff -u "$work/changes.${drivers[0]}" "$work/changes.$driver"
    tree_of "$driver" "$key" >"$work/tree"
    run_for 0 gantry snapshot diff --snapshotter "$driver" -o "$work/layer.tar" --media-type application/vnd.oci.image.layer.v1.tar "$key"

    step "$driver: the layer on a copy of the image's files, by another program"
    rm -rf "$work/copy"
    mkdir "$work/copy"
    run_for 0 gantry snapshot mount --snapshotter "$driver" "$(top_of "$image" "$driver")" "$work/mnt"
    cp -a "$work/mnt/." "$work/copy"
    run_for 0 gantry snapshot umount --snapshotter "$driver" "$work/mnt"
    run_for 0 /usr/bin/python3 "$source_folder/tests/helpers/apply_layer.py" "$work/layer.tar" "$work/copy"
    tree_in "$work/copy" >"$work/tree.copy"
    run_for 0 diff -u "$work/tree" "$work/tree.copy"

    step "$driver: the committed image, unpacked for $other"
    run_for 0 gantry commit "on-$driver" "made-$driver:1"
    tree_of "$other" "$(top_of "made-$driver:1" "$other")" >"$work/tree.other"
    run_for 0 diff -u "$work/tree" "$work/tree.other"
    tree_of "$driver" "$(top_of "made-$driver:1" "$driver")" >"$work/tree.own"
    run_for 0 diff -u "$work/tree" "$work/tree.own"
    run_for 0 gantry run --rm --snapshotter "$other" "made-$driver:1" sh -c 'head -n 1 /data/run; ls /data/kept'
    is "what runs" "run
other" "$out"
done

step "the difference of two committed snapshots, and nothing where there is none"
for driver in "${drivers[@]}"; do
    top=$(top_of "made-$driver:1" "$driver")
    run_for 0 gantry snapshot diff --snapshotter "$driver" -o "$work/again.tar" --media-type application/vnd.oci.image.layer.v1.tar \
        "$(top_of "$image" "$driver")" "$top"
    has "its names" "data/.wh.gone" "$(tar tf "$work/again.tar")"
    run_for 0 gantry snapshot diff --snapshotter "$driver" -o "$work/none.tar" --media-type application/vnd.oci.image.layer.v1.tar "$top" "$top"
    is "names in nothing" "" "$(tar tf "$work/none.tar")"
    is "views that were left" "" "$(gantry snapshot ls -q --snapshotter "$driver" -f kind==view)"
done
run_for 0 gantry check
