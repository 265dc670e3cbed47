#!/bin/bash
# push-interrupted - ctrl-C, a dead gantry-fetch, a dead daemon or a full disk in the midst of a push: nothing half done is left on
# either side, and the same push succeeds afterwards.
. "$(dirname "$0")/../helpers/lib.sh"

mkdir "$work/big"
head -c 8388608 /dev/urandom >"$work/big/file"
layout_start "$work/layout"
image_add "$work/layout" big '{"Cmd": ["/file"]}' "$(layer_add "$work/layout" "$work/big" gzip)"
another_registry() { # FOLDER: sets $registry; the script's end finds it by its folder
    registry_start "$work/$1"
    registry_pid=
}
another_registry source && image=$registry/big
layout_push "$work/layout" big "$registry"
another_registry target && target=$registry
daemon_start
run_for 0 gantry pull "$image"

status_of() { curl -s -o /dev/null -w '%{http_code}' -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$1"; }
leases() { ask_daemon leases.list '{}' | jq '.leases | length'; }
helpers() { # of the daemon $1
    pgrep -P "$1" -x gantry-fetch || true
}
files() { (cd "$work/root" && find . -type f ! -name 'state.db*' ! -name inventory | sort); }
before=$(files)

hold() { # REPOSITORY [VERB]: begins a push of which no more than 3 MB of a blob get through: sets $push, $proxy
    rm -f "$work/port" "$work/passed"
    /usr/bin/python3 "$source_folder/tests/helpers/cutting_proxy.py" "$target" 3000000 "$work/passed" hold >"$work/port" &
    wait_until "the proxy listens" grep -q . "$work/port"
    proxy=127.0.0.1:$(<"$work/port")
    # a shell without job control has its background commands ignore SIGINT
    env --default-signal=INT "$GANTRY_BIN/gantry" --host "ipc://$work/s/gantry.sock" "${2:-push}" "$image" "$proxy/$1" \
        >"$work/out" 2>"$work/errors" </dev/null &
    push=$!
    wait_until "it is held" grep -q held "$work/passed"
    fetch=$(helpers "$daemon_pid" | xargs)
    is "one gantry-fetch works" 1 "$(wc -w <<<"$fetch")"
}
nothing_stays() {
    wait_until "gantry-fetch ends" eval "! ps -p ${fetch// /,}"
    wait_until "leases go" eval '[ "$(leases)" = 0 ]'
    is "files" "$before" "$(files)"
    is "descriptors of the blob" "" "$(ls -l "/proc/$daemon_pid/fd" | grep /blobs/ || true)"
    run_for 0 gantry check --deep
}
goes_through() { # REPOSITORY [VERB]
    is "nobody sees anything of it" 404 "$(status_of "http://$target/v2/$1/manifests/latest")"
    run_for 0 gantry "${2:-push}" "$image" "$target/$1"
    is "it is there" 200 "$(status_of "http://$target/v2/$1/manifests/latest")"
    gantry manifest inspect "$target/$1" >"$work/manifest"
    for digest in $(jq -r '.config.digest, .layers[].digest' "$work/manifest"); do
        is "$digest" "$digest" "sha256:$(curl -sf "http://$target/v2/$1/blobs/$digest" | sha256sum | cut -d' ' -f1)"
    done
}

step "ctrl-C"
hold one
status=0
kill -INT $push
wait $push || status=$?
is "exit status" 130 $status
nothing_stays
goes_through one

step "the client is killed"
hold two
kill -9 $push
wait $push || true
nothing_stays
goes_through two

step "gantry-fetch is killed"
hold three
kill -9 "$fetch"
status=0
wait $push || status=$?
is "exit status" 1 $status
has "it is said" "gantry-fetch, which asks registries, was killed by signal 9" "$(<"$work/errors")"
has "of what" "push $image" "$(<"$work/errors")"
run_for 0 gantry version
nothing_stays
case $(gantry --format json registry explain "$proxy/three" | jq -r ".hosts[0].health.state") in
    well | unknown) ;; # as far as it had answered before
    *) fail "the host is blamed" ;;
esac
goes_through three

step "gantry-fetch is stopped, and the push is given up"
hold four
kill -STOP "$fetch"
kill -INT $push
wait $push || true
nothing_stays
goes_through four

step "the daemon is killed"
hold five
daemon_kill
status=0
wait $push || status=$?
[ $status != 0 ] || fail "the client does not notice"
wait_until "gantry-fetch ends with it" eval "! ps -p $fetch"
daemon_start
nothing_stays
goes_through five

step "the registry goes away"
hold six
kill "$(pgrep -f "cutting_proxy.py $target 3000000 $work/passed hold" | tail -n 1)"
status=0
wait $push || status=$?
is "exit status" 1 $status
has "which host" "$proxy" "$(<"$work/errors")"
nothing_stays
goes_through six

step "its disk is full"
mkdir -p "$work/small/data"
mount -t tmpfs -o size=4m tmpfs "$work/small/data"
another_registry small && small=$registry
run_for 1 gantry push "$image" "$small/big"
has "which blob, and where" "to $small/big: $small fails with status 500" "$errors"
is "nobody sees anything of it" 404 "$(status_of "http://$small/v2/big/manifests/latest")"
is "files" "$before" "$(files)"
mount -o remount,size=64m "$work/small/data"
run_for 0 gantry push "$image" "$small/big"
run_for 0 gantry rmi "$image"
run_for 0 gantry pull "$small/big"
run_for 0 gantry rmi "$small/big"
run_for 0 gantry gc

step "a copy is given up: what came for it goes"
before=$(files)
hold seven copy
kill -INT $push
wait $push || true
run_for 0 gantry gc
nothing_stays
goes_through seven copy
run_for 0 gantry gc
nothing_stays
daemon_stop
