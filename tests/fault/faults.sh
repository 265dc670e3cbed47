#!/bin/bash
# faults - platform calls fail, or end the daemon, or gantry-fetch: tests/fault/faults.py on engines of its own.
#
#   faults.sh fail|exit|fetch-fail|fetch-exit SCENARIO...     (start pull create run exec rm rmi volumes rm-volumes push copy
#                                               snapshots repair repair-whole commit cp)
#
# GANTRY_FAULT_ALL=1 leaves out no call; GANTRY_FAULT_ONLY="N..." tries these alone; GANTRY_FAULT_ENGINES=1 one by one.
. "$(dirname "$0")/../helpers/lib.sh"

# The calls are what matters here, not the disk below them.
mountpoint -q "$work" || mount -t tmpfs -o mode=755 tmpfs "$work"

# Two layers: the second has a link into the first, removes a name of it, and leaves a folder unsaid.
two_layers_image() {
    local layout=$1 below above
    busybox_root "$work/below"
    mkdir -p "$work/below/deep/er"
    echo below >"$work/below/deep/er/file"
    echo gone >"$work/below/gone"
    mkdir -p "$work/above/deep/er"
    cp -a "$work/below/gone" "$work/above/.wh.gone"
    : >"$work/above/.wh.gone"
    echo above >"$work/above/above"
    ln "$work/above/above" "$work/above/deep/er/link"
    layout_start "$layout"
    below=$(layer_add "$layout" "$work/below" gzip)
    above=$(layer_add "$layout" "$work/above" gzip)
    image_add "$layout" two '{"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}' "$below" "$above"
    rm -rf "$work/below" "$work/above"
}

two_layers_image "$work/layout"
registry_start "$work/registry"
layout_push "$work/layout" two "$registry"
rm -rf "$work/layout"
/usr/bin/python3 "$source_folder/tests/fault/faults.py" "$work" "$GANTRY_BIN" "$registry/two" "$@"
