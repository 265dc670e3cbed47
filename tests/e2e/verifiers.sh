#!/bin/bash
# verifiers - the operator's programs decide which images come in, whatever the way, and say why not.
. "$(dirname "$0")/../helpers/lib.sh"
command -v jq >/dev/null || skip "jq is not installed"

busybox_registry
layout_push "$work/layout" busybox "$registry" evil/box
mkdir "$work/verifiers"
verifier() { # NAME, its text from standard input
    cat >"$work/verifiers/$1"
    chmod 755 "$work/verifiers/$1"
}
printf '[verifiers]\nfolder = "%s"\ntimeout_s = 2\n' "$work/verifiers" >"$work/config.toml"
nothing_is_here() {
    run_for 0 gantry images -q
    is "images" "" "$out"
    run_for 0 gantry gc
    is "blobs" "" "$(find "$work/root/blobs" -type f)"
}
daemon_start --config "$work/config.toml"
cd "$work"

step "without a program everything comes in"
run_for 0 gantry pull "$busybox"
run_for 0 gantry save -o saved.tar "$busybox"
run_for 0 gantry rmi "$busybox"

step "what a program is told"
verifier 10-notes <<SCRIPT
#!/bin/sh
echo "\$*" >>$work/asked
cat >$work/descriptor
SCRIPT
run_for 0 gantry pull "$busybox"
digest=$(gantry inspect "$busybox" | jq -r '.[0].image.target.digest')
is "its arguments" "-name $busybox:latest -digest $digest -stdin-media-type application/vnd.oci.descriptor.v1+json" "$(cat asked)"
is "the descriptor" "$digest" "$(jq -r .digest descriptor)"
run_for 0 gantry rmi "$busybox"

step "one that refuses is named, with what it said, and nothing stays"
verifier 20-names <<'SCRIPT'
#!/bin/sh
case $2 in */evil/*) echo "no evil here" >&2; exit 3 ;; esac
SCRIPT
run_for 0 gantry pull "$busybox"
run_for 0 gantry rmi "$busybox"
run_for 1 gantry pull "$registry/evil/box"
has "which" 20-names "$errors"
has "what it said" "no evil here" "$errors"
has "the log" "no evil here" "$(cat gantryd.log)"
run_for 125 gantry run --rm "$registry/evil/box" true
has "what it said" "no evil here" "$errors"
nothing_is_here

step "files are no way around"
run_for 1 gantry load -i layout --name example.org/evil/box
has "what it said" "no evil here" "$errors"
busybox_root fs
tar -C fs -cf fs.tar .
run_for 1 gantry import fs.tar example.org/evil/box
has "what it said" "no evil here" "$errors"
nothing_is_here
run_for 0 gantry load -i saved.tar
run_for 0 gantry rmi "$busybox"

step "a broken one refuses"
refuses() { # WORDS
    run_for 1 gantry pull "$busybox"
    has "which" 30- "$errors"
    has "why" "$1" "$errors"
    rm verifiers/30-*
    nothing_is_here
}
verifier 30-hangs <<<$'#!/bin/sh\nexec sleep 1000'
refuses "does not answer within 2 s"
verifier 30-hangs-behind <<<$'#!/bin/sh\nsleep 1000 &\nexec >/dev/null 2>&1\nwait'
refuses "does not answer within 2 s"
is "what it started" "" "$(own_processes | xargs -r ps -o comm= -p | grep -x sleep || true)"
verifier 30-killed <<<$'#!/bin/sh\nkill -9 $$'
refuses "refused"
verifier 30-is-no-program <<<$'nothing that can be started\n\x01\x02'
refuses "start"
verifier 30-says-much <<<$'#!/bin/sh\nhead -c 3000000 /dev/zero | tr "\\0" x\nexit 1'
refuses xxx

step "what is no program is not asked, and a missing folder lets nothing in"
echo "just a note" >verifiers/README
run_for 0 gantry pull "$busybox"
run_for 0 gantry rmi "$busybox"
mv verifiers elsewhere
run_for 1 gantry pull "$busybox"
has "what is missing" "$work/verifiers" "$errors"
