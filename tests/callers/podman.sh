#!/bin/bash
# podman - Debian's podman runs busybox, debian and redis with the runtime under test: podman --runtime.
. "$(dirname "$0")/callers.sh"
command -v podman >/dev/null || skip "podman is not installed"
command -v conmon >/dev/null || skip "conmon is not installed"

podman_words=(podman --root "$work/p" --runroot "$work/pr" --tmpdir "$work/pt" --runtime "$work/bin/oci-runtime"
    --cgroup-manager cgroupfs --events-backend none --storage-driver overlay)
podman_here() { "${podman_words[@]}" "$@"; }
# limits of our own: podman raises hard ones otherwise, for which root may lack the capability
common=(--network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --cgroup-parent "/$prefix" --log-driver k8s-file)
end_caller() {
    podman_here rm -f -a -t 0
    podman_here rmi -f -a
}

# the words of callers.sh
bring() {
    run_for 0 podman_here pull -q "oci:$images:$1"
    image=$out
}
once() { podman_here run --rm "${common[@]}" "${@:2}"; }
behind() { podman_here run -d --name "$1" "${common[@]}" "${@:2}"; }
inside() { podman_here exec "$@"; }
at_terminal() { person "${@:3}" -- "${podman_words[@]}" exec -it "$1" "$2"; }
ended() {
    podman_here wait "$1"
    podman_here rm "$1" >/dev/null
}

busybox_image "$work/layout"
tar -C "$work/layout" -cf "$work/layout.tar" .
run_for 0 podman_here load -q -i "$work/layout.tar"
image=$(podman_here images -q | head -n 1)

step "a container's output and exit status"
run_for 0 podman_here run --rm "${common[@]}" "$image" echo hello
is "its output" hello "$out"
run_for 7 podman_here run --rm "${common[@]}" "$image" sh -c 'exit 7'
has "create came by" create "$(cat "$work/calls")"
has "start came by" start "$(cat "$work/calls")"

step "programs that cannot be run have podman's statuses, which it takes from the runtime's words"
run_for 127 podman_here run --rm "${common[@]}" "$image" no-such-program
run_for 126 podman_here run --rm "${common[@]}" "$image" /etc/passwd

step "a container with a terminal"
run_for 3 person 'expect:# ' 'send:tty; echo a""b\n' 'expect:/dev/' 'expect:ab' 'expect:# ' 'send:exit 3\n' \
    -- "${podman_words[@]}" run --rm -it "${common[@]}" "$image" sh

step "a container in the background, and what runs beside it"
run_for 0 podman_here run -d --name back --memory 64m --pids-limit 50 "${common[@]}" "$image" sleep 1000
run_for 0 podman_here ps --format '{{.Names}} {{.Status}}'
has "it is listed" back "$out"
run_for 0 podman_here exec back echo beside
is "its output" beside "$out"
run_for 9 podman_here exec back sh -c 'exit 9'
run_for 127 podman_here exec back no-such-program
run_for 4 person 'expect:# ' 'send:tty\n' 'expect:/dev/' 'expect:# ' 'send:exit 4\n' \
    -- "${podman_words[@]}" exec -it back sh
run_for 0 podman_here exec --user 1000:1000 --workdir /tmp --env A=1 back sh -c 'id -u; pwd; echo $A'
is "user, folder, environment" $'1000\n/tmp\n1' "$out"

step "limits, pausing, processes"
run_for 0 podman_here update --memory 128m back || true
run_for 0 podman_here pause back
run_for 0 podman_here inspect --format '{{.State.Status}}' back
is "its state" paused "$out"
run_for 0 podman_here unpause back
run_for 0 podman_here top back pid
has "its process" 1 "$out"

step "signals, and its end"
run_for 0 podman_here kill --signal KILL back
run_for 0 podman_here wait back
is "its status" 137 "$out"
run_for 0 podman_here start back
run_for 0 podman_here stop -t 0 back
run_for 0 podman_here rm back

step "volumes, read-only roots, users, tmpfs"
mkdir "$work/volume"
run_for 0 podman_here run --rm "${common[@]}" -v "$work/volume:/data" --read-only --user 1000 --tmpfs /scratch:rw,size=1m \
    --cap-drop all --security-opt no-new-privileges "$image" \
    sh -c 'touch /x || echo refused; touch /scratch/x && id -u; grep NoNewPrivs /proc/self/status; test -d /data'
has "a read-only root" refused "$out$errors"
has "the user" 1000 "$out"
has "no new privileges" "1" "$out"

debian_and_redis

step "nothing is left"
is "containers" "" "$(podman_here ps -aq)"
# conmon's own group stays: that is podman's
is "control groups" "" "$(groups | grep -E 'libpod-[0-9a-f]{64}' || true)"
all_seen
