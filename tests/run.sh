#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run: runs all tests on a machine that needs only apt.
#
# meson runs the suites, one more at once than there are processors, because suites also wait.
# tests/lib/results.py counts their cases. A skipped case counts as failed, as does a suite that ends early.
# Images stay in a cache for the next run; everything else is removed.

set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

top=$(dirname "$(dirname "$(readlink -f "$0")")")
build=$top/build-tests
release=$top/build-quickstart
cache=/var/cache/cloche-tests
image_maker=

usage() {
    cat <<END
Usage: sudo tests/run.sh [SUITE...]
       tests/run.sh --list | --help

Installs the required packages, builds with sanitizers in build-tests, builds images in
$cache, and runs all tests, or the named suites.
--list shows the suites. The last line is 'N passed, N failed'.
END
}

list_suites() {
    [ -e "$build/build.ninja" ] || die "the suites are known once build-tests is configured" "run: sudo tests/run.sh format"
    /usr/bin/python3 "$top/tests/lib/suites.py" "$build" list
}

. "$top/tests/lib/setup.sh"
case ${1:-} in
--help) usage; exit ;;
--list) list_suites; exit ;;
-*) usage >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || die "this needs root: sudo tests/run.sh"

mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock --nonblock "$lock" || die "another tests/run.sh uses $cache" "wait until it is done"
work=$(mktemp -d /run/cloche-tests-XXXXXX)
# A folder for files that an aborted test leaves. It is not below /run, which fake machines do not see.
scratch=$(mktemp -d)
chmod 1777 "$scratch"
clone=$scratch/cloche
made=$work/made
. "$top/vm-images/build-image.d/recipe.sh"
. "$top/vm-images/build-image.d/npm.sh"

# --- builds ---

# -O1, which AddressSanitizer's manual recommends, and only line numbers for stack traces: this compiles in two
# thirds of the time of -O2 -g.
configure_sanitized() {
    configure "$build" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Ddebug=true -Dc_args=-g1
}

# Suites that boot machines run a release build: libvirt's embedded driver allocates memory in children
# that it forks from a process with threads, and there the sanitizer's allocator may wait for a lock forever.
build_release() { # TARGETS
    build "$release" "$1" --prefix=/usr/local --buildtype=release
}

# A fresh clone with uncommitted changes, and nothing built. Its own home directory makes git accept
# a tree of another owner.
make_clone() {
    if [ -e "$top/.git" ]; then
        printf '[safe]\n\tdirectory = *\n' >"$work/.gitconfig"
        HOME=$work git clone -q "$top" "$clone"
        HOME=$work git -C "$top" diff --binary HEAD | git -C "$clone" apply --allow-empty
    else
        cp -a "$top" "$clone"
        rm -rf --one-file-system "$clone"/build*
    fi
    chmod -R a+rX "$clone"
}

# The TypeScript of the interpreter image's guests, for tests of the runner on this machine.
fetch_typescript() {
    local prefix
    # shellcheck disable=SC2034 # read_recipe fills them
    recipe=() recipe_keys=()
    read_recipe "$top/vm-images/interpreter"
    prefix=$cache/npm-$(echo "${recipe[Npm]}" | sha256sum | cut -c 1-16)
    if [ ! -e "$prefix" ]; then
        rm -rf --one-file-system "$cache"/npm-*
        with_progress "fetching TypeScript" fetch_npm_packages "${recipe[Npm]}" "$prefix.new"
        mv -T "$prefix.new" "$prefix"
    fi
    export CLOCHE_TYPESCRIPT=$prefix/lib/node_modules/typescript
}

# --- what suites that boot machines need ---

# make_part PART COMMAND…: writes the command's exit status to a file, for which suites wait.
make_part() {
    local status=0 part=$1
    shift
    "$@" >"$work/$part.log" 2>&1 </dev/null || status=$?
    [ "$status" = 0 ] || tail -n 30 "$work/$part.log" >&2
    echo "$status" >"$made/$part.new"
    mv "$made/$part.new" "$made/$part"
}

make_host() {
    "$top/tests/lib/other-root.sh" "$cache/hosts" >"$made/host-root"
}

