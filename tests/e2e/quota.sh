#!/bin/bash
# quota - what may be written to a container's root file system: --storage-opt size=.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
disk() { # KIND [OPTION...]: a file system of 320 MiB on $work/disk; false: not on this machine
    local kind=$1
    shift
    mkdir -p "$work/disk"
    truncate -s 320M "$work/image"
    case $kind in
    btrfs) mkfs.btrfs -q "$work/image" ;;
    ext4) mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$work/image" ;;
    xfs) mkfs.xfs -q "$work/image" ;;
    esac >/dev/null 2>&1 && mount -o "loop${1:+,$1}" "$work/image" "$work/disk" 2>/dev/null
}
away() {
    umount "$work/disk"
    rm -f "$work/image"
}
write_20m='dd if=/dev/zero of=/x bs=1M count=20 && sync'

it_is_limited() { # DRIVER, what is said beyond the limit
    run_for 1 gantry run --rm --snapshotter "$1" --storage-opt size=10m "$busybox" sh -c "$write_20m"
    has "said" "$2" "$errors"
    run_for 0 gantry run --rm --snapshotter "$1" --storage-opt size=40m "$busybox" sh -c "$write_20m"
    run_for 0 gantry run --rm --snapshotter "$1" "$busybox" sh -c "$write_20m"
}

root_on_disk() { daemon_start --root "$work/disk/root" && gantry pull -q "$@" "$busybox" >/dev/null; }

step "where the file system keeps no quotas it is refused, with the way out"
mkdir -p "$work/disk"
root_on_disk
run_for 125 gantry run --rm --storage-opt size=10m "$busybox" true
has "said" "project quotas" "$errors"
has "the way out" "mount it with prjquota" "$errors"
run_for 125 gantry run --rm --snapshotter native --storage-opt size=10m "$busybox" true
has "said" "limit of size" "$errors"
for bad in size= size=0 size=x 10g size=-1 read-only; do
    run_for 125 gantry run --rm --storage-opt "$bad" "$busybox" true
    has "said" "size" "$errors"
done
run_for 1 gantry snapshot prepare -l containerd.io/snapshot/max-size=10g three
has "said" "say bytes" "$errors"
is "containers" "" "$(gantry ps -aq)"
daemon_stop
rm -rf "$work/disk/root"

if disk btrfs; then
    step "btrfs without quotas"
    root_on_disk --snapshotter btrfs
    run_for 125 gantry run --rm --snapshotter btrfs --storage-opt size=10m "$busybox" true
    has "the way out" "btrfs quota enable" "$errors"

    step "btrfs with quotas"
    btrfs quota enable "$work/disk"
    btrfs quota rescan -w "$work/disk" >/dev/null
    it_is_limited btrfs "quota exceeded"
    run_for 0 gantry run --name one --snapshotter btrfs "$busybox" sh -c "$write_20m"
    run_for 0 gantry snapshot usage --snapshotter btrfs "$(gantry inspect one | jq -r '.[0].snapshot')"
    size=$(gantry --format json snapshot usage --snapshotter btrfs "$(gantry inspect one | jq -r '.[0].snapshot')" | jq .size)
    [ "$size" -ge 20971520 ] && [ "$size" -lt 22000000 ] || fail "usage is $size"
    run_for 0 gantry rm one
    daemon_stop
    away
else
    echo "not proved: no btrfs on a loop device here"
fi

project_quotas() { # KIND, what is said beyond the limit, what the kernel was built without
    if disk "$1" prjquota; then
        step "$1 with project quotas"
        root_on_disk
        it_is_limited overlay "$2"
        daemon_stop
        away
    else
        echo "not proved: this kernel keeps no project quotas on $1 ($3); ci/vm's does"
    fi
}
project_quotas ext4 "quota exceeded" CONFIG_QFMT_V2
project_quotas xfs "No space left on device" CONFIG_XFS_QUOTA
