#!/bin/bash
# challenges - REG-7: every odd way in which registries ask for credentials; and that no other host ever sees
# them (CVE-2020-15157), by redirect, by a layer's urls or by a challenge of its own.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

busybox_image "$work/layout"
/usr/bin/python3 "$source_folder/tests/helpers/odd_registry.py" "$work/layout" "$work/asked" >"$work/ports" &
wait_until "the odd registry listens" grep -q . "$work/ports"
read -r home other <"$work/ports"
daemon_start --log-level debug
gantry login --username user --password-stdin 127.0.0.1:$home <<<open-sesame 2>/dev/null && fail "/v2/ is not there" || true
as_user() { "$@" --username user --password-stdin <<<open-sesame; }

# the password in a place where it should not be; and nothing at all but a question for a token elsewhere
no_leak() {
    is "$1: the password in a wrong place" "" "$(grep leak "$work/asked" || true)"
    is "$1: what the other host was sent" "" "$(grep ^other "$work/asked" | grep -v -e ' -$' -e '^other POST /token/good form$' || true)"
}

pulled() { # REPOSITORY, then what was asked of token services
    : >"$work/asked"
    run_for 0 as_user gantry pull "127.0.0.1:$home/$1"
    run_for 0 gantry rmi "127.0.0.1:$home/$1"
    is "$1: whom it asked" "$2" "$(grep /token/ "$work/asked" || true)"
    no_leak "$1"
    is "$1: what the registry saw" "${3:-bearer:good}" "$(grep ' /v2/' "$work/asked" | cut -d' ' -f4 | grep -v -- - | sort -u)"
}

refused() { # REPOSITORY CODE WORDS
    : >"$work/asked"
    run_for 1 as_user gantry --debug pull "127.0.0.1:$home/$1"
    no_leak "$1"
    has "$1" "$3" "$errors"
    has "$1: the registry is named" "127.0.0.1:$home" "$errors"
    has "$1: its code" "debug: $2" "$errors"
}

step "REG-7: challenges that are understood"
once="home POST /token/good form"
for repository in several quoted unknown case noscope; do pulled $repository "$once"; done
pulled basic "" basic
pulled access "home POST /token/access form"

step "REG-7: how long a token is good"
pulled missing "home POST /token/expires-missing form"
pulled zero "home POST /token/expires-0 form"
pulled negative "home POST /token/expires--5 form"
pulled huge "home POST /token/expires-9000000000000000000 form"
refused endless unauthenticated "token service 127.0.0.1:$home"

step "REG-8: answers that hold no token"
refused large unauthenticated "the token service's answer does not end"
refused html unauthenticated "token service 127.0.0.1:$home"
refused nothing unauthenticated "its answer holds no token"
refused refused permission_denied "not today"
refused nowhere unauthenticated "names no token service that can be used"
refused none unauthenticated "asks for credentials by nothing that can be read"
refused odd unauthenticated "asks for credentials by kerberos"

step "REG-7: a 401 after the token is the end"
refused again unauthenticated "not found at 127.0.0.1:$home, or not for this user"
is "what it cost" "home GET /v2/again/manifests/latest -
home POST /token/bad form
home GET /v2/again/manifests/latest bearer:worthless" "$(<"$work/asked")"

step "CVE-2020-15157: what is secret goes where the registry says, and nowhere else"
pulled elsewhere "other POST /token/good form"
refused astray unauthenticated "redirects to localhost:$other, where credentials do not go"
is "the other host sees nothing" "other GET /token/good -" "$(grep other "$work/asked")"
refused clear permission_denied "192.0.2.1 without TLS"
is "and nothing was sent" "" "$(grep -v ' -$' "$work/asked" || true)"

step "CVE-2020-15157: a blob that lies on another host, which asks for credentials"
refused moved unauthenticated "localhost:$other, where the registry redirects to, denies access"
is "the registry sees the token" "bearer:good" "$(grep 'home.*/blobs/' "$work/asked" | cut -d' ' -f4 | grep -v -- - | sort -u)"
is "the other host does not" "-" "$(grep other "$work/asked" | cut -d' ' -f4 | sort -u)"
is "its token service is not asked" "" "$(grep 'other.*/token/' "$work/asked" || true)"

step "REG-21, CVE-2020-15157: a layer with urls"
refused foreign not_found "BLOB_UNKNOWN"
has "who else was asked" "nor at http://localhost:$other/layer/" "$errors"
has "it was asked" "other GET /layer/" "$(<"$work/asked")"
is "its token service is not asked" "" "$(grep 'other.*/token/' "$work/asked" || true)"
is "nothing secret goes there" "" "$(grep other "$work/asked" | grep -v ' -$' || true)"

! grep -e sesame -e dXNlcjpv -e "earer good" "$work/gantryd.log" || fail "the log tells"
