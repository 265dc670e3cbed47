#!/bin/bash
# install - cmake --install puts everything in its place, and what is installed works from there.
. "$(dirname "$0")/../helpers/lib.sh"

prefix=$work/usr/local
cmake --install "$(dirname "$GANTRY_BIN")" --prefix "$prefix" >"$work/install.log"
for file in bin/gantryd bin/gantry bin/gantry-oci libexec/gantry/gantry-shim libexec/gantry/gantry-unpack libexec/gantry/gantry-pack \
    libexec/gantry/gantry-fetch share/man/man1/gantry.1 share/man/man8/gantry-oci.8 share/man/man8/gantry-fetch.8 \
    share/bash-completion/completions/gantry-oci \
    share/man/man8/gantryd.8 share/man/man8/gantry-shim.8 share/man/man8/gantry-unpack.8 share/man/man8/gantry-pack.8 \
    share/bash-completion/completions/gantry lib/systemd/system/gantryd.service; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
for word in Type=notify Delegate=yes KillMode=process; do
    grep -qx "$word" "$prefix/lib/systemd/system/gantryd.service" || fail "the unit lacks $word"
done
bash -n "$prefix/share/bash-completion/completions/gantry"

step "the installed programs find each other"
busybox_registry
GANTRY_BIN=$prefix/bin
daemon_start
run_for 0 gantry run --rm "$busybox" echo installed
is "output" installed "$out"
daemon_stop
