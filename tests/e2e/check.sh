#!/bin/bash
# check - `gantry check` finds what was broken behind the daemon's back, names it, and finds nothing otherwise.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
run_for 0 gantry create --name one "$busybox" true
run_for 0 gantry check --deep
has "a clean store" ", 0 findings" "$out"

# found WHAT PROBLEM: check says so, once
found() {
    run_for 1 gantry check --deep
    has "check" "$1: $2" "$out"
    has "check" ", 1 findings" "$out"
}

sql() {
    /usr/bin/python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()' \
        "$work/root/state.db" "$1"
}

step "files that no row names"
digest=$(printf '%064d' 0)
for file in "blobs/sha256/$digest" "ingests/$digest"; do
    touch "$work/root/$file"
    kind=${file%%/*}
    [ $kind = blobs ] && found "content file $digest" "no row names it" || found "ingest file $digest" "no row names it"
    rm "$work/root/$file"
done
mkdir "$work/root/snapshots/12345"
found "snapshot folder 12345" "no row names it"
rmdir "$work/root/snapshots/12345"
mkdir "$work/root/containers/default/nobody"
found "container folder nobody" "no row names it"
rmdir "$work/root/containers/default/nobody"

step "rows without their files"
blob=$(find "$work/root/blobs/sha256" -type f | head -n 1)
mv "$blob" "$work/kept"
found "content sha256:${blob##*/}" "its file is missing"
{ cat "$work/kept"; echo; } >"$blob"
run_for 1 gantry check
has "check" "content sha256:${blob##*/}: its file has another size" "$out"
tr '\000-\377' '\001-\377\000' <"$work/kept" >"$blob"
found "content sha256:${blob##*/}" "its file has other bytes"
run_for 0 gantry check # sizes and names alone
mv "$work/kept" "$blob"
layer=$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 | head -n 1)
mv "$layer/fs" "$layer/moved"
found "snapshot folder ${layer##*/}" "is missing"
mv "$layer/moved" "$layer/fs"

step "records and the journal"
id=$(gantry inspect one | jq -r '.[0].id')
sql "UPDATE events_journal SET topic = '/containers/made' WHERE topic = '/containers/create'"
found "container $id" "the journal has no event of its making"
sql "UPDATE events_journal SET topic = '/containers/create' WHERE topic = '/containers/made'"
sql "UPDATE containers_container SET namespace = 'elsewhere'"
run_for 1 gantry check
has "check" "container $id: the journal says it exists, and it does not" "$out"
sql "UPDATE containers_container SET namespace = 'default'"
sql "INSERT INTO tasks_task (namespace, id, status, boot) VALUES ('default', 'nobody', 'stopped', '')"
found "task nobody" "there is no such container"
sql "DELETE FROM tasks_task WHERE id = 'nobody'"

step "a start puts right what a crash can leave, and checks the rest by itself"
run_for 0 gantry info
[[ $out != *"last stop"* ]] || fail "it was stopped, and info says '$out'"
daemon_kill
touch "$work/root/blobs/sha256/$digest" "$work/root/ingests/$digest"
mkdir -p "$work/root/snapshots/12345/fs" "$work/root/containers/default/nobody" "$work/root/trash/content/abc"
daemon_start
run_for 0 gantry check --deep
run_for 0 gantry info
has "info" "unclean; " "$out"
wait_until "the check has ended" eval '[ "$(gantry --format json info | jq .check_findings)" = 0 ]'
run_for 0 gantry info
has "info" "objects, 0 findings" "$out"
run_for 0 gantry events --since 0 --follow=false --all --filter topic==/daemon/check
has "the event" "findings=0" "$out"
for file in "blobs/sha256/$digest" "ingests/$digest" snapshots/12345 containers/default/nobody trash/content/abc; do
    wait_until "$file goes" test ! -e "$work/root/$file"
done

step "a committed layer is compared with what was in it"
layer=$(gantry --format json snapshot ls -f kind==committed | jq '.[0].layer')
fs=$work/root/snapshots/$layer/fs
wait_until "its inventory is taken" test -e "$work/root/snapshots/$layer/inventory"
run_for 0 gantry check --deep
echo "nobody:x:0:0::/:/bin/sh" >>"$fs/etc/passwd"
rm "$fs/bin/ls"
chmod 4755 "$fs/bin/busybox"
mkdir "$fs/new"
run_for 0 gantry check
run_for 1 gantry check --deep
for problem in "/bin/busybox has another mode" "/bin/ls is missing" "/etc/passwd has other bytes" "/new was not there"; do
    has "check" "snapshot layer $layer (sha256:" "$out"
    has "check" "$problem" "$out"
done
has "check" ", 4 findings" "$out"

step "and unpacked anew in its place, unless somebody runs there"
run_for 0 gantry run -d --name runs "$busybox" sleep 1000
run_for 1 gantry check --deep --repair
has "said" "container runs runs on layer $layer; gantry stop runs" "$out"
run_for 0 gantry rm -f runs
run_for 0 gantry check --deep --repair
has "said" "/etc/passwd has other bytes; repaired: unpacked anew from sha256:" "$out"
has "said" "4 findings, 4 of them repaired" "$out"
run_for 0 gantry check --deep
is "the layer" "$layer" "$(gantry --format json snapshot ls -f kind==committed | jq '.[0].layer')"
is "the files" "2 755" "$(wc -l <"$fs/etc/passwd") $(stat -c %a "$fs/bin/busybox")"
wait_until "its inventory is taken again" test -e "$work/root/snapshots/$layer/inventory"
run_for 0 gantry check --deep
run_for 0 gantry start -a one
mv "$fs" "$work/kept"
run_for 0 gantry check --repair
has "a layer that is gone" "snapshot folder $layer: is missing; repaired: unpacked anew from" "$out"
rm -rf "$work/kept"
run_for 0 gantry run --rm "$busybox" cat /etc/passwd

step "blobs are fetched anew from where they came: a layer, a config, a manifest"
for blob in $(find "$work/root/blobs/sha256" -type f); do
    tr '\000-\377' '\001-\377\000' <"$blob" >"$work/kept"
    cat "$work/kept" >"$blob"
done
run_for 1 gantry check --deep
has "said" ", 3 findings" "$out"
run_for 0 gantry check --deep --repair
has "said" "its file has other bytes; repaired: fetched anew from ${busybox%/*}/busybox" "$out"
has "said" "3 findings, 3 of them repaired" "$out"
rm "$blob"
run_for 0 gantry --format json check --repair
is "as JSON" "content sha256:${blob##*/} fetched anew from $busybox" "$(jq -r '.findings[0] | .what + " " + .repaired' <<<"$out")"
run_for 0 gantry check --deep
is "ingests" "" "$(find "$work/root/ingests" -type f)"

step "what cannot be repaired is said"
registry_stop
rm "$blob"
run_for 1 gantry check --repair
has "said" "content sha256:${blob##*/}: its file is missing; not repaired: $busybox" "$out"
run_for 0 gantry snapshot prepare -l containerd.io/gc.root=yes one
run_for 0 gantry snapshot commit -l containerd.io/gc.root=yes one mine
mine=$(gantry --format json snapshot ls -f key==mine | jq '.[0].layer')
wait_until "its inventory is taken" test -e "$work/root/snapshots/$mine/inventory"
touch "$work/root/snapshots/$mine/fs/new"
run_for 1 gantry check --deep --repair
has "said" "snapshot layer $mine (mine): /new was not there; not repaired: layer $mine: no image here says which blob it came from" "$out"
run_for 0 gantry snapshot rm mine

run_for 0 gantry rm one
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
