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

step "daemon and helper are killed in the middle, and the container goes on"
mkdir -p counts
run_for 0 gantry run -d --name goes -v "$work/counts:/counts" "$busybox" sh -c 'truncate -s 8G /large; touch /counts/ready
    i=0; while true; do i=$((i + 1)); echo $i >/counts/new; mv /counts/new /counts/now; done'
wait_until "it has begun" test -s counts/now
frozen() { grep -qs FROZEN /sys/fs/cgroup/freezer/*/"$1"/freezer.state ||
    grep -qs "frozen 1" /sys/fs/cgroup/*/"$1"/cgroup.events /sys/fs/cgroup/unified/*/"$1"/cgroup.events; }
id=$(gantry inspect goes | jq -r '.[0].id')
gantry commit goes broken:1 >/dev/null 2>&1 &
client=$!
wait_until "it stands still" frozen "$id"
kill -9 "$daemon_pid" $(pgrep -P "$daemon_pid" -f 'gantry-pack layer')
wait "$daemon_pid" 2>/dev/null || true
wait $client 2>/dev/null || true
number=$(cat counts/now)
wait_until "it goes on" sh -c "[ \$(cat counts/now) -gt $number ]"
daemon_start
run_for 0 gantry exec goes true

step "what somebody else has stopped stays so"
run_for 0 gantry exec goes rm /large
freezer=$(ls -d /sys/fs/cgroup/freezer/*/"$id" 2>/dev/null || ls -d /sys/fs/cgroup/*/"$id")
if [ -e "$freezer/freezer.state" ]; then echo FROZEN >"$freezer/freezer.state"; else echo 1 >"$freezer/cgroup.freeze"; fi
wait_until "it is paused" frozen "$id"
run_for 0 gantry --format json commit goes paused:1
is "still" true "$(jq .paused <<<"$out")"
run_for 0 frozen "$id"
if [ -e "$freezer/freezer.state" ]; then echo THAWED >"$freezer/freezer.state"; else echo 0 >"$freezer/cgroup.freeze"; fi
number=$(cat counts/now)
wait_until "it goes on" sh -c "[ \$(cat counts/now) -gt $number ]"
run_for 0 gantry rm -f goes

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

step "it runs as the container did: what run was told is in the image, and nothing that nobody said"
run_for 0 gantry run --name told -t -e A=b -e "KIND=two words" -w /tmp -u 1:1 --entrypoint sh --stop-signal INT --label mine=1 \
    --label containerd.io/gc.flat=x -v /data -v named:/named "$busybox" -c 'echo $A-$KIND-$(pwd)-$(id -u):$(id -g)'
said=${out%$'\r'}
is "the container" "b-two words-/tmp-1:1" "$said"
daemon_stop
daemon_start
run_for 0 gantry commit told told:1
run_for 0 gantry run --rm told:1
is "its image" "$said" "$out"
is "entrypoint and command" '[["sh"],["-c","echo $A-$KIND-$(pwd)-$(id -u):$(id -g)"]]' "$(config_of told:1 '.config | [.Entrypoint, .Cmd]')"
is "environment" "$(config_of "$busybox" .config.Env | jq -c '. + ["A=b", "KIND=two words"]')" "$(config_of told:1 .config.Env)"
is "the rest" '["/tmp","1:1","INT",{"mine":"1"},{"/data":{}}]' \
    "$(config_of told:1 '.config | [.WorkingDir, .User, .StopSignal, .Labels, .Volumes]')"

step "--change has the last word; an entrypoint takes the command away, unless one is said before it"
run_for 0 gantry commit -c 'ENV A=c' -c 'WORKDIR /' -c 'USER 0' -c 'CMD ["-c", "echo $A $(pwd) $(id -u)"]' told told:2
run_for 0 gantry run --rm told:2
is "its image" "c / 0" "$out"
run_for 0 gantry commit -c 'ENTRYPOINT ["echo", "only"]' told told:3
run_for 0 gantry run --rm told:3
is "without a command" only "$out"
run_for 0 gantry commit -c 'CMD ["this"]' -c 'ENTRYPOINT ["echo", "only"]' told told:4
run_for 0 gantry run --rm told:4
is "with one" "only this" "$out"
run_for 0 gantry run --name bare --entrypoint "" "$busybox" echo bare
run_for 0 gantry commit bare told:5
run_for 0 gantry run --rm told:5
is "without an entrypoint" bare "$out"
run_for 0 gantry rm -v told bare
run_for 0 gantry volume rm named

step "of a container that a program has made of a spec, on nothing"
run_for 0 gantry snapshot prepare -l containerd.io/gc.root=yes nothing
run_for 0 gantry create --name pattern "$busybox" true
spec=$(gantry inspect pattern | jq '.[0].spec | fromjson? // . | .process.args = ["/busybox", "sh", "-c", "echo $B; pwd"]
    | .process.env = ["B=c"] | .process.cwd = "/in" | .process.user = {uid: 3, gid: 4} | del(.mounts) | tojson')
run_for 0 ask_daemon containers.create "{\"id\": \"of-spec\", \"spec\": $spec, \"snapshot\": \"nothing\"}"
mkdir -p in && cp "$(command -v busybox)" busybox
run_for 0 gantry cp busybox of-spec:/
run_for 0 gantry cp in of-spec:/
run_for 0 gantry commit of-spec spec:1
run_for 0 gantry run --rm spec:1
is "what runs" "c
/in" "$out"
is "its user" '"3:4"' "$(config_of spec:1 .config.User)"
run_for 0 gantry rm pattern of-spec

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
