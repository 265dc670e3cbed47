#!/bin/bash
# volumes - made, used, shared, filled from images (also evil ones), kept and removed as docker's users expect it.
. "$(dirname "$0")/../helpers/lib.sh"

mkdir "$work/root"
mount -t tmpfs -o mode=711,size=80m tmpfs "$work/root"
busybox_registry

# image_of NAME VOLUMES-JSON: an image of what is in $work/tree, over busybox's root, in the registry
image_of() {
    layout_start "$work/l.$1"
    image_add "$work/l.$1" "$1" "$(jq -nc --argjson v "$2" '{Env: ["PATH=/bin"], Cmd: ["/bin/sh"], Volumes: ($v | map({key: ., value: {}}) | from_entries)}')" \
        "$(layer_add "$work/l.$1" "$work/base" gzip)" "$(layer_add "$work/l.$1" "$work/tree" gzip)"
    layout_push "$work/l.$1" "$1" "$registry"
    rm -rf "$work/l.$1" "$work/tree"
    run_for 0 gantry pull "$registry/$1"
}
busybox_root "$work/base"
inside() { run_for 0 gantry run --rm "$@"; }
volumes_are() { is "volumes" "$1" "$(gantry volume ls -q | paste -sd ' ')"; }
data() { echo "$work/root/volumes/default/$1/data"; }

daemon_start
run_for 0 gantry pull "$busybox"

step "a named volume is made by using it, and its data outlive the container"
inside -v data:/data "$busybox" sh -c 'echo hello >/data/file'
inside -v data:/data:ro "$busybox" sh -c 'cat /data/file; touch /data/new 2>/dev/null || echo refused'
is "what is there" "hello refused" "$(paste -sd ' ' <<<"$out")"
inside --mount type=volume,source=data,target=/there,readonly "$busybox" cat /there/file
is "by --mount" hello "$out"
inside --mount source=data,target=/there "$busybox" cat /there/file
is "which means volumes without a type" hello "$out"
volumes_are data
is "its folder" 755:0 "$(stat -c %a:%u "$(data data)")"
is "nobody else gets there" 700 "$(stat -c %a "$work/root/volumes")"

step "two containers share one"
run_for 0 gantry run -d --name one -v data:/a "$busybox" sleep 1000
run_for 0 gantry run -d --name two -v data:/b "$busybox" sleep 1000
run_for 0 gantry exec one sh -c 'echo from one >/a/shared'
run_for 0 gantry exec two cat /b/shared
is "what two reads" "from one" "$out"

step "a volume in use stays, and who uses it is named"
run_for 1 gantry volume rm data
has "said" "in use by container" "$errors"
has "said" "one (" "$errors"
has "said" "two (" "$errors"
run_for 0 gantry volume inspect data
is "inspect" "data local true 2" "$(jq -r '.[0] | "\(.name) \(.driver) \(.used) \(.containers | length)"' <<<"$out")"
run_for 0 gantry inspect one
is "inspect of the container" "volume data $(data data) /a true" \
    "$(jq -r '.[0].mounts[0] | "\(.type) \(.name) \(.source) \(.destination) \(.rw)"' <<<"$out")"
inside --volumes-from one "$busybox" cat /a/shared
is "by the container's mounts" "from one" "$out"
inside --volumes-from one:ro --volumes-from two -v "$work/root:/a" "$busybox" sh -c 'cat /b/shared; [ -e /a/shared ] || echo other'
is "what the user mounts himself wins" "from one other" "$(paste -sd ' ' <<<"$out")"
inside --volumes-from one:ro "$busybox" sh -c 'touch /a/new 2>/dev/null || echo refused'
is "read-only" refused "$out"
run_for 125 gantry run --rm --volumes-from nobody "$busybox" true
has "said" nobody "$errors"
run_for 125 gantry run --rm --volumes-from one:rx "$busybox" true
run_for 0 gantry inspect data
is "inspect without a type" data "$(jq -r '.[0].name' <<<"$out")"
run_for 1 gantry inspect nobody
has "said" "no volume 'nobody'" "$errors"
run_for 0 gantry rm -f one two
run_for 0 gantry volume prune
volumes_are data
run_for 0 gantry volume rm data
volumes_are ""
[ ! -e "$work/root/volumes/default/data" ] || fail "its folder is still there"

