# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lib: a store, a recipe, a small agent and runners, and fakes of the programs that would use the network.
# The rest of build-image is real: namespaces, mke2fs, cpio, locks.
#
# build-image clears the environment of mmdebstrap, so the fakes read their instructions from files beside
# them, in $fake.
#
# shellcheck shell=bash disable=SC2034

[ "$(id -u)" = 0 ] || exec unshare --map-root-user bash "$0" "$@"

set -eu
builder=$1
here=$(dirname "$(readlink -f "$0")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0

fake=$tmp/fake store=$tmp/store recipe=$tmp/recipe agent=$tmp/agent runners=$tmp/runners
images=$store/images
command=("$builder" --store "$store" --agent "$agent" --runners "$runners" "$recipe")

set_up() {
    cp -r "$here/fake" "$fake"
    cp -r "$here/recipe" "$recipe"
    mkdir -p "$runners"/{bash,javascript,jupyter,python}
    echo agent >"$agent"
    for runner in bash javascript jupyter python; do
        echo "runner of $runner" >"$runners/$runner/run"
    done
    echo 1.0 >"$fake/kernel-version"
    (. /etc/os-release && echo "Suites: $VERSION_CODENAME $VERSION_CODENAME-updates") \
        >"$fake/one.sources"
    : >"$fake/calls"
    PATH=$fake:$PATH
}

# Sets $status, and writes $tmp/out and $tmp/err.
build() {
    status=0
    "${command[@]}" >"$tmp/out" 2>"$tmp/err" || status=$?
}

must_build() {
    build
    if [ "$status" != 0 ]; then
        sed 's/^/# /' "$tmp/err"
        echo "Bail out! the build failed"
        exit 1
    fi
    image=$(tail -n 1 "$tmp/out")
}

# is WHAT GOT WANTED
is() {
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        printf 'got:    %s\nwanted: %s\n' "$2" "$3" | sed 's/^/# /'
    fi
}

isnt() {
    if [ "$2" = "$3" ]; then is "$1" "$2" "anything else"; else is "$1" "$2" "$2"; fi
}

done_testing() {
    echo "1..$count"
}
