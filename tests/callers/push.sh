#!/bin/bash
# push - what gantry pushes, skopeo, podman, umoci and containerd pull and run; what they push, gantry pulls and runs.
#
# Every digest is compared: the documents are the same bytes on all the ways.
. "$(dirname "$0")/callers.sh"
for program in skopeo podman conmon umoci containerd ctr; do
    command -v $program >/dev/null || skip "$program is not installed"
done
private_home

containerd_namespace=$prefix
podman_here() {
    podman --root "$work/p" --runroot "$work/pr" --tmpdir "$work/pt" --runtime "$work/bin/oci-runtime" --cgroup-manager cgroupfs \
        --events-backend none --storage-driver vfs "$@"
}
end_caller() {
    podman_here rm -f -a -t 0
    podman_here rmi -f -a
    containerd_stop
}
common=(--network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --cgroup-parent "/$prefix" --log-driver k8s-file)
containerd_start

digest_at() { skopeo inspect --raw --tls-verify=false "docker://$1" | sha256sum | cut -d' ' -f1; }

busybox_image "$work/layout"
registry_start "$work/source"
layout_push "$work/layout" busybox "$registry"
daemon_start
run_for 0 gantry pull "$registry/busybox"
run_for 0 gantry tag "$registry/busybox" local/box
registry_start "$work/registry"
mine=$registry/mine
run_for 0 gantry push local/box "$mine"
digest=$(awk '{print $3}' <<<"$out")
is "what the registry has" "$digest" "sha256:$(digest_at "$mine")"

step "skopeo and umoci"
run_for 0 skopeo copy --src-tls-verify=false "docker://$mine" "oci:$work/copied:box"
is "its digest" "$digest" "$(jq -r '.manifests[0].digest' "$work/copied/index.json")"
run_for 0 umoci unpack --image "$work/copied:box" "$work/bundle"
run_for 0 chroot "$work/bundle/rootfs" /bin/busybox echo hello
is "it runs" hello "$out"
run_for 0 skopeo copy --dest-tls-verify=false "oci:$work/copied:box" "docker://$registry/skopeos"

step "podman"
run_for 0 podman_here pull -q --tls-verify=false "$mine"
run_for 0 podman_here run --rm "${common[@]}" "$mine" echo hello
is "it runs" hello "$out"
is "its digest" "$digest" "$(podman_here image inspect --format '{{.Digest}}' "$mine")"
run_for 0 podman_here push -q --tls-verify=false "$mine" "docker://$registry/podmans"

step "containerd"
run_for 0 ctr_here images pull --plain-http "$mine:latest"
run_for 0 ctr_here run --runc-binary "$work/bin/oci-runtime" --runc-root "$work/state" --rm "$mine:latest" one echo hello
is "it runs" hello "$out"
has "its digest" "$digest" "$(ctr_here images ls)"
run_for 0 ctr_here images push --plain-http "$registry/ctrs:latest" "$mine:latest"

step "what they have pushed, gantry pulls and runs, and pushes again"
for name in skopeos podmans ctrs; do
    run_for 0 gantry run --rm "$registry/$name" echo hello
    is "$name: it runs" hello "$out"
    theirs=sha256:$(digest_at "$registry/$name")
    run_for 0 gantry push "$registry/$name" "$registry/again:$name"
    is "$name: its digest" "$theirs" "$(awk '{print $3}' <<<"$out")"
    is "$name: as it was" "$theirs" "sha256:$(digest_at "$registry/again:$name")"
    [ $name = podmans ] || is "$name: and as gantry's" "$digest" "$theirs"
done
