#!/bin/bash
# listings - every command that lists or describes does it as JSON too; gantryd says what its configuration is worth.
. "$(dirname "$0")/../helpers/lib.sh"

busybox_registry
daemon_start
run_for 0 gantry pull "$busybox"
run_for 0 gantry create --name one --label kind=test "$busybox" true
run_for 0 gantry run --rm "$busybox" true

# json WORDS...: $out is one document, and the same command prints something else without --format
json() {
    run_for 0 gantry "$@"
    local plain=$out
    run_for 0 gantry "$@" --format json
    jq -e . >/dev/null <<<"$out" || fail "gantry $* --format json: no JSON: $out"
    [ "$out" != "$plain" ] || [ "$1" = inspect ] || fail "gantry $*: the table is JSON"
    run_for 0 gantry --format json "$@"
}

step "one document each"
json images
is "images" "$busybox:latest" "$(jq -r '.[0].name' <<<"$out")"
json ps -a
is "ps" one "$(jq -r '.[0].name' <<<"$out")"
json namespace ls
is "namespaces" default "$(jq -r '.[0].name' <<<"$out")"
json inspect one
json inspect "$busybox"
json actors
has "actors" content "$out"
json info
is "info" "$work/root" "$(jq -r .root <<<"$out")"
json version
json check
is "check" 0 "$(jq '.findings | length' <<<"$out")"
run_for 0 gantry namespace create other --format json
is "a namespace" other "$(jq -r .name <<<"$out")"
json gc
run_for 0 gantry namespace rm other

step "events, a document a line"
run_for 0 gantry events --since 0 --follow=false --format json
is "every line of events is JSON with a topic" "$(wc -l <<<"$out")" "$(jq -r .topic <<<"$out" | grep -c ^/)"
has "events" /containers/create "$out"
run_for 0 gantry rm one
run_for 0 gantry rmi "$busybox"
daemon_stop

step "gantryd --check-config"
cat >"$work/config.toml" <<END
root = "$work/elsewhere"
colour = "blue"
[log]
level = "debug"
END
run_for 0 "$GANTRY_BIN/gantryd" --config "$work/config.toml" --state "$work/there" --check-config
has "an unknown key is a warning with its line" "config.toml:2" "$errors"
has "... and its name" colour "$errors"
[[ $out =~ log\.level\ +debug\ +\#\ .*config\.toml:4 ]] || fail "where log.level comes from is not said: $out"
has "the endpoint follows the state" "ipc://$work/there/gantry.sock" "$out"
[ ! -e "$work/elsewhere" ] || fail "checking made something"
echo '[limits]
downloads = "many"' >"$work/config.toml"
for how in --check-config --log-level=info; do
    run_for 1 "$GANTRY_BIN/gantryd" --config "$work/config.toml" $how
    has "a bad value: its file and line" "config.toml:2" "$errors"
    has "a bad value: what was expected" "1 to 32" "$errors"
done
