#!/bin/bash
# lib.sh - what the end-to-end scripts share: a private engine, words to check with, and an end that leaves nothing.
#
# A library: `. "$(dirname "$0")/../helpers/lib.sh"` is the first line of a script in tests/e2e.
# Programs are taken from GANTRY_BIN, the folder that CTest names (build/dev/bin by default).
#
#   $work                    this script's folder; root, state and endpoint lie below it
#   daemon_start [ARG...]    gantryd on them; returns when it answers.  Its log: $work/gantryd.log
#   daemon_stop, daemon_kill as asked by SIGTERM; as by accident (kill -9)
#   gantry ARG...            the command line, talking to this daemon
#   embedded ARG...          the same without a daemon
#   forget_all               removes all images; then nothing of them may be left
#   step WORDS               says what comes next
#   run_for STATUS CMD...    runs CMD, checks its exit status; leaves stdout in $out, stderr in $errors
#   is WHAT EXPECTED ACTUAL  equal, or the script fails
#   has WHAT PART TEXT       contains, or the script fails
#   wait_until WHAT CMD...   tries CMD until it succeeds, 10 s at most
#   skip REASON              ends the script as skipped (77)
#   ask_daemon OP [JSON]     as a program of somebody else does; the reply is JSON
#   private_home             a HOME below $work, and no settings of ours for credentials
#   containerd_start         Debian's containerd, below $work; then ctr_here ARG... asks it, in the namespace
#                            $containerd_namespace (e2e); containerd_stop ends it.  $containerd_more: of its
#                            configuration
#   busybox_registry         a registry that serves `busybox`; sets $registry and $busybox
#
# Whatever way the script ends, its processes are killed and its folder is removed.
set -euo pipefail

source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
GANTRY_BIN=${GANTRY_BIN:-$source_folder/build/dev/bin}
. "$source_folder/tests/helpers/mkimage.sh"
. "$source_folder/tests/helpers/registry.sh"

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

step() { echo "-- $*"; }

is() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }

has() { [[ $3 == *"$2"* ]] || fail "$1: expected '$2' somewhere in '$3'"; }

run_for() {
    local expected=$1 status=0
    shift
    "$@" >"$work/.out" 2>"$work/.errors" </dev/null || status=$?
    out=$(cat "$work/.out")
    errors=$(cat "$work/.errors")
    [ $status = "$expected" ] || fail "'$*' ended with $status instead of $expected; it said: $out $errors"
}

wait_until() {
    local what=$1 end=$((SECONDS + 10))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "$what: not within 10 s"
        sleep 0.02
    done
}

# ---- the engine -------------------------------------------------------------------------------------
daemon_pid=

gantry() { "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" "$@"; }

embedded() { "$GANTRY_BIN/gantry" --embedded --root "$work/root" --state "$work/s" "$@"; }

forget_all() {
    local image
    for image in $(gantry images --format json | jq -r '.[].name'); do run_for 0 gantry rmi -f "$image"; done
    run_for 0 gantry gc
    is "blobs" "" "$(find "$work/root/blobs" -type f)"
    is "unfinished writings" "" "$(find "$work/root/ingests" -type f)"
}

daemon_start() {
    "$GANTRY_BIN/gantryd" --root "$work/root" --state "$work/s" --listen "ipc://$work/s/gantry.sock" "$@" \
        >>"$work/gantryd.log" 2>&1 </dev/null &
    daemon_pid=$!
    local end=$((SECONDS + 20))
    until gantry version >/dev/null 2>&1; do
        kill -0 $daemon_pid 2>/dev/null || fail "gantryd ended: $(tail -n 5 "$work/gantryd.log")"
        [ $SECONDS -lt $end ] || fail "gantryd does not answer: $(tail -n 5 "$work/gantryd.log")"
        sleep 0.02
    done
}

daemon_stop() {
    [ -n "$daemon_pid" ] || return 0
    local status=0
    kill "$daemon_pid" 2>/dev/null || true
    wait "$daemon_pid" || status=$?
    daemon_pid=
    [ $status = 0 ] || fail "gantryd ended with $status: $(tail -n 5 "$work/gantryd.log")"
}