step "made, listed, inspected and removed by hand"
run_for 0 gantry volume create -l color=green green
is "said" green "$out"
run_for 0 gantry volume create green
run_for 1 gantry volume create -l color=red green
has "said" "other labels" "$errors"
run_for 0 gantry volume create
anonymous=$out
is "an anonymous one" 64 "${#anonymous}"
run_for 0 gantry volume ls -q -f label=color=green
is "by label" green "$out"
run_for 0 gantry volume ls -q -f anonymous=true
is "anonymous ones" "$anonymous" "$out"
run_for 0 gantry create --name holder -v green:/g "$busybox" true
run_for 0 gantry volume ls -q -f dangling=true
is "that nobody uses" "$anonymous" "$out"
run_for 0 gantry volume ls -q -f dangling=false
is "that somebody uses" green "$out"
run_for 0 gantry volume ls -s
has "the table" "VOLUME NAME" "$out"
run_for 0 gantry --format json volume ls --size
is "as JSON" "2 number" "$(jq -r '"\(length) \(.[0].size | type)"' <<<"$out")"
run_for 0 gantry names volumes
has "names" green "$out"
run_for 1 gantry volume rm nobody green "$anonymous"
has "said" nobody "$errors"
is "the other is gone" "$anonymous" "$out"
run_for 0 gantry volume rm -f nobody
run_for 1 gantry volume inspect nobody
has "said" "there is none" "$errors"
run_for 0 gantry rm holder
run_for 0 gantry -n other volume ls -q
is "another namespace has none" "" "$out"
run_for 0 gantry volume prune -f
volumes_are green
run_for 0 gantry volume prune --all
has "said" green "$out"
has "said" reclaimed "$out"
volumes_are ""

step "anonymous volumes: --rm and rm -v take them along, rm and prune as docker's"
inside -v /scratch "$busybox" sh -c 'touch /scratch/x && echo taken'
is "it is written" taken "$out"
wait_until "it goes with --rm" eval '[ -z "$(gantry volume ls -q)" ]'
run_for 0 gantry run --name one -v /scratch -v kept:/kept "$busybox" touch /scratch/x
run_for 0 gantry rm -v one
volumes_are kept
run_for 0 gantry create --name one -v /scratch "$busybox"
run_for 0 gantry rm one
is "rm alone keeps it" 2 "$(gantry volume ls -q | wc -l)"
run_for 0 gantry volume prune
volumes_are kept
run_for 0 gantry volume rm kept

step "an image's volume has what the image has there: owners, modes, links, times"
mkdir -p "$work/tree/data/sub/deep" "$work/tree/srv"
echo original >"$work/tree/data/file"
echo more >"$work/tree/data/sub/deep/more"
ln "$work/tree/data/file" "$work/tree/data/twin"
ln -s /etc/passwd "$work/tree/data/link"
mkfifo "$work/tree/data/pipe"
touch "$work/tree/data/private"
chown 12:34 "$work/tree/data/private" "$work/tree/data"
chmod 4750 "$work/tree/data/private"
chmod 1770 "$work/tree/data"
setfattr -n user.color -v blue "$work/tree/data/file"
image_of seeded '["/data", "/nothing/here"]'
run_for 0 gantry create --name one "$registry/seeded"
is "two volumes" 2 "$(gantry volume ls -q | wc -l)"
where=$(gantry inspect one | jq -r '.[0].mounts[] | select(.destination == "/data").source')
is "of the container" "true" "$(gantry inspect one | jq -r '.[0].mounts | all(.type == "volume" and .anonymous)')"
is "the folder's owner and mode" 12:34:1770 "$(stat -c %u:%g:%a "$where")"
is "its time" "$image_epoch" "$(stat -c %Y "$where")"
is "a file's" 12:34:4750 "$(stat -c %u:%g:%a "$where/private")"
is "a file's time" "$image_epoch" "$(stat -c %Y "$where/file")"
is "the link" /etc/passwd "$(readlink "$where/link")"
is "the hard link" "$(stat -c %i "$where/file")" "$(stat -c %i "$where/twin")"
is "the pipe" fifo "$(stat -c %F "$where/pipe")"
is "what is deep down" more "$(cat "$where/sub/deep/more")"
is "an attribute" blue "$(getfattr --only-values -n user.color "$where/file" 2>/dev/null)"
is "nothing else lies beside it" "data lock" "$(ls "$where/.." | paste -sd ' ')"
run_for 0 gantry start -a one
run_for 0 gantry rm -v one
volumes_are ""

