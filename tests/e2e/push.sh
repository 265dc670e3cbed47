#!/bin/bash
# push - REG-13, REG-15: what is pushed is what is pulled again, byte for byte: by gantry, and by the programs of others.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

busybox_image "$work/layout"
registry_start "$work/registry"
layout_push "$work/layout" busybox "$registry"
daemon_start --log-level debug

uploads() { find "$work/registry/data" -path '*_uploads*' -name data | wc -l; }
manifest_of() { # REPOSITORY REFERENCE: its bytes, as any client gets them
    curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' \
        -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$registry/v2/$1/manifests/$2"
}

step "what is here already is not sent"
run_for 0 gantry pull "$registry/busybox"
digest=$(gantry inspect "$registry/busybox" | jq -r '.[0].manifest.digest')
run_for 0 gantry push "$registry/busybox"
has "nothing is sent" "0 B sent, 2 were there" "$errors"
has "docker's last line" "latest: digest: sha256:" "$out"

step "to another repository of the same registry: it takes the blobs itself"
run_for 0 gantry push "$registry/busybox" "$registry/other/box:1"
has "mounted" "0 B sent, 2 of its blobs taken from another repository there" "$errors"
is "the digest is the same" "1: digest: $digest size: $(manifest_of other/box 1 | wc -c)" "$out"
is "the bytes, too" "$digest" "sha256:$(manifest_of other/box 1 | sha256sum | cut -d' ' -f1)"
is "no upload is left" 0 "$(uploads)"

step "quiet, and for programs"
run_for 0 gantry push -q "$registry/busybox" "$registry/other/box:2"
is "quiet" "$registry/other/box:2" "$out"
is "quiet on the other side" "" "$errors"
run_for 0 gantry --format json push "$registry/busybox" "$registry/other/box:2"
is "json" "$digest 0" "$(jq -r '.target.digest + " " + (.sent | tostring)' <<<"$out")"
run_for 0 gantry tag "$registry/busybox" "$registry/named"
run_for 0 gantry push "$registry/named"
is "by its name" "$digest" "sha256:$(manifest_of named latest | sha256sum | cut -d' ' -f1)"

step "what cannot be"
run_for 1 gantry push nothing-here
has "an image that is not here" "nothing-here" "$errors"
run_for 1 gantry push "$registry/busybox" "$registry/UPPER"
has "no name" "UPPER" "$errors"
run_for 1 gantry push "$registry/busybox" "$registry/a@sha256:$(printf x | sha256sum | cut -d' ' -f1)"
has "another digest" "has the digest $digest" "$errors"
run_for 1 gantry push --platform plan9/mips "$registry/busybox"
has "a platform that is not" "no variant for plan9/mips" "$errors"

step "to a registry that has nothing: all is sent, and what comes back from there runs"
first=$registry first_pid=$registry_pid
registry_start "$work/second" "$(registry_auth_basic "$work")"
run_for 1 gantry push "$first/busybox" "$registry/mine"
has "without a password" "wants a user name and password" "$errors"
has "the way out" "gantry login" "$errors"
run_for 1 gantry push --username user --password-stdin "$first/busybox" "$registry/mine" </dev/null
with_password() { gantry push "${@:2}" --username user --password-stdin "$first/busybox" "$registry/mine" <<<"$1"; }
run_for 1 with_password wrong
has "a wrong one" "refuses" "$errors"
run_for 0 with_password secret
has "all of it is sent" "sent" "$errors"
[[ $errors != *"0 B sent"* ]] || fail "nothing was sent: $errors"
is "the digest is the same" "$digest" "$(awk '{print $3}' <<<"$out")"
gantry login --username user --password-stdin "$registry" <<<secret >/dev/null 2>&1
run_for 0 gantry push "$first/busybox" "$registry/mine:two"
has "by what login keeps" "0 B sent, 2 were there" "$errors"
run_for 0 gantry rmi "$first/busybox" "$first/named"
run_for 0 gantry run --rm "$registry/mine:two" echo hello
is "it runs" hello "$out"
