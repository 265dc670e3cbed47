#!/bin/bash
# login - REG-10: login and logout at docker-registry with a password file and with a token service; what is kept
# is what pull, run and create send, and what others have kept too.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

busybox_image "$work/layout"
registry_start "$work/registry"
layout_push "$work/layout" busybox "$registry"
registry_stop
config=$HOME/.docker/config.json

as_user() { "$@" --username user --password-stdin <<<secret; }
with_password() { gantry login --username user --password-stdin "$registry" <<<"$1"; }
kept() { jq -r --arg host "$registry" ".auths[\$host].$1 // empty" "$config"; }
pulled() {
    run_for 0 gantry pull "$registry/busybox"
    run_for 0 gantry rmi "$registry/busybox"
}
not_pulled() {
    run_for 1 gantry pull "$registry/busybox"
    has "the way out" "gantry login" "$errors"
}

step "a registry with a password file"
registry_start "$work/registry" "$(registry_auth_basic "$work")"
daemon_start --log-level debug
not_pulled
run_for 1 with_password wrong
has "a wrong password" "login to $registry: $registry refuses these credentials" "$errors"
[ ! -e "$config" ] || fail "a wrong password was kept"
run_for 0 as_user gantry login "$registry"
is "login" "Logged in to $registry" "$out"
has "where" "Kept in $config" "$errors"
is "what is kept" "$(printf user:secret | base64)" "$(kept auth)"
is "for whom" "600 700" "$(stat -c %a "$config" "$HOME/.docker" | xargs)"
is "completion knows it" "$registry" "$(gantry names registries)"
pulled
run_for 0 gantry run --rm "$registry/busybox" echo hello
is "run" hello "$out"
run_for 0 gantry rmi -f "$registry/busybox"
run_for 0 gantry create --name one "$registry/busybox" true
run_for 0 gantry rm one
run_for 0 gantry rmi "$registry/busybox"

step "what is kept is verified when nobody is named"
run_for 0 gantry login "$registry"
is "again" "Logged in to $registry by $config" "$out"
run_for 0 gantry --format json login "$registry"
is "for programs" true "$(jq .asked <<<"$out")"
run_for 1 gantry pull --username other --password-stdin "$registry/busybox"
has "somebody else, without a password" "nothing on standard input" "$errors"
run_for 1 gantry pull --password-stdin "$registry/busybox"
has "a password of nobody" "give --username" "$errors"
run_for 2 gantry login --password secret "$registry"
has "in the arguments" "other users of this machine could read it" "$errors"
run_for 1 gantry login nobody.example/v1
has "no terminal" "give --username and --password-stdin" "$errors"
run_for 1 gantry login nonsense
has "no registry" "\"nonsense\" is no registry" "$errors"

step "logout"
run_for 0 gantry logout "$registry"
is "logout" "Logged out of $registry ($config)" "$out"
is "nothing is left" "" "$(kept auth)"
run_for 0 gantry logout "$registry"
has "once more" "Not logged in to $registry" "$errors"
not_pulled

step "REG-10: what podman and skopeo have kept"
skopeo login --tls-verify=false --username user --password-stdin "$registry" <<<secret >/dev/null
[ -e "$XDG_RUNTIME_DIR/containers/auth.json" ] || fail "skopeo keeps it elsewhere"
pulled
run_for 0 gantry logout "$registry"
has "it is not ours to remove" "still known in $XDG_RUNTIME_DIR/containers/auth.json" "$errors"
mv "$XDG_RUNTIME_DIR/containers/auth.json" "$work/elsewhere.json"
not_pulled
REGISTRY_AUTH_FILE=$work/elsewhere.json pulled
in_run() { # where root's podman has it; a /run of our own, for it may hold somebody's
    unshare -m sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/containers/0 && cp "$1" /run/containers/0/auth.json &&
        unset XDG_RUNTIME_DIR && exec "$2" --host "$3" pull -q "$4"' - "$work/elsewhere.json" "$GANTRY_BIN/gantry" \
        "ipc://$work/s/gantry.sock" "$registry/busybox"
}
run_for 0 in_run
run_for 0 gantry rmi "$registry/busybox"
mkdir -p "$work/docker"
cp "$work/elsewhere.json" "$work/docker/config.json"
DOCKER_CONFIG=$work/docker pulled

step "who is refused learns as whom"
jq -n --arg host "$registry" --arg auth "$(printf old:password | base64)" '{auths: {($host): {auth: $auth}}}' >"$config"
run_for 1 gantry pull "$registry/busybox"
has "the refusal" "$registry refuses these credentials" "$errors"
has "as whom" "hint: asked as old, which is kept in $config; gantry login changes it" "$errors"
run_for 1 gantry login "$registry"
has "also of login" "$config: login to $registry" "$errors"
run_for 0 as_user gantry login "$registry"
is "one entry" 1 "$(jq '.auths | length' "$config")"
run_for 0 gantry logout "$registry"

step "what gantry keeps, podman and skopeo read"
as_user gantry login "$registry" >/dev/null 2>&1
skopeo inspect --tls-verify=false --no-tags "docker://$registry/busybox" >/dev/null || fail "skopeo does not"
gantry logout "$registry" >/dev/null

