#!/bin/bash
# users - containers in user namespaces: whose the files are inside, and whose on the disk.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
map=0:100000:65536
mkdir "$work/mine"
echo mine >"$work/mine/file"
chown 100000:100000 "$work/mine/file"

written() { # NAME FILE: whose it is on the disk
    local number
    number=$(ask_daemon snapshots.mounts "{\"key\": \"$(gantry inspect "$1" | jq -r '.[0].snapshot')\"${driver:+, \"driver\": \"$driver\"}}" | jq .layer)
    stat -c %u:%g "$work/root/snapshots/$number/fs/$2"
}

step "root inside is nobody special outside, and the image's files are root's"
run_for 0 gantry run -d --name one --uidmap $map "$busybox" sh -c 'echo new >/new && chmod 700 /root && exec sleep 1000'
run_for 0 gantry exec one sh -c 'id -u; stat -c %u:%g /bin/busybox / /tmp /new; cat /proc/self/uid_map | tr -s " "'
is "inside" "0 0:0 0:0 0:0 0:0 0 100000 65536" "$(echo $out)"
pid=$(gantry inspect one | jq '.[0].pid')
is "outside" 100000 "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")"
is "what was written" 100000:100000 "$(written one new)"
is "what was copied up" 100000:100000 "$(written one root)"
run_for 0 gantry exec --user nobody one sh -c 'id -u && ! touch /root/no 2>/dev/null'
run_for 0 gantry stop -t 0 one
run_for 0 gantry start one
run_for 0 gantry exec one cat /new
is "after another start" new "$out"
run_for 0 gantry snapshot ls
run_for 0 gantry rm -f one

step "volumes are bound as they are"
run_for 0 gantry run --rm --uidmap $map -v "$work/mine:/mine" "$busybox" sh -c 'stat -c %u /mine/file && echo more >>/mine/file'
is "inside" 0 "$out"
is "outside" 100000 "$(stat -c %u "$work/mine/file")"

step "several ranges, and groups of their own"
run_for 0 gantry run --rm --uidmap 0:100000:1000 --uidmap 1000:300000:60000 --gidmap 0:200000:65536 "$busybox" \
    sh -c 'stat -c %u:%g /bin/busybox && tr -s " " </proc/self/uid_map | tr "\n" ";" && tr -s " " </proc/self/gid_map'
is "inside" "0:0 0 100000 1000; 1000 300000 60000; 0 200000 65536" "$(echo $out)"

step "a driver whose layers are whole trees binds them id-mapped"
driver=native
run_for 0 gantry run --name two --snapshotter native --uidmap $map "$busybox" sh -c 'echo new >/new && stat -c %u:%g / /new /bin/busybox'
is "inside" "0:0 0:0 0:0" "$(echo $out)"
is "on the disk" 0:0 "$(written two new)"
run_for 0 gantry rm two

step "what is refused"
for bad in 0:100000 0:100000:0 0:a:1 0:100000:65536:1 0:4294967295:2 -1:0:1 0:1:99999999999 ""; do
    run_for 125 gantry run --rm --uidmap "$bad" "$busybox" true
    has "said" "CONTAINER:HOST:SIZE" "$errors"
done
run_for 125 gantry run --rm --uidmap 0:1:10 --uidmap 5:100:10 "$busybox" true
has "said" overlap "$errors"
run_for 125 gantry run --rm --uidmap 1:1:10 "$busybox" true
has "said" "id 0" "$errors"
run_for 125 gantry run --rm --uidmap 0:100000:10 --user 1000 "$busybox" true
has "said" "user 1000" "$errors"
run_for 125 gantry run --rm --uidmap $map --network host "$busybox" true
has "said" "host's network" "$errors"
run_for 125 gantry run --rm --userns auto "$busybox" true
has "said" "--uidmap" "$errors"
run_for 1 gantry snapshot prepare -l containerd.io/snapshot/uidmapping=$map three
has "said" "both or none" "$errors"
run_for 1 gantry snapshot prepare -l containerd.io/snapshot/uidmapping=$map -l containerd.io/snapshot/gidmapping=nonsense three
has "said" "gidmapping" "$errors"

step "nothing is left"
is "containers" "" "$(gantry ps -aq)"
is "mounts of ours" "" "$(awk -v work="$work" '$5 != work && index($5, work "/") == 1 { print $5 }' /proc/self/mountinfo)"
