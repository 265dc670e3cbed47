#!/bin/bash
# power - tests/fault/power.py on images that share layers: power.sh [CUTS [SEED]]
# In a mount namespace of its own: what others start meanwhile would hold our disks in theirs.
if [ -z "${GANTRY_POWER_INSIDE:-}" ] && [ "$(id -u)" = 0 ]; then
    GANTRY_POWER_INSIDE=1 exec unshare -m --propagation private "$0" "$@"
fi
. "$(dirname "$0")/../helpers/lib.sh"
mount --make-rshared / # what our own processes copy is unmounted with ours

tests=$GANTRY_BIN/../tests
[ -x "$tests/power_disk" ] || skip "not built with test hooks: the machine's next boot cannot be told"
[ -c /dev/fuse ] || skip "no /dev/fuse: the disk that writes down what it is given is made with it"
[ -c /dev/loop-control ] && losetup -f >/dev/null 2>&1 || skip "no loop devices"
command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4"
mountpoint -q "$work" || mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/reference"

# Four layers, and three images of some of them each.
images() {
    local layout=$work/layout name folder="$work/folder" layers=()
    layout_start "$layout"
    busybox_root "$folder"
    layers+=("$(layer_add "$layout" "$folder" gzip)")
    for name in one two three; do
        rm -rf "$folder"
        mkdir -p "$folder/$name/deep/er" "$folder/etc"
        for i in $(seq 40); do echo "$name $i" >"$folder/$name/$i"; done
        head -c 300000 /dev/urandom >"$folder/$name/deep/er/file"
        ln "$folder/$name/1" "$folder/$name/deep/link"
        ln -s ../1 "$folder/$name/deep/symlink"
        layers+=("$(layer_add "$layout" "$folder" gzip)")
    done
    image_add "$layout" a '{"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}' "${layers[0]}"
    image_add "$layout" b '{"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}' "${layers[@]:0:3}"
    image_add "$layout" c '{"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}' "${layers[@]:0:2}" "${layers[3]}"
    registry_start "$work/registry"
    for name in a b c; do layout_push "$layout" $name "$registry"; done
    rm -rf "$layout" "$folder"
}

images
count=${1:-100}
seed=${2:-$((RANDOM * 32768 + RANDOM))}
echo "the power goes $count times, seed $seed"
/usr/bin/python3 "$source_folder/tests/fault/power.py" "$work" "$GANTRY_BIN" "$count" "$seed" \
    "$registry/a" "$registry/b" "$registry/c"
