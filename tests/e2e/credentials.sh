#!/bin/bash
# credentials - REG-10: the daemon asks who the user is when a host wants to know, and only about that host: what is
# public runs no helper, what is private runs it once for a host; clients that answer wrong, late or not at all.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

certs=$work/certs.d
busybox_image "$work/layout"
layers=()
for n in 1 2 3 4 5 6; do
    mkdir -p "$work/files$n" && head -c 300000 /dev/urandom >"$work/files$n/file$n"
    layers+=("$(layer_add "$work/layout" "$work/files$n")")
done
image_add "$work/layout" many '{"Cmd": ["/file1"]}' "${layers[@]}" >/dev/null
another_registry() { # FOLDER [AUTH]
    registry_start "$work/$1" "${@:2}"
    registry_pid=
}
another_registry open && open=$registry
layout_push "$work/layout" busybox "$open"
another_registry closed "$(registry_auth_basic "$work/closed")" && closed=$registry
sent_to() { # REGISTRY NAME [REPOSITORY]
    skopeo --insecure-policy copy --quiet --dest-tls-verify=false --dest-creds user:secret "oci:$work/layout:$2" "docker://$1/${3:-$2}:latest"
}
sent_to "$closed" busybox && sent_to "$closed" many
# tokens: FOLDER for what they are of, filled while everybody may
another_registry tokens && for name in busybox many; do
    layout_push "$work/layout" $name "$registry" private$name
    layout_push "$work/layout" $name "$registry" public$name
done
registry_auth_token "$work" x >"$work/.out"
/usr/bin/python3 "$source_folder/tests/helpers/token_service.py" "$work/token.key" "$work/token.crt" "$work/asked" >"$work/port" &
wait_until "the token service listens" grep -q . "$work/port"
another_registry tokens "$(registry_auth_token "$work" "http://127.0.0.1:$(<"$work/port")/token")" && tokens=$registry

# ---- a helper that counts, and knows of a host what lies in a file of its name ---------------------------------
mkdir "$work/bin"
cat >"$work/bin/docker-credential-count" <<'HELPER'
#!/bin/sh
cd "${0%/*}"
host=$(cat)
echo "$1 $host" >>runs
cat "known-$host" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; }
HELPER
chmod +x "$work/bin/docker-credential-count"
PATH=$work/bin:$PATH
mkdir -p "$HOME/.docker"
config=$HOME/.docker/config.json
echo '{"credsStore": "count"}' >"$config"
knows() { echo "{\"ServerURL\": \"$1\", \"Username\": \"$2\", \"Secret\": \"$3\"}" >"$work/bin/known-$1"; }
knows "$closed" user secret
knows "$tokens" user open-sesame
pulled() { # IMAGE RUNS: of the helper, as `get HOST`
    rm -f "$work/bin/runs" && : >"$work/asked"
    run_for 0 gantry pull -q "$1"
    run_for 0 gantry rmi "$1"
    is "runs of the helper for $1" "$2" "$(cat "$work/bin/runs" 2>/dev/null || true)"
}

printf 'log.level = "debug"\nregistries.hosts = ["%s"]\n' "$certs" >"$work/config.toml"
daemon_start --config "$work/config.toml"

step "REG-10: what is public runs no helper"
pulled "$open/busybox" ""
pulled "$tokens/publicbusybox" ""
is "anybody's token is enough" "GET /token anybody repository:publicbusybox:pull 200" "$(<"$work/asked")"

step "REG-10: what is private runs it once, however many layers there are"
pulled "$closed/busybox" "get $closed"
pulled "$closed/many" "get $closed"
pulled "$tokens/privatemany" "get $tokens"
is "as nobody, then as us: one token each" "GET /token anybody repository:privatemany:pull 200
POST /token user repository:privatemany:pull 200" "$(<"$work/asked")"
rm "$work/bin/runs"
run_for 0 gantry run --rm "$closed/busybox" echo hello
is "run" "hello get $closed" "$out $(<"$work/bin/runs")"

step "questions to registries, push and copy are the same"
for command in "tags ls" "manifest inspect" referrers; do
    rm -f "$work/bin/runs"
    run_for 0 gantry $command "$closed/busybox"
    is "$command" "get $closed" "$(<"$work/bin/runs")"
done
rm "$work/bin/runs"
run_for 0 gantry tag "$closed/busybox" "$closed/sent:1"
run_for 0 gantry push "$closed/sent:1"
is "push" "get $closed" "$(<"$work/bin/runs")"
rm "$work/bin/runs"
run_for 0 gantry copy "$closed/many" "$tokens/copied:1"
is "copy: each once" "$(printf 'get %s\n' "$closed" "$tokens" | sort)" "$(sort "$work/bin/runs")"
rm "$work/bin/runs"
run_for 0 gantry copy "$closed/many" "$closed/copied:1"
[ "$(wc -l <"$work/bin/runs")" -le 2 ] || fail "copy within a registry: $(<"$work/bin/runs")"

step "who is named asks for nothing"
rm -f "$work/bin/runs"
named() { gantry pull -q --username user --password-stdin "$closed/busybox" <<<secret; }
run_for 0 named
[ ! -e "$work/bin/runs" ] || fail "the helper ran"

