#!/bin/bash
# hosts - REG-20: containerd's hosts.toml and docker's certificate folders as they are; mirrors in their order, by
# capability; whom credentials go to; what a dead one costs; and what `registry explain` says of it all.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

certs=$work/certs.d
busybox_image "$work/layout"
manifest=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
another_registry() { # FOLDER [AUTH [TLS]]: sets $registry; the script's end finds it by its folder
    registry_start "$work/$1" "${@:2}"
    registry_pid=
}
another_registry server && server=$registry
another_registry mirror && mirror=$registry
another_registry empty && empty=$registry
layout_push "$work/layout" busybox "$server" upstream/box
layout_push "$work/layout" busybox "$mirror" upstream/box
skopeo --insecure-policy copy --quiet --dest-tls-verify=false "oci:$work/layout:busybox" "docker://$server/upstream/only:latest"

printf 'log.level = "debug"\nregistries.hosts = ["%s:%s", "%s"]\n' "$work/none" "$certs" "$work/docker.d" >"$work/config.toml"
daemon_start --config "$work/config.toml"

hosts_of() { # REGISTRY, hosts.toml on stdin
    mkdir -p "$certs/$1"
    cat >"$certs/$1/hosts.toml"
}
pulled() { # IMAGE: brings it, and leaves in $told what was asked where
    local before
    before=$(wc -l <"$work/gantryd.log")
    run_for 0 gantry pull "$1"
    told=$(tail -n "+$((before + 1))" "$work/gantryd.log")
    run_for 0 gantry rmi "$1"
}
refused() { # IMAGE WORDS...
    run_for 1 gantry pull "$1"
    local word
    for word in "${@:2}"; do has "pull $1" "$word" "$errors"; done
}
asked() { grep -o "asking [a-z]*://[^ ]*" <<<"$told" | sort | uniq -c | awk '{ print $3, $1 }' | tr '\n' ' '; }
explained() { gantry --format json registry explain "$1" | jq -r "$2"; }

step "a registry that nobody speaks of"
is "its one host" "http://$server/v2 default false" "$(explained "$server/upstream/box" '.hosts[] | "\(.url) \(.origin) \(.mirror)"')"

step "REG-20: mirrors in their order, the server last; who has not what is asked for is passed over"
hosts_of images.test <<TOML
server = "http://$server"

[host."http://$empty"]
  capabilities = ["pull", "resolve"]
[host."http://$mirror"]
  capabilities = ["pull", "resolve"]
TOML
is "the hosts" "http://$empty/v2 pull,resolve $certs/images.test/hosts.toml:3
http://$mirror/v2 pull,resolve $certs/images.test/hosts.toml:5
http://$server/v2 pull,resolve,push $certs/images.test/hosts.toml:1" \
    "$(explained images.test/a '.hosts[] | "\(.url) \(.capabilities | join(",")) \(.origin)"')"
pulled images.test/upstream/box
has "the empty one is asked first" "asking http://$empty" "$told"
has "it has nothing" "not found at $empty" "$told"
has "so the next one is" "asking http://$mirror" "$told"
is "the server is not" "" "$(grep "asking http://$server" <<<"$told" || true)"
pulled images.test/upstream/only
has "what the mirrors do not have" "asking http://$server" "$told"
refused images.test/upstream/nothing "images.test/upstream/nothing" "not found at $server" "3 hosts were asked"

step "REG-20: capabilities: tags are believed of who is trusted with them, the rest has digests"
hosts_of images.test <<TOML
server = "http://$server"
[host."http://$mirror"]
  capabilities = ["pull"]
TOML
pulled images.test/upstream/box
has "the tag" "tag latest: asking http://$server" "$(sed 's/.*images.test/images.test/' <<<"$told")"
has "the blobs" "blob sha256" "$(grep "asking http://$mirror" <<<"$told")"
is "the server serves the tag alone" 1 "$(grep -c "asking http://$server" <<<"$told")"
pulled "images.test/upstream/box@$manifest"
is "by digest it is not asked at all" "" "$(grep "asking http://$server" <<<"$told" || true)"
hosts_of images.test <<TOML
server = "http://$server"
capabilities = ["push"]
[host."http://$mirror"]
  capabilities = ["pull"]
