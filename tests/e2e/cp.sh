#!/bin/bash
# cp - files out of containers and into them, running or not; and what does not get out that way.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
cd "$work"
run_for 0 gantry pull "$busybox"
run_for 0 gantry run -d --name on "$busybox" sh -c 'mkdir -p /data/sub; echo inside >/data/file; ln /data/file /data/second
    ln -s file /data/link; ln -s /data /way; ln -s /etc/shadow /data/out; mkfifo /data/pipe; chmod 4755 /data/file
    mknod /data/null c 1 3; echo x >/data/sub/x; touch /ready; sleep 1000'
wait_until "it is ready" gantry exec on test -e /ready
run_for 0 gantry create --name off "$busybox" true
mkdir here

step "a file: by its own name, by another, over another"
run_for 0 gantry cp on:/data/file here
is "its content" inside "$(cat here/file)"
is "its mode, without what makes its owner another" 755 "$(stat -c %a here/file)"
is "its owner" 0 "$(stat -c %u here/file)"
run_for 0 gantry cp on:data/file here/other
is "its content" inside "$(cat here/other)"
ln -s other here/alias
echo old >here/other
run_for 0 gantry cp on:/data/file here/alias
is "through the user's own link" inside "$(cat here/other)"
run_for 0 test -L here/alias
run_for 1 gantry cp on:/data/file here/missing/
has "said" "no such folder" "$errors"
run_for 0 gantry cp -a on:/data/file here/kept
is "its mode" 4755 "$(stat -c %a here/kept)"

step "a folder: into one, as one, its contents"
run_for 0 gantry cp on:/data here
is "files" "file link out pipe second sub" "$(ls here/data | tr '\n' ' ' | sed 's/ $//')"
has "said" "devices were left out" "$errors"
is "one file, two names" "$(stat -c %i here/data/file)" "$(stat -c %i here/data/second)"
is "a link" /etc/shadow "$(readlink here/data/out)"
run_for 0 gantry cp on:/data here/new
run_for 0 test -f here/new/sub/x
run_for 0 gantry cp on:/data/sub/. here
run_for 0 test -f here/x
run_for 1 gantry cp on:/data here/x
has "said" "is a file" "$errors"
run_for 0 gantry cp -a on:/data here/all
run_for 0 test -c here/all/null

step "links in the container"
run_for 0 gantry cp on:/way here/way
is "the link itself" /data "$(readlink here/way)"
run_for 0 gantry cp -L on:/way here/followed
run_for 0 test -f here/followed/file
run_for 0 gantry cp on:/way/link here/link2
is "on the way it is followed" file "$(readlink here/link2)"
run_for 0 gantry cp -L on:/way/link here/file2
is "at the end if that is wanted" inside "$(cat here/file2)"

step "as a tar"
gantry cp on:/data/sub - | tar tf - >listed
is "entries" "sub/ sub/x" "$(tr '\n' ' ' <listed | sed 's/ $//')"
(cd here && tar -czf "$work/some.tgz" x file)
"$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" cp - on:/tmp <some.tgz
run_for 0 gantry exec on cat /tmp/file
is "packed" inside "$out"
head -c 100000 /dev/urandom >noise
status=0
"$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" cp - on:/tmp <noise 2>said || status=$?
is "noise" 1 $status
has "said" tar "$(cat said)"

step "into a container, running or not"
echo outside >sent
for container in on off; do
    run_for 0 gantry cp sent $container:/tmp
    run_for 0 gantry cp $container:/tmp/sent back
    is "content" outside "$(cat back)"
    run_for 0 gantry cp sent $container:/tmp/renamed
    run_for 0 gantry cp here/new $container:/copied
    run_for 0 gantry cp here/new $container:/copied
    run_for 0 gantry cp $container:/copied again
    run_for 0 test -f again/sub/x
    run_for 0 test -f again/new/sub/x
    rm -r again
    run_for 0 gantry cp here/new/. $container:/copied/new
    run_for 0 gantry cp sent $container:/copied/sub
    run_for 0 gantry cp $container:/copied/sub/sent back
    run_for 1 gantry cp here/new $container:/tmp/sent
    has "said" "is a file" "$errors"
    run_for 1 gantry cp sent $container:/nowhere/sent
    has "said" nowhere "$errors"
