#!/bin/bash
# snapshotters - one image, run on overlay, native and btrfs: each shows the same, and each is chosen in three ways.

# The disk of btrfs is a file, mounted where nobody else sees it.
if [ -z "${GANTRY_E2E_APART:-}" ] && [ "$(id -u)" = 0 ]; then
    exec unshare --mount --propagation private env GANTRY_E2E_APART=1 "$0"
fi
. "$(dirname "$0")/../helpers/lib.sh"

drivers=(overlay native)
mkdir -p "$work/root"
truncate -s 400M "$work/disk"
if mkfs.btrfs -q "$work/disk" >/dev/null 2>&1 && mount -o loop "$work/disk" "$work/root" 2>/dev/null; then
    drivers+=(btrfs)
else
    echo "btrfs: left out: no loop device, no mkfs.btrfs, or a kernel without it"
fi

# Four layers: what is added, changed, removed, and a folder that begins anew.
layout=$work/layout
layers=()
layout_start "$layout"
busybox_root "$work/l"
mkdir -p "$work/l/data/old" "$work/l/data/kept"
echo first >"$work/l/data/changed"
echo gone >"$work/l/data/gone"
echo old >"$work/l/data/old/file"
ln "$work/l/data/changed" "$work/l/data/name"
layers+=("$(layer_add "$layout" "$work/l")")
rm -rf "$work/l"
mkdir -p "$work/l/data/old" "$work/l/data/kept"
echo second >"$work/l/data/changed"
touch "$work/l/data/.wh.gone" "$work/l/data/old/.wh..wh..opq"
echo new >"$work/l/data/old/new"
chmod 750 "$work/l/data/kept"
chown 12:34 "$work/l/data/kept"
layers+=("$(layer_add "$layout" "$work/l" zstd)")
rm -rf "$work/l"
mkdir -p "$work/l/etc"
printf 'root:x:0:0:root:/root:/bin/sh\nsomebody:x:1000:1000::/:/bin/sh\n' >"$work/l/etc/passwd"
layers+=("$(layer_add "$layout" "$work/l" none)")
image_add "$layout" layered '{"Cmd": ["/bin/sh"], "User": "somebody"}' "${layers[@]}"
registry_start "$work/registry"
layout_push "$layout" layered "$registry"
image=$registry/layered
look='cd /data; find . | sort | tr "\n" " "; cat changed name old/new; stat -c "%a %u:%g" kept; id -u'
seen=". ./changed ./kept ./name ./old ./old/new second
first
new
750 12:34
1000"

daemon_start
for driver in "${drivers[@]}"; do
    step "$driver: pulled for it, run, written to, thrown away"
    run_for 0 gantry pull -q --snapshotter "$driver" "$image"
    run_for 0 gantry run --rm --snapshotter "$driver" "$image" sh -c "$look"
    is "what is in it" "$seen" "$out"
    run_for 0 gantry run --name "on-$driver" -u 0 --snapshotter "$driver" "$image" sh -c 'echo mine >/data/mine; rm /data/changed; touch /bin/x'
    run_for 0 gantry start -a "on-$driver"
    is "driver of the record" "$driver" "$(gantry inspect "on-$driver" | jq -r '.[0].driver')"
    run_for 0 gantry run --rm --snapshotter "$driver" "$image" sh -c "$look"
    is "what another sees" "$seen" "$out"
    run_for 0 gantry --format json snapshot usage --snapshotter "$driver" "$(gantry inspect "on-$driver" | jq -r '.[0].snapshot')"
    [ "$(jq .size <<<"$out")" -lt 100000 ] || fail "$driver: a container with three changes takes $out"
    is "its snapshots" 4 "$(gantry snapshot ls -q --snapshotter "$driver" | wc -l)"
done

step "a namespace's default, and the label that names nobody"
run_for 0 gantry namespace create elsewhere
run_for 0 ask_daemon namespaces.update '{"name": "elsewhere", "labels": {"containerd.io/defaults/snapshotter": "native"}}'
run_for 0 gantry -n elsewhere run --rm "$image" sh -c "$look"
is "what is in it" "$seen" "$out"
is "snapshots of native there" 3 "$(gantry -n elsewhere snapshot ls -q | wc -l)"
is "snapshots of overlay there" 0 "$(gantry -n elsewhere snapshot ls -q --snapshotter overlay | wc -l)"

step "what is refused"
run_for 125 gantry run --rm --snapshotter nonsense "$image" true
has "said" "snapshot driver 'nonsense'" "$errors"
run_for 1 gantry pull --snapshotter nonsense "$image"
has "said" "snapshot driver 'nonsense'" "$errors"

step "kill -9, and all is there"
daemon_kill
daemon_start
for driver in "${drivers[@]}"; do
    run_for 0 gantry start -a "on-$driver"
    run_for 0 gantry run --rm --snapshotter "$driver" "$image" sh -c "$look"
    is "what is in it" "$seen" "$out"
done
run_for 0 gantry check --deep

step "nothing is left when all has gone"
for driver in "${drivers[@]}"; do run_for 0 gantry rm -f "on-$driver"; done
run_for 0 gantry -n elsewhere rmi -f "$image"
run_for 0 gantry -n elsewhere gc
forget_all
wait_until "no layer is left" eval "[ -z \"\$(ls $work/root/snapshots $work/root/trash/snapshots | grep '^[0-9a-f]')\" ]"
daemon_stop

step "the configuration's default"
daemon_start --config <(echo 'snapshotter = "native"')
run_for 0 gantry run --rm "$image" sh -c "$look"
is "what is in it" "$seen" "$out"
is "snapshots" 3 "$(gantry snapshot ls -q --snapshotter native | wc -l)"
daemon_stop
echo 'snapshotter = "aufs"' >"$work/wrong.toml"
run_for 1 "$GANTRY_BIN/gantryd" --root "$work/root2" --state "$work/s2" --listen "ipc://$work/s2/x.sock" --config "$work/wrong.toml"
has "said" "snapshot driver 'aufs'" "$errors"

step "btrfs on a file system that is another"
daemon_start --root "$work/root3"
run_for 125 gantry run --rm --snapshotter btrfs "$image" true
has "said" "does not lie on a btrfs file system" "$errors"
has "a way out" "native" "$errors"
daemon_stop
if [ ${#drivers[@]} = 3 ]; then umount "$work/root"; fi
