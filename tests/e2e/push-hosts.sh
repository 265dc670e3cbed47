#!/bin/bash
# push-hosts - REG-20: whom pushes go to, as whom, and what a host that is down costs them: hosts.toml and the circuit breaker, for
# all that is sent to registries or asked there besides pulls.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

certs=$work/certs.d
layers=()
layout_start "$work/layout"
for n in 1 2 3 4 5; do
    mkdir -p "$work/files$n" && echo "layer $n" >"$work/files$n/file$n"
    layers+=("$(layer_add "$work/layout" "$work/files$n")")
done
image_add "$work/layout" many '{"Cmd": ["/file1"]}' "${layers[@]}"
another_registry() { # FOLDER [AUTH]: sets $registry; the script's end finds it by its folder
    registry_start "$work/$1" "${@:2}"
    registry_pid=
}
another_registry server && server=$registry
layout_push "$work/layout" many "$server" many
printf 'log.level = "debug"\nregistries.hosts = ["%s"]\n' "$certs" >"$work/config.toml"
daemon_start --config "$work/config.toml"
run_for 0 gantry pull "$server/many"

hosts_of() { # REGISTRY, hosts.toml on stdin
    mkdir -p "$certs/$1"
    cat >"$certs/$1/hosts.toml"
}
explained() { gantry --format json registry explain "$1" | jq -r "$2"; }
state_of() { explained "$1/a" '.hosts[0].health | "\(.state) \(.failures // 0)"'; }
proxied() { # HOST LOG: sets $proxy to a host that hands on to it and tells what it hears
    rm -f "$work/port"
    /usr/bin/python3 "$source_folder/tests/helpers/cutting_proxy.py" "$1" 1000000000 "$2" >"$work/port" &
    wait_until "the proxy listens" grep -q . "$work/port"
    proxy=127.0.0.1:$(<"$work/port")
}

# ---- health ---------------------------------------------------------------------------------------------------
step "a host that says nothing costs its time-out once, not once per blob"
/usr/bin/python3 "$source_folder/tests/helpers/silent_host.py" >"$work/silent.port" 2>"$work/silent.log" &
wait_until "somebody listens and says nothing" grep -q . "$work/silent.port"
silent=127.0.0.1:$(<"$work/silent.port")
connections() { grep -c one "$work/silent.log" || true; }
hosts_of silent.test <<TOML
server = "https://$silent"
dial_timeout = "800ms"
TOML
run_for 1 gantry push "$server/many" silent.test/many
has "which image" "push $server/many" "$errors"
has "which host" "$silent" "$errors"
first=$(connections)
[ "$first" -le 3 ] || fail "$first connections for three blobs at a time"
is "explained" "left out 1" "$(state_of silent.test)"
[ "$(explained silent.test/a '.hosts[0].health.left_ms')" -gt 2000 ] || fail "left out for ten times what it cost"
has "why is told" "https://$silent fails" "$(<"$work/gantryd.log")"

step "when it is known, one looks and all that push share what it finds"
for n in 1 2 3 4; do gantry push "$server/many" "silent.test/many:$n" >"$work/push$n" 2>&1 & pushes[n]=$!; done
for n in 1 2 3 4; do ! wait "${pushes[n]}" || fail "push $n ended well"; done
has "which host, and for how long" "https://$silent fails, and is left out for " "$(cat "$work"/push?)"
[ "$(connections)" -le $((first + 4)) ] || fail "$(connections) connections, $first before: each has looked for itself"

step "all that asks a registry tells how it is, and honours it"
another_registry target && target=$registry
known() { is "$1" "$2" "$(explained "$target/a" '.hosts[0].health.state')"; }
restart() { # forgets what is known of hosts
    daemon_stop
    daemon_start --config "$work/config.toml"
    known "after a restart" unknown
}
known "before" unknown
run_for 0 gantry push "$server/many" "$target/many"
known "a push" well
manifest=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
for words in "tags ls $target/many" "manifest inspect $target/many" "referrers $target/many" "copy $server/many $target/more" \
    "manifest delete $target/more@$manifest"; do
    restart
    run_for 0 gantry $words
    known "$words" well
done
restart
gantry login -u a --password-stdin "$target" <<<b >/dev/null 2>&1 || fail "login"
known "login" well

step "a dead one is told by all of them, and comes back with the first that finds it"
pid=$(pgrep -f "docker-registry serve $work/target/config.yml")
kill "$pid"
wait_until "it has gone" eval "! kill -0 $pid"
for words in "push $server/many" "tags ls" "manifest inspect" "referrers" "copy $server/many" "manifest delete"; do
    run_for 1 gantry $words "$target/many:latest"
    has "$words" "$target" "$errors"
