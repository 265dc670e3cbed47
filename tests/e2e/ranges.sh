#!/bin/bash
# ranges - REG-5: a big layer of a real registry behind a narrow line comes over several connections; and the daemon is
# killed in the midst of that.
. "$(dirname "$0")/../helpers/lib.sh"

registry_start "$work/registry"
layout_start "$work/layout"
busybox_root "$work/box"
head -c 80M /dev/urandom >"$work/box/noise"
sum=$(sha256sum <"$work/box/noise")
image_add "$work/layout" noise '{"Cmd":["sha256sum","/noise"]}' "$(layer_add "$work/layout" "$work/box" none)"
layout_push "$work/layout" noise "$registry"

narrow() { # BYTES_PER_SECOND CONFIG: a line, its daemon, $image behind it
    [ -z "${line:-}" ] || { kill "$line" && wait "$line" || true; }
    /usr/bin/python3 "$source_folder/tests/helpers/slow_line.py" "$registry" "$1" >"$work/line" &
    line=$!
    wait_until "the line is there" grep -q . "$work/line"
    image=127.0.0.1:$(head -n 1 "$work/line")/noise
    printf '%s\n' "$2" >"$work/config.toml"
    daemon_start --config "$work/config.toml"
}
at_once() { sed 1d "$work/line" | tail -n 1; }
whole() {
    run_for 0 gantry run --rm "$image"
    is "the layer" "${sum%% *}" "${out%% *}"
    run_for 0 gantry check --deep
    run_for 0 gantry rmi "$image"
    is "ingests" "" "$(find "$work/root/ingests" -mindepth 1)"
}

step "several connections"
narrow 40000000 ""
run_for 0 gantry pull "$image"
is "connections at once" 4 "$(at_once)"
whole
daemon_stop

step "one, where one is configured"
narrow 40000000 "limits.ranges = 1"
run_for 0 gantry pull "$image"
is "connections at once" 1 "$(at_once)"
whole
daemon_stop

step "killed while several are at work: what is kept is good as far as it goes"
narrow 10000000 ""
gantry pull "$image" >"$work/pulled" 2>&1 </dev/null &
pull=$!
wait_until "several are at work" eval '[ "$(at_once)" = 4 ]'
daemon_kill
wait $pull || true
kept=$(stat -c %s "$work"/root/ingests/*)
is "files in ingests" 1 "$(find "$work/root/ingests" -mindepth 1 | wc -l)"
cmp -n "$kept" "$work"/root/ingests/* "$work/layout/blobs/sha256/$(jq -r '.layers[0].digest | ltrimstr("sha256:")' \
    "$work/layout/blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$work/layout/index.json")")"
daemon_start --config "$work/config.toml"
run_for 0 gantry check
run_for 0 gantry pull "$image"
whole
