#!/bin/bash
# push - REG-13 to REG-18: what is pushed is what is pulled again, byte for byte: by gantry, and by the programs of others (callers/push.sh).
. "$(dirname "$0")/../helpers/lib.sh"
private_home

busybox_image "$work/layout"
registry_start "$work/registry"
layout_push "$work/layout" busybox "$registry"
daemon_start --log-level debug

uploads() { find "$work/registry/data" -path '*_uploads*' -name data | wc -l; }
manifest_of() { # REPOSITORY REFERENCE: its bytes, as any client gets them
    curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' \
        -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$registry/v2/$1/manifests/$2"
}

step "what is here already is not sent"
run_for 0 gantry pull "$registry/busybox"
digest=$(gantry inspect "$registry/busybox" | jq -r '.[0].manifest.digest')
run_for 0 gantry push "$registry/busybox"
has "nothing is sent" "0 B sent, 2 were there" "$errors"
has "docker's last line" "latest: digest: sha256:" "$out"

step "REG-13: to another repository of the same registry: it takes the blobs itself"
run_for 0 gantry push "$registry/busybox" "$registry/other/box:1"
has "mounted" "0 B sent, 2 of its blobs taken from another repository there" "$errors"
is "the digest is the same" "1: digest: $digest size: $(manifest_of other/box 1 | wc -c)" "$out"
is "the bytes, too" "$digest" "sha256:$(manifest_of other/box 1 | sha256sum | cut -d' ' -f1)"
is "no upload is left" 0 "$(uploads)"

step "quiet, and for programs"
run_for 0 gantry push -q "$registry/busybox" "$registry/other/box:2"
is "quiet" "$registry/other/box:2" "$out"
is "quiet on the other side" "" "$errors"
run_for 0 gantry --format json push "$registry/busybox" "$registry/other/box:2"
is "json" "$digest 0" "$(jq -r '.target.digest + " " + (.sent | tostring)' <<<"$out")"
run_for 0 gantry tag "$registry/busybox" "$registry/named"
run_for 0 gantry push "$registry/named"
is "by its name" "$digest" "sha256:$(manifest_of named latest | sha256sum | cut -d' ' -f1)"

step "REG-15: several tags in one push"
run_for 0 gantry push "$registry/busybox" "$registry/tagged:1.2.3" --tag 1.2 --tag latest
is "a line for each" "1.2.3: digest: $digest 1.2: digest: $digest latest: digest: $digest" \
    "$(awk '{ print $1, $2, $3 }' <<<"$out" | xargs)"
for tag in 1.2.3 1.2 latest; do
    is "the same under $tag" "$digest" "sha256:$(manifest_of tagged $tag | sha256sum | cut -d' ' -f1)"
done
run_for 1 gantry push "$registry/busybox" "$registry/tagged:1.2.3" --tag fine --tag 'no/tag'
has "what is no tag" '"no/tag" is no tag' "$errors"
is "nothing of that push is there" "" "$(manifest_of tagged fine || true)"

step "several platforms"
entries=()
for arch in amd64 arm64 riscv64; do
    mkdir -p "$work/of/$arch"
    echo $arch >"$work/of/$arch/name"
    [ -d "$work/many" ] || layout_start "$work/many"
    layer=$(layer_add "$work/many" "$work/of/$arch")
    (
        dpkg() { echo $arch; }
        image_add "$work/many" $arch '{}' "$layer"
    ) >/dev/null
    layout_push "$work/many" $arch "$registry" many
    manifest_of many latest >"$work/manifest"
    entries+=("$(jq -nc --arg digest "sha256:$(sha256sum <"$work/manifest" | cut -d' ' -f1)" --arg arch $arch \
        --argjson size "$(stat -c %s "$work/manifest")" '{mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: $digest, size: $size, platform: {os: "linux", architecture: $arch}}')")
