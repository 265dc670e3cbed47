#!/bin/bash
# refusals - what cannot be done is said with the thing and the way out, and with the exit status of docker users' habits.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"

step "images"
run_for 1 gantry pull "$registry/no-such-image"
has "a missing image is named" "no-such-image" "$errors"
run_for 1 gantry pull 'Not A Reference'
has "a bad reference is named" "Not A Reference" "$errors"
run_for 125 gantry run --rm --pull never "$registry/other" true
has "an image that is not here" "$registry/other" "$errors"
run_for 1 gantry rmi nowhere
run_for 1 gantry inspect nowhere

step "containers"
run_for 127 gantry run --rm "$busybox" no-such-command
run_for 126 gantry run --rm "$busybox" /etc/passwd
run_for 125 gantry run --rm -p 80:80 "$busybox" true
has "ports" "--network host" "$errors"
run_for 125 gantry run --rm --runtime no-such-runtime "$busybox" true
has "a missing runtime" "no-such-runtime" "$errors"
run_for 125 gantry run --rm -v data/sub:/data "$busybox" true
has "a volume that is none" "data/sub" "$errors"
run_for 0 gantry create --name twice "$busybox" true
run_for 1 gantry create --name twice "$busybox" true
has "a name that is taken" twice "$errors"
run_for 0 gantry rm twice
run_for 1 gantry rm twice

step "names"
name=$(printf 'a%.0s' $(seq 76))
run_for 0 gantry -n "$name" images
run_for 1 gantry -n "${name}b" images
run_for 1 gantry -n '../x' images

step "command lines"
run_for 2 gantry no-such-command
run_for 2 gantry ps --no-such-option
run_for 125 gantry run --no-such-option "$busybox" true

step "REG-1: names that are made full, and where they are not"
daemon_stop
echo 'registries.short_names = "refuse"' >"$work/config.toml"
daemon_start --config "$work/config.toml"
for command in "pull box" "tags ls box" "manifest inspect box" "manifest delete box" "blob delete box" "referrers box" "copy box $registry/a" \
    "copy $busybox box" "push $busybox box"; do
    run_for 1 gantry $command
    has "$command: what it is" "'box': names no registry" "$errors"
    has "$command: the way out" "docker.io/library/box:latest" "$errors"
done
run_for 125 gantry run --rm box true
has "run" "names no registry" "$errors"
run_for 0 gantry pull "$busybox"
run_for 0 gantry tag "$busybox" short
run_for 0 gantry run --rm --pull never short true
run_for 0 gantry rmi short

step "nothing is left of any of it"
run_for 0 gantry ps -a -q
is "containers" "" "$out"
run_for 0 gantry rmi "$busybox"
is "blobs" "" "$(find "$work/root/blobs" -type f)"
run_for 0 gantry check
daemon_stop

step "the help of every command, by its option"
while read -r command; do
    run_for 0 gantry $command --help
    has "what it is of" "Usage: gantry $command" "$out"
done < <(gantry help | sed -nE 's/^  ([a-z]+( [a-z]+)?)  .*/\1/p')
