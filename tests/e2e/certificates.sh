#!/bin/bash
# certificates - REG-9: of several certificates of the client a registry is shown the one that its authority signed,
# as containerd does it; which are good for nothing, and why, is told.
. "$(dirname "$0")/../helpers/lib.sh"
private_home

certs=$work/certs.d docker=$work/docker.d pki=$work/pki
mkdir "$pki"
authority() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=authority $1" -keyout "$pki/$1.key" -out "$pki/$1.pem" 2>/dev/null; }
signed() { # NAME AUTHORITY [openssl x509 OPTIONS]
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>/dev/null
    openssl x509 -req -in "$pki/$1.csr" -CA "$pki/$2.pem" -CAkey "$pki/$2.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$pki/$1.pem" "${@:3}" 2>/dev/null
}
for name in a b other; do authority $name; done
signed service a
signed me-a a
signed me-b b
signed me-other other

busybox_image "$work/layout"
tls_registry() { # NAME AUTHORITY
    registry_probe="--cert $pki/me-$2.pem --key $pki/me-$2.key" registry_start "$work/$1" "" \
        "{certificate: $pki/service.pem, key: $pki/service.key, clientcas: [$pki/$2.pem]}"
    registry_pid=
    mkdir -p "$work/push-$2"
    cp "$pki/a.pem" "$work/push-$2/ca.crt" && cp "$pki/me-$2.pem" "$work/push-$2/me.cert" && cp "$pki/me-$2.key" "$work/push-$2/me.key"
    skopeo --insecure-policy copy --quiet --dest-cert-dir "$work/push-$2" "oci:$work/layout:busybox" "docker://$registry/box:latest"
}
tls_registry first a && first=$registry
tls_registry second b && second=$registry
printf 'log.level = "debug"\nregistries.hosts = ["%s", "%s"]\n' "$certs" "$docker" >"$work/config.toml"
daemon_start --config "$work/config.toml"

hosts_of() { # REGISTRY LINES...
    mkdir -p "$certs/$1"
    printf 'ca = "%s"\n' "$pki/a.pem" >"$certs/$1/hosts.toml"
    printf '%s\n' "${@:2}" >>"$certs/$1/hosts.toml"
}
pair() { echo "[\"$pki/$1.pem\", \"$pki/${2:-$1}.key\"]"; }
pulled() { # IMAGE WORDS in the log
    local before
    before=$(wc -l <"$work/gantryd.log")
    run_for 0 gantry pull -q "$1"
    run_for 0 gantry rmi "$1"
    told=$(tail -n "+$((before + 1))" "$work/gantryd.log")
    [ -z "${2:-}" ] || has "the log of $1" "$2" "$told"
}
words() { gantry --format json registry explain "$1" | jq -r '.hosts[0].client_words[]'; }

step "REG-9: each registry is shown the certificate of its authority, whatever the order"
for registry in "$first" "$second"; do hosts_of "$registry" "client = [$(pair me-other), $(pair me-b), $(pair me-a)]"; done
pulled "$first/box" "$first wants a certificate: it is shown $pki/me-a.pem"
pulled "$second/box" "$second wants a certificate: it is shown $pki/me-b.pem"
until=$(date -u -d "$(openssl x509 -in "$pki/me-b.pem" -noout -enddate | cut -d= -f2)" +%F)
is "explained" "CN=me-other, by CN=authority other, until $until
CN=me-b, by CN=authority b, until $until
CN=me-a, by CN=authority a, until $until" "$(words "$first/box")"
run_for 0 gantry registry explain "$first/box"
has "in words" "certificate   $pki/me-b.pem (CN=me-b, by CN=authority b, until $until)" "$out"

step "an authority between: what stands in the certificate's file goes along"
openssl req -newkey rsa:2048 -nodes -subj "/CN=between" -keyout "$pki/between.key" -out "$pki/between.csr" 2>/dev/null
openssl x509 -req -in "$pki/between.csr" -CA "$pki/b.pem" -CAkey "$pki/b.key" -CAcreateserial -days 2 \
    -extfile <(echo "basicConstraints=critical,CA:TRUE") -out "$pki/between.pem" 2>/dev/null
signed leaf between
cat "$pki/leaf.pem" "$pki/between.pem" >"$pki/chain.pem"
hosts_of "$second" "client = [$(pair me-a), $(pair chain leaf)]"
pulled "$second/box" "it is shown $pki/chain.pem"

step "what cannot be shown is passed over, and it is said why"
echo nothing >"$pki/empty.pem"
: >"$pki/empty.key"
openssl rsa -aes128 -passout pass:x -in "$pki/me-b.key" -out "$pki/locked.key" 2>/dev/null
signed late b -days -1
for bad in empty "me-b me-a" "me-b locked" "me-b empty"; do
    hosts_of "$second" "client = [$(pair $bad), $(pair me-b)]"
    pulled "$second/box" "it is shown $pki/me-b.pem"
    has "$bad" "cannot be shown" "$told"
done
hosts_of "$second" "client = [$(pair empty), $(pair me-b me-a), $(pair me-b locked), $(pair me-b empty), $(pair late), $(pair me-b)]"
pulled "$second/box" "it is shown $pki/me-b.pem"
is "explained" "not shown: it holds no certificate (PEM)
not shown: the key is another certificate's
not shown: its key is locked with a passphrase
not shown: there is no key (PEM)
CN=late, by CN=authority b, expired on $(date -u -d "$(openssl x509 -in "$pki/late.pem" -noout -enddate | cut -d= -f2)" +%F)
CN=me-b, by CN=authority b, until $until" "$(words "$second/box")"
hosts_of "$second" "client = [$(pair empty), $(pair me-b me-a)]"
run_for 1 gantry pull "$second/box"
has "when none is good" "none of 2 certificates can be shown: $pki/empty.pem: it holds no certificate" "$errors"

step "none that the registry believes"
hosts_of "$second" "client = [$(pair me-a), $(pair me-other)]"
run_for 1 gantry pull "$second/box"
has "whom it believes" "none of our 2 certificates is by CN=authority b" "$errors"
hosts_of "$second" "client = [$(pair late), $(pair me-other)]"
run_for 1 gantry pull "$second/box"
has "one that is too old is better than none, and it is said which it was" "it is shown $pki/late.pem" "$errors"

step "REG-9, REG-20: docker's folder: all pairs of it, by their names"
rm -r "$certs"
for name in first second; do
    mkdir -p "$docker/${!name}"
    cp "$pki/a.pem" "$docker/${!name}/ca.crt"
    for pair in 1:me-other 2:me-b 3:me-a; do
        cp "$pki/${pair#*:}.pem" "$docker/${!name}/${pair%:*}.cert"
        cp "$pki/${pair#*:}.key" "$docker/${!name}/${pair%:*}.key"
    done
done
pulled "$first/box" "it is shown $docker/$first/3.cert"
pulled "$second/box" "it is shown $docker/$second/2.cert"
is "in order" "CN=me-other CN=me-b CN=me-a" "$(words "$first/box" | cut -d, -f1 | xargs)"
has "login and push go the same way" "did not ask who you are" "$(gantry login -u a --password-stdin "$second" <<<b 2>&1)"
run_for 0 gantry copy "$first/box" "$second/copied:1"
