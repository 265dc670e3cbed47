#!/bin/bash
# pulls - tests/fault/pulls.py on an engine of its own and a real registry: pulls.sh [ROUNDS [SEED]]
. "$(dirname "$0")/../helpers/lib.sh"
mountpoint -q "$work" || mount -t tmpfs -o mode=755 tmpfs "$work"
rounds=${1:-4}
seed=${2:-$((RANDOM * 32768 + RANDOM))}
echo "20 pulls at a time, removals and collections, $rounds rounds, seed $seed"

# Images of one to five of eight layers, in their order: many begin alike.
RANDOM=$((seed % 32768))
layout_start "$work/layout"
layers=()
for i in 0 1 2 3 4 5 6 7; do
    mkdir -p "$work/folder/$i/deep"
    head -c $((RANDOM * 8)) /dev/urandom >"$work/folder/$i/deep/file"
    for j in $(seq $((RANDOM % 50))); do echo "$i $j" >"$work/folder/$i/$j"; done
    layers+=("$(layer_add "$work/layout" "$work/folder" gzip-1)")
    rm -rf "$work/folder"
done
registry_start "$work/registry"
for image in $(seq 24); do
    chosen=()
    for layer in "${layers[@]}"; do
        [ ${#chosen[@]} = 5 ] || [ $((RANDOM % 2)) = 0 ] || chosen+=("$layer")
    done
    [ ${#chosen[@]} -gt 0 ] || chosen=("${layers[0]}")
    image_add "$work/layout" "i$image" "{\"Cmd\": [\"$image\"]}" "${chosen[@]}"
    layout_push "$work/layout" "i$image" "$registry"
done
/usr/bin/python3 "$source_folder/tests/fault/pulls.py" "$work" "$GANTRY_BIN" "$rounds" "$seed" "$work/layout" "$registry"