# A service makes templates of all images in its store, so the large image has a separate store. Its guests are of the
# other Debian: the interpreters of this one are used by fake machines.
make_images() {
    cp -aL "$top/vm-images/interpreter" "$work/"
    sed -i "s/^Name=.*/&\nSuite=$(other_suite)/" "$work/interpreter/recipe.conf"
    build_image "$cache" "$release" "$top/vm-images/minimal" && build_image "$cache" "$release" "$top/vm-images/python" &&
        build_image "$cache/interpreter" "$release" "$work/interpreter"
}

# The service of this build makes the templates, so they are made in each run.
make_templates() {
    local store
    until [ -e "$work/is-built" ]; do sleep 0.5; done
    for store in "$cache" "$cache/interpreter"; do
        rm -rf --one-file-system "$store/templates"
        "$top/tests/lib/in-container.sh" --no-init --bind "$cache" "$top/tests/lib/python" \
            "$top/tests/system/prepare-templates.py" "$release" "$store" || return
    done
}

# Runs beside other suites, because it mostly waits for a network and a disk. It has its own process group, because a
# builder that is ended must clean up.
begin_making() {
    set -m
    (make_part host make_host && make_part images make_images && make_part templates make_templates) &
    image_maker=$!
    set +m
}

# --- where the time goes ---

# Sets total and busy: the time of all processors since boot, and the part of it in which they were busy.
read_clock() {
    local user nice system idle iowait irq softirq
    read -r _ user nice system idle iowait irq softirq _ </proc/stat
    busy=$((user + nice + system + irq + softirq))
    total=$((busy + idle + iowait))
}

# report_time WHAT: prints the time since the previous report.
report_time() {
    local busy_before=$busy total_before=$total
    read_clock
    echo "$1: $(((total - total_before) / $(nproc) / $(getconf CLK_TCK))) s," \
        "processors busy $((100 * (busy - busy_before) / (total - total_before + 1))) %"
}

# --- suites ---

run_suites() {
    local status=0 log=$build/meson-logs/testlog-all
    rm -f "$log".*
    CLOCHE_RELEASE=$release CLOCHE_CLONE=$clone CLOCHE_CACHE=$cache CLOCHE_MADE=$made TMPDIR=$scratch \
        meson test -C "$build" --no-rebuild --setup all --num-processes "${CLOCHE_TEST_JOBS:-$(($(nproc) + 1))}" --print-errorlogs "$@" </dev/null &
    child=$!
    wait $child || status=$?
    child=
    report_time suites
    /usr/bin/python3 "$top/tests/lib/results.py" "$log" "$status"
}

# Removes everything that a killed run left, except images and packages.
remove_leftovers() {
    find "$cache"/hosts/store-*/ "$cache"/hosts/store-*/images -mindepth 1 -maxdepth 1 \
        ! -name images ! -name .cache -exec rm -rf --one-file-system {} + 2>/dev/null || true
    rm -rf --one-file-system "$cache/hosts/written" "$cache"{,/interpreter}/templates \
        "$cache"/{quickstart,service,installed,network,chaos,memory,sandboxes,guest-environment,guest-files,guest-field,guest-languages}
}

clean_up() {
    trap '' HUP INT TERM
    if [ -n "$child" ]; then
        end_child
        wait "$child" 2>/dev/null || true
    fi
    if [ -n "$image_maker" ]; then
        kill -- "-$image_maker" 2>/dev/null || true
        wait "$image_maker" 2>/dev/null || true
    fi
    remove_leftovers
    rm -rf --one-file-system "$work" "$scratch"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

read_clock
export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS=suppressions=$top/tests/lib/lsan.supp:print_suppressions=0
mkdir -p "$made"
remove_leftovers
# shellcheck disable=SC2086,SC2046
install_packages $packages_to_build $packages_to_run $packages_for_images $packages_to_test \
    $(recipe_packages interpreter)
report_time packages
configure_sanitized
machines=$(/usr/bin/python3 "$top/tests/lib/suites.py" "$build" machines "$@")
if [ -n "$machines" ]; then
    build_release "src/agent/cloche-agent src/runners/runners"
    begin_making
    build_release machine-suites
    touch "$work/is-built"
    make_clone
fi
build "$build" ""
fetch_typescript
report_time builds
run_suites "$@"
