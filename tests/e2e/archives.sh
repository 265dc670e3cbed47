#!/bin/bash
# archives - save, load and import: what others read and write, and bytes that stay the same.
. "$(dirname "$0")/../helpers/lib.sh"
for program in skopeo jq; do command -v $program >/dev/null || skip "$program is not installed"; done

load_from() { gantry load "${@:2}" <"$1"; } # FILE [OPTION...]
digest_of() { gantry inspect "$1" | jq -r '.[0].image.target.digest'; }
raw_digest() { echo "sha256:$(skopeo inspect --raw "$1" | sha256sum | cut -d' ' -f1)"; }
runs() { # IMAGE: is here, and is what it was
    run_for 7 gantry run --rm --pull never "$1" sh -c 'echo runs; exit 7'
    is "output of $1" runs "$out"
}

busybox_image "$work/layout"
original=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
daemon_start
cd "$work"

step "IMG-16: a folder is loaded, with the name that is given"
run_for 0 gantry load -i layout --name example.org/box
is "what it says" "Loaded image: example.org/box:busybox" "$out"
is "its digest" "$original" "$(digest_of example.org/box:busybox)"
runs example.org/box:busybox
run_for 0 gantry load -q -i layout
is "a name of its bytes" "localhost/loaded@$original" "$out"
run_for 0 gantry rmi "localhost/loaded@$original"

step "IMG-11: saved to a pipe, a file, a folder: the same bytes, each blob once"
run_for 0 gantry tag example.org/box:busybox second:2
gantry save example.org/box:busybox second:2 | cat >piped.tar
run_for 0 gantry save -o file.tar example.org/box:busybox second:2
run_for 0 cmp piped.tar file.tar
is "files that are there twice" "" "$(tar tf file.tar | sort | uniq -d)"
run_for 0 gantry save -o folder/ second:2
is "digest in the folder" "$original" "$(raw_digest oci:folder:2)"
run_for 1 sh -c "'$GANTRY_BIN/gantry' --host 'ipc://$work/s/gantry.sock' save second:2 >/dev/full"
mkfifo pipe
gantry save -o pipe second:2 & cat pipe >through-pipe.tar; wait $!
run_for 0 test -p pipe
run_for 0 gantry save -o through.tar second:2
run_for 0 cmp through.tar through-pipe.tar
run_for 0 gantry save -o /dev/null second:2
run_for 0 test -c /dev/null
run_for 1 gantry save -o file2.tar second:2 no-such-image
has "what is missing" no-such-image "$errors"
is "files that are not complete" "" "$(ls | grep -e partial -e file2 || true)"

step "who waits for a pipe can be interrupted, and leaves nothing"
exec 8<>pipe # somebody has it open, and says nothing
for way in "load -i pipe" "import pipe example.org/never:1"; do
    "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" $way 8>&- &
    waiting=$!
    wait_until "it waits" sh -c "ls -l /proc/$waiting/fd | grep -q 'pipe$'"
    kill -TERM $waiting
    status=0
    wait $waiting || status=$?
    is "its status" 130 $status
done
exec 8>&-

step "IMG-16: skopeo reads it in both forms"
run_for 0 gantry save -o one.tar second:2
is "digest" "$original" "$(raw_digest oci-archive:one.tar)"
run_for 0 skopeo copy -q docker-archive:one.tar "dir:$work/from-docker"
run_for 0 skopeo copy -q oci-archive:one.tar "docker-archive:$work/skopeo-docker.tar:docker.io/library/sd:1"
run_for 0 skopeo copy -q oci-archive:one.tar "oci-archive:$work/skopeo-oci.tar:docker.io/library/so:1"
gzip -k skopeo-docker.tar
zstd -q skopeo-oci.tar
forget_all

step "IMG-16: what skopeo writes is loaded, packed or not, and from a pipe"
run_for 0 gantry load -i skopeo-docker.tar
is "what it says" "Loaded image: sd:1" "$out"
runs sd:1
run_for 0 load_from skopeo-oci.tar
is "its digest" "$original" "$(digest_of so:1)"
runs so:1
forget_all
run_for 0 gantry load -i skopeo-docker.tar.gz
run_for 0 load_from skopeo-oci.tar.zst
runs sd:1
runs so:1
forget_all

step "umoci unpacks the folder"
if command -v umoci >/dev/null; then
    run_for 0 umoci unpack --rootless --image "$work/folder:2" "$work/bundle"
    run_for 0 test -x bundle/rootfs/bin/busybox
fi

