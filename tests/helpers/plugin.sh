#!/bin/bash
# plugin.sh - a snapshot plugin for end-to-end scripts: snapshot_plugin.py below $work, and a configuration with it.
#
# A library: `. "$(dirname "$0")/../helpers/plugin.sh"`, behind lib.sh.
#
#   plugin_start NAME [ARG...]   starts $work/NAME.sock on $work/NAME (arguments of snapshot_plugin.py)
#   plugin_stop NAME, plugin_kill NAME
#   plugin_config NAME [LINE...] appends its table to $work/config.toml, which is made where it is not there
#   plugin_log NAME FILTER       the calls it has heard, through jq
#   plugin_holds NAME            how many snapshots it has
#   plugin_is_empty NAME, plugin_answers NAME (the daemon): for wait_until
#
# Skips the script where Debian's python3-grpcio is missing.

declare -A plugin_pids=()

/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null || skip "python3-grpcio and python3-protobuf are not installed"

plugin_start() {
    local name=$1
    shift
    mkdir -p "$work/$name"
    rm -f "$work/$name.out"
    mkfifo "$work/$name.out"
    /usr/bin/python3 "$source_folder/tests/helpers/snapshot_plugin.py" "$work/$name.sock" "$work/$name" "$@" \
        >"$work/$name.out" 2>>"$work/$name.errors" </dev/null &
    plugin_pids[$name]=$!
    local line
    read -r line <"$work/$name.out" || fail "the plugin does not start: $(tail -n 3 "$work/$name.errors")"
    is "the plugin" ready "$line"
}

plugin_kill() {
    kill -9 "${plugin_pids[$1]}"
    wait "${plugin_pids[$1]}" 2>/dev/null || true
    unset "plugin_pids[$1]"
}

plugin_stop() {
    plugin_kill "$1"
    rm -f "$work/$1.sock"
}

plugin_config() {
    local name=$1
    shift
    {
        echo "[proxy_plugins.$name]"
        echo "type = \"snapshot\""
        echo "address = \"$work/$name.sock\""
        [ $# = 0 ] || printf '%s\n' "$@"
    } >>"$work/config.toml"
}

plugin_log() { jq -r "$2" "$work/$1/log"; }

plugin_holds() { jq '.[1] | length' "$work/$1/snapshots.json"; }

plugin_is_empty() { [ "$(plugin_holds "$1")" = 0 ]; }

plugin_answers() { [ "$(gantry --format json plugins inspect "$1" | jq -r .state)" = ok ]; }
