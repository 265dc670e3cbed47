#!/bin/bash
# diff - what containers have changed, as a list and as layers that others read.
. "$(dirname "$0")/../helpers/lib.sh"
command -v jq >/dev/null || skip "jq is not installed"

busybox_registry
daemon_start
cd "$work"
run_for 0 gantry pull "$busybox"

step "a container that has done nothing has changed nothing"
run_for 0 gantry run --name still "$busybox" true
run_for 0 gantry diff still
is "changes" "" "$out"

step "added, changed, removed; while it runs and afterwards"
run_for 0 gantry run -d --name busy "$busybox" sh -c 'mkdir -p /a/b; echo x >/a/b/f; rm /bin/cat; chmod 700 /tmp
    ln -s /nowhere /a/link; mkfifo /a/pipe; sleep 1000'
wait_until "it has" sh -c "'$GANTRY_BIN/gantry' --host 'ipc://$work/s/gantry.sock' diff busy | grep -q pipe"
run_for 0 gantry diff busy
expected="A /a
A /a/b
A /a/b/f
A /a/link
A /a/pipe
C /bin
D /bin/cat
C /tmp"
is "changes" "$expected" "$out"
run_for 0 gantry kill busy
gantry wait busy >/dev/null
run_for 0 gantry diff busy
is "changes" "$expected" "$out"
run_for 0 gantry --format json diff busy
is "as JSON" "A:/a" "$(jq -r '.[0] | "\(.change):\(.path)"' <<<"$out")"
run_for 1 gantry diff nobody
has "said" nobody "$errors"

step "the same as a layer"
key=$(gantry inspect busy | jq -r '.[0].snapshot')
run_for 0 gantry snapshot diff -o layer.tar --media-type application/vnd.oci.image.layer.v1.tar "$key"
has "its names" "bin/.wh.cat" "$(tar tf layer.tar)"
has "its names" "a/b/f" "$(tar tf layer.tar)"
gantry snapshot diff -o - "$key" | gzip -d >again.tar
run_for 0 cmp layer.tar again.tar
gantry snapshot diff -o - --media-type application/vnd.oci.image.layer.v1.tar+zstd "$key" | zstd -dq >again.tar
run_for 0 cmp layer.tar again.tar
is "files that are not complete" "" "$(ls | grep partial || true)"
run_for 0 gantry gc
run_for 0 gantry snapshot diff "$key"
digest=$out
run_for 0 gantry gc
run_for 0 test -f "root/blobs/${digest/://}"
is "what it unpacks to" "$(sha256sum <layer.tar | cut -d' ' -f1)" "$(gzip -dc "root/blobs/${digest/://}" | sha256sum | cut -d' ' -f1)"

step "no time is later than is said"
SOURCE_DATE_EPOCH=1000 run_for 0 gantry snapshot diff -o old.tar --media-type application/vnd.oci.image.layer.v1.tar "$key"
is "times" "1970" "$(tar tvf old.tar | awk '{ print substr($4, 1, 4) }' | sort -u)"

step "of any two, and what is refused"
run_for 0 gantry snapshot prepare -l containerd.io/gc.root=yes empty
run_for 0 gantry snapshot diff -o all.tar --media-type application/vnd.oci.image.layer.v1.tar empty "$key"
has "its names" "bin/busybox" "$(tar tf all.tar)"
run_for 1 gantry snapshot diff -o bad.tar --media-type text/plain "$key"
has "said" text/plain "$errors"
run_for 1 gantry snapshot diff -o bad.tar nobody
run_for 1 gantry snapshot diff -o bad.tar --source-date-epoch never "$key"
run_for 1 sh -c "'$GANTRY_BIN/gantry' --host 'ipc://$work/s/gantry.sock' snapshot diff -o - '$key' >/dev/full"
is "files" "" "$(ls | grep bad || true)"
is "views that were left" "" "$(gantry snapshot ls -q -f kind==view)"
is "unfinished writings" "" "$(find root/ingests -type f)"
