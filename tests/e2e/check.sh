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

step "a start puts right what a crash can leave"
daemon_kill
touch "$work/root/blobs/sha256/$digest" "$work/root/ingests/$digest"
mkdir -p "$work/root/snapshots/12345/fs" "$work/root/containers/default/nobody" "$work/root/trash/content/abc"
daemon_start
run_for 0 gantry check --deep
for file in "blobs/sha256/$digest" "ingests/$digest" snapshots/12345 containers/default/nobody trash/content/abc; do
    wait_until "$file goes" test ! -e "$work/root/$file"
done
run_for 0 gantry rm one
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