done
index() { jq -sc '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' <<<"$*"; }
put_index() { # TAG ENTRY...
    index "${@:2}" | curl -sfS -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @- \
        "http://$registry/v2/many/manifests/$1"
}
put_index two "${entries[0]}" "${entries[1]}"
put_index three "${entries[@]}"
for tag in two three; do run_for 0 gantry pull --platform linux/arm64 "$registry/many:$tag"; done
arm=$(jq -r .digest <<<"${entries[1]}")
run_for 0 gantry push "$registry/many:two" "$registry/new/sparse"
has "it is said" "its one variant that is went in its place" "$errors"
is "the one that is here" "$arm" "$(awk '{print $3}' <<<"$out")"
run_for 1 gantry push --all-platforms "$registry/many:two" "$registry/new/all"
has "all of them are not here" "not all that its index names is here (here: linux/arm64; not: linux/amd64)" "$errors"
for tag in two three; do run_for 0 gantry pull --platform linux/amd64 "$registry/many:$tag"; done
run_for 0 gantry push --all-platforms "$registry/many:two" "$registry/new/whole"
is "the index as it is" "$(manifest_of many two | sha256sum)" "$(manifest_of new/whole latest | sha256sum)"
run_for 0 gantry push "$registry/many:two" "$registry/new/whole:again"
has "all that is needed for it was there" "0 B sent" "$errors"
run_for 0 gantry push --platform linux/arm64 "$registry/many:two" "$registry/new/one"
is "one of them" "$arm" "$(awk '{print $3}' <<<"$out")"
run_for 1 gantry push "$registry/many:three" "$registry/new/three"
has "which" "(here: linux/amd64, linux/arm64; not: linux/riscv64)" "$errors"
has "the way out" "choose one of them with --platform" "$errors"
run_for 1 gantry push --all-platforms --platform linux/arm64 "$registry/many:three"
has "both" "either one platform or all of them" "$errors"

step "what cannot be"
run_for 1 gantry push nothing-here
has "an image that is not here" "nothing-here" "$errors"
run_for 1 gantry push "$registry/busybox" "$registry/UPPER"
has "no name" "UPPER" "$errors"
run_for 1 gantry push "$registry/busybox" "$registry/a@sha256:$(printf x | sha256sum | cut -d' ' -f1)"
has "another digest" "has the digest $digest" "$errors"
run_for 1 gantry push --platform plan9/mips "$registry/busybox"
has "a platform that is not" "no variant for plan9/mips" "$errors"

step "REG-15: to a registry that has nothing: all is sent, and what comes back from there runs"
first=$registry first_pid=$registry_pid
registry_start "$work/second" "$(registry_auth_basic "$work")"
run_for 1 gantry push "$first/busybox" "$registry/mine"
has "without a password" "wants a user name and password" "$errors"
has "the way out" "gantry login" "$errors"
run_for 1 gantry push --username user --password-stdin "$first/busybox" "$registry/mine" </dev/null
with_password() { gantry push "${@:2}" --username user --password-stdin "$first/busybox" "$registry/mine" <<<"$1"; }
run_for 1 with_password wrong
has "a wrong one" "refuses" "$errors"
run_for 0 with_password secret
has "all of it is sent" "sent" "$errors"
[[ $errors != *"0 B sent"* ]] || fail "nothing was sent: $errors"
is "the digest is the same" "$digest" "$(awk '{print $3}' <<<"$out")"
gantry login --username user --password-stdin "$registry" <<<secret >/dev/null 2>&1
run_for 0 gantry push "$first/busybox" "$registry/mine:two"
has "by what login keeps" "0 B sent, 2 were there" "$errors"
run_for 0 gantry rmi "$first/busybox" "$first/named"
run_for 0 gantry run --rm "$registry/mine:two" echo hello
is "it runs" hello "$out"

# docker-registry 2.8 forgets a session when a request of it breaks; others that know more are in test_registry_upload
step "REG-14: a cut connection: the registry is asked how far it is, and gets what it has not"
registry_stop
registry_start "$work/cut"
rm -f "$work/port" # an old one must not be taken for it
/usr/bin/python3 "$source_folder/tests/helpers/cutting_proxy.py" "$registry" 12000000 "$work/passed" >"$work/port" &
wait_until "the proxy listens" grep -q . "$work/port"
proxy=127.0.0.1:$(<"$work/port")
mkdir "$work/large"
head -c 20000000 /dev/urandom >"$work/large/file"
layer=$(layer_add "$work/many" "$work/large" none)
image_add "$work/many" large '{}' "$layer" >/dev/null
layout_push "$work/many" large "$first" large
run_for 0 gantry pull -q "$first/large"
run_for 0 gantry push "$first/large" "$proxy/large"
has "it was cut" cut "$(<"$work/passed")"
is "asked how far it was, then went on" "GET POST PUT" \
    "$(sed -n '/^cut/,$p' "$work/passed" | grep -E '^(GET|POST|PATCH|PUT) /v2/large/blobs/uploads' |
        grep -v "$(manifest_of large latest | jq -r .config.digest)" | cut -d' ' -f1 | xargs)"