step "a named volume at that place too, but only while it is empty, and not where that is not wanted"
inside -v named:/data "$registry/seeded" sh -c 'cat /data/file && echo changed >/data/file && rm -r /data/sub'
is "what was there" original "$out"
inside -v named:/data "$registry/seeded" sh -c 'cat /data/file; ls /data/sub 2>/dev/null || echo gone'
is "what is there" "changed gone" "$(paste -sd ' ' <<<"$out")"
inside -v raw:/data:nocopy "$registry/seeded" ls -A /data
is "nocopy" "" "$out"
inside --mount type=volume,source=raw,target=/data,volume-nocopy "$registry/seeded" ls -A /data
is "nocopy" "" "$out"
inside -v raw:/data:ro "$registry/seeded" cat /data/file
is "a read-only one" original "$out"
inside --tmpfs /data "$registry/seeded" ls -A /data
is "a tmpfs takes the place" "" "$out"
mkdir "$work/bound"
inside -v "$work/bound:/data" "$registry/seeded" ls -A /data
is "a bind of the user's takes the place" "" "$out"
run_for 0 gantry volume rm named raw
volumes_are ""

step "whatever the layers are kept by"
run_for 0 gantry pull --snapshotter native "$registry/seeded"
inside --snapshotter native -v named:/data "$registry/seeded" sh -c 'cat /data/file /data/sub/deep/more; stat -c %u:%a /data/private'
is "native" "original more 12:4750" "$(paste -sd ' ' <<<"$out")"
run_for 0 gantry volume rm named

step "in a user namespace what a volume has belongs to its users"
map=0:100000:65536
inside --uidmap $map -v mapped:/data -v fresh:/fresh "$registry/seeded" sh -c \
    'stat -c %u:%g:%a /data /data/private /data/file /fresh; touch /data/mine /fresh/mine; cat /data/sub/deep/more'
is "inside" "12:34:1770 12:34:4750 0:0:644 0:0:755 more" "$(paste -sd ' ' <<<"$out")"
is "on the disk" "100012 100000 100000 100000" \
    "$(stat -c %u "$(data mapped)/private" "$(data mapped)/file" "$(data mapped)/mine" "$(data fresh)/mine" | paste -sd ' ')"
run_for 0 gantry volume rm mapped fresh

step "of several who use a new volume at once all see the content"
for i in 1 2 3 4; do gantry run --rm -v once:/data "$registry/seeded" sh -c 'cat /data/sub/deep/more' >"$work/out.$i" 2>&1 & pids[i]=$!; done
for i in 1 2 3 4; do wait "${pids[i]}" || fail "$(cat "$work/out.$i")"; done
is "what they saw" "more more more more" "$(cat "$work"/out.[1-4] | paste -sd ' ')"
run_for 0 gantry volume rm once

