#!/bin/bash
# commit - a container becomes an image that runs here, and that others read.
. "$(dirname "$0")/../helpers/lib.sh"
for program in skopeo jq; do command -v $program >/dev/null || skip "$program is not installed"; done

busybox_registry
daemon_start
cd "$work"
run_for 0 gantry pull "$busybox"
config_of() { gantry inspect "$1" | jq -c ".[0].config_json$2"; }

step "a stopped container"
run_for 0 gantry run --name one "$busybox" sh -c 'mkdir /made; echo words >/made/file; ln /made/file /made/second; rm /bin/cat
    ln -s /made /link; chown 12:34 /made/file; chmod 4750 /made/file'
run_for 0 gantry commit -a Somebody -m 'by hand' -c 'CMD ["sh", "-c", "echo $A; ls -ln /made; ls /bin/cat"]' -c 'ENV A=b' \
    -c 'LABEL x=y' -c 'EXPOSE 80' -c 'WORKDIR /made' -c 'USER 0' -c 'STOPSIGNAL SIGINT' -c 'ONBUILD RUN true' one made:1
id=$out
has "an id" sha256: "$id"
run_for 1 gantry run --rm made:1
has "environment" "b
" "$out"
has "modes, owners, names" "-rwsr-x---    2 12       34" "$out"
has "what is removed" "No such file" "$errors"
run_for 0 gantry run --rm made:1 pwd
is "working folder" /made "$out"
is "labels" '{"x":"y"}' "$(config_of made:1 .config.Labels)"
is "further ones" '["RUN true"]' "$(config_of made:1 .config.OnBuild)"
is "author" '"Somebody"' "$(config_of made:1 .author)"
is "history" '"by hand"' "$(config_of made:1 '.history[-1].comment')"
is "layers" 2 "$(config_of made:1 .rootfs.diff_ids | jq length)"
is "its id" "$id" "$(gantry images --format json | jq -r '.[] | select(.name | endswith("made:1")).id')"

step "it was unpacked already: nothing is left to do before it runs"
before=$(find root/snapshots -mindepth 1 -maxdepth 1 | wc -l)
run_for 0 gantry create --name later made:1
is "new folders" $((before + 1)) "$(find root/snapshots -mindepth 1 -maxdepth 1 | wc -l)"

step "on top of it again"
run_for 0 gantry run --name two made:1 sh -c 'echo more >>/made/file; rm -r /link'
run_for 0 gantry commit two made:2
run_for 0 gantry run --rm made:2 sh -c 'wc -l </made/second; ls -d /link 2>/dev/null || echo gone'
is "what runs" "1
gone" "$out"
is "layers" 3 "$(config_of made:2 .rootfs.diff_ids | jq length)"

step "the same container twice: the same layer; with a given time, the same image"
export SOURCE_DATE_EPOCH=1700000000
run_for 0 gantry commit one same:1
first=$out
run_for 0 gantry commit one same:2
is "ids" "$first" "$out"
unset SOURCE_DATE_EPOCH

step "a running container stands still meanwhile"
run_for 0 gantry run -d --name busy "$busybox" sh -c 'i=0; while true; do i=$((i + 1)); echo $i >/a; echo $i >/b; done'
wait_until "it writes" gantry exec busy test -s /b
for _ in 1 2 3; do
    run_for 0 gantry --format json commit busy moving:1
    if [ "$(jq .paused <<<"$out")" = true ]; then
        run_for 0 gantry run --rm moving:1 sh -c 'a=$(cat /a); b=$(cat /b); [ -z "$a" ] || [ -z "$b" ] || [ $((a - b)) -le 1 ] && echo fits'
        is "both files" fits "$out"
    fi
done
run_for 0 gantry --format json commit --pause=false busy moving:2
is "without" false "$(jq .paused <<<"$out")"
run_for 0 gantry exec busy true
run_for 0 gantry rm -f busy

step "of a user namespace the image knows nothing"
run_for 0 gantry run --name mapped --uidmap 0:100000:65536 "$busybox" sh -c 'echo x >/of; chown 7:8 /of; chmod 711 /root'
run_for 0 gantry diff mapped
is "changes" "A /of
C /root" "$out"
run_for 0 gantry commit mapped unmapped:1
run_for 0 gantry run --rm unmapped:1 stat -c %u:%g /of /root
is "owners" "7:8
0:0" "$out"
run_for 0 gantry rm mapped

step "without a name"
run_for 0 gantry commit one
has "its name" "localhost/committed@sha256:" "$(gantry images --format json | jq -r '.[].name')"

step "others read it"
run_for 0 gantry save -o made.tar made:2
run_for 0 skopeo copy -q oci-archive:made.tar "oci:$work/copy:2"
run_for 0 skopeo copy -q oci-archive:made.tar "docker-archive:$work/docker.tar:made:2"
if command -v umoci >/dev/null; then
    run_for 0 umoci unpack --image "$work/copy:2" "$work/bundle"
    is "its file" "words more" "$(tr '\n' ' ' <bundle/rootfs/made/file | sed 's/ $//')"
    run_for 1 test -e bundle/rootfs/bin/cat
    is "its other name, which was copied up apart" words "$(cat bundle/rootfs/made/second)"
fi
if command -v containerd >/dev/null && command -v ctr >/dev/null; then
    containerd_start
    run_for 0 ctr_here images import made.tar
    mkdir mounted
    run_for 0 ctr_here images mount docker.io/library/made:2 "$work/mounted"
    is "its file" "words more" "$(tr '\n' ' ' <mounted/made/file | sed 's/ $//')"
    run_for 1 test -e mounted/bin/cat
    umount mounted
    containerd_stop
fi
run_for 0 gantry push made:2 "$registry/made:2"
run_for 0 skopeo inspect --tls-verify=false "docker://$registry/made:2"

step "what is refused"
run_for 1 gantry commit nobody made:3
has "said" nobody "$errors"
run_for 1 gantry commit one 'Not A Name'
run_for 1 gantry commit -c 'RUN true' one made:3
has "said" RUN "$errors"
run_for 1 gantry commit --media-type text/plain one made:3
run_for 0 gantry run --name odd "$busybox" sh -c '>/.wh.odd'
run_for 1 gantry commit odd made:3
has "said" .wh.odd "$errors"
run_for 0 gantry rm odd
run_for 0 gantry run --name last made:1 true
for image in $(gantry images --format json | jq -r '.[].name'); do run_for 0 gantry rmi -f "$image"; done
run_for 1 gantry commit last made:3
has "said" "is not here any more" "$errors"
run_for 0 gantry rm one two later last
forget_all
is "snapshots" "" "$(gantry snapshot ls -q)"
