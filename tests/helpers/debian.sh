#!/bin/bash
# debian.sh - root file systems and images of this machine's Debian, from where its apt has its packages.
#
# A library: `. tests/helpers/debian.sh`; mkimage.sh goes before it.  What is made lies in a FOLDER and is made
# once: NAME.ok stands beside what is complete, so an interrupted one is begun anew.  Whoever shares a FOLDER
# with others takes its lock.
#
#   debian_offered             0 when a Debian can be made here; else prints why not
#   debian_lock FOLDER         makes FOLDER; until the script ends, nobody else works in it
#   debian_root FOLDER         FOLDER/debian: debootstrap's smallest Debian of this machine's release (150 MB)
#   debian_add FOLDER NAME PACKAGE...
#                              FOLDER/NAME: what installing PACKAGE changes in FOLDER/debian, as a layer has it
#   debian_install ROOT PACKAGE...
#                              installs PACKAGE in a root
#   debian_images LAYOUT FOLDER [gzip|gzip-1|zstd|none]
#                              images of them: `debian`, and `redis`, which is the same layer and a second one
#
# Needs root; of Debian's packages: debootstrap curl jq.

debian_suite() { . /etc/os-release && echo "$VERSION_CODENAME"; }

# The mirror that most of this machine's lists come from.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
        sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }'
}

debian_offered() {
    local program mirror release
    for program in debootstrap curl jq; do
        command -v $program >/dev/null || { echo "$program is not installed"; return 1; }
    done
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || { echo "apt knows no mirror of Debian"; return 1; }
    release=${mirror%/}/dists/$(debian_suite)/Release
    curl -sfL --max-time 20 -o /dev/null "$release" || { echo "the mirror does not answer: $release"; return 1; }
}

# The descriptor stays open until the script ends.
debian_lock() {
    mkdir -p "$1"
    exec 8>"$1/lock"
    flock 8
}

# Lets a command log into FOLDER/NAME.log, and shows the log's end when the command fails.
debian_logged() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null 8>&- || { tail -n 20 "$log" >&2; echo "failed: $*" >&2; return 1; }
}

debian_root() {
    local folder=$1 root=$1/debian
    [ ! -e "$root.ok" ] || return 0
    rm -rf --one-file-system "$root"
    mkdir -p "$folder"
    debian_logged "$root.log" debootstrap --variant=minbase "$(debian_suite)" "$root" "$(debian_mirror)" || return 1
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*
    : >"$root.ok"
}

# Whatever way it ends, nothing stays mounted.  101 says "action forbidden" to every maintainer script
# that wants to start a service.
debian_install() {
    unshare --mount --propagation private bash -euc '
        root=$0 policy=$0/usr/sbin/policy-rc.d
        mount -t proc proc "$root/proc"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        printf "#!/bin/sh\nexit 101\n" >"$policy"
        chmod 755 "$policy"
        export DEBIAN_FRONTEND=noninteractive LC_ALL=C
        chroot "$root" apt-get -q update
        chroot "$root" apt-get -qy -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
        rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin \
            "$root"/var/cache/apt/archives/*.deb "$policy"
    ' "$@"
}

# The upper folder of an overlay after an installation, its whiteouts as layers spell them.  It lies in
# memory meanwhile: FOLDER may be an overlay itself, on which no other can lie.
debian_layer() {
    local folder=$1 top=$1/$2.top file
    mount -t tmpfs -o mode=755 tmpfs "$top"
    mkdir "$top/upper" "$top/work" "$top/merged"
    mount -t overlay overlay -o "lowerdir=$folder/debian,upperdir=$top/upper,workdir=$top/work" "$top/merged"
    debian_install "$top/merged" "${@:3}"
    umount "$top/merged"
    find "$top/upper" -type c | while read -r file; do
        rm "$file"
        : >"${file%/*}/.wh.${file##*/}"
    done
    cp -a "$top/upper" "$folder/$2"
}

debian_add() {
    local folder=$1 name=$2
    [ ! -e "$folder/$name.ok" ] || return 0
    rm -rf --one-file-system "${folder:?}/$name"
    mkdir -p "$folder/$name.top"
    debian_logged "$folder/$name.log" unshare --mount --propagation private \
        bash -euc '. "$0"; debian_layer "$@"' "${BASH_SOURCE[0]}" "$@" || return 1
    rmdir "$folder/$name.top"
    : >"$folder/$name.ok"
}

debian_images() {
    local layout=$1 folder=$2 how=${3:-gzip} debian redis
    local path='"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
    debian_root "$folder" || return 1
    debian_add "$folder" redis redis-server || return 1
    debian=$(layer_add "$layout" "$folder/debian" "$how")
    redis=$(layer_add "$layout" "$folder/redis" "$how")
    image_add "$layout" debian "{$path, \"Cmd\": [\"/bin/bash\"]}" "$debian"
    image_add "$layout" redis "{$path, \"Cmd\": [\"/usr/bin/redis-server\", \"--bind\", \"127.0.0.1\",
        \"--protected-mode\", \"no\", \"--save\", \"\"]}" "$debian" "$redis"
}
