#!/bin/bash
# leases - what hangs on a lease stays, until it lapses, is released or removed.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start

step "a lease, from its making to its end"
run_for 0 gantry lease create mine --expires 2h --label team=red
is "its id" mine "$out"
run_for 1 gantry lease create mine
has "a second one of that id" "lease mine: is there already" "$errors"
run_for 0 gantry lease ls
has "its time" "About an hour" "$out"
has "its label" "team=red" "$out"
run_for 0 gantry lease ls -q --filter labels.team==blue
is "filtered" "" "$out"
run_for 0 gantry lease update mine --expires never team= room=1
run_for 0 gantry lease inspect mine
is "as JSON" "null 1 null" "$(jq -r '.[0] | "\(.expires) \(.labels.room) \(.labels.team)"' <<<"$out")"

step "what a command makes under --lease hangs on it"
run_for 0 gantry --lease mine pull "$busybox"
target=$(gantry --format json images | jq -r '.[0].target.digest')
chain=$(gantry inspect "$busybox" | jq -r '.[0].chain_id')
run_for 0 gantry rmi "$busybox"
run_for 0 gantry why "$target"
is "kept by" "content $target is kept by
  lease mine" "$out"
run_for 0 gantry lease release mine "$target"
run_for 0 gantry gc
run_for 1 gantry why "$target"
run_for 0 gantry lease add mine "snapshot:$chain" "image:busybox" "ingest:later" "$target"
is "held" "content image ingest snapshot" \
    "$(gantry lease inspect mine | jq -r '[.[0].resources[].kind] | unique | join(" ")')"
is "the driver is found" overlay \
    "$(gantry lease inspect mine | jq -r '[.[0].resources[] | select(.kind == "snapshot") | .driver] | unique | .[0]')"
run_for 0 gantry lease rm --sync mine
is "the layers go with it" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"
is "and the blobs" "" "$(find "$work/root/blobs" -type f)"

step "a lease goes by itself, and with it what hung on it"
run_for 0 gantry lease create short
run_for 0 gantry --lease short pull --quiet "$busybox"
run_for 0 gantry rmi "$busybox"
run_for 0 gantry lease update short --expires 1s
gone() { [ -z "$(gantry lease ls -q)" ] && [ -z "$(find "$work/root/blobs" -type f)" ]; }
wait_until "the lease has lapsed" gone

step "removing can wait until what was kept is gone"
run_for 0 gantry pull -q "$busybox"
run_for 0 gantry create --name only "$busybox" true
run_for 0 gantry rmi --force "$busybox"
run_for 0 gantry rm --sync only
is "the layers" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"
is "the blobs" "" "$(find "$work/root/blobs" -type f)"
run_for 0 gantry snapshot prepare rooted --label containerd.io/gc.root=yes
run_for 0 gantry snapshot rm --sync rooted

step "images go by themselves, and keep what they are told"
run_for 0 gantry pull -q "$busybox"
target=$(gantry --format json images | jq -r '.[0].target.digest')
ask_daemon images.label "{\"name\": \"$busybox\", \"labels\": {\"containerd.io/gc.expire\": \"2001-01-01T00:00:00Z\"}}" >/dev/null
no_images() { [ -z "$(gantry images -q)" ] && [ -z "$(find "$work/root/blobs" -type f)" ]; }
wait_until "the image has gone" no_images

step "bad input names the thing and the way out"
run_for 1 gantry --lease short pull "$busybox"
has "a lease that has lapsed" "lease short: there is none, or it has lapsed" "$errors"
run_for 1 gantry lease create x --expires yesterday
has "no time" "'yesterday' is not a time" "$errors"
has "the way out" "never" "$errors"
run_for 1 gantry lease create x --expires 2001-01-01T00:00:00Z
has "past" "has passed" "$errors"
run_for 1 gantry lease create x --label nothing
has "no pair" "'nothing' is not KEY=VALUE" "$errors"
run_for 1 gantry lease create job-1
has "the daemon's own" "are the daemon's own" "$errors"
run_for 1 gantry lease create x --label "long=$(printf '%4100s' | tr ' ' x)"
has "too long a label" 4096 "$errors"
run_for 0 gantry lease create x
run_for 1 gantry lease add x busybox
has "no kind" "'busybox' is not KIND:NAME" "$errors"
run_for 1 gantry lease add x cow:moo
has "another kind" "not content, snapshot, ingest, image or volume" "$errors"
run_for 1 gantry lease add x sha256:12
has "no digest" "sha256:12" "$errors"
run_for 1 gantry lease add x snapshot:nowhere
has "no such snapshot" "snapshot nowhere" "$errors"
run_for 1 gantry lease release x image:busybox
has "not held" "does not hold image docker.io/library/busybox:latest" "$errors"
run_for 1 gantry lease update x
has "nothing" "nothing to change" "$errors"
run_for 1 gantry lease inspect x nowhere
has "one of two" "lease nowhere: there is none" "$errors"
is "the other is told" x "$(jq -r '.[0].id' <<<"$out")"
run_for 0 gantry names leases
is "completion" x "$out"
run_for 0 gantry lease rm x
daemon_stop
