#!/bin/bash
# hostile-root - a container's files are read and written, and nothing of them is ever loaded or run.
#
# CVE-2019-14271: docker cp went into the container's root and there loaded libnss, the container's own. The libraries in
# this root end whoever loads them, so that what succeeds has loaded none; and its programs leave a mark.
. "$(dirname "$0")/../helpers/lib.sh"
for program in jq cc zstd; do command -v $program >/dev/null || skip "$program is not installed"; done

cd "$work"
client_of=("$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock") # the program itself, for what is killed
cat >evil.c <<'C'
#include <fcntl.h>
#include <unistd.h>
static __attribute__((constructor)) void loaded(void)
{
    creat("/MARK", 0666);
    creat(MARK, 0666);
    _exit(99);
}
C
cc -shared -fPIC -DMARK="\"$work/MARK\"" -o evil.so evil.c
status=0
LD_PRELOAD=$work/evil.so /bin/true || status=$?
is "whoever loads it ends" 99 $status
run_for 0 rm /MARK MARK

step "a root full of it: libraries of all names that programs of ours have, name services, programs"
busybox_root root
mkdir -p root/bin root/sbin root/usr/{bin,sbin,lib,lib64,local/bin} root/{lib,lib64,etc,data}
libraries=$({ ldd "$GANTRY_BIN"/gantry-{pack,unpack} "$GANTRY_BIN/gantryd" 2>/dev/null || true; } | awk '$2 == "=>" { print $1 }' | sort -u)
multiarch=$(cc -print-multiarch 2>/dev/null || true)
for folder in lib lib64 usr/lib usr/lib64 ${multiarch:+lib/$multiarch usr/lib/$multiarch}; do
    mkdir -p "root/$folder"
    for library in $libraries libc.so.6 libnss_{files,compat,dns,systemd,evil,sss,ldap}.so.2 libgcc_s.so.1 libcrypt.so.1 libz.so.1 libzstd.so.1; do
        cp evil.so "root/$folder/$library"
    done
done
for program in tar gzip gunzip unpigz pigz zstd xz xzcat getent cp mount umount newuidmap ldconfig gantry-pack gantry-unpack; do
    for folder in bin sbin usr/bin usr/sbin usr/local/bin; do
        rm -f "root/$folder/$program"
        printf '#!/bin/sh\necho run >/MARK\n' >"root/$folder/$program"
        chmod 755 "root/$folder/$program"
    done
done
echo /lib/libnss_evil.so.2 >root/etc/ld.so.preload
printf '%s\n' /lib /usr/lib >root/etc/ld.so.conf
printf 'passwd: evil files\ngroup: evil files\nhosts: evil\n' >root/etc/nsswitch.conf
printf 'root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n' >root/etc/passwd
printf 'root:x:0:\nweb:x:34:\nmore:x:50:web\n' >root/etc/group
echo words >root/data/file
layout_start layout
image_add layout evil '{"Env": ["PATH=/bin"], "Cmd": ["sh"], "Volumes": {"/data": {}}}' "$(layer_add layout root gzip)"
registry_start registry
layout_push layout evil "$registry"
evil=$registry/evil
daemon_start
run_for 0 gantry pull "$evil"

# All that a process has mapped is a file that lies there on the host, too.
maps_host_files() {
    local range path
    while read -r range _ _ _ inode path; do
        [ "${path:0:1}" = / ] || continue
        is "$1 has $path mapped from" "$(stat -c %i "$path" 2>/dev/null)" "$inode"
    done <"/proc/$2/maps"
}

unmarked() { # by way of the host: nothing is run for that
    local found
    found=$(find MARK /MARK root/MARK "$work"/root/snapshots "$work"/s/t -xdev -name MARK 2>/dev/null || true)
    is "marks" "" "$found"
}

step "users are looked up, also those whose names the image knows"
run_for 0 gantry run --rm -u web --group-add more "$evil" sh -c 'read -r _ uid _ <<W
$(busybox grep ^Uid: /proc/self/status)
W
busybox grep -E "^(Uid|Gid|Groups):" /proc/self/status'
has "its ids" "Uid: 33 33 33 33" "$(tr '\t' ' ' <<<"$out")"
has "its groups" 50 "$out"

