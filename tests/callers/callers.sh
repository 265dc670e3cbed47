#!/bin/bash
# callers.sh - what the scripts of tests/callers share: a program that calls OCI runtimes, with one of ours behind it.
#
# A library: `. "$(dirname "$0")/callers.sh"` is the first line.  RUNTIME is the runtime under test
# (gantry-oci of GANTRY_BIN by default; runc or crun show what the script itself is worth).
# Everything the caller makes lies below $work or carries $prefix; both are gone at the end.
#
# `debian_and_redis` is what all callers do with real images.  The script says how its caller does each thing:
#
#   bring NAME                 gets the image NAME of the layout $images; sets $image to what the caller calls it
#   once NAME IMAGE COMMAND... runs a container that is removed when it has ended
#   behind NAME IMAGE [COMMAND...]             starts one in the background
#   inside NAME COMMAND...     executes something in it
#   at_terminal NAME PROGRAM STEP...           the same with a person at a terminal
#   ended NAME                 waits for its end, removes it, and prints its exit status
. "$(dirname "${BASH_SOURCE[0]}")/../helpers/lib.sh"

RUNTIME=${RUNTIME:-$GANTRY_BIN/gantry-oci}
runtime=$(command -v "$RUNTIME") || skip "there is no $RUNTIME"
prefix=gantry-callers-$$

# The caller's name for the runtime says nothing of ours; its calls are written down.
mkdir -p "$work/bin"
cat >"$work/bin/oci-runtime" <<SCRIPT
#!/bin/sh
echo "\$*" >>"$work/calls"
exec "$runtime" "\$@"
SCRIPT
chmod 755 "$work/bin/oci-runtime"
: >"$work/calls"

person() { # STEP... -- COMMAND...: somebody at a terminal
    /usr/bin/python3 "$source_folder/tests/helpers/terminal.py" "$@"
}

real_debian() {
    step "debian: its files and its package manager"
    bring debian
    run_for 0 once debian-1 "$image" cat /etc/debian_version
    is "its version" "$(cat "$images/../debian/etc/debian_version")" "$out"
    run_for 0 once debian-2 "$image" apt-get --version
    has "apt answers" "apt " "$out"
    run_for 0 once debian-3 "$image" dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' base-files
    is "what is installed" "base-files ii " "$out"

    step "debian: a shell at a terminal, beside what runs"
    run_for 0 behind debian-4 "$image" bash -c 'trap "exit 3" TERM; : >/ready; sleep infinity & wait'
    wait_until "it is ready" inside debian-4 test -e /ready
    run_for 5 at_terminal debian-4 bash 'expect:# ' 'send:tty; echo a""b\n' 'expect:/dev/' 'expect:ab' \
        'expect:# ' 'send:exit 5\n'
    inside debian-4 bash -c 'kill -TERM 1' >/dev/null 2>&1 || true # it may go down with the container
    is "its exit status" 3 "$(ended debian-4)"
}

real_redis() {
    step "redis: a server that answers"
    bring redis
    run_for 0 behind redis-1 "$image"
    wait_until "redis answers" redis_says PONG ping
    run_for 0 inside redis-1 redis-cli set answer 42
    run_for 0 inside redis-1 redis-cli get answer
    is "what it keeps" 42 "$out"

    step "redis: its command line at a terminal"
    run_for 0 at_terminal redis-1 redis-cli 'expect:6379> ' 'send:ping\r' 'expect:PONG' \
        'expect:6379> ' 'send:get answer\r' 'expect:"42"' 'expect:6379> ' 'send:quit\r'

    step "redis: its end"
    inside redis-1 redis-cli shutdown nosave >/dev/null 2>&1 || true
    is "its exit status" 0 "$(ended redis-1)"
}

redis_says() { [ "$(inside redis-1 redis-cli "${@:2}")" = "$1" ]; }

unseen=
debian_and_redis() {
    local why status=0
    images=$source_folder/build/debian/layout
    why=$("$source_folder/tests/callers/images.sh") || status=$?
    case $status in
    0)
        real_debian
        real_redis
        ;;
    77) unseen="debian and redis: ${why#skipped: }" ;;
    *) fail "the images: $why" ;;
    esac
}

# The last line of a script: without the images the rest was seen to work, and it is said what was not.
all_seen() { [ -z "$unseen" ] || skip "$unseen"; }

# Control groups whose path has this run's prefix.
groups() { find /sys/fs/cgroup -type d -path "*$prefix*" 2>/dev/null || true; }

remove_groups() {
    local group left
    for _ in 1 2 3; do # who is still in them; a container's processes carry no mark of ours but that
        left=$({ own_processes; find /sys/fs/cgroup -path "*$prefix*" -name cgroup.procs -exec cat {} +; } 2>/dev/null | sort -u)
        [ -n "$left" ] || break
        kill -9 $left 2>/dev/null || true
    done
    # a killed process leaves its group when it has ended, which nobody tells of
    for _ in $(seq 500); do
        find /sys/fs/cgroup -path "*$prefix*" -name cgroup.procs -exec cat {} + 2>/dev/null | grep -q . || break
        sleep 0.01
    done
    groups | sort -r | while read -r group; do rmdir "$group" 2>/dev/null || true; done
}

# The end of a script: the caller's own (a function end_caller), then what every script of ours does.
callers_end() {
    local status=$?
    trap - EXIT
    set +e
    end_caller >/dev/null 2>&1
    remove_groups
    (exit $status)
    e2e_end
}
trap callers_end EXIT