step "CVE-2022-23648: no path of an image leads out of it"
echo "the host's" >"$work/secret"
mkdir -p "$work/tree/etc/sub" "$work/tree/a"
echo "the image's" >"$work/tree/etc/mark"
ln -s "$work" "$work/tree/host"                                # absolute: in the image it leads nowhere
ln -s ../../../../../../../../.."$work" "$work/tree/up"
ln -s /etc "$work/tree/a/etc"                                  # the image's own
ln -s ../../../../../../../etc "$work/tree/a/far"
image_of evil '["/host", "/up", "/a/etc", "/a/far"]'
run_for 0 gantry create --name one "$registry/evil"
for place in host up a/etc a/far; do
    where=$(gantry inspect one | jq -r --arg d "/$place" '.[0].mounts[] | select(.destination == $d).source')
    [ -d "$where" ] || fail "no volume for /$place"
    [ ! -e "$where/secret" ] && [ ! -e "$where/shadow" ] || fail "/$place has files of the host: $(ls "$where")"
    case $place in
    a/*) is "/$place" "the image's" "$(cat "$where/mark")" ;;
    *) is "/$place" "" "$(ls -A "$where")" ;;
    esac
done
run_for 0 gantry rm -v one
mkdir -p "$work/tree/x"
image_of dots '["/../../etc"]'
run_for 1 gantry create "$registry/dots"
has "said" "'..' is not allowed" "$errors"
mkdir -p "$work/tree/x"
image_of root '["/"]'
run_for 1 gantry create "$registry/root"
has "said" "is the root" "$errors"
mkdir -p "$work/tree/etc"
image_of file '["/etc/passwd"]'
run_for 1 gantry create "$registry/file"
has "said" "/etc/passwd is not a folder in the image" "$errors"
run_for 0 gantry create --name one -v "$work/secret:/etc/passwd" "$registry/file"
run_for 0 gantry rm one
mkdir -p "$work/tree"
ln -s loop "$work/tree/loop"
image_of loop '["/loop/x"]'
run_for 1 gantry create "$registry/loop"
has "said" "/loop/x is not a folder in the image" "$errors"
mkdir -p "$work/tree"
image_of many "$(seq 1001 | jq -sc 'map("/v\(.)")')"
run_for 1 gantry create "$registry/many"
has "said" "1001 volumes of the image" "$errors"
volumes_are ""
run_for 0 gantry ps -aq
is "containers" "" "$out"

step "what is refused"
for wrong in data/sub:/x :/x ../data:/x -x:/x "da ta:/x"; do run_for 125 gantry run --rm -v "$wrong" "$busybox" true; done
run_for 125 gantry run --rm -v data/sub:/x "$busybox" true
has "said" "volume name 'data/sub'" "$errors"
has "said" "whole path" "$errors"
run_for 125 gantry run --rm -v data:/x:rslave "$busybox" true
has "said" "rslave is for binds" "$errors"
run_for 125 gantry run --rm -v data:/ "$busybox" true
run_for 125 gantry run --rm -v data "$busybox" true
run_for 125 gantry run --rm -v a:/x -v b:/x/ "$busybox" true
has "said" "two mounts have this target" "$errors"
run_for 125 gantry run --rm --mount type=volume,source=a,target=/x,tmpfs-size=1 "$busybox" true
run_for 125 gantry run --rm --mount type=volume,source=a,target=/x,volume-driver=nfs "$busybox" true
has "said" local "$errors"
run_for 1 gantry volume create -d nfs x
has "said" local "$errors"
run_for 1 gantry volume create -o type=tmpfs x
has "said" "no options" "$errors"
run_for 1 gantry volume create ../x
run_for 1 gantry volume rm ../x
run_for 2 gantry volume
has "said" "create, ls, inspect, rm, prune" "$errors"
volumes_are ""
run_for 127 gantry run --rm -v named:/x -v /y "$busybox" no-such-command
wait_until "what failed keeps its named volume alone" eval '[ "$(gantry volume ls -q)" = named ]'
run_for 1 gantry namespace rm default
run_for 0 gantry -n full volume create x
run_for 1 gantry namespace rm full
has "said" "still holds volumes" "$errors"
run_for 0 gantry -n full volume rm x
run_for 0 gantry namespace rm full

step "the disk is full: an error that says so, and nothing is left"
mkdir -p "$work/tree/data"
head -c 8388608 /dev/urandom >"$work/tree/data/file"
image_of big '["/data"]'
room=$(df --output=avail -k "$work/root" | tail -1)
dd if=/dev/zero of="$work/root/filling" bs=1K count=$((room - 4096)) 2>/dev/null
run_for 1 gantry create "$registry/big"
[[ ${errors,,} == *"disk is full"* || ${errors,,} == *"no space left"* ]] || fail "the error does not say it: $errors"
volumes_are named
is "folders" named "$(ls "$work/root/volumes/default")"
run_for 1 gantry create -v mine:/data "$registry/big"
volumes_are named
rm "$work/root/filling"
run_for 0 gantry create --name one -v named:/data "$registry/big"
is "later it works" 8388608 "$(stat -c %s "$(data named)/file")"

step "after a restart, and after an accident"
mkdir -p "$work/root/volumes/default/leftover/data"
daemon_kill
mkdir -p "$work/root/volumes/strange/leftover/data"
rm -r "$(data named)"
daemon_start
volumes_are named
is "what no row names went" named "$(ls "$work/root/volumes/default" "$work/root/volumes/strange" | grep -v : | sed '/^$/d')"
is "what was lost is empty" "" "$(ls -A "$(data named)")"
run_for 1 gantry volume rm named
has "said" "one (" "$errors"
run_for 0 gantry rm one
run_for 0 gantry volume rm named

step "a thousand"
for i in $(seq 1000); do echo "vol$i"; done | HOST="ipc://$work/s/gantry.sock" xargs -P 2 -n 100 bash -c 'for v; do "$0" --host "$HOST" volume create "$v" >/dev/null || exit 255; done' "$GANTRY_BIN/gantry" ||
    fail "creating failed"
run_for 0 gantry volume ls -q
is "how many" 1000 "$(wc -l <<<"$out")"
run_for 0 gantry volume prune --all
is "pruned" 1001 "$(wc -l <<<"$out")"
is "left" "" "$(ls "$work/root/volumes/default")"
