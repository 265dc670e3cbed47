#!/bin/bash
# registry.sh - Debian's docker-registry on a free port of loopback, plain http, deletes allowed; and
# whom it lets in.
#
# A library: `. tests/helpers/registry.sh`.
#
#   registry_start FOLDER [AUTH [TLS [DELETE]]]   sets `registry` to host:port and `registry_pid`; data and log
#                            in FOLDER.  AUTH and TLS are lines of its configuration; DELETE false: nothing can
#                            be deleted
#                            `registry_probe`: options with which curl is let in there
#   registry_auth_basic FOLDER    prints AUTH: the user "user" with the password "secret"
#   registry_auth_token FOLDER REALM   prints AUTH: tokens of REALM, signed with FOLDER/token.key
#   registry_stop           ends it; harmless when there is none
#   certificate FOLDER NAME [ALTERNATIVES]   FOLDER/NAME.key and NAME.crt, signed by itself, for loopback or
#                            for DNS:...,IP:...

registry=
registry_pid=

# A port nobody listens on now; somebody may take it before we do, so the caller tries again.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo $port
            return 0
        fi
    done
    echo "no free port found" >&2
    return 1
}

certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$2" -addext "subjectAltName=${3:-DNS:localhost,IP:127.0.0.1}" \
        -keyout "$1/$2.key" -out "$1/$2.crt" 2>/dev/null
}

# bcrypt of "secret"
registry_auth_basic() {
    mkdir -p "$1"
    echo 'user:$2b$04$i/4Pg8p6okydTTDPme7Ah.tSI3Fv2yfcuU/zNLYVIwBwjGNB248ky' >"$1/passwords"
    echo "auth: {htpasswd: {realm: \"a test, of sorts\", path: $1/passwords}}"
}

registry_auth_token() {
    mkdir -p "$1"
    [ -e "$1/token.crt" ] || certificate "$1" token
    echo "auth: {token: {realm: \"$2\", service: \"the registry\", issuer: a test, rootcertbundle: $1/token.crt}}"
}

registry_start() {
    local folder=$1 port try scheme=http status
    [ -z "${3:-}" ] || scheme=https
    mkdir -p "$folder"
    for try in 1 2 3 4 5; do
        port=$(free_port)
        cat >"$folder/config.yml" <<CONFIG
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $folder/data}, delete: {enabled: ${4:-true}}, cache: {blobdescriptor: inmemory}}
http: {addr: 127.0.0.1:$port${3:+, tls: $3}}
${2:-}
CONFIG
        docker-registry serve "$folder/config.yml" >"$folder/log" 2>&1 </dev/null &
        registry_pid=$!
        for _ in $(seq 1000); do
            status=$(curl -sk ${registry_probe:-} -o "$folder/answer" -w '%{http_code}' "$scheme://127.0.0.1:$port/v2/" || true)
            if [ "$status" = 200 ] || [ "$status" = 401 ]; then
                registry=127.0.0.1:$port
                return 0
            fi
            kill -0 "$registry_pid" 2>/dev/null || break # the port was taken: try another
            sleep 0.02
        done
        registry_stop
    done
    echo "docker-registry does not start (try $try):" >&2
    tail -n 5 "$folder/log" >&2
    return 1
}

registry_stop() {
    [ -n "$registry_pid" ] || return 0
    kill "$registry_pid" 2>/dev/null || true
    wait "$registry_pid" 2>/dev/null || true
    registry_pid=
    registry=
}