is "the config was tried with the first request, and once only" 1 "$(grep -c '^POST /v2/large/blobs/uploads/?digest=' "$work/passed")"
run_for 0 gantry rmi "$first/large"
run_for 0 gantry pull "$registry/large"

step "a token service: a token for the whole push, and one more for what is mounted"
registry_stop
: >"$work/asked"
registry_auth_token "$work" x >"$work/.out"
rm -f "$work/port"
/usr/bin/python3 "$source_folder/tests/helpers/token_service.py" "$work/token.key" "$work/token.crt" "$work/asked" \
    >"$work/port" &
wait_until "the token service listens" grep -q . "$work/port"
registry_start "$work/third" "$(registry_auth_token "$work" "http://127.0.0.1:$(<"$work/port")/token")"
run_for 1 gantry push "$first/other/box:1" "$registry/mine"
has "an image that is not here" "$first/other/box:1" "$errors"
second=$(gantry images --format json | jq -r '.[].name' | grep ':two$' | grep mine)
push_as_user() { gantry push --username user --password-stdin "$second" "$1" <<<open-sesame; }
run_for 1 gantry push "$second" "$registry/mine"
run_for 0 push_as_user "$registry/mine"
is "one token" "POST /token user repository:mine:pull repository:mine:pull,push 200" "$(grep ' user ' "$work/asked" | sort -u)"
: >"$work/asked"
run_for 0 push_as_user "$registry/yours"
has "mounted" "2 of its blobs taken from another repository there" "$errors"
has "its token" "repository:mine:pull repository:yours:pull,push" "$(<"$work/asked")"

step "REG-18: what a registry has: tags, documents"
registry_stop
registry_start "$work/registry"
run_for 0 gantry tags ls "$registry/other/box"
is "tags" "1 2" "$(sort <<<"$out" | xargs)"
for tag in v1 v10 v2 V3; do run_for 0 gantry copy -q "$registry/other/box:1" "$registry/other/box:$tag"; done
after=() page=
while run_for 0 gantry tags ls --limit 2 "${after[@]}" "$registry/other/box" && [ -n "$out" ]; do
    page+="$(xargs <<<"$out"), "
    after=(--after "$(tail -n 1 <<<"$out")")
done
is "a part at a time, of a registry that knows no pages" "1 2, V3 v1, v10 v2, " "$page"
run_for 1 gantry tags ls --after 'a&n=1' "$registry/other/box"
has "what is no tag" "is no tag" "$errors"
run_for 1 gantry tags ls "$registry/nothing/here"
has "no repository" "NAME_UNKNOWN" "$errors"
run_for 0 gantry manifest inspect "$registry/other/box:1"
is "a document as it is" "$digest" "sha256:$(sha256sum <"$work/.out" | cut -d' ' -f1)"
is "json" "$digest" "$(gantry --format json manifest inspect "$registry/other/box:1" | jq -r .target.digest)"
run_for 1 gantry manifest delete "$registry/other/box:1"
has "the way out" "name it by its digest" "$errors"
run_for 0 gantry manifest delete "$registry/other/box@$digest"
is "it is said" "Removed: $registry/other/box@$digest" "$out"
run_for 1 gantry manifest inspect "$registry/other/box:2"
has "its tags went with it" "not found" "$errors"

step "REG-18: a blob"
run_for 0 gantry copy -q "$registry/named" "$registry/broken:1"
blob=$(gantry manifest inspect "$registry/broken:1" | jq -r '.layers[0].digest')
has_blob() { curl -sI -o "$work/answer" -w '%{http_code}' "http://$registry/v2/$1/blobs/$blob"; }
run_for 1 gantry blob delete "$registry/broken:1"
has "it has no other name" "a blob has no name but its digest" "$errors"
has "the way out" "broken@sha256:" "$errors"
run_for 0 gantry blob delete "$registry/broken@$blob"
is "it is said" "Removed: $registry/broken@$blob" "$out"
is "it is gone there, and nowhere else" "404 200" "$(has_blob broken) $(has_blob named)"
run_for 1 gantry blob delete "$registry/broken@$blob"
has "it is not there any more" "not found" "$errors"
run_for 0 gantry copy -q "$registry/named" "$registry/broken:1"
is "what is sent again is whole" 200 "$(has_blob broken)"
registry_stop
registry_start "$work/registry" "" "" false
run_for 1 gantry blob delete "$registry/broken@$blob"
has "a registry that may not" "UNSUPPORTED" "$errors"
has "who can change that" "whoever runs the registry must allow deleting" "$errors"
registry_stop
registry_start "$work/registry"

