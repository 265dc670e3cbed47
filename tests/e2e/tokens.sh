#!/bin/bash
# tokens - REG-8: docker-registry behind a token service that is asked by POST and by GET; what is asked how
# often, and that nothing secret is seen where others look.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

busybox_image "$work/layout"
registry_start "$work/registry"
layout_push "$work/layout" busybox "$registry" private
layout_push "$work/layout" busybox "$registry" public
layers=()
for n in 1 2 3 4 5 6 7 8; do
    mkdir -p "$work/files$n" && head -c 200000 /dev/urandom >"$work/files$n/file$n"
    layers+=("$(layer_add "$work/layout" "$work/files$n")")
done
image_add "$work/layout" many '{"Cmd": ["/file1"]}' "${layers[@]}" >/dev/null
layout_push "$work/layout" many "$registry" privatemany
layout_push "$work/layout" many "$registry" publicmany
registry_stop
registry_auth_token "$work" x >"$work/.out"
/usr/bin/python3 "$source_folder/tests/helpers/token_service.py" "$work/token.key" "$work/token.crt" "$work/asked" \
    >"$work/port" &
wait_until "the token service listens" grep -q . "$work/port"
daemon_start --log-level debug

registry_behind() { # PATH of the realm
    registry_stop
    registry_start "$work/registry" "$(registry_auth_token "$work" "http://127.0.0.1:$(<"$work/port")$1")"
    : >"$work/asked"
    private=$registry/private
}

as_user() { gantry pull -q --username user --password-stdin "$@" <<<open-sesame; }
with_password() { gantry pull -q --username user --password-stdin "$2" <<<"$1"; }
asked() { is "$1" "$2" "$(<"$work/asked")"; }

step "everybody's token is asked for once, by GET"
registry_behind /token
run_for 0 gantry pull -q "$registry/public"
asked "for all of an image" "GET /token anybody repository:public:pull 200"
run_for 0 gantry run --rm "$registry/public" echo hello
is "the image" hello "$out"
run_for 1 gantry pull "$private"
has "anybody" "not found at $registry, or private" "$errors"
has "the way out" "gantry login $registry" "$errors"

step "REG-8: a password goes to the service by POST"
registry_behind /token
run_for 0 as_user "$private"
asked "once" "POST /token user repository:private:pull 200"
run_for 0 gantry rmi "$private"
run_for 1 with_password wrong "$private"
has "a wrong one" "refuses these credentials" "$errors"
has "a wrong one" "incorrect username or password" "$errors"
is "and is not tried for ever" 2 "$(grep -c stranger "$work/asked")"
run_for 1 as_user "$registry/nothing"
has "what is not there" "MANIFEST_UNKNOWN" "$errors"

step "REG-7: one question for a set of scopes, however many layers come or go at once"
echo 'limits.downloads = 8' >"$work/config.toml"
daemon_stop
daemon_start --log-level debug --config "$work/config.toml"
registry_behind /token
run_for 0 gantry pull -q "$registry/publicmany"
asked "everybody's" "GET /token anybody repository:publicmany:pull 200"
: >"$work/asked"
run_for 0 as_user "$registry/privatemany"
asked "the user's" "POST /token user repository:privatemany:pull 200"
mkdir -p "$HOME/.docker"
jq -n --arg host "$registry" --arg auth "$(printf user:open-sesame | base64)" '{auths: {($host): {auth: $auth}}}' >"$HOME/.docker/config.json"
: >"$work/asked"
run_for 0 gantry pull -q "$registry/privatemany"
asked "nobody's, then the user's when it is asked" "GET /token anybody repository:privatemany:pull 200
POST /token user repository:privatemany:pull 200"
: >"$work/asked"
run_for 0 gantry tag "$registry/privatemany" "$registry/sent"
run_for 0 gantry push -q "$registry/sent"
for who in anybody user; do
    is "push: no set of scopes twice for $who" "" "$(grep " $who " "$work/asked" | sort | uniq -d)"
done
has "push" "POST /token user" "$(<"$work/asked")"
rm "$HOME/.docker/config.json"
registry_stop
registry_start "$work/plain" && layout_push "$work/layout" many "$registry" privatemany
plain=$registry registry_pid= # the script's end finds it by its folder
registry_behind /token
mkdir -p "$work/certs.d/mirrored.test"
printf 'server = "http://%s"\n[host."http://%s"]\ncapabilities = ["pull"]\n' "$plain" "$registry" >"$work/certs.d/mirrored.test/hosts.toml"
printf 'registries.hosts = ["%s"]\nlimits.downloads = 8\n' "$work/certs.d" >"$work/config.toml"
daemon_stop
daemon_start --log-level debug --config "$work/config.toml"
mirrored() {
    ask_daemon images.pull "{\"reference\": \"mirrored.test/privatemany\", \"mirrors\": [{\"host\": \"$registry\", \"username\": \"user\", \"password\": \"open-sesame\"}]}"
}
run_for 0 gantry rmi "$(gantry images --format json | jq -r '.[].name' | grep privatemany)"
run_for 0 gantry rmi "$(gantry images --format json | jq -r '.[].name' | grep publicmany)"
run_for 0 gantry rmi "$(gantry images --format json | jq -r '.[].name' | grep sent)"
run_for 0 mirrored
asked "a mirror that has the layers alone" "POST /token user repository:privatemany:pull 200"
run_for 0 gantry rmi mirrored.test/privatemany

step "REG-8: services without POST are asked by GET"
for path in /get /get-404 /get-401; do
    registry_behind $path
    run_for 0 as_user "$private"
    status=${path#/get}
    status=${status#-}
    asked "$path" "POST $path somebody repository:private:pull ${status:-405}
GET $path user repository:private:pull 200"
    run_for 0 gantry rmi "$private"
done

step "REG-8: an identity token is as good as the password, and better"
registry_behind /token
run_for 0 ask_daemon images.pull "{\"reference\": \"$private\", \"identity_token\": \"again-and-again\"}"
asked "refreshed" "POST /token user-again repository:private:pull 200"
run_for 0 gantry rmi "$private"
run_for 1 ask_daemon images.pull "{\"reference\": \"$private\", \"identity_token\": \"stolen\"}"
has "a wrong one" "invalid_grant" "$errors"

step "nothing secret is seen in processes or in the log"
registry_behind /slow
as_user "$private" >"$work/.pulled" 2>&1 &
pull=$!
wait_until "a helper waits for the service" eval 'pgrep -P $daemon_pid -x gantry-fetch'
wait_until "a helper waits for the service" eval 'ss -Htn state established "( dport = :$(<"$work/port") )" | grep -q .'
for pid in $(pgrep -P $daemon_pid) $daemon_pid $pull $(pgrep -P $pull); do
    for what in cmdline environ; do
        ! tr '\0' '\n' <"/proc/$pid/$what" | grep -q sesame || fail "$what of $(<"/proc/$pid/comm") tells"
    done
done
touch "$work/asked.go"
wait $pull || fail "$(<"$work/.pulled")"
! grep -l leak "$work/asked" || fail "it came by another way"
for word in sesame dXNlcjpvcGVuLXNlc2FtZQ again-and-again stolen "Bearer ey"; do
    ! grep -e "$word" "$work/gantryd.log" || fail "the log tells"
    ! grep -rqe "$word" "$work/root" "$work/s" || fail "it is stored: $(grep -rle "$word" "$work/root" "$work/s")"
done
