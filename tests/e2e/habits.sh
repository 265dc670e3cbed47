#!/bin/bash
# habits - what docker users type for `run`, each seen from inside the container.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
inside() { run_for 0 gantry run --rm "$@"; }

step "an image that is missing is pulled, and only then"
inside "$busybox" echo pulled
is "output" pulled "$out"
has "progress is told" "$busybox" "$errors"
inside "$busybox" echo again
is "nothing is told the second time" "" "$errors"
inside --pull always "$busybox" echo anew
is "output" anew "$out"

step "environment"
printf 'FROM_FILE=yes\n# a remark\nOWN\n' >"$work/env"
OWN=mine inside -e A=1 --env-file "$work/env" "$busybox" sh -c 'echo $A $FROM_FILE $OWN'
is "variables" "1 yes mine" "$out"

step "place, user, entrypoint, names"
inside -w /tmp "$busybox" pwd
is "working directory" /tmp "$out"
inside -u 12:34 "$busybox" sh -c 'echo $(id -u):$(id -g)'
is "user" 12:34 "$out"
inside --entrypoint echo "$busybox" entered
is "entrypoint" entered "$out"
inside --hostname box "$busybox" sh -c 'hostname; cat /etc/hostname; grep -c box /etc/hosts'
is "host name" "box box 1" "$(paste -sd ' ' <<<"$out")"
run_for 0 gantry create "$busybox" true
id=$out
[[ $(gantry inspect "$id" | jq -r '.[0].name') =~ ^[a-z]+[_-][a-z]+ ]] || fail "no name for people: $(gantry inspect "$id" | jq '.[0].name')"
run_for 0 gantry rm "${id:0:12}"

step "mounts"
mkdir "$work/data"
echo hello >"$work/data/file"
inside -v "$work/data:/data:ro" "$busybox" sh -c 'cat /data/file; touch /data/new 2>/dev/null || echo refused'
is "a read-only volume" "hello refused" "$(paste -sd ' ' <<<"$out")"
inside --mount "type=bind,source=$work/data,target=/data" "$busybox" touch /data/new
[ -e "$work/data/new" ] || fail "what is written to a volume is not there"
inside --read-only --tmpfs /scratch "$busybox" sh -c 'touch /no 2>/dev/null || echo refused; touch /scratch/yes && echo taken'
is "a read-only root" "refused taken" "$(paste -sd ' ' <<<"$out")"

step "network"
inside "$busybox" sh -c 'ls /sys/class/net'
is "none is the default" lo "$out"
inside --network host "$busybox" sh -c 'ls /sys/class/net; cat /etc/resolv.conf'
has "the host's has all it has" "$(ls /sys/class/net | head -n 1)" "$out"
has "and its name servers" "$(cat /etc/resolv.conf)" "$out"

step "limits, where the host has them"
limits=$(gantry run --rm --memory 64m --cpus 0.5 --pids-limit 50 "$busybox" sh -c \
    'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null' 2>"$work/errors") || true
if grep -qE 'cgroup|limit' "$work/errors"; then
    echo "   not here: $(head -n 1 "$work/errors")"
elif [ -n "$limits" ]; then
    has "memory" 67108864 "$limits"
fi

run_for 0 gantry ps -a -q
is "what --rm leaves" "" "$out"
run_for 0 gantry rmi "$busybox"
run_for 0 gantry check
daemon_stop
