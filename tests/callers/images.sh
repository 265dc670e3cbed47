#!/bin/bash
# tests/callers/images.sh [FOLDER] - what callers run besides busybox: the images `debian` and `redis`, real ones.
#
# They are in FOLDER/layout (build/debian by default), an OCI layout, beside the root file systems they are made of.
# Made once, which takes less than a minute; whoever asks meanwhile waits.  Where they cannot be made
# it says why and exits with 77.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../helpers/mkimage.sh"
. "$here/../helpers/debian.sh"

folder=${1:-$here/../../build/debian}
layout=$folder/layout
[ ! -e "$layout.ok" ] || exit 0
skip() {
    echo "skipped: $*"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root: a Debian is installed into a folder"
why=$(debian_offered) || skip "no Debian can be made here: $why"

mkdir -p "$folder"
folder=$(realpath "$folder")
layout=$folder/layout
debian_lock "$folder"
[ ! -e "$layout.ok" ] || exit 0
rm -rf "$layout"
layout_start "$layout"
debian_images "$layout" "$folder" gzip-1
: >"$layout.ok"
