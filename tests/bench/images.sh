#!/bin/bash
# tests/bench/images.sh FOLDER - the images that are measured, as an OCI layout in FOLDER/layout.
#
#   busybox    one gzip layer: the static busybox and its names                  (2 MB unpacked)
#   debian     one gzip layer: debootstrap's smallest Debian of this machine's release  (150 MB)
#   redis      the same layer and a second one with redis-server
#   many       LAYERS (24) gzip layers of FILES (3000) small files each, with hard links, symbolic
#              links, attributes, special modes, whiteouts and an opaque folder    (540 MB)
#   many-zstd  the same layers, packed with zstd
#
# Made once: with FOLDER/layout.ok in place nothing happens.  Takes a few minutes and 2 GB; needs
# root, and of Debian's packages: debootstrap busybox-static curl jq zstd attr python3.
set -euo pipefail
folder=${1:?usage: images.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../helpers/mkimage.sh"
. "$here/../helpers/debian.sh"

LAYERS=${LAYERS:-24} FILES=${FILES:-3000}
mkdir -p "$folder"
folder=$(realpath "$folder")
layout=$folder/layout
key="$LAYERS layers of $FILES files"
[ "$(cat "$layout.ok" 2>/dev/null)" != "$key" ] || exit 0
for program in debootstrap busybox jq zstd setfattr python3; do
    command -v $program >/dev/null || { echo "images: $program is missing" >&2; exit 1; }
done

# Contents are cut from real files, so that they compress as images do; sizes are log-normal
# around 4 KB.  The same every time.
many_roots() {
    rm -rf "$folder/many"
    python3 - "$folder/many" "$folder/debian/usr" "$LAYERS" "$FILES" <<'PYTHON'
import os, pathlib, random, sys

root, seed_folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
layers, files = int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(42)
seed = b"".join(p.read_bytes() for p in sorted(seed_folder.rglob("*")) if p.is_file() and not p.is_symlink())


def write(path, data=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


before = []
for layer in range(layers):
    top = root / f"{layer:02}"
    now = []
    for i in range(files):
        deep = "a/deeper/" if i % 2 else ""
        path = top / f"data/l{layer:02}/{deep}{i // 100:02}/file-{i:04}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i % 100 == 97:
            path.symlink_to(f"file-{i - 1:04}.dat")
        elif i % 100 == 98:
            path.hardlink_to(now[-1])
        else:
            size = min(int(chance.lognormvariate(8.2, 1.15)), 262144)
            start = chance.randrange(len(seed) - size)
            write(path, seed[start:start + size])
            path.chmod(0o4755 if i == 200 else 0o755 if i % 50 == 0 else 0o644)
            if i % 25 == 0:
                os.chown(path, 1000, 1000)
            now.append(path)
    # what a right unpacker must do besides: whiteouts, an opaque folder, a replaced file, an attribute
    for old in before[10:80:7]:
        gone = top / old.relative_to(root / f"{layer - 1:02}")
        write(gone.parent / f".wh.{gone.name}")
    if before:
        write(top / "shared/.wh..wh..opq")
    for i in range(1, 6):
        write(top / f"shared/from-{layer:02}-{i}", b"layer %d\n" % layer)
    os.setxattr(write(top / "data/last-layer", b"%d\n" % layer), "user.layer", b"%02d" % layer)
    before = now
PYTHON
}

# name, packing: layers NAME.NN.PACKING.json from the folders, two at a time
many_layers() {
    local number how
    for number in $(seq -w 0 $((LAYERS - 1))); do
        for how in gzip zstd; do
            layer_add "$layout" "$folder/many/$(printf %02d "$((10#$number))")" $how >"$folder/layer.$number.$how" &
        done
        wait
    done
}

rm -rf "$layout" "$layout.ok"
layout_start "$layout"
busybox_image "$layout"
echo "images: debootstrap, once (log: $folder/debian.log)"
debian_images "$layout" "$folder"
echo "images: $key"
many_roots
many_layers
mapfile -t gzip < <(cat "$folder"/layer.*.gzip)
mapfile -t zstd < <(cat "$folder"/layer.*.zstd)
config='{"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/true"]}'
image_add "$layout" many "$config" "${gzip[@]}"
image_add "$layout" many-zstd "$config" "${zstd[@]}"
rm -rf "$folder/many" "$folder"/layer.*
echo "$key" >"$layout.ok"
echo "images: $(du -sh "$layout" | cut -f1) in $layout"
