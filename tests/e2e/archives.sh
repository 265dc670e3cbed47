#!/bin/bash
# archives - save, load and import: what others read and write, bytes that stay the same, and bad archives.
. "$(dirname "$0")/../helpers/lib.sh"
for program in skopeo jq; do command -v $program >/dev/null || skip "$program is not installed"; done

load_from() { gantry load "${@:2}" <"$1"; } # FILE [OPTION...]
digest_of() { gantry inspect "$1" | jq -r '.[0].image.target.digest'; }
raw_digest() { echo "sha256:$(skopeo inspect --raw "$1" | sha256sum | cut -d' ' -f1)"; }
runs() { # IMAGE: is here, and is what it was
    run_for 7 gantry run --rm --pull never "$1" sh -c 'echo runs; exit 7'
    is "output of $1" runs "$out"
}
forget_all() {
    local image
    for image in $(gantry images --format json | jq -r '.[].name'); do run_for 0 gantry rmi -f "$image"; done
    run_for 0 gantry gc
    is "blobs" "" "$(find "$work/root/blobs" -type f)"
    is "unfinished writings" "" "$(find "$work/root/ingests" -type f)"
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

step "IMG-16, CVE-2023-25153: bad archives are refused, and nothing of them stays"
broken() { # STATUS WORDS, of the archive in folder bad
    tar -C bad -cf bad.tar .
    run_for 1 gantry load -i bad.tar
    has "what it says" "$1" "$errors"
    run_for 1 gantry load -i bad
    forget_all
}
fresh() { rm -rf bad && cp -r layout bad; }
config=$(jq -r .config.digest "layout/blobs/${original/://}")
layer=$(jq -r '.layers[0].digest' "layout/blobs/${original/://}")
fresh; printf x >>"bad/blobs/${layer/://}"; broken "${layer}"
fresh; rm "bad/blobs/${layer/://}"; broken "blob $layer is missing"
fresh; rm "bad/blobs/${original/://}"; broken "$original is missing"
fresh; echo '[]' >bad/index.json; broken index.json
fresh; head -c 5000000 /dev/zero >bad/index.json; broken "the limit is"
fresh; jq -c '.manifests = []' layout/index.json >bad/index.json; broken "no image in it"
fresh; rm bad/index.json; broken "no images to load"
fresh; jq -c '.manifests[0].size += 1' layout/index.json >bad/index.json; broken bytes
docker_like() { # CONFIG LAYER
    rm -rf bad && mkdir bad && jq -nc --arg c "$1" --arg l "$2" '[{Config: $c, RepoTags: ["bad:1"], Layers: [$l]}]' >bad/manifest.json
}
broken_docker() {
    tar -C bad -cf bad.tar .
    run_for 1 gantry load -i bad.tar
    has "what it says" "$1" "$errors"
    forget_all
}
docker_like config.json a/layer.tar; broken_docker "config.json is missing"
docker_like config.json a/layer.tar; cp "layout/blobs/${config/://}" bad/config.json; mkdir bad/a; ln -s ../a/layer.tar bad/a/layer.tar
broken_docker "layer.tar is missing"
rm bad/a/layer.tar; tar -C layout -cf bad/a/layer.tar oci-layout; broken_docker "the config says"
docker_like config.json a/layer.tar; echo '{}' >bad/manifest.json; broken_docker "is no list"
head -c 100000 one.tar >short.tar
run_for 1 gantry load -i short.tar
has "what it says" runcated "$errors"
run_for 1 gantry load -i /etc/passwd
run_for 1 gantry load -i "$work/no-such-file"
run_for 1 gantry load
mkdir -p up && tar -C up -cf up.tar --transform 's,^,../,' --files-from <(true) -P "$work/layout/oci-layout"
run_for 1 gantry load -i up.tar
forget_all

step "documents of archives: one of each, of a size, and of this version"
fresh; echo '{"imageLayoutVersion":"2.0.0"}' >bad/oci-layout; broken "imageLayoutVersion is '2.0.0'"
fresh; echo '[' >bad/oci-layout; broken "oci-layout"
fresh; head -c 5000000 /dev/zero >bad/oci-layout; broken "the limit is"
fresh; head -c 5000000 /dev/zero >bad/manifest.json; broken "the limit is"
fresh; rm bad/oci-layout; tar -C bad -cf bad.tar .
run_for 0 gantry load -q -i bad.tar
forget_all
tar -C layout -cf twice.tar . && tar -C layout -rf twice.tar ./index.json
run_for 1 gantry load -i twice.tar
has "what it says" "index.json is there twice" "$errors"
fresh; mv bad/index.json bad/other.json; ln -s other.json bad/index.json; tar -C bad -cf linked.tar .
run_for 1 gantry load -i linked.tar
has "what it says" "index.json is a link" "$errors"
blob=blobs/${layer/://}
tar -C layout -cf twice.tar . && tar -C layout -rf twice.tar "./$blob"
run_for 0 gantry load -q -i twice.tar # the same bytes twice do no harm
forget_all
fresh; printf x >"bad/$blob"; tar -C layout -cf twice.tar . && tar -C bad -rf twice.tar "./$blob"
run_for 0 gantry load -q -i twice.tar # what is here is not read again, whatever it says
forget_all
tar -C bad -cf twice.tar . && tar -C layout -rf twice.tar "./$blob"
run_for 1 gantry load -i twice.tar
has "what it says" "$blob" "$errors"
forget_all

step "names and links of archives lead nowhere"
for name in ../index.json a/../../index.json ..; do
    tar -C layout -cf up.tar -P --transform "s,.*,$name," oci-layout
    run_for 1 gantry load -i up.tar
    has "$name" "leads out of the archive" "$errors"
done
docker_like /etc/passwd ../../etc/passwd; broken_docker "/etc/passwd is missing"
docker_like config.json a/layer.tar; ln -s /etc/passwd bad/config.json; broken_docker "config.json is missing"
ln -sf ../../../../etc/passwd bad/config.json; broken_docker "config.json is missing"
ln -sf config.json bad/config.json; broken_docker "config.json is missing"
ln -sf a/b bad/config.json && mkdir bad/a && ln -s ../config.json bad/a/b; broken_docker "config.json is missing"
fresh; rm "bad/$blob"; ln -s /etc/passwd "bad/$blob"; tar -C bad -cf linked.tar .
run_for 1 gantry load -i linked.tar
has "a link is no blob" "$layer is missing" "$errors"
forget_all

step "IMG-10: indexes of archives: ambiguous, in circles, again and again"
fresh; jq -c '.layers = []' layout/index.json >bad/index.json; broken ambiguous
fresh; jq -c --arg d "sha256:$(printf 1%.0s {1..64})" '.manifests[0].digest = $d' layout/index.json >bad/index.json; broken "is missing"
fresh
/usr/bin/python3 - bad 100 <<'PYTHON'
import hashlib, json, sys
folder, width = sys.argv[1], int(sys.argv[2])
names = json.load(open(folder + "/index.json"))["manifests"]
for level in range(3):  # each of a level names all below: a way of a million documents
    made = []
    for number in range(width if level < 2 else 1):
        document = json.dumps({"schemaVersion": 2, "annotations": {"n": str(number)}, "manifests": names}).encode()
        digest = hashlib.sha256(document).hexdigest()
        with open(f"{folder}/blobs/sha256/{digest}", "wb") as file:
            file.write(document)
        made.append({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + digest, "size": len(document)})
    names = made
json.dump({"schemaVersion": 2, "manifests": names}, open(folder + "/index.json", "w"))
PYTHON
broken "leads to more than"
fresh; jq -c '.manifests[0] as $one | .manifests = [range(1000) | $one]' layout/index.json >document
read -r digest size <<<"$(layout_put bad document)"
jq -nc --arg d "$digest" --argjson s "$size" '{schemaVersion: 2, manifests: [{digest: $d, size: $s,
    mediaType: "application/vnd.oci.image.index.v1+json"}]}' >bad/index.json
