#!/bin/bash
# plugins-files - a plugin whose snapshots are file systems in files, or programs: loop devices and fuse.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"

[ -e /dev/loop-control ] || skip "no loop devices here"
for program in mkfs.ext4 mkfs.erofs bindfs mount.fuse3; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done

busybox_registry
plugin_config p
plugin_start p
daemon_start --config "$work/config.toml"
run_for 0 gantry pull --snapshotter p "$busybox"
busybox_root "$work/tree"
mkdir -p "$work"/tree/{etc,dev,proc,sys,run,tmp}
touch "$work"/tree/etc/{hostname,hosts,resolv.conf} # nothing can be made in one that is read-only
loops() { losetup -l -n -O BACK-FILE | grep -c "^$work/" || true; }
mounts_are() { printf '%s mount %s\n' Prepare "$*" Mounts "$*" >"$work/p/control"; }
container() { run_for 0 gantry run --rm --snapshotter p "$busybox" "$@"; }

step "ext4 in a file, which is written"
echo ext4 >"$work/tree/etc/kind"
truncate -s 16M "$work/p/ext4.img"
mkfs.ext4 -q -d "$work/tree" "$work/p/ext4.img"
mounts_are ext4 "$work/p/ext4.img" - loop
container sh -c 'cat /etc/kind; echo written >/etc/new; grep " / " /proc/mounts | cut -d" " -f3'
is "output" "ext4
ext4" "$out"
container cat /etc/new
is "what was written before" written "$out"
wait_until "no device is left" sh -c "! losetup -l -n -O BACK-FILE | grep -q '^$work/'"

step "erofs in a file"
echo erofs >"$work/tree/etc/kind"
mkfs.erofs "$work/p/erofs.img" "$work/tree" >/dev/null 2>&1
mounts_are erofs "$work/p/erofs.img" - loop ro
container sh -c 'cat /etc/kind; touch /etc/new 2>/dev/null || echo read-only'
is "output" "erofs
read-only" "$out"
wait_until "no device is left" sh -c "! losetup -l -n -O BACK-FILE | grep -q '^$work/'"

step "a program that is a file system"
echo fuse >"$work/tree/etc/kind"
mounts_are fuse3.bindfs "$work/tree" - allow_other
container sh -c 'cat /etc/kind; grep " / " /proc/mounts | cut -d" " -f3'
has "output" fuse "$out"
mounts_are fuse3.no-such-program "$work/tree" - allow_other
run_for 125 gantry run --rm --snapshotter p "$busybox" true
has "said" "mount.fuse3" "$errors"

step "one that is no file system, one that is not there"
head -c 1M /dev/zero >"$work/p/zero.img"
mounts_are ext4 "$work/p/zero.img" - loop
run_for 125 gantry run --rm --snapshotter p "$busybox" true
has "said" "zero.img" "$errors"
mounts_are ext4 "$work/p/missing.img" - loop
run_for 125 gantry run --rm --snapshotter p "$busybox" true
has "said" "missing.img" "$errors"
is "devices" 0 "$(loops)"