done
run_for 0 gantry exec on stat -c '%u:%g %F' /copied/second /copied/out
is "owner and kind" "0:0 regular file
0:0 symbolic link" "$out"
run_for 0 gantry start off
run_for 0 gantry cp off:/tmp/renamed back

step "what is mounted is seen"
mkdir volume
echo v >volume/v
run_for 0 gantry create --name with -v "$work/volume:/vol/inner" "$busybox" true
run_for 0 gantry cp with:/vol/inner/v back
is "out of the volume, which has no place in the root yet" v "$(cat back)"
run_for 0 gantry diff with
is "nothing was made for that" "" "$out"
run_for 0 gantry cp sent with:/vol/inner
is "in the volume" outside "$(cat volume/sent)"
run_for 0 gantry cp with:/vol/inner/v back
is "out of the volume" v "$(cat back)"
run_for 0 gantry create --name ro --read-only "$busybox" true
run_for 1 gantry cp sent ro:/tmp
has "said" read-only "$errors"
run_for 1 gantry cp on:/proc/version back
has "said" "file system of the kernel" "$errors"
run_for 0 gantry cp on:/ whole
is "of the kernel's nothing comes" "" "$(find whole/proc whole/sys -mindepth 1)"
run_for 0 test -f whole/data/file

step "in a user namespace files belong to who they would belong to without one"
run_for 0 gantry run -d --name mapped --uidmap 0:100000:65536 "$busybox" sh -c 'echo x >/of; chown 7:8 /of; touch /ready; sleep 1000'
wait_until "it is ready" gantry exec mapped test -e /ready
run_for 0 gantry cp sent mapped:/tmp
run_for 0 gantry exec mapped stat -c %u:%g /tmp/sent
is "in it" 0:0 "$out"
run_for 0 gantry cp -a mapped:/of got
is "out of it" 7:8 "$(stat -c %u:%g got)"
run_for 0 gantry stop -t 0 mapped
run_for 0 gantry cp sent mapped:/tmp/again
run_for 0 gantry cp -a mapped:/of got
is "out of it, when it does not run" 7:8 "$(stat -c %u:%g got)"
run_for 0 gantry start mapped
run_for 0 gantry exec mapped stat -c %u:%g /tmp/again
is "in it, as it did not run" 0:0 "$out"
rm got

step "what is refused"
run_for 1 gantry cp a b
run_for 1 gantry cp on:/a off:/b
run_for 1 gantry cp nobody:/a back
has "said" nobody "$errors"
run_for 1 gantry cp on:/nothing back
has "said" /nothing "$errors"
run_for 1 gantry cp missing on:/tmp
has "said" missing "$errors"
ln -s /tmp here/new/lead
run_for 0 gantry exec on mkdir -p /bad/lead
run_for 0 gantry exec on touch /bad/lead/file
run_for 1 gantry cp on:/bad/. here/new
has "said" "lead" "$errors"
is "where the link leads" "" "$(find -L here/new/lead -maxdepth 1 -name file)"

step "CVE-2018-15664: a container that swaps a folder for a link while it is copied to and from"
mkdir secret
echo secret >secret/file
run_for 0 gantry exec on mkdir -p "$work/secret"
run_for 0 gantry run -d --name swap "$busybox" sh -c "mkdir -p /d/secret /d.real; echo harmless >/d/secret/file
    while true; do mv /d /d.real/d; ln -s $work /d; rm /d; mv /d.real/d /d; done"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    gantry cp sent "swap:/d/secret/$i" >/dev/null 2>&1 || true
    gantry cp swap:/d/secret/file got >/dev/null 2>&1 || true
    [ ! -e got ] || is "what came" harmless "$(cat got)"
    rm -f got
done
is "the host's folder" file "$(ls secret)"

step "who goes away leaves nothing running"
mkfifo pipe
exec 8<>pipe # somebody has it open, and says nothing more
head -c 3000 some.tgz >&8
"$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" cp - on:/tmp <pipe 8>&- 2>/dev/null &
client=$!
wait_until "the helper runs" pgrep -P "$daemon_pid" -f "gantry-unpack put"
kill -9 $client
wait $client 2>/dev/null || true
wait_until "the helper has gone" sh -c "! pgrep -P '$daemon_pid' -f 'gantry-unpack put'"
exec 8>&-

step "and nothing of it is left"
run_for 0 gantry rm -f swap
