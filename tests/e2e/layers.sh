#!/bin/bash
# layers - an image of as many layers as an overlay takes, and one of more.
. "$(dirname "$0")/../helpers/lib.sh"

most=500
layout=$work/layout
mkdir "$work/small"
echo small >"$work/small/file"
layout_start "$layout"
busybox_root "$work/root.busybox"
lowest=$(layer_add "$layout" "$work/root.busybox")
small=$(layer_add "$layout" "$work/small")
layers=("$lowest")
while [ ${#layers[@]} -lt $((most + 1)) ]; do layers+=("$small"); done # the same one: only chain ids differ
config='{"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}'
image_add "$layout" most "$config" "${layers[@]:0:$most}"
image_add "$layout" more "$config" "${layers[@]}"
registry_start "$work/registry"
daemon_start

# skopeo takes a minute for so many layers, although they are one
blob_put() { # NAME DIGEST
    local place
    place=$(curl -fsS -X POST -D - -o "$work/.body" "http://$registry/v2/$1/blobs/uploads/" |
        sed -n 's/^[Ll]ocation: *\(.*\)\r$/\1/p')
    curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$layout/blobs/${2/://}" \
        "$place&digest=$2"
}
image_put() { # TAG
    local manifest digest
    manifest=$(jq -r --arg tag "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag).digest' \
        "$layout/index.json")
    for digest in $(jq -r '[.config.digest, .layers[].digest] | unique[]' "$layout/blobs/${manifest/://}"); do
        blob_put "$1" "$digest"
    done
    curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
        --data-binary "@$layout/blobs/${manifest/://}" "http://$registry/v2/$1/manifests/latest"
}
image_put most
image_put more

step "more than an overlay takes are refused before a layer is fetched"
run_for 1 gantry pull "$registry/more"
has "said" "$((most + 1)) layers are more than the $most that overlay takes" "$errors"
has "the way out" "--snapshotter native" "$errors"
is "layers that were fetched" "" "$(find "$work/root/blobs" -type f -size +"$(($(jq .size <<<"$lowest") - 1))"c)"
is "layers that were unpacked" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"
is "images" "[]" "$(gantry images --format json | jq -c .)"

step "as many as it takes run, the same layer again and again"
run_for 0 gantry pull "$registry/most"
run_for 0 gantry snapshot ls -q
is "snapshots" $most "$(wc -l <<<"$out")"
run_for 0 gantry run --name one "$registry/most" sh -c 'cat /file && echo new >/new && rm /file && [ -e /new ] && ! [ -e /file ]'
run_for 0 gantry rm one

step "saved, removed and loaded"
run_for 0 gantry save -o "$work/most.tar" "$registry/most"
forget_all
run_for 0 gantry load -i "$work/most.tar"
run_for 0 gantry run --rm "$registry/most" cat /file
is "what it says" small "$out"
run_for 0 gantry check