step "a helper that does not work is no matter for what is public"
mv "$work/bin/docker-credential-count" "$work/bin/good"
printf '#!/bin/sh\necho "the keyring is locked"; exit 1\n' >"$work/bin/docker-credential-count"
chmod +x "$work/bin/docker-credential-count"
run_for 0 gantry pull -q "$open/busybox"
run_for 1 gantry pull "$closed/many"
has "and ends what is not" "docker-credential-count, get $closed: it ended with status 1: the keyring is locked" "$errors"
has "the way out" "hint: repair it, or take it out of $config" "$errors"
mv "$work/bin/good" "$work/bin/docker-credential-count"

step "REG-10: a mirror has credentials of its own, and is the only one asked about when it serves"
mirrored=$(registry_auth_basic "$work/mirrored")
sed -i s/^user:/mirror:/ "$work/mirrored/passwords"
another_registry mirror "$mirrored" && mirror=$registry
for name in busybox many; do
    skopeo --insecure-policy copy --quiet --dest-tls-verify=false --dest-creds mirror:secret "oci:$work/layout:$name" "docker://$mirror/$name:latest"
done
mkdir -p "$certs/$closed"
echo "[host.\"http://$mirror\"]" >"$certs/$closed/hosts.toml"
knows "$mirror" mirror secret
pulled "$closed/many" "get $mirror"
rm "$work/bin/known-$mirror"
pulled "$closed/many" "get $mirror
get $closed"
knows "$mirror" mirror wrong
pulled "$closed/many" "get $mirror
get $closed"
echo "[host.\"http://$open\"]" >"$certs/$closed/hosts.toml"
pulled "$closed/busybox" ""

# ---- clients of other people -----------------------------------------------------------------------------------
step "REG-10: a client that cannot be asked, and one that can"
rm -r "$certs/$closed"
asks() { ask_daemon images.pull "{\"reference\": \"$1\", \"askable\": $2}" "$3"; }
run_for 1 asks "$closed/many" false '{}'
has "as before" "wants a user name and password" "$errors"
[[ $errors != *asked* ]] || fail "it was asked: $errors"
run_for 0 asks "$closed/many" true "{\"$closed\": {\"username\": \"user\", \"password\": \"secret\"}}"
is "asked once" "asked {\"host\": \"$closed\", \"mirror\": false, \"registry\": \"$closed\", \"repository\": \"many\"}" "$errors"
run_for 0 gantry rmi "$closed/many"
run_for 1 asks "$closed/many" true '{}'
has "nobody" "wants a user name and password" "$errors"
run_for 1 asks "$closed/many" true "{\"$closed\": {\"failure\": {\"code\": \"permission_denied\", \"message\": \"the person says no\"}}}"
has "its own refusal" "\"code\": \"permission_denied\", \"message\": \"pull $closed/many: credentials for $closed: the person says no\"" "$errors"

step "REG-10: one that answers with nonsense, or never, or leaves"
run_for 1 asks "$closed/many" true nonsense
has "nonsense" "\"code\": \"invalid_argument\", \"message\": \"pull $closed/many: what the client answers about credentials for $closed" "$errors"
run_for 1 asks "$closed/many" true "{\"$closed\": {\"user\": \"name\"}}"
has "a key that is none" "user" "$errors"
run_for 1 asks "$closed/many" true "{\"$closed\": {\"username\": \"a:b\"}}"
has "a name that is none" "a user name holds no colon" "$errors"
daemon_stop
echo 'registries.answer_timeout_s = 1' >>"$work/config.toml"
daemon_start --config "$work/config.toml"
run_for 1 asks "$closed/many" true never
has "never" "\"code\": \"deadline_exceeded\"" "$errors"
has "in words" "$closed wants credentials, and the client did not say within 1 s which" "$errors"
daemon_stop
sed -i '$d' "$work/config.toml"
daemon_start --config "$work/config.toml"
run_for 0 asks "$closed/many" true leave
has "it was asked" "asked" "$errors"
wait_until "what it left is cancelled" eval '! pgrep -P $daemon_pid -x gantry-fetch'

step "nothing secret is seen in processes, the log or the store"
sed -i '2a while [ ! -e go ]; do sleep 0.02; done' "$work/bin/docker-credential-count"
gantry pull -q "$tokens/privatebusybox" >"$work/.pulled" 2>&1 &
pull=$!
wait_until "the helper runs" pgrep -f docker-credential-count
look_at_all() {
    local pid what
    for pid in $(pgrep -P $daemon_pid) $daemon_pid $pull; do
        for what in cmdline environ; do
            ! tr '\0' '\n' <"/proc/$pid/$what" 2>/dev/null | grep -q sesame || fail "$what of $(<"/proc/$pid/comm") tells"
        done
    done
}
look_at_all
touch "$work/bin/go"
while kill -0 $pull 2>/dev/null; do look_at_all; done
wait $pull || fail "$(<"$work/.pulled")"
for word in secret dXNlcjpzZWNyZXQ sesame dXNlcjpvcGVu "Bearer ey"; do
    ! grep -e "$word" "$work/gantryd.log" || fail "the log tells"
    [ "$word" != secret ] || continue # busybox speaks of that, too
    ! grep -rqe "$word" "$work/root" "$work/s" || fail "it is stored: $(grep -rle "$word" "$work/root" "$work/s")"
done
