#!/bin/bash
# prune - what takes how much disk (df), and how what is not in use goes.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
field() { jq -r --arg kind "$1" ".groups[] | select(.kind == \$kind) | .$2" <<<"$out"; }

step "nothing takes nothing"
run_for 0 gantry --format json df
is "kinds" "images layers blobs containers logs volumes downloads" "$(jq -r '[.groups[].kind] | join(" ")' <<<"$out")"
is "bytes" 0 "$(jq '[.groups[].size] | add' <<<"$out")"

step "images share layers, and what they share is counted once"
run_for 0 gantry pull -q "$busybox"
run_for 0 gantry --format json df -v
size=$(field images size)
is "of layers and blobs" "$size" $(($(field layers size) + $(field blobs size)))
is "all can be had back" "$size" "$(field images reclaimable)"
is "one image, not in use" "1 0" "$(field images count) $(field images active)"
is "its own" "$size $size" "$(jq -r '.images[0] | "\(.size) \(.own)"' <<<"$out")"
run_for 0 gantry tag "$busybox" other
run_for 0 gantry --format json df -v
is "another name takes nothing" "1 $size" "$(field images count) $(field images size)"
is "and both have it as their own" "$size $size" "$(jq -r '[.images[].own] | join(" ")' <<<"$out")"

step "a container uses its image, and takes what it writes"
run_for 0 gantry run --name writer "$busybox" sh -c 'dd if=/dev/zero of=/big bs=1024 count=300 2>/dev/null; echo logged'
run_for 0 gantry --format json df -v
is "in use" "1 0" "$(field images active) $(field images reclaimable)"
is "containers" "1 0" "$(field containers count) $(field containers active)"
[ "$(field containers size)" -ge 307200 ] || fail "300 kB are $(field containers size)"
is "they can be had back" "$(field containers size)" "$(field containers reclaimable)"
[ "$(field logs size)" -gt 0 ] || fail "the log takes nothing"
is "by name" writer "$(jq -r '.containers[0].name' <<<"$out")"
run_for 0 gantry df -v
has "for people" "RECLAIMABLE" "$out"
has "for people" "(100%)" "$out"
has "for people" "writer" "$out"

step "nothing goes without a word"
run_for 1 gantry prune
has "no terminal" "no terminal to ask on" "$errors"
has "the way out" "--force" "$errors"
run_for 1 gantry prune -f --filter until=whenever
has "no time" "'whenever' is not a time" "$errors"
run_for 1 gantry prune -f --filter dangling=true
has "no such filter" "there are until=TIME and label=KEY[=VALUE]" "$errors"
is "it is still there" writer "$(gantry --format json ps -a | jq -r '.[].name')"
yes_or_no() { printf '%s\n' "$1" | script -qec "$GANTRY_BIN/gantry --host ipc://$work/s/gantry.sock container prune" /dev/null; }
if command -v script >/dev/null; then
    run_for 1 yes_or_no n
    is "no is no" writer "$(gantry --format json ps -a | jq -r '.[].name')"
fi

step "filters, and what runs, keep"
run_for 0 gantry create --name labelled --label team=red "$busybox" true
run_for 0 gantry run -d --name runs "$busybox" sleep 1000
run_for 0 gantry container prune -f --filter until=24h
run_for 0 gantry container prune -f --filter label=team=blue
is "all are there" "labelled runs writer" "$(gantry --format json ps -a | jq -r '[.[].name] | sort | join(" ")')"
run_for 0 gantry --format json container prune -f --filter label=team=red
is "one went" 1 "$(jq '.containers | length' <<<"$out")"
is "the others are there" "runs writer" "$(gantry --format json ps -a | jq -r '[.[].name] | sort | join(" ")')"

step "all that is not in use"
run_for 0 gantry prune --force
has "what went" "Removed containers:" "$out"
has "how much" "Reclaimed: 3" "$out"
is "what runs stays" runs "$(gantry --format json ps -a | jq -r '.[].name')"
is "images stay" 2 "$(gantry --format json images | jq length)"
run_for 0 gantry image prune -f
is "without --all" 2 "$(gantry --format json images | jq length)"
run_for 0 gantry image prune -af --filter until=24h
is "made since" 2 "$(gantry --format json images | jq length)"
run_for 0 gantry image prune -af
is "the one in use" 1 "$(gantry --format json images | jq length)"
run_for 0 gantry rm -f runs
run_for 0 gantry --format json prune -af
is "the last" 1 "$(jq '.images | length' <<<"$out")"
is "as much as it took" "$size" "$(jq '.reclaimed' <<<"$out")"

step "volumes without a name go when they are asked for"
run_for 0 gantry pull -q "$busybox"
run_for 0 gantry volume create named
run_for 0 gantry run --name holder -v named:/n -v /a "$busybox" sh -c 'echo data >/n/file; echo data >/a/file'
run_for 0 gantry --format json df -v
is "counted" "2 2 0" "$(field volumes count) $(field volumes active) $(field volumes reclaimable)"
is "by name" "true" "$(jq '.volumes[] | select(.name == "named") | .used' <<<"$out")"
run_for 1 gantry prune -f --volumes --filter until=1h
has "not both" "which volumes do not have" "$errors"
run_for 0 gantry prune -af
run_for 0 gantry --format json df
is "they stay" "2 0" "$(field volumes count) $(field volumes active)"
run_for 0 gantry prune -f --volumes
has "the one without a name" "Removed volumes:" "$out"
is "the named one stays" named "$(gantry volume ls -q)"
run_for 0 gantry volume rm named

step "a download that was broken off can be had back"
gantry lease create l >/dev/null
ask_daemon content.ingest '{"ref": "half", "size": 100}' >"$work/ingest"
printf 'half of it' >>"$(jq -r .path "$work/ingest")"
ask_daemon content.abort '{"ref": "half", "keep": true}' >/dev/null
run_for 0 gantry --format json df
is "counted" "1 0 10" "$(field downloads count) $(field downloads active) $(field downloads reclaimable)"
run_for 0 gantry image prune -f
has "told" half "$out"
is "gone" "" "$(find "$work/root/ingests" -type f)"
run_for 0 gantry prune -f
is "nothing more" "Reclaimed: 0 B" "$out"
daemon_stop