TOML
refused images.test/upstream/box "none of its hosts may be asked to resolve tags" "$certs/images.test/hosts.toml"
pulled "images.test/upstream/box@$manifest"

status_of() { curl -s -o /dev/null -w '%{http_code}' -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$1"; }
step "what is sent goes to the first host that is trusted with it"
hosts_of images.test <<TOML
server = "http://$server"
[host."http://$mirror"]
  capabilities = ["pull", "resolve"]
TOML
run_for 0 gantry pull images.test/upstream/box
run_for 0 gantry push images.test/upstream/box images.test/sent/here:1
is "the server has it" 200 "$(status_of "http://$server/v2/sent/here/manifests/1")"
is "the mirror does not" 404 "$(status_of "http://$mirror/v2/sent/here/manifests/1")"
run_for 0 gantry copy images.test/upstream/only images.test/sent/only:1
is "a copy comes from who has it" 200 "$(status_of "http://$server/v2/sent/only/manifests/1")"
hosts_of images.test <<TOML
server = "http://$server"
capabilities = ["pull", "resolve"]
TOML
run_for 1 gantry push images.test/upstream/box images.test/sent/there:1
has "nobody is trusted with it" "none of its hosts may be sent to ($certs/images.test/hosts.toml:1)" "$errors"
run_for 0 gantry rmi images.test/upstream/box

step "REG-20: names of folders: HOST_PORT_, HOST:PORT, _default"
rm -r "$certs"
hosts_of _default <<<"[host.\"http://$mirror\"]"
hosts_of "other.test:5000" <<<"[host.\"http://$empty\"]"
hosts_of "other.test_6000_" <<<"[host.\"http://$empty\"]"
for name in other.test:5000 other.test:6000; do
    is "$name" "http://$empty/v2 https://$name/v2" "$(explained $name/a '[.hosts[].url] | join(" ")')"
done
is "the default" "http://$mirror/v2 https://registry-1.docker.io/v2" "$(explained busybox '[.hosts[].url] | join(" ")')"
is "only one folder counts, the first" "$certs/other.test:5000/hosts.toml:1" "$(explained other.test:5000/a '.hosts[0].origin')"

step "a file that cannot be understood: file and line, and the daemon goes on"
bad() { # TEXT LINE WORDS
    hosts_of images.test <<<"$1"
    refused images.test/upstream/box "$certs/images.test/hosts.toml:$2:" "$3"
    run_for 1 gantry registry explain images.test/a
    has "explain, too" "hosts.toml:$2:" "$errors"
}
bad 'server = "http://x' 1 ""
bad $'\n[host."http://a"]\ncapabilities = ["pul"]' 3 '"pul" is none of pull, resolve, push'
bad 'server = 1' 1 "expected a text"
bad 'server = "ftp://a/b"' 1 "is no address"
bad '[host."https://a/../b"]' 1 "is no address"
bad $'[host."https://a"]\nca = "none.crt"' 2 "$certs/images.test/none.crt: No such file"
bad $'[host."https://a"]\nclient = [["a"]]' 2 "expected pairs"
bad $'[host."https://a"]\ndial_timeout = "soon"' 2 "expected a time"
bad $'[host."https://a"]\nskip_verify = "yes"' 2 "expected true or false"
bad $'[host."https://a"]\n[host."https://a".header]\nx-a = "b\\nc"' 3 "one line"
bad $'[host."https://a"]\nproxy = "nowhere"' 2 "proxy"
bad 'host = 7' 1 "expected tables"
hosts_of images.test <<TOML
server = "http://$server"
newer = "than we"
TOML
pulled images.test/upstream/box
has "an unknown key is told" 'hosts.toml:2: there is no "newer"' "$told"
is "once for a pull" 1 "$(grep -c 'there is no "newer"' <<<"$told")"
before=$(wc -l <"$work/gantryd.log")
run_for 0 gantry registry explain images.test/a
has "explain tells who asks for it" "warning: $certs/images.test/hosts.toml:2: there is no \"newer\"" "$errors"
is "and not the log" "$before" "$(wc -l <"$work/gantryd.log")"

step "a path before the API, and one that is the API"
hosts_of images.test <<TOML
[host."http://$mirror/deep/er/"]
[host."http://$mirror/v2"]
[host."http://$mirror/root"]
  override_path = true
TOML
is "paths" "/deep/er/v2 /v2 /root" "$(explained images.test/a '[.hosts[:3][].url | sub("http://[^/]*"; "")] | join(" ")')"

step "REG-9: TLS: an authority of one's own, certificates of the client, docker's folder"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=an authority" -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
signed() { # NAME
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
    openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$work/$1.pem" 2>/dev/null
}
signed service && signed client
certificate "$work" stranger
rm -r "$certs/_default" # it speaks of all, so the folder behind it would not be looked into
docker=$work/docker.d
registry_probe="--cert $work/client.pem --key $work/client.key" \
    another_registry tls "" "{certificate: $work/service.pem, key: $work/service.key, clientcas: [$work/ca.pem]}"
tls=$registry
mkdir -p "$docker/$tls"
cp "$work/ca.pem" "$docker/$tls/ca.crt"
cp "$work/client.pem" "$docker/$tls/client.cert"
cp "$work/client.key" "$docker/$tls/client.key"
skopeo --insecure-policy copy --quiet --dest-cert-dir "$docker/$tls" "oci:$work/layout:busybox" "docker://$tls/upstream/box:latest"
pulled "$tls/upstream/box"
has "docker's folder" "asking https://$tls" "$told"
is "explained" "https://$tls/v2 $docker/$tls $docker/$tls/ca.crt $docker/$tls/client.cert" \
    "$(explained "$tls/a" '.hosts[0] | "\(.url) \(.origin) \(.ca[0]) \(.client[0])"')"
has "login goes the same way" "did not ask who you are" "$(gantry login -u a --password-stdin "$tls" <<<b 2>&1)"
rm "$docker/$tls/client.key"
refused "$tls/upstream/box" "there is no key $docker/$tls/client.key"
rm -r "$docker/$tls"
cat "$work/client.pem" "$work/client.key" >"$work/both.pem"
tls_by() { hosts_of tls.test <<<"server = \"https://$tls\""$'\n'"$1"; }
for lines in 'ca = "../../ca.pem"|client = [["../../client.pem", "../../client.key"]]' \
    "ca = [\"$work/stranger.crt\", \"$work/ca.pem\"]|client = \"$work/both.pem\"" \
    "ca = \"$work/ca.pem\"|client = [[\"$work/both.pem\", \"\"]]" \
    "skip_verify = true|client = [\"$work/both.pem\"]"; do
    tls_by "${lines//|/$'\n'}"
    pulled tls.test/upstream/box
done
tls_by "client = \"$work/both.pem\""
refused tls.test/upstream/box "no secure connection to $tls" "certificate"
tls_by "ca = \"$work/stranger.crt\""$'\n'"client = \"$work/both.pem\""
refused tls.test/upstream/box "no secure connection to $tls"
tls_by "ca = \"$work/ca.pem\""
refused tls.test/upstream/box "$tls"
tls_by "ca = [\"$work/ca.pem\", \"$work/config.toml\"]"
refused tls.test/upstream/box "$work/config.toml holds no certificate"
has "explained" "holds no certificate" "$(explained tls.test/a '.hosts[0].health.problem')"

# ---- a mirror with a will of its own ----------------------------------------------------------------------
step "REG-20: the mirror is told whose images are asked for; headers are its own"
odd_start() {
    /usr/bin/python3 "$source_folder/tests/helpers/odd_mirror.py" "$work/layout" "$work/mode" "$work/asked" "$@" >"$work/ports" &
    odd_pid=$!
    wait_until "the odd mirror listens" grep -q . "$work/ports"
    read -r odd other <"$work/ports"
    rm "$work/ports"
}
mode() { echo "$1" >"$work/mode" && : >"$work/asked"; }
mode well
odd_start
odd_hosts() { # MORE lines for the mirror
    hosts_of "$server" <<TOML
[host."http://127.0.0.1:$odd/cache"]
${1:-}
TOML
}
odd_hosts "[host.\"http://127.0.0.1:$odd/cache\".header]"$'\n''x-for = "gantry"'
pulled "$server/upstream/box"
is "path, name and header" "home /cache/v2/upstream/box/manifests/latest?ns=$server - gantry" "$(head -n 1 "$work/asked")"
is "for all it is asked" "" "$(grep -v "?ns=$server - gantry\$" "$work/asked" || true)"
is "the server is not asked" "" "$(grep "asking http://$server" <<<"$told" || true)"
is "the value is not shown" '["x-for"]' "$(explained "$server/a" '.hosts[0].headers | tojson')"
mode redirect
pulled "$server/upstream/box"
has "the other host serves blobs" "other /cache/v2/upstream/box/blobs/" "$(<"$work/asked")"
is "and does not see the header" "" "$(grep ^other "$work/asked" | grep -v -- ' - -$' || true)"

step "REG-9: a host that is reached through a proxy, whatever the environment says"
mode well
hosts_of proxied.test <<TOML
server = "http://nowhere.test"
proxy = "http://user:pw@127.0.0.1:$odd"
TOML
pulled proxied.test/upstream/box
is "the proxy is asked" "home http://nowhere.test/v2/upstream/box/manifests/latest?ns=proxied.test - -" "$(head -n 1 "$work/asked")"
is "its password is not shown" "http://127.0.0.1:$odd" "$(explained proxied.test/a '.hosts[0].proxy')"

step "REG-6: what it sends is verified, and another host has the right bytes"
for word in layer wrong cut 503 blobs 404 html tag; do
    mode $word
    pulled "$server/upstream/box"
    has "$word: the mirror is asked" "asking http://127.0.0.1:$odd" "$told"
    has "$word: the server, too" "$([ $word = tag ] && echo "127.0.0.1:$odd" || echo "asking http://$server")" "$told"
    run_for 0 gantry check
    wait_until "$word: it may be asked again" eval '[ "$(explained "$server/a" .hosts[0].health.state)" != "left out" ]'
done
mode wrong
pulled "$server/upstream/box"
has "who sends other bytes is told" "sends other bytes than it was asked for; it is not asked again" "$told"
is "and not asked again" 1 "$(grep -c "blob.*asking http://127.0.0.1:$odd" <<<"$told")"

step "CVE-2020-15157: credentials belong to a host"
another_registry closed "$(registry_auth_basic "$work/closed")"
closed=$registry
skopeo --insecure-policy copy --quiet --dest-tls-verify=false --dest-creds user:secret "oci:$work/layout:busybox" "docker://$closed/upstream/box:latest"
hosts_of "$closed" <<<"[host.\"http://127.0.0.1:$odd\"]"
mkdir -p "$HOME/.docker"
logins() { # HOST USER PASSWORD...
    local all='{}'
    while [ $# -gt 0 ]; do
        all=$(jq -c --arg host "$1" --arg auth "$(printf %s "$2:$3" | base64)" '.[$host] = {auth: $auth}' <<<"$all")
        shift 3
    done
    echo "{\"auths\": $all}" >"$HOME/.docker/config.json"
}
logins "$closed" user secret
for word in basic bearer; do
    mode $word
    pulled "$closed/upstream/box"
    has "$word: it was asked" "home /v2/upstream/box/" "$(<"$work/asked")"
    is "$word: the mirror gets nothing" "" "$(grep -v -- ' - -$' "$work/asked" || true)"
done
has "as whom" "asked as      user ($HOME/.docker/config.json)" "$(gantry registry explain "$closed/upstream/box")"
has "and at the mirror" "asked as      nobody" "$(gantry registry explain "$closed/upstream/box")"
logins "$closed" user secret "127.0.0.1:$odd" mirror mirror-secret
mode basic
pulled "$closed/upstream/box"
is "the mirror's own" "Basic:$(printf mirror:mirror-secret | base64)" "$(cut -d' ' -f3 "$work/asked" | grep -v '^-$' | sort -u)"
is "serve" "" "$(grep "asking http://$closed" <<<"$told" || true)"
hosts_of "$closed" <<<"server = \"http://127.0.0.1:$odd\""
logins "$closed" user secret
mode well
pulled "$closed/upstream/box"
is "a server of another name gets nothing" "" "$(grep -v -- ' - -$' "$work/asked" || true)"

# ---- health ---------------------------------------------------------------------------------------------------
step "REG-12: a dead mirror costs its time-out once: not once per blob, nor once per pull"
layers=()
for n in 1 2 3 4 5 6 7 8; do
    mkdir -p "$work/files$n" && echo "layer $n" >"$work/files$n/file$n"
    layers+=("$(layer_add "$work/layout" "$work/files$n")")
done
image_add "$work/layout" many '{"Cmd": ["/file1"]}' "${layers[@]}"
layout_push "$work/layout" many "$server" upstream/many
/usr/bin/python3 "$source_folder/tests/helpers/silent_host.py" >"$work/silent.port" 2>"$work/silent.log" &
wait_until "somebody listens and says nothing" grep -q . "$work/silent.port"
silent=127.0.0.1:$(<"$work/silent.port")
hosts_of "$server" <<TOML
[host."https://$silent"]
  dial_timeout = "800ms"
TOML
began=$(date +%s%N)
pulled "$server/upstream/many"
took=$((($(date +%s%N) - began) / 1000000))
is "one connection for a manifest, a config and eight layers" 1 "$(grep -c one "$work/silent.log")"
[ $took -lt 6000 ] || fail "it took $took ms"
for n in 1 2 3 4; do gantry pull "$server/upstream/many" >"$work/pull$n" 2>&1 & pulls[n]=$!; done
for n in 1 2 3 4; do wait "${pulls[n]}" || fail "pull $n: $(<"$work/pull$n")"; done
run_for 0 gantry rmi "$server/upstream/many"
is "none for four that pull at the same time" 1 "$(grep -c one "$work/silent.log")"
pulled "$server/upstream/box"
is "and none for the next image" 1 "$(grep -c one "$work/silent.log")"
has "why is told" "https://$silent fails" "$(<"$work/gantryd.log")"
is "explained" "left out 1" "$(explained "$server/a" '.hosts[0].health | "\(.state) \(.failures)"')"
[ "$(explained "$server/a" '.hosts[0].health.left_ms')" -gt 2000 ] || fail "left out for ten times what it cost"
has "in words" "left out for" "$(gantry registry explain "$server/a")"

step "it comes back when the while is over"
kill $odd_pid && wait $odd_pid 2>/dev/null || true
odd_hosts
pulled "$server/upstream/box"
has "it refuses connections" "cannot reach 127.0.0.1:$odd" "$(explained "$server/a" .hosts[0].health.problem)"
mode well
odd_start "$odd"
wait_until "the while is over" eval '[ "$(explained "$server/a" .hosts[0].health.state)" = failed ]'
pulled "$server/upstream/box"
has "it is asked" "asking http://127.0.0.1:$odd" "$told"
is "it is back" "well" "$(explained "$server/a" .hosts[0].health.state)"
has "which is told" "http://127.0.0.1:$odd answers again" "$told"

step "one that answers with failures is left out, too, and for as long as it asks for"
mode 429
pulled "$server/upstream/many"
is "asked once" 1 "$(grep -c . "$work/asked")"
is "left out" "left out 1" "$(explained "$server/a" '.hosts[0].health | "\(.state) \(.failures)"')"
[ "$(explained "$server/a" '.hosts[0].health.left_ms')" -gt 60000 ] || fail "Retry-After is honoured"

step "a host that nothing stands in for is asked every time"
kill $odd_pid && wait $odd_pid 2>/dev/null || true
for turn in 1 2 3; do refused "127.0.0.1:$odd/upstream/box" "cannot reach 127.0.0.1:$odd"; done

step "after a restart nothing is known"
daemon_stop
daemon_start --config "$work/config.toml"
is "nothing is known" unknown "$(explained "$server/a" .hosts[0].health.state)"
! grep -e "mirror-secret" -e "user:secret" -e dXNlcjpzZWNyZXQ -e "x-for: gantry" "$work/gantryd.log" || fail "the log tells"