done
! gantry login -u a --password-stdin "$target" <<<b >/dev/null 2>&1 || fail "login to nobody"
is "each has looked" 7 "$(explained "$target/a" '.hosts[0].health.failures')"
docker-registry serve "$work/target/config.yml" >/dev/null 2>&1 </dev/null &
wait_until "it is back" curl -sf "http://$target/v2/"
run_for 0 gantry push "$server/many" "$target/many:again"
known "it is well" well
has "which is told" "http://$target answers again" "$(<"$work/gantryd.log")"

step "refusals are answers"
another_registry closed "$(registry_auth_basic "$work/closed")" && closed=$registry
run_for 1 gantry push "$server/many" "$closed/many"
has "it is refused" "wants a user name and password" "$errors"
is "it answers" "well 0" "$(state_of "$closed")"

# ---- other hosts ------------------------------------------------------------------------------------------------
step "of several the first that may be sent to; explain says which"
proxied "$target" "$work/one" && one=$proxy
proxied "$server" "$work/two" && two=$proxy
hosts_of images.test <<TOML
server = "http://$server"
[host."http://127.0.0.1:1"]
  capabilities = ["pull", "resolve"]
[host."http://$one"]
  capabilities = ["push"]
[host."http://$two"]
  capabilities = ["push", "resolve"]
TOML
is "in the answer" "http://$one/v2" "$(explained images.test/a '.hosts[] | select(.receives) | .url')"
has "in words" "pushes        come here" "$(gantry registry explain images.test/a | sed -n '2,/^3/p')"
run_for 0 gantry push "$server/many" images.test/sent
has "it is said" "sent to http://$one" "$errors"
has "it is told whose images these are" "HEAD /v2/sent/blobs/sha256" "$(grep "ns=images.test" "$work/one")"
is "the second hears nothing" "" "$(cat "$work/two")"
is "for programs" "http://$one" "$(gantry --format json push "$server/many" images.test/sent | jq -r .host)"
is "the registry itself is not named" null "$(gantry --format json push "$server/many" "$target/many" | jq -r .host)"

step "what is read comes from whoever may be asked for it, what is changed goes where pushes go"
run_for 0 gantry tags ls images.test/many
is "the second may resolve" "latest" "$out"
has "it was asked" "GET /v2/many/tags/list" "$(<"$work/two")"
run_for 1 gantry tags ls images.test/sent
has "nobody that may be asked has it" "3 hosts were asked" "$errors"
run_for 0 gantry manifest inspect images.test/many
digest=sha256:$(sha256sum <"$work/.out" | cut -d' ' -f1)
run_for 0 gantry manifest delete "images.test/sent@$digest"
has "removed there" "DELETE /v2/sent/manifests/$digest" "$(<"$work/one")"
run_for 0 gantry copy images.test/many images.test/copied
is "a copy goes there" 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://$target/v2/copied/tags/list")"

step "credentials belong to a host, also when it is pushed to"
proxied "$closed" "$work/guarded" && guarded=$proxy
hosts_of guarded.test <<TOML
server = "http://$server"
[host."http://$guarded"]
  capabilities = ["push"]
TOML
mkdir -p "$HOME/.docker"
logins() { # HOST USER PASSWORD...
    local all='{}'
    while [ $# -gt 0 ]; do
        all=$(jq -c --arg host "$1" --arg auth "$(printf %s "$2:$3" | base64)" '.[$host] = {auth: $auth}' <<<"$all")
        shift 3
    done
    echo "{\"auths\": $all}" >"$HOME/.docker/config.json"
}
logins guarded.test user secret # the right ones, for another
run_for 1 gantry push "$server/many" guarded.test/many
has "which host" "$guarded" "$errors"
has "the way out" "for $guarded: gantry login" "$errors"
as() { gantry push --username "$1" --password-stdin "$server/many" "$2" <<<"$3"; } # run_for gives no input
run_for 1 as user guarded.test/many secret
is "it has seen none" "" "$(grep Authorization "$work/guarded" || true)"
logins guarded.test other other "$guarded" user secret
has "as whom" "asked as      user ($HOME/.docker/config.json)" "$(gantry registry explain guarded.test/a)"
run_for 0 gantry push "$server/many" guarded.test/many
run_for 0 gantry copy "$server/many" guarded.test/copied
run_for 0 as other guarded.test/more other
is "its own, and no other's" "Authorization: Basic $(printf user:secret | base64)" "$(grep Authorization "$work/guarded" | sort -u)"
logins guarded.test other other "$guarded" user wrong
run_for 1 gantry push "$server/many" guarded.test/many
has "wrong ones" "$guarded refuses these credentials" "$errors"
hosts_of read.test <<TOML
server = "http://127.0.0.1:1"
[host."http://$guarded"]
  capabilities = ["resolve", "pull"]
TOML
logins "$guarded" user secret
run_for 0 gantry tags ls read.test/many
run_for 0 gantry manifest inspect read.test/many
run_for 0 gantry copy read.test/many "$target/from-guarded"
! grep -e "user:secret" -e "$(printf user:secret | base64)" "$work/gantryd.log" || fail "the log tells"
