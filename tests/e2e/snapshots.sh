#!/bin/bash
# snapshots - made, written, committed, looked at and removed by hand; and what an image's look like.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
root="containerd.io/gc.root=yes"
mkdir "$work/mnt"
mounted() { # KEY COMMAND...: the command in the snapshot's root
    local key=$1
    shift
    run_for 0 gantry snapshot mounts "$key" "$work/mnt"
    unshare -m --propagation private bash -c "$out; cd '$work/mnt' && $*"
}

step "made, written and committed"
run_for 0 gantry snapshot prepare -l "$root" one
is "said" one "$out"
mounted one "mkdir etc; echo hello >etc/motd"
run_for 0 gantry snapshot commit -l "$root" one base
is "said" base "$out"
run_for 1 gantry snapshot commit one again
has "said" "one" "$errors"

step "another on it, and a view of it"
run_for 0 gantry snapshot prepare -l "$root" two base
mounted two "echo more >>etc/motd; rm -f nothing"
run_for 0 gantry snapshot commit -l "$root" two top
run_for 0 gantry snapshot view -l "$root" look top
is "what is there" "hello more" "$(mounted look 'tr "\n" " " <etc/motd' | sed 's/ $//')"
is "a view is not written" refused "$(mounted look 'touch new 2>/dev/null || echo refused')"
run_for 0 gantry snapshot tree
is "the tree" "base
  top
    look, view" "$out"
run_for 0 gantry snapshot ls -q -f kind==view
is "views" look "$out"
run_for 0 gantry --format json snapshot ls
is "as JSON" "base:null look:top top:base" "$(jq -r '[.[] | "\(.key):\(.parent)"] | join(" ")' <<<"$out")"
run_for 0 gantry snapshot usage top
has "what it takes" "files of its own" "$out"

step "labels"
run_for 0 gantry snapshot label top color=green
has "labels" "color=green" "$out"
run_for 0 gantry snapshot label top color=
is "labels" "$root" "$out"

step "what is refused"
run_for 1 gantry snapshot rm base
has "said" "base" "$errors"
run_for 1 gantry snapshot commit look other
has "said" "look" "$errors"
run_for 1 gantry snapshot prepare three look
has "said" "look" "$errors"
run_for 1 gantry snapshot prepare three nobody
has "said" "nobody" "$errors"
run_for 1 gantry snapshot mounts top "$work/mnt"
run_for 1 gantry snapshot usage nobody
run_for 1 gantry snapshot ls --snapshotter nonsense
has "said" nonsense "$errors"
run_for 2 gantry snapshot
has "said" "ls, tree, prepare" "$errors"

step "removed from the top"
run_for 0 gantry snapshot rm look top base
is "folders" "" "$(find "$work/root/snapshots" -mindepth 1 -maxdepth 1 -name '[0-9]*')"

step "an image's"
run_for 0 gantry pull "$busybox"
run_for 0 gantry create --name one "$busybox" true
run_for 0 gantry snapshot tree
is "its layer, and the container's on it" 2 "$(wc -l <<<"$out")"
has "the container's" ", active" "$out"
run_for 0 gantry names snapshots
is "names" 2 "$(wc -l <<<"$out")"