daemon_kill() {
    kill -9 "$daemon_pid"
    wait "$daemon_pid" 2>/dev/null || true
    daemon_pid=
}

ask_daemon() { /usr/bin/python3 "$source_folder/tests/helpers/ask.py" "ipc://$work/s/gantry.sock" "$@"; }

private_home() {
    export HOME=$work/home XDG_RUNTIME_DIR=$work/home/run
    mkdir -p "$XDG_RUNTIME_DIR"
    unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_CONFIG_HOME
}

containerd_namespace=e2e
ctr_here() { ctr -a "$work/c.sock" -n "$containerd_namespace" "$@"; }

containerd_start() {
    printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\nroot = "%s"\nstate = "%s"\n[grpc]\naddress = "%s"\n' \
        "$work/c" "$work/cs" "$work/c.sock" >"$work/containerd.toml"
    echo "${containerd_more:-}" >>"$work/containerd.toml"
    containerd --config "$work/containerd.toml" --log-level error >"$work/containerd.log" 2>&1 </dev/null &
    containerd_pid=$!
    wait_until "containerd answers" ctr_here version
}

containerd_stop() {
    kill "$containerd_pid"
    wait "$containerd_pid" || true
}

busybox_registry() {
    busybox_image "$work/layout"
    registry_start "$work/registry"
    layout_push "$work/layout" busybox "$registry"
    busybox=$registry/busybox
}

# $both there: busybox for this machine ($host_digest) and for arm64 ($arm_digest), by skopeo
two_platforms_registry() {
    busybox_image "$work/layout"
    two_platforms "$work/layout" "$work/two"
    host_digest=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
    registry_start "$work/registry"
    skopeo copy -q --all --dest-tls-verify=false "oci:$work/two:1" "docker://$registry/both:1"
    both=$registry/both:1
}

# ---- the end ------------------------------------------------------------------------------------------
# Processes that carry the mark of this script in their environment, its folder in their arguments, or the
# name of one of its containers in their control group.
own_processes() {
    local container
    {
        for container in "$work"/root/containers/*/*; do
            [ ! -d "$container" ] || grep -lF "/${container##*/}" /proc/[0-9]*/cgroup
        done
        grep -lzxF "GANTRY_E2E=$work" /proc/[0-9]*/environ
        grep -lF "$work/" /proc/[0-9]*/cmdline
    } 2>/dev/null | cut -d/ -f3 | sort -u | grep -vxE "$$|$BASHPID" | while read -r pid; do
        # not the shells and greps of this very line
        [ "$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)" = "$BASHPID" ] || echo "$pid"
    done
}

containers_delete() {
    local folder
    for folder in "$work"/s/runtime/*/* "$work"/s/runc/* "$work"/s/crun/*; do
        [ -d "$folder" ] || continue
        runc --root "${folder%/*}" delete --force "${folder##*/}" >/dev/null 2>&1 || true
    done
}

e2e_end() {
    local status=$? left
    trap - EXIT
    set +e
    if [ $status != 0 ] && [ $status != 77 ]; then
        echo "-- the script failed; the end of the daemon's log:"
        tail -n ${LOG_LINES:-30} "$work/gantryd.log" 2>/dev/null
    fi
    [ -z "$daemon_pid" ] || kill -9 "$daemon_pid" 2>/dev/null
    registry_stop
    containers_delete
    for _ in 1 2 3; do
        left=$(own_processes)
        [ -n "$left" ] || break
        kill -9 $left 2>/dev/null
    done
    awk -v work="$work" '$5 == work || index($5, work "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r place; do umount "$place" || umount -l "$place"; done
    rm -rf --one-file-system "$work"
    exit $status
}

[ "$(id -u)" = 0 ] || skip "needs root: containers are made here"
work=$(mktemp -d "${TMPDIR:-/tmp}/e.XXXXXX")
export GANTRY_E2E=$work
trap e2e_end EXIT
trap 'exit 1' INT TERM HUP
chmod 755 "$work"
# an overlay cannot lie on an overlay: where the temporary folder is one, memory serves
if [ "$(stat -f -c %T "$work")" = overlayfs ]; then mount -t tmpfs -o mode=755 tmpfs "$work"; fi
