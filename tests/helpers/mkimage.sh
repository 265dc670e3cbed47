#!/bin/bash
# mkimage.sh - OCI images made of folders, with tar, gzip, sha256sum and jq alone.
#
# A library: `. tests/helpers/mkimage.sh`.  A layout is a folder as the OCI image layout says; an
# image is a tag in its index.json.  What the functions make is the same bytes every time.
#
#   layout_start LAYOUT                        an empty layout
#   layout_put LAYOUT FILE                     moves FILE into the blobs; prints "digest size"
#   layer_add LAYOUT FOLDER [gzip|gzip-1|zstd|none [NAME...]]
#                                              a layer of FOLDER, or of those names in it alone; prints its
#                                              descriptor, whose annotation "diff_id" is the digest of the tar
#   image_add LAYOUT TAG CONFIG-JSON LAYER...  an image of such layers; CONFIG-JSON is the `config`
#                                              of an image config, e.g. '{"Cmd":["/bin/sh"]}'
#   busybox_root FOLDER                        a root file system: Debian's static busybox, its names
#   busybox_image LAYOUT                       the image `busybox` (one gzip layer of busybox_root)
#   two_platforms LAYOUT COPY                  a copy of a layout whose only image is now one of two platforms, the
#                                              other one arm64, named example.org/both:1; sets $index_digest, $arm_digest
#   layout_push LAYOUT TAG REGISTRY [NAME]     to REGISTRY/NAME:latest (TAG:latest), over plain http
#
# All of them end the script with a message when something fails (run under `set -e`).

image_epoch=1700000000 # every time stamp inside

layout_start() {
    mkdir -p "$1/blobs/sha256"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
    echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' >"$1/index.json"
}

layout_put() {
    local digest size
    digest=$(sha256sum <"$2")
    digest=${digest%% *}
    size=$(stat -c %s "$2")
    mv -f "$2" "$1/blobs/sha256/$digest"
    echo "sha256:$digest $size"
}

layer_add() {
    local layout=$1 folder=$2 how=${3:-gzip} tar diff_id blob type
    shift $(($# < 3 ? $# : 3))
    [ $# -gt 0 ] || set -- .
    tar=$(mktemp "$layout/layer.XXXXXX") # several may be made at a time
    tar -C "$folder" --sort=name --numeric-owner --format=posix --mtime="@$image_epoch" --xattrs \
        --xattrs-include='user.*' --xattrs-include=security.capability \
        --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' -cf "$tar" "$@"
    diff_id=$(sha256sum <"$tar")
    type=application/vnd.oci.image.layer.v1.tar
    case $how in
    gzip | gzip-[1-9])
        how=${how#gzip}
        gzip -n "${how:--6}" <"$tar" >"$tar.packed" && type+=+gzip
        ;;
    zstd) zstd -q -3 <"$tar" >"$tar.packed" && type+=+zstd ;;
    none) mv "$tar" "$tar.packed" ;;
    esac
    rm -f "$tar"
    chmod 644 "$tar.packed"
    blob=$(layout_put "$layout" "$tar.packed")
    jq -nc --arg type "$type" --arg digest "${blob% *}" --argjson size "${blob#* }" --arg id "sha256:${diff_id%% *}" \
        '{mediaType: $type, digest: $digest, size: $size, annotations: {diff_id: $id}}'
}

image_add() {
    local layout=$1 tag=$2 config=$3 file=$1/document created blob platform
    shift 3
    created=$(date -u -d "@$image_epoch" +%FT%TZ)
    platform=$(jq -nc --arg arch "$(dpkg --print-architecture)" '{architecture: $arch, os: "linux"}')
    printf '%s\n' "$@" | jq -c -s --argjson config "$config" --argjson platform "$platform" --arg created "$created" \
        '{created: $created} + $platform + {config: $config,
          rootfs: {type: "layers", diff_ids: map(.annotations.diff_id)},
          history: map({created: $created, created_by: "mkimage.sh"})}' >"$file"
    blob=$(layout_put "$layout" "$file")
    printf '%s\n' "$@" | jq -c -s --arg digest "${blob% *}" --argjson size "${blob#* }" \
        '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
          config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $digest, size: $size},
          layers: map(del(.annotations))}' >"$file"
    blob=$(layout_put "$layout" "$file")
    jq -c --arg tag "$tag" --arg digest "${blob% *}" --argjson size "${blob#* }" --argjson platform "$platform" \
        '.manifests += [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $digest, size: $size,
                         platform: $platform, annotations: {"org.opencontainers.image.ref.name": $tag}}]' \
        "$layout/index.json" >"$file"
    mv "$file" "$layout/index.json"
}

busybox_root() {
    local root=$1 name
    mkdir -p "$root"/{bin,dev,etc,home,proc,root,run,sys,tmp,usr/bin,var}
    chmod 1777 "$root/tmp"
    chmod 700 "$root/root"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in $("$root/bin/busybox" --list); do
        [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

busybox_image() {
    local layout=$1 root=$1.root layer
    busybox_root "$root"
    [ -e "$layout/index.json" ] || layout_start "$layout"
    layer=$(layer_add "$layout" "$root" gzip)
    rm -rf "$root"
    image_add "$layout" busybox \
        '{"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"]}' "$layer"
}

layout_push() {
    skopeo --insecure-policy copy --quiet --preserve-digests --dest-tls-verify=false \
        "oci:$1:$2" "docker://$3/${4:-$2}:latest"
}

two_platforms() {
    local layout=$1 copy=$2 manifest config digest size arm_size index_size
    cp -r "$layout" "$copy"
    manifest=$(jq -r '.manifests[0].digest' "$layout/index.json")
    config=$(jq -r .config.digest "$layout/blobs/${manifest/://}")
    jq -c '.architecture = "arm64"' "$layout/blobs/${config/://}" >"$copy/document"
    read -r digest size <<<"$(layout_put "$copy" "$copy/document")"
    jq -c --arg d "$digest" --argjson s "$size" '.config.digest = $d | .config.size = $s' \
        "$layout/blobs/${manifest/://}" >"$copy/document"
    read -r arm_digest arm_size <<<"$(layout_put "$copy" "$copy/document")"
    jq -c --arg d "$arm_digest" --argjson s "$arm_size" --arg here "$(dpkg --print-architecture)" '
        .manifests[0].platform = {os: "linux", architecture: $here} | del(.manifests[0].annotations) |
        .manifests += [{mediaType: .manifests[0].mediaType, digest: $d, size: $s,
                        platform: {os: "linux", architecture: "arm64"}}]' "$layout/index.json" >"$copy/document"
    read -r index_digest index_size <<<"$(layout_put "$copy" "$copy/document")"
    jq -nc --arg d "$index_digest" --argjson s "$index_size" '{schemaVersion: 2, manifests: [{digest: $d, size: $s,
        mediaType: "application/vnd.oci.image.index.v1+json",
        annotations: {"io.containerd.image.name": "example.org/both:1", "org.opencontainers.image.ref.name": "1"}}]}' \
        >"$copy/index.json"
}