step "copy"
source_index=$(manifest_of many three | sha256sum)
rm -f "$work/port" # an old one must not be taken for it
/usr/bin/python3 "$source_folder/tests/helpers/cutting_proxy.py" "$registry" 1000000000 "$work/copied" >"$work/port" &
wait_until "the proxy listens" grep -q . "$work/port"
proxy=127.0.0.1:$(<"$work/port")
run_for 0 gantry copy "$proxy/many:three" "$proxy/copied/many:1"
is "in one registry" "$source_index" "$(manifest_of copied/many 1 | sha256sum)"
has "nothing is sent" "0 B sent" "$errors"
is "nor fetched, but the one config that is not here" 1 "$(grep -c '^GET .*/blobs/sha256' "$work/copied")"
from=$registry from_pid=$registry_pid
registry_start "$work/fourth"
run_for 0 gantry copy -q "$from/many:three" "$registry/copied"
is "quiet" "$registry/copied:latest" "$out"
index_digest=$(curl -sf "http://$from/v2/many/manifests/three" -H 'Accept: application/vnd.oci.image.index.v1+json' | sha256sum)
is "to another" "$index_digest" "$(manifest_of copied latest | sha256sum)"
run_for 0 gantry copy --platform linux/arm64 "$from/many:three" "$registry/copied:arm"
is "one variant" "$arm" "$(awk '{print $3}' <<<"$out")"
is "nothing of it has a name here" "" "$(gantry images --format json | jq -r '.[].name' | grep copied || true)"

step "REG-16, REG-17: referrers, of a registry that keeps no list of them"
subject=$(gantry --format json manifest inspect "$registry/copied:arm" | jq -c '.target | {mediaType: .media_type, digest, size}')
layout_start "$work/signed"
echo '{}' >"$work/empty"
empty=$(layout_put "$work/signed" "$work/empty")
echo "signature" >"$work/signature"
blob=$(layout_put "$work/signed" "$work/signature")
sign() { # TYPE: a manifest about the subject, in another repository; prints its digest
    local file=$work/signed/document
    jq -nc --argjson subject "$subject" --arg type "$1" --arg e "${empty% *}" --argjson es "${empty#* }" --arg b "${blob% *}" \
        --argjson bs "${blob#* }" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: $type,
        config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $e, size: $es},
        layers: [{mediaType: "text/plain", digest: $b, size: $bs}], subject: $subject, annotations: {"by": "us"}}' >"$file"
    for each in "${empty% *}" "${blob% *}"; do
        location=$(curl -si -X POST "http://$from/v2/signed/blobs/uploads/" | tr -d '\r' | awk 'tolower($1) == "location:" { print $2 }')
        curl -sfS -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$work/signed/blobs/sha256/${each#*:}" "$location&digest=$each"
    done
    curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$file" \
        "http://$from/v2/signed/manifests/$1"
    echo "sha256:$(sha256sum <"$file" | cut -d' ' -f1)"
}
run_for 0 gantry referrers "$registry/copied:arm"
is "none" "DIGEST ARTIFACT TYPE SIZE" "$(xargs <<<"$out")"
one=$(sign one.test)
two=$(sign two.test)
for name in one.test two.test one.test; do run_for 0 gantry copy -q "$from/signed:$name" "$registry/copied:$name"; done
run_for 0 gantry --format json referrers "$registry/copied:arm"
is "both, each once" "true $one one.test us,$two two.test us" "$(jq -r '(.by_tag | tostring) + " " + ([.referrers[] |
    .blob.digest + " " + .artifact_type + " " + .blob.annotations.by] | join(","))' <<<"$out")"
run_for 0 gantry referrers --artifact-type two.test "$registry/copied:arm"
has "of a type" "$two" "$out"
[[ $out != *"$one"* ]] || fail "it is not of the type: $out"
