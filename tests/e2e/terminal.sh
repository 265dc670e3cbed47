#!/bin/bash
# terminal - run -it and exec -it as a person uses them: keys, window size, leaving, and a terminal left as it was.
. "$(dirname "$0")/../helpers/lib.sh"

person() { # STEP... -- gantry's arguments
    local steps=()
    while [ "$1" != -- ]; do steps+=("$1") && shift; done
    shift
    python3 "$source_folder/tests/helpers/terminal.py" "${steps[@]}" -- \
        "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" "$@"
}

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"

step "a pull shows bars, with colours unless they are not wanted"
run_for 0 gantry rmi "$busybox"
run_for 0 person -- pull "$busybox"
has "bars are drawn in place" $'\033[K' "$out"
has "they have colours" $'\033[32m' "$out"
run_for 0 gantry rmi "$busybox"
NO_COLOR=1 run_for 0 person -- pull "$busybox"
has "bars without colours" $'\033[K' "$out"
[[ $out != *$'\033[32m'* && $out != *$'\033[36m'* ]] || fail "NO_COLOR is not respected"

step "a shell, its window, and its exit status"
run_for 3 person 'expect:# ' 'send:stty size\n' 'expect:24 80' 'expect:# ' \
    'send:tty; echo "a""b"\n' 'expect:/dev/pts/' 'expect:ab' 'expect:# ' 'send:exit 3\n' \
    -- run --rm -it "$busybox" sh

step "the window's new size arrives"
# a shell with job control would hear of it only between two commands
run_for 0 person 'expect:ready' 'size:132x43' 'expect:43 132' -- run --rm -it "$busybox" \
    sh -c "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done"

step "Ctrl-C goes to the program inside"
run_for 7 person 'expect:ready' 'send:\x03' 'expect:caught' -- run --rm -it "$busybox" \
    sh -c "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done"

step "the keys that leave it running, and coming back"
run_for 0 person 'expect:# ' 'send:\x10\x11' 'expect:running' -- run -it --name kept "$busybox" sh
run_for 0 gantry ps
has "ps" kept "$out"
run_for 5 person 'send:echo back""again\n' 'expect:backagain' 'send:exit 5\n' -- attach kept
run_for 0 gantry wait kept
is "its status" 5 "$out"
run_for 6 person 'expect:# ' 'send:exit 6\n' -- start -a -i kept
run_for 0 gantry rm kept

step "exec with a terminal"
run_for 0 gantry run -d --name beside "$busybox" sleep 1000
run_for 4 person 'expect:# ' 'send:stty size\n' 'expect:24 80' 'send:exit 4\n' -- exec -it beside sh
run_for 0 gantry rm -f beside

daemon_stop