run_for 0 gantry load -q -i bad # the same thousand times is once
forget_all

step "sizes of archives: what is said, what is sparse, what unpacks to more than is allowed"
fresh; truncate -s 1T "bad/$blob"; tar -C bad --sparse -cf sparse.tar .
run_for 1 gantry load -i sparse.tar
has "what it says" "sparse" "$errors"
fresh
/usr/bin/python3 - "bad/$blob" huge.tar <<'PYTHON'
import sys, tarfile
with tarfile.open(sys.argv[2], "w", format=tarfile.PAX_FORMAT) as tar:
    entry = tarfile.TarInfo("blobs/sha256/" + sys.argv[1].split("/")[-1])
    entry.size = 1 << 62
    tar.fileobj.write(entry.tobuf(tarfile.PAX_FORMAT))
PYTHON
run_for 1 gantry load -i huge.tar
has "what it says" runcated "$errors"
forget_all
daemon_stop
echo 'limits.layer_size = "4m"' >limited.toml
daemon_start --config limited.toml
mkdir -p zeros/blobs/sha256 && head -c 100M /dev/zero >zeros/zeros
mv zeros/zeros "zeros/blobs/sha256/$(sha256sum <zeros/zeros | cut -d' ' -f1)"
tar -C zeros -cf zeros.tar .
gzip -k zeros.tar && zstd -q zeros.tar
for bomb in zeros.tar.gz zeros.tar.zst zeros.tar; do
    run_for 1 gantry load -i $bomb
    has "what it says" "larger than" "$errors"
    has "the way out" "limits.layer_size" "$errors"
done
run_for 0 gantry load -q -i layout
for bomb in zeros.tar.gz zeros.tar.zst zeros.tar; do
    run_for 1 gantry import $bomb example.org/bomb:1
    has "what it says" "larger than" "$errors"
done
mkdir small && head -c 8M /dev/zero >small/zeros && tar -C small -cf small.tar .
run_for 1 gantry import small.tar example.org/bomb:1
has "unpacking has its own limit" 4194304 "$errors"
forget_all
daemon_stop
daemon_start

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
