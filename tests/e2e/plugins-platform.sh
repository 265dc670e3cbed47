#!/bin/bash
# plugins-platform - a plugin that is for another platform: images for it are that platform's.
. "$(dirname "$0")/../helpers/lib.sh"
. "$(dirname "$0")/../helpers/plugin.sh"
for program in skopeo jq; do command -v $program >/dev/null || skip "$program is not installed"; done

two_platforms_registry
plugin_config arm 'platform = "linux/arm64"'
plugin_config odd 'platform = "linux"'
plugin_start arm
daemon_start --config "$work/config.toml"
has "the log" "platform 'linux' is none" "$(cat "$work/gantryd.log")"
asked() { plugin_log arm 'select(.method == "Prepare") | .labels["containerd.io/snapshot/cri.manifest-digest"] // empty' | tail -n 1; }

step "pulled for it; for another driver it is the host's"
run_for 0 gantry pull --snapshotter arm "$both"
is "the manifest that the plugin was told" "$arm_digest" "$(asked)"
[ ! -e "$work/root/blobs/sha256/${host_digest#sha256:}" ] || fail "the host's manifest was downloaded, too"
run_for 0 gantry pull "$both"
[ -e "$work/root/blobs/sha256/${host_digest#sha256:}" ] || fail "the host's manifest was not downloaded"

step "what is run with it is the platform's, also when it was unpacked for another driver a moment ago"
run_for 0 gantry run --rm "$both" echo host
is "output" host "$out"
run_for 0 gantry create --name mine --snapshotter arm "$both" echo theirs
run_for 0 gantry start -a mine
is "output" theirs "$out"
is "the manifest that the plugin was told" "$arm_digest" "$(asked)"
run_for 0 gantry rm mine
chosen() { ask_daemon images.unpack "{\"name\": \"$both\", \"driver\": \"$1\"}" | jq -r .platform; }
here=linux/$(dpkg --print-architecture)
is "chosen in turns" "linux/arm64 $here linux/arm64 $here" "$(chosen arm) $(chosen overlay) $(chosen arm) $(chosen overlay)"

step "unless somebody says which; and an image that has none for it"
run_for 0 gantry pull --snapshotter arm --platform "$here" "$both"
busybox_registry
run_for 1 gantry pull --snapshotter arm "$busybox"
has "said" "no variant for linux/arm64" "$errors"

step "loaded for it"
run_for 0 gantry pull --all-platforms "$both"
run_for 0 gantry save -o "$work/all.tar" "$both"
run_for 0 gantry rmi "$both"
run_for 0 gantry gc
wait_until "all is gone" plugin_is_empty arm
run_for 0 gantry load --snapshotter arm -i "$work/all.tar"
is "the manifest that the plugin was told" "$arm_digest" "$(asked)"
is "what it holds" 1 "$(plugin_holds arm)"
