#!/bin/bash
# bad-archives - load and import of what is no image, or means harm: an error that names it, and nothing stays.
. "$(dirname "$0")/../helpers/lib.sh"
command -v jq >/dev/null || skip "jq is not installed"

busybox_image "$work/layout"
original=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
daemon_start
cd "$work"
tar -C layout -cf one.tar .

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
/usr/bin/python3 - bad 70 <<'PYTHON'
import hashlib, json, sys
folder, width = sys.argv[1], int(sys.argv[2])
names = json.load(open(folder + "/index.json"))["manifests"]
for level in range(3):  # each of a level names all below: a way of 343000 documents
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

step "what is no file system is none"
run_for 1 gantry import /etc/passwd bad:1
has "what it says" "no tar" "$errors"
head -c 100000 one.tar | gzip >short.tar.gz
run_for 1 gantry import short.tar.gz bad:1
has "what it says" "layer sha256:" "$errors"
mkdir fs && echo x >fs/x
tar -C fs -cf up.tar -P --transform 's,^x,../../x,' x
run_for 0 gantry import up.tar up:1 # dots lead to the root of the image, and no further
is "files outside" "$(find "$work/root/snapshots" -name x -path '*/fs/x')" "$(find "$work/root" -name x)"
run_for 0 gantry check
