#!/bin/bash
# hub - REG-9, REG-10: registries with TLS under names of their own, Docker Hub's among them, in a network that
# is made for it: what is secret goes over TLS, to the registry and the token service it names.
if [ -z "${HUB_INSIDE:-}" ] && [ "$(id -u)" = 0 ]; then
    unshare --mount --net true 2>/dev/null || { echo "skipped: no network can be made here" && exit 77; }
    exec env HUB_INSIDE=1 unshare --mount --net "$0" "$@"
fi
. "$(dirname "$0")/../helpers/lib.sh"
private_home
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY

hub=192.0.2.10 auth=192.0.2.11 plain=192.0.2.12
ip link set lo up
for address in $hub $auth $plain; do ip address add $address/32 dev lo; done
certificate "$work" hub "DNS:registry-1.docker.io,DNS:registry.test"
certificate "$work" auth "DNS:auth.docker.io,DNS:auth.test"
cat /etc/ssl/certs/ca-certificates.crt "$work/hub.crt" >"$work/authorities"
mount --bind "$work/authorities" /etc/ssl/certs/ca-certificates.crt
printf '%s\n' "127.0.0.1 localhost" "$hub registry-1.docker.io registry.test" "$auth auth.docker.io auth.test" \
    "$plain plain.test" >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts

# docker-registry at HOST:PORT; further lines of its configuration
serve() {
    cat >"$work/$1.yml" <<CONFIG
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry/data}, cache: {blobdescriptor: inmemory}}
http: {addr: $1:$2$3}
$4
CONFIG
    docker-registry serve "$work/$1.yml" >"$work/$1.log" 2>&1 </dev/null &
    served=$!
    wait_until "$1 listens" eval "(exec 3<>/dev/tcp/$1/$2)"
}
end() { kill $served && wait $served || true; }
tls=", tls: {certificate: $work/hub.crt, key: $work/hub.key}"

busybox_image "$work/layout"
registry_start "$work/registry"
layout_push "$work/layout" busybox "$registry" library/busybox
registry_stop
registry_auth_token "$work" x >"$work/.out"
/usr/bin/python3 "$source_folder/tests/helpers/token_service.py" "$work/token.key" "$work/token.crt" "$work/asked" \
    $auth 443 "$work/auth.key" "$work/auth.crt" >"$work/port" &
wait_until "the token service listens" grep -q . "$work/port"
echo 'registries.plain_http = ["plain.test:5000"]' >"$work/config.toml"
daemon_start --log-level debug --config "$work/config.toml"
login() { gantry login -u user --password-stdin "$@" <<<open-sesame; }
config=$HOME/.docker/config.json

step "a token service that nobody vouches for is told nothing"
serve $hub 443 "$tls" "$(registry_auth_token "$work" https://auth.docker.io/token)"
run_for 1 login
has "which" "no secure connection to auth.docker.io" "$errors"
[ ! -e "$work/asked" ] || fail "it was told: $(<"$work/asked")"
cat "$work/auth.crt" >>"$work/authorities"

step "REG-10: Docker Hub goes by all its names"
run_for 0 login
is "login" "Logged in to docker.io" "$out"
is "its key is docker's" https://index.docker.io/v1/ "$(jq -r '.auths | keys[]' "$config")"
: >"$work/asked"
run_for 0 gantry pull -q busybox
is "the name" docker.io/library/busybox:latest "$out"
asked_twice="GET /token anybody repository:library/busybox:pull 200
POST /token user-again repository:library/busybox:pull 200"
is "whom it asked: as nobody, which is not enough here, then as us" "$asked_twice" "$(<"$work/asked")"
run_for 0 gantry rmi busybox
run_for 0 gantry login https://index.docker.io/v1/
is "again" "Logged in to docker.io by $config" "$out"
: >"$work/asked"
run_for 0 gantry pull -q registry-1.docker.io/library/busybox
is "under the name of its machine" "$asked_twice" "$(<"$work/asked")"
end
run_for 0 gantry logout docker.io
is "nothing is left" "{}" "$(jq -c .auths "$config")"

step "REG-9: Basic over TLS"
serve $hub 443 "$tls" "$(registry_auth_basic "$work")"
with_secret() { "$@" --username user --password-stdin <<<secret; }
run_for 0 with_secret gantry login registry.test
run_for 0 gantry pull -q registry.test/library/busybox
run_for 0 gantry rmi registry.test/library/busybox
run_for 0 gantry logout registry.test
end
certificate "$work" hub "DNS:other.test"
cat "$work/hub.crt" >>"$work/authorities"
serve $hub 443 "$tls" "$(registry_auth_basic "$work")"
run_for 1 with_secret gantry login registry.test
has "a certificate of somebody else" "no secure connection to registry.test" "$errors"
end
[ ! -s "$config" ] || is "nothing was kept" "{}" "$(jq -c .auths "$config")"

step "what a registry without TLS may ask for"
serve $plain 5000 "" "$(registry_auth_token "$work" https://auth.test/token)"
run_for 0 login plain.test:5000
run_for 0 gantry pull -q plain.test:5000/library/busybox
run_for 0 gantry rmi plain.test:5000/library/busybox
end
: >"$work/asked"
serve $plain 5000 "" "$(registry_auth_token "$work" http://auth.test/token)"
run_for 1 with_secret gantry pull plain.test:5000/library/busybox
has "a service without TLS on another machine" "plain.test:5000 wants its credentials sent to auth.test without TLS" "$errors"
run_for 1 login plain.test:5000
has "the same" "without TLS" "$errors"
end

step "what a registry with TLS may not"
certificate "$work" hub "DNS:registry.test"
cat "$work/hub.crt" >>"$work/authorities"
serve $hub 443 "$tls" "$(registry_auth_token "$work" http://auth.test/token)"
run_for 1 login registry.test
has "a service without TLS" "registry.test names no token service that can be used" "$errors"
run_for 1 gantry pull registry.test/library/busybox
has "nor for everybody's token" "names no token service" "$errors"
is "nobody was told anything" "" "$(<"$work/asked")"
! grep -e sesame -e again-and-again -e dXNlcjp "$work/gantryd.log" || fail "the log tells"
