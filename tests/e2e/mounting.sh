#!/bin/bash
# mounting - images and snapshots shown in folders of this machine.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
cd "$work"
run_for 0 gantry pull "$busybox"
mkdir -p mnt other
is_mounted() { mountpoint -q "$1" || return 1; }

step "an image, to be read"
run_for 0 gantry image mount "$busybox" mnt
is "said" "$work/mnt" "$out"
run_for 0 test -x mnt/bin/busybox
run_for 1 touch mnt/new
run_for 1 gantry image mount "$busybox" mnt
has "the way out" "umount" "$errors"
run_for 0 gantry rmi "$busybox"
run_for 0 gantry gc
run_for 0 test -x mnt/bin/busybox
run_for 0 gantry image umount mnt
run_for 1 is_mounted mnt
run_for 0 gantry gc
is "snapshots" "" "$(gantry snapshot ls -q)"
run_for 1 gantry image umount mnt
has "said" "nothing is mounted" "$errors"

step "an image, to be written"
run_for 0 gantry pull "$busybox"
run_for 0 gantry image mount --rw "$busybox" mnt
echo words >mnt/new
run_for 0 gantry snapshot diff -o written.tar --media-type application/vnd.oci.image.layer.v1.tar "mounted:$work/mnt"
has "what was written" new "$(tar tf written.tar)"
run_for 0 gantry image umount mnt
run_for 0 gantry image mount "$busybox" mnt
run_for 1 test -e mnt/new
run_for 0 gantry image umount mnt

step "snapshots: a committed one, one that is written"
run_for 0 gantry snapshot ls -q
run_for 0 gantry snapshot mount "$out" mnt
run_for 0 test -x mnt/bin/busybox
run_for 0 gantry snapshot umount mnt
run_for 0 gantry snapshot prepare -l containerd.io/gc.root=yes mine
run_for 0 gantry snapshot mount mine mnt
echo words >mnt/file
run_for 0 gantry snapshot umount mnt
run_for 0 gantry snapshot mount mine other
is "what was written" words "$(cat other/file)"
run_for 0 gantry snapshot umount other
run_for 0 gantry snapshot rm mine

step "umount finds out which driver's it is"
run_for 0 gantry pull -q --snapshotter native "$busybox"
run_for 0 gantry snapshot mount --snapshotter native "$(gantry snapshot ls -q --snapshotter native)" mnt
run_for 0 gantry snapshot umount mnt
is "views of it" "" "$(gantry snapshot ls -q --snapshotter native -f kind==view)"

step "what is refused"
run_for 1 gantry image mount "$busybox" nowhere
has "said" nowhere "$errors"
run_for 1 gantry image mount nobody mnt
run_for 1 gantry snapshot mount nobody mnt
run_for 1 gantry snapshot umount nowhere
run_for 1 is_mounted mnt
is "views" "" "$(gantry snapshot ls -q -f kind==view)"
if command -v setpriv >/dev/null; then
    chmod 755 "$work/s"
    run_for 1 setpriv --reuid 12345 --clear-groups "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" image mount "$busybox" "$work/mnt"
fi

step "without a daemon"
daemon_stop
run_for 0 embedded image mount "$busybox" mnt
run_for 0 test -x mnt/bin/busybox
run_for 0 embedded image umount mnt
run_for 1 is_mounted mnt
