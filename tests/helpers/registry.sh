#!/bin/bash
# registry.sh - Debian's docker-registry on a free port of loopback, plain http, deletes allowed.
#
# A library: `. tests/helpers/registry.sh`.
#
#   registry_start FOLDER   sets `registry` to host:port and `registry_pid`; data and log in FOLDER
#   registry_stop           ends it; harmless when there is none

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

registry_start() {
    local folder=$1 port try
    mkdir -p "$folder"
    for try in 1 2 3 4 5; do
        port=$(free_port)
        cat >"$folder/config.yml" <<CONFIG
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $folder/data}, delete: {enabled: true}, cache: {blobdescriptor: inmemory}}
http: {addr: 127.0.0.1:$port}
CONFIG
        docker-registry serve "$folder/config.yml" >"$folder/log" 2>&1 </dev/null &
        registry_pid=$!
        for _ in $(seq 1000); do
            if curl -sf -o "$folder/answer" "http://127.0.0.1:$port/v2/"; then
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
