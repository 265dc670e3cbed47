#!/bin/bash
# push-memory - a layer of 1 GiB, and two more at the same time: daemon and helpers stay below 32 MiB (PSS), in one piece and in chunks.
. "$(dirname "$0")/../helpers/lib.sh"

[ "$(df --output=avail -BM "$work" | tail -n 1 | tr -dc 0-9)" -gt 8000 ] || skip "needs 8 GB below $work"
layout_start "$work/layout"
layers=()
for size in 1024 80 60; do
    mkdir "$work/files"
    truncate -s "${size}M" "$work/files/file$size"
    layers+=("$(layer_add "$work/layout" "$work/files" none)")
    rm -r "$work/files"
done
image_add "$work/layout" large '{"Cmd": ["/file1024"]}' "${layers[@]}"
registry_start "$work/source"
layout_push "$work/layout" large "$registry"
rm -r "$work/layout"
image=$registry/large
registry_pid=
registry_start "$work/target"
registry_pid=
daemon_start
run_for 0 gantry pull --quiet "$image"

cat >"$work/peak.py" <<'PYTHON'
"""peak.py PID COMMAND... - runs it; prints the most MiB (PSS) that the process and its children had meanwhile."""
import os
import subprocess
import sys

sys.path.insert(0, os.environ["BENCH"])
import measure

with measure.PeakMemory(int(sys.argv[1])) as peak:
    done = subprocess.run(sys.argv[2:], stdout=sys.stderr)
print(round(peak.mib))
sys.exit(done.returncode)
PYTHON
peak() { # of the daemon and its helpers, while this is run
    BENCH=$source_folder/tests/bench /usr/bin/python3 "$work/peak.py" "$daemon_pid" "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" "$@"
}

# over 512 MiB it goes by chunks of 64 MiB; the others in one piece, at the same time
step "push"
run_for 0 peak push "$image" "$registry/large"
has "all of it is sent" "1.22 GB sent" "$errors"
echo "peak of the daemon and its helpers: $out MiB"
[ "$out" -gt 3 ] || fail "it was not measured"
[ "$out" -lt 32 ] || fail "$out MiB"

step "copy"
run_for 0 peak copy "$image" "${registry/127.0.0.1/localhost}/copied"
echo "peak of the daemon and its helpers: $out MiB"
[ "$out" -lt 32 ] || fail "$out MiB"