step "copied, compared and committed, running or not"
run_for 0 gantry run -d --name on "$evil" busybox sleep 1000
run_for 0 gantry create --name off "$evil" sh
mkdir here
echo sent >sent
tar -cf some.tar sent
gzip -k some.tar
zstd -q some.tar
for container in on off; do
    run_for 0 gantry cp $container:/data here
    run_for 0 gantry cp -a $container:/etc here/etc-$container
    run_for 0 gantry cp $container:/lib here/lib-$container
    run_for 0 gantry cp sent $container:/data/new
    run_for 0 gantry cp here/data $container:/copied
    for archive in some.tar some.tar.gz some.tar.zst; do
        "${client_of[@]}" cp - $container:/etc <$archive || fail "cp - <$archive"
    done
    run_for 0 gantry cp $container:/etc/sent back
    is "what came back" sent "$(cat back)"
    run_for 0 gantry diff $container
    has "changes" "A /etc/sent" "$out"
    run_for 0 gantry commit $container made:$container
    run_for 0 gantry commit --media-type application/vnd.oci.image.layer.v1.tar+zstd $container made:$container-zstd
    unmarked
done
run_for 0 gantry run --rm -u web made:on busybox cat /etc/sent
is "what was made" sent "$out"

step "what the helpers have mapped while they are at it"
run_for 0 gantry exec on busybox truncate -s 8G /large
mkfifo pipe
"${client_of[@]}" cp on:/large - >pipe 2>/dev/null &
client=$!
exec 7<pipe
wait_until "the helper copies" pgrep -P "$daemon_pid" -f 'gantry-pack copy'
head -c 1000000 <&7 >/dev/null # then it is in the root
maps_host_files gantry-pack "$(pgrep -P "$daemon_pid" -f 'gantry-pack copy')"
kill -9 $client
exec 7<&-
wait $client 2>/dev/null || true
exec 8<>pipe
head -c 10000 some.tar >&8
"${client_of[@]}" cp - on:/etc <pipe 8>&- >/dev/null 2>&1 &
client=$!
wait_until "the helper unpacks" pgrep -P "$daemon_pid" -f 'gantry-unpack put'
maps_host_files gantry-unpack "$(pgrep -P "$daemon_pid" -f 'gantry-unpack put')"
kill -9 $client
wait $client 2>/dev/null || true
exec 8>&-
"${client_of[@]}" commit on made:large >/dev/null 2>&1 &
client=$!
wait_until "the helper packs" pgrep -P "$daemon_pid" -f 'gantry-pack layer'
maps_host_files gantry-pack "$(pgrep -P "$daemon_pid" -f 'gantry-pack layer')"
maps_host_files gantryd "$daemon_pid"
kill -9 $client
wait $client 2>/dev/null || true
wait_until "it has gone" sh -c "! pgrep -P '$daemon_pid' -f gantry-pack"
unmarked

step "CVE-2021-32760, CVE-2025-47290: an archive with links does nothing but in the container"
mkdir -p outside && echo untouched >outside/file && chmod 600 outside/file
/usr/bin/python3 - "$work" >links.tar <<'P'
import io, sys, tarfile
out = tarfile.open(mode="w|", fileobj=sys.stdout.buffer)
def add(name, kind, link="", data=b"", mode=0o777):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode, entry.size = kind, link, mode, len(data)
    out.addfile(entry, io.BytesIO(data))
add("far", tarfile.SYMTYPE, sys.argv[1] + "/outside")
add("far", tarfile.SYMTYPE, sys.argv[1] + "/outside", mode=0o4777)
add("near", tarfile.SYMTYPE, "../../../../../.." + sys.argv[1] + "/outside/file", mode=0o4777)
add("hard", tarfile.LNKTYPE, "near", mode=0o4777)
out.close()
P
/usr/bin/python3 - "$work" >through.tar <<'P'
import io, sys, tarfile
out = tarfile.open(mode="w|", fileobj=sys.stdout.buffer)
for name in ("far/file", "near/x", "hard", "../../../../../.." + sys.argv[1] + "/outside/file", sys.argv[1] + "/outside/file"):
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o4777, 4
    out.addfile(entry, io.BytesIO(b"evil"))
out.close()
P
for container in on off; do
    for archive in links.tar through.tar; do
        "${client_of[@]}" cp - $container:/data <$archive >said 2>&1 || has "said" "gantry: " "$(cat said)"
        is "the host's file" "untouched 600" "$(cat outside/file) $(stat -c %a outside/file)"
        is "the host's folder" file "$(ls outside)"
    done
done

step "and nothing of it is left"
run_for 0 gantry rm -f -v on off
