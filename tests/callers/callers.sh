#!/bin/bash
# callers.sh - what the scripts of tests/callers share: a program that calls OCI runtimes, with one of ours behind it.
#
# A library: `. "$(dirname "$0")/callers.sh"` is the first line.  RUNTIME is the runtime under test
# (gantry-oci of GANTRY_BIN by default; runc or crun show what the script itself is worth).
# Everything the caller makes lies below $work or carries $prefix; both are gone at the end.
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

# Control groups whose path has this run's prefix.
groups() { find /sys/fs/cgroup -type d -path "*$prefix*" 2>/dev/null || true; }

remove_groups() {
    local group left
    for _ in 1 2 3; do # who is still in them
        left=$(own_processes)
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
