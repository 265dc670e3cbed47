#!/bin/bash
# platforms - one variant of an image of several, another one, or all of them.
. "$(dirname "$0")/../helpers/lib.sh"
for program in skopeo jq; do command -v $program >/dev/null || skip "$program is not installed"; done

two_platforms_registry
daemon_start
blobs() { (cd "$work/root/blobs/sha256" && ls); }
here() { [[ $(blobs) == *${1#sha256:}* ]]; }

step "the host's alone"
run_for 0 gantry pull "$both"
here "$host_digest" || fail "the host's manifest is not here"
! here "$arm_digest" || fail "another platform's manifest is here"
run_for 0 gantry rmi "$both"

step "PLT-6: another one alone"
run_for 0 gantry pull --platform linux/arm64 "$both"
here "$arm_digest" || fail "the manifest that was wanted is not here"
! here "$host_digest" || fail "another platform's manifest is here"
run_for 0 gantry rmi "$both"
run_for 1 gantry pull --platform linux/s390x "$both"
has "what there is" linux/arm64 "$errors"
has "what was wanted" linux/s390x "$errors"

step "IMG-10: all of them; the host's runs, and all are saved"
run_for 0 gantry pull --all-platforms "$both"
here "$host_digest" || fail "the host's manifest is not here"
here "$arm_digest" || fail "the other manifest is not here"
run_for 0 gantry run --rm --pull never "$both" echo runs
is "its output" runs "$out"
run_for 0 gantry save -o "$work/all.tar" "$both"
run_for 0 skopeo copy -q --all "oci-archive:$work/all.tar" "dir:$work/copy"
is "the index" "$index_digest" "sha256:$(sha256sum <"$work/copy/manifest.json" | cut -d' ' -f1)"
run_for 0 gantry gc
here "$arm_digest" || fail "the collector took what the index leads to"
run_for 0 gantry check
run_for 0 gantry rmi "$both"
is "what is left" "" "$(blobs)"

step "of an image of one platform, all are one"
layout_push "$work/layout" busybox "$registry"
run_for 0 gantry pull --all-platforms "$registry/busybox"
run_for 0 gantry run --rm --pull never "$registry/busybox" true
