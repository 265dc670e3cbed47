#!/bin/bash
# crash - tests/fault/crash.py on an engine of its own: crash.sh [COUNT [SEED]]
. "$(dirname "$0")/../helpers/lib.sh"
mountpoint -q "$work" || mount -t tmpfs -o mode=755 tmpfs "$work"
count=${1:-50}
seed=${2:-$((RANDOM * 32768 + RANDOM))}
echo "kill -9 of $GANTRY_BIN/gantryd, $count times, seed $seed"
busybox_registry
/usr/bin/python3 "$source_folder/tests/fault/crash.py" "$work" "$GANTRY_BIN" "$busybox" "$count" "$seed"