step "podman runs what is saved, and what it saves is loaded"
if command -v podman >/dev/null; then
    podman_here() {
        podman --root "$work/p" --runroot "$work/pr" --tmpdir "$work/pt" --storage-driver vfs --events-backend none "$@"
    }
    run_for 0 podman_here load -q -i one.tar
    run_for 0 podman_here images --format '{{.Names}}'
    has "its name" second:2 "$out"
    run_for 0 podman_here save -q -o podman-docker.tar --format docker-archive second:2
    run_for 0 podman_here save -q -o podman-oci.tar --format oci-archive second:2
    run_for 0 podman_here rmi -f -a
    for archive in podman-docker.tar podman-oci.tar; do
        run_for 0 gantry load -q -i $archive
        runs "$out"
        forget_all
    done
fi

step "containerd imports what is saved, and what it exports is loaded"
if command -v containerd >/dev/null && command -v ctr >/dev/null; then
    containerd_start
    run_for 0 ctr_here images import one.tar
    run_for 0 ctr_here images ls
    has "its name" docker.io/library/second:2 "$out"
    has "its digest" "$original" "$out"
    run_for 0 ctr_here images export ctr.tar docker.io/library/second:2
    containerd_stop
    run_for 0 gantry load -i ctr.tar
    is "its digest" "$original" "$(digest_of second:2)"
    runs second:2
    forget_all
fi

step "of several platforms those that are here are saved, and the index stays as it was"
arm=$work/arm
two_platforms "$work/layout" "$arm"
run_for 0 gantry load -i "$arm"
is "its digest" "$index_digest" "$(digest_of example.org/both:1)"
runs example.org/both:1
run_for 0 gantry save -o both.tar example.org/both:1
has "the other manifest" "${arm_digest#sha256:}" "$(tar tf both.tar)"
run_for 0 gantry save -o arm.tar --platform linux/arm64 example.org/both:1
has "the other manifest" "${arm_digest#sha256:}" "$(tar tf arm.tar)"
[[ $(tar tf arm.tar) != *${original#sha256:}* ]] || fail "another platform's manifest is in it"
forget_all
run_for 0 gantry load -i arm.tar
run_for 1 gantry inspect example.org/both:1
has "what it says" "--platform" "$errors"
run_for 0 gantry inspect --platform linux/arm64 example.org/both:1
has "its digest" "$index_digest" "$out"
run_for 0 gantry save -o again.tar example.org/both:1
run_for 0 skopeo copy -q --override-arch arm64 oci-archive:again.tar "dir:$work/again"
forget_all

step "layers that need not be here are not missed"
cp -r layout foreign
config=$(jq -r .config.digest "layout/blobs/${original/://}")
jq -c '.os = "windows" | .rootfs.diff_ids += [.rootfs.diff_ids[0]]' "layout/blobs/${config/://}" >document
read -r digest size <<<"$(layout_put foreign document)"
jq -c --arg d "$digest" --argjson s "$size" '.config.digest = $d | .config.size = $s | .layers += [{size: 7,
    mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls: ["https://example.org/layer"],
    digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}]' \
    "layout/blobs/${original/://}" >document
read -r digest size <<<"$(layout_put foreign document)"
jq -c --arg d "$digest" --argjson s "$size" '.manifests[0].digest = $d | .manifests[0].size = $s' layout/index.json >foreign/index.json
run_for 0 gantry load -i foreign --name example.org/foreign
run_for 0 gantry save -o foreign.tar example.org/foreign:busybox
forget_all
run_for 0 gantry load -i foreign.tar
is "its digest" "$digest" "$(gantry images --format json | jq -r '.[0].target.digest')"
forget_all

step "a file system becomes an image"
busybox_root fs
tar -C fs -czf fs.tar.gz .
run_for 0 gantry import -m 'made here' -c 'CMD ["sh", "-c", "echo $A from $PWD"]' -c 'ENV A=b' -c 'WORKDIR /tmp' \
    -c 'LABEL one=1 two="2 3"' -c 'EXPOSE 80' fs.tar.gz imported:1
run_for 0 gantry run --rm imported:1
is "its output" "b from /tmp" "$out"
is "its labels" '{"one":"1","two":"2 3"}' "$(gantry inspect imported:1 | jq -c '.[0].config_json.config.Labels')"
run_for 0 gantry save -o imported.tar imported:1
run_for 0 skopeo copy -q docker-archive:imported.tar "dir:$work/imported"
run_for 1 gantry import /etc/passwd bad:1
has "what it says" "no tar" "$errors"
run_for 1 gantry import -c 'RUN rm' fs.tar.gz bad:1
has "what it says" RUN "$errors"
forget_all

step "without a daemon"
daemon_stop
run_for 0 embedded load -q -i one.tar
run_for 0 embedded save -o embedded.tar second:2
is "digest" "$original" "$(raw_digest oci-archive:embedded.tar)"
run_for 0 embedded check
