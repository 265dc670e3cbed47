#!/bin/bash
# why - what keeps a blob or a snapshot, and what a run of the collector would remove and why.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
name=$(gantry --format json images | jq -r '.[0].name')
target=$(gantry --format json images | jq -r '.[0].target.digest')
layer=$(jq -r '.layers[0].digest' "$work/root/blobs/sha256/${target#sha256:}")
chain=$(gantry inspect "$busybox" | jq -r '.[0].chain_id')

step "an image keeps its target, that its layer; the config keeps the snapshot"
run_for 0 gantry why "$target"
is "the target" "content $target is kept by
  image $name" "$out"
run_for 0 gantry why "${layer:7:20}"
is "the layer, by a part of its name" "content $layer is kept by
  image $name
    content $target" "$out"
run_for 0 gantry why "$chain"
has "the snapshot" "snapshot $chain (overlay) is kept by" "$out"
has "the snapshot" "image $name" "$out"

step "a container keeps its snapshot and what that stands on"
run_for 0 gantry create --name one "$busybox" true
id=$(gantry inspect one | jq -r '.[0].id')
run_for 0 gantry rmi --force "$busybox"
run_for 0 gantry why "$chain"
is "the snapshot" "snapshot $chain (overlay) is kept by
  container $id
    snapshot $(gantry inspect one | jq -r '.[0].snapshot') (overlay)" "$out"

step "names that fit nothing, and everything"
run_for 1 gantry why nonsense
has "said" "no blob and no snapshot has a name that begins with 'nonsense'" "$errors"
run_for 1 gantry why ""
has "said" "nothing has an empty name" "$errors"
run_for 2 gantry why
run_for 0 gantry --format json why "$chain"
is "as JSON" "snapshot overlay container" "$(jq -r '.things[0] | "\(.kind) \(.driver) \(.way[0].kind)"' <<<"$out")"

step "a dry run removes nothing"
run_for 0 gantry gc --dry-run
is "garbage" "To be removed: 0 things, blobs of 0 B" "$(tail -n 1 <<<"$out")"
run_for 0 gantry rm one
run_for 0 gantry gc --explain
run_for 1 gantry why "$chain"
is "snapshots" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"