step "REG-10: a credential helper keeps it"
mkdir "$work/bin"
cat >"$work/bin/docker-credential-box" <<'HELPER'
#!/bin/sh
cd "${0%/*}"
input=$(cat)
case $1 in
get) cat "kept-$(echo "$input" | tr -c '[:alnum:]\n' _)" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
store) printf '%s\n' "$input" >"kept-$(echo "$input" | jq -r .ServerURL | tr -c '[:alnum:]\n' _)" ;;
erase) rm "kept-$(echo "$input" | tr -c '[:alnum:]\n' _)" ;;
esac
HELPER
chmod +x "$work/bin/docker-credential-box"
PATH=$work/bin:$PATH
echo '{"credsStore": "box", "detachKeys": "ctrl-q"}' >"$config"
run_for 0 as_user gantry login "$registry"
has "where" "Kept by docker-credential-box" "$errors"
is "the file says only whose" '{"credsStore":"box","detachKeys":"ctrl-q","auths":{"'"$registry"'":{}}}' "$(jq -c . "$config")"
pulled
run_for 0 gantry logout "$registry"
is "logout" "Logged out of $registry (docker-credential-box)" "$out"
is "nothing is left" "" "$(ls "$work/bin" | grep kept || true)"
not_pulled
sed -i '1a echo "the keyring is locked"; exit 1' "$work/bin/docker-credential-box"
run_for 1 gantry pull "$registry/busybox"
has "a helper that fails" "docker-credential-box, get $registry: it ended with status 1: the keyring is locked" "$errors"
has "the way out" "hint: repair it, or take it out of $config" "$errors"
rm "$config"

step "a person types it"
person() { # STEP... -- gantry's arguments
    local steps=()
    while [ "$1" != -- ]; do steps+=("$1") && shift; done
    shift
    /usr/bin/python3 "$source_folder/tests/helpers/terminal.py" "${steps[@]}" -- \
        "$GANTRY_BIN/gantry" --root "$work/root" --state "$work/s" "$@"
}
run_for 130 person 'expect:Username: ' 'send:user\n' 'expect:Password: ' 'send:\x03' -- login "$registry"
[ ! -e "$config" ] || fail "something was kept"
run_for 1 person 'expect:Username: ' 'send:\n' 'expect:nothing was typed' -- login "$registry"
for how in daemon embedded; do
    [ $how = daemon ] || daemon_stop
    run_for 0 person 'expect:Username: ' 'send:user\n' 'expect:Password: ' 'send:secret\n' 'expect:Logged in to' -- \
        login "$registry"
    [[ $out != *secret* ]] || fail "the password is shown: $out"
    is "what is kept" "$(printf user:secret | base64)" "$(kept auth)"
    jq --arg auth "$(printf old:password | base64)" '.auths[].auth = $auth' "$config" >"$config.old"
    mv "$config.old" "$config"
    run_for 0 person 'expect:refuses these' 'expect:Username: ' 'send:user\n' 'expect:Password: ' 'send:secret\n' \
        'expect:Logged in to' -- login "$registry"
    is "what is kept" "$(printf user:secret | base64)" "$(kept auth)"
    run_for 0 embedded pull -q "$registry/busybox"
    run_for 0 embedded logout "$registry"
done
daemon_start --log-level debug

step "a registry with a token service: its token is kept instead of the password"
registry_auth_token "$work" x >"$work/.out"
/usr/bin/python3 "$source_folder/tests/helpers/token_service.py" "$work/token.key" "$work/token.crt" "$work/asked" \
    >"$work/port" &
wait_until "the token service listens" grep -q . "$work/port"
as_sesame() { gantry login -u user --password-stdin "$registry" <<<open-sesame; }
for path in /token /get; do
    registry_stop
    : >"$work/asked"
    registry_start "$work/registry" "$(registry_auth_token "$work" "http://127.0.0.1:$(<"$work/port")$path")"
    run_for 1 with_password wrong
    has "a wrong password" "refuses these credentials" "$errors"
    run_for 0 as_sesame
    is "$path: the token is kept" again-and-again "$(kept identitytoken)"
    is "$path: and who, without a password" "$(printf user: | base64)" "$(kept auth)"
    [ $path = /token ] || break # such a service would not take it back
    pulled
    has "it is used" "POST /token user-again repository:busybox:pull 200" "$(<"$work/asked")"
    run_for 0 gantry login "$registry"
    echo '{"credsStore": "box"}' >"$config"
    sed -i 2d "$work/bin/docker-credential-box"
    run_for 0 as_sesame
    is "a helper keeps the token" "<token> again-and-again" "$(jq -r '.Username + " " + .Secret' "$work"/bin/kept-*)"
    pulled
    run_for 0 gantry logout "$registry"
    rm "$config"
done

step "a registry that wants to know nobody"
registry_stop
registry_start "$work/registry"
run_for 0 with_password whatever
has "it is said" "did not ask who you are: nothing was verified" "$errors"

step "REG-10: many logins at once, to as many registries: none is lost"
rm -f "$config"
hosts=()
for n in 1 2 3 4 5 6; do
    registry_start "$work/one$n" "$(registry_auth_basic "$work/one$n")"
    registry_pid= # the script's end finds it by its folder
    hosts+=("$registry")
done
for turn in 1 2 3; do
    pids=()
    for host in "${hosts[@]}"; do
        gantry login --username user --password-stdin "$host" <<<secret >"$work/.login-$host" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait $pid || fail "$(cat "$work"/.login-*)"; done
    is "all are kept" "$(printf '%s\n' "${hosts[@]}" | sort)" "$(jq -r '.auths | keys[]' "$config" | sort)"
    pids=()
    for host in "${hosts[@]:1}"; do gantry logout "$host" >"$work/.logout-$host" 2>&1 & pids+=($!); done
    for pid in "${pids[@]}"; do wait $pid || fail "$(cat "$work"/.logout-*)"; done
    is "and one stays" "${hosts[0]}" "$(jq -r '.auths | keys[]' "$config")"
done

for word in secret dXNlcjpz sesame again-and-again whatever "Bearer ey"; do
    ! grep -e "$word" "$work/gantryd.log" || fail "the log tells"
done
