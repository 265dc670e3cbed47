#!/bin/bash
# mounts - what the host mounts appears where a volume says so, and no container holds on to the host's disks.

# In a mount namespace where all is shared, as service managers set up a host; nothing of it comes out.
if [ -z "${GANTRY_E2E_SHARED:-}" ] && [ "$(id -u)" = 0 ]; then
    exec unshare --mount --propagation slave sh -c 'mount --make-rshared / && GANTRY_E2E_SHARED=1 exec "$@"' sh "$0"
fi
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
mkdir "$work/x" "$work/y" "$work/disk" "$work/plain"
for place in x y plain; do
    mount -t tmpfs tmpfs "$work/$place"
    mount --make-shared "$work/$place"
    mkdir "$work/$place/in"
done
mount -t tmpfs disk "$work/disk"
touch "$work/disk/file"
daemon_start
run_for 0 gantry pull "$busybox"
run_for 0 gantry run -d --name one -v "$work/x:/x:rslave" -v "$work/plain:/plain" "$busybox" sleep 1000

step "a host mount made later under an rslave volume appears inside, and goes again"
mount -t tmpfs tmpfs "$work/x/in"
mount -t tmpfs tmpfs "$work/plain/in"
echo later >"$work/x/in/file"
echo later >"$work/plain/in/file"
run_for 0 gantry exec one cat /x/in/file
is "what is inside" later "$out"
run_for 1 gantry exec one cat /plain/in/file
umount "$work/x/in"
umount "$work/plain/in"
run_for 1 gantry exec one cat /x/in/file

step "a mount inside does not come out of an rslave volume"
run_for 0 gantry run --rm --privileged -v "$work/x:/x:rslave" "$busybox" sh -c 'mount -t tmpfs none /x/in && touch /x/in/inside'
is "what is outside" "" "$(ls "$work/x/in")"

step "the host unmounts its disks while containers run"
umount "$work/disk"
wait_until "nobody has the disk" eval "! grep -qsF ' $work/disk ' /proc/[0-9]*/mountinfo"
run_for 0 gantry exec one echo alive
is "the container" alive "$out"

step "through an rshared volume mounts go both ways"
run_for 0 gantry run -d --name two --privileged -v "$work/y:/y:rshared" "$busybox" \
    sh -c 'mount -t tmpfs none /y/in && echo inside >/y/in/file && exec sleep 1000'
wait_until "it is outside" test -e "$work/y/in/file"
is "what came out" inside "$(cat "$work/y/in/file")"
run_for 0 gantry exec two umount /y/in
wait_until "it is gone outside" eval "! mountpoint -q $work/y/in"
mount -t tmpfs tmpfs "$work/y/in"
echo outside >"$work/y/in/file"
run_for 0 gantry exec two cat /y/in/file
is "what came in" outside "$out"
umount "$work/y/in"

step "nothing of it is left"
run_for 0 gantry rm -f one two
for place in x y plain; do umount "$work/$place"; done
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
is "mounts" "" "$(awk -v work="$work" 'index($5, work "/") == 1 { print $5 }' /proc/self/mountinfo)"
