#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run: every test there is, from a machine that has nothing but apt.
#
# Every suite tells of its cases as TAP, and each case counts. A skipped case counts as failed, as
# does a suite that ended early. Images are kept in a cache for the next run; all else goes.

set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

top=$(dirname "$(dirname "$(readlink -f "$0")")")
build=$top/build-tests
release=$top/build-quickstart
cache=/var/cache/cloche-tests
lanes=()
image_maker=

case ${1:-} in
'') ;;
--help)
    cat <<END
Usage: sudo tests/run.sh

Installs what is missing, builds with sanitizers in build-tests, builds images in
$cache, and runs all tests. The last line is 'N passed, N failed'.
END
    exit
    ;;
*) echo "run.sh: it takes no arguments; see tests/run.sh --help" >&2 && exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "run.sh: this needs root: sudo tests/run.sh" >&2 && exit 1; }

work=$(mktemp -d /run/cloche-tests-XXXXXX)
# What a test that was aborted leaves is in here. Not below /run, which machines of fakes do not see.
scratch=$(mktemp -d)
chmod 1777 "$scratch"
clone=$scratch/cloche
. "$top/tests/lib/setup.sh"
. "$top/vm-images/build-image.d/recipe.sh"
. "$top/vm-images/build-image.d/npm.sh"

# --- counting ---

# count NAME PASSED FAILED [SECONDS]
count() {
    echo "$2 $3" >>"$work/counts"
    printf '%-28s %4d passed, %d failed%s\n' "$1" "$2" "$3" "${4:+, $4 s}"
}

# From TAP on standard input: "PASSED FAILED". What was planned and never told has failed.
count_tap() {
    awk '
        /^1\.\.[0-9]+/ { planned = substr($1, 4) + 0; has_plan = 1 }
        /^ok / { if (/# *(SKIP|TODO)/) bad++; else good++ }
        /^not ok / { bad++ }
        END {
            told = good + bad
            if (!has_plan || told == 0) bad++
            else if (told < planned) bad += planned - told
            print good + 0, bad + 0
        }'
}

# tap NAME COMMAND…
tap() {
    local suite=$1 status=0 good bad told begin=$SECONDS
    shift
    told=$(mktemp -d "$work/tap-XXXXXX")
    "$@" >"$told/tap" 2>"$told/errors" </dev/null &
    child=$!
    wait $child || status=$?
    child=
    read -r good bad < <(count_tap <"$told/tap")
    [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
    if [ "$bad" != 0 ]; then
        grep -v '^ok ' "$told/tap" | sed "s/^/$suite: /" || true
        tail -n 60 "$told/errors" | sed "s/^/$suite: /"
    fi
    count "$suite" "$good" "$bad" $((SECONDS - begin))
}

# --- what a stranger gets ---

# A fresh clone, with what is not committed yet; nothing that was built. A home of its own tells git
# that another owner of the tree is no danger.
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

# --- suites that need no machine ---

# One case, however many files.
check_format() {
    local word=ok files
    mapfile -t files < <(find "$top/src" "$top/tests" -name '*.[ch]')
    clang-format-19 --dry-run --Werror "${files[@]}" || word="not ok"
    printf '1..1\n%s 1 - format\n' "$word"
}

run_meson_tests() {
    local status=0 suite good bad all=0 results=$build/meson-logs/testlog.junit.xml
    rm -f "$results"
    TMPDIR=$scratch meson test -C "$build" --no-rebuild --print-errorlogs >"$work/meson.log" 2>&1 </dev/null &
    child=$!
    wait $child || status=$?
    child=
    [ "$status" = 0 ] || tail -n 150 "$work/meson.log"
    while read -r suite good bad; do
        count "$suite" "$good" "$bad"
        all=$((all + bad))
    done < <(/usr/bin/python3 "$top/tests/lib/junit.py" "$results")
    [ "$status" = 0 ] || [ "$all" != 0 ] || count "meson" 0 1
}

# The TypeScript that interpreter's guests have, for the runner's tests on this machine.
fetch_typescript() {
    local prefix
    # shellcheck disable=SC2034 # read_recipe fills them anew
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

# --- suites that do ---

# Each service makes templates of all images in its store: the large one is in a store of its own.
make_images() {
    build_image "$cache" "$release" minimal && build_image "$cache" "$release" python &&
        build_image "$cache/interpreter" "$release" interpreter &&
        "$top/tests/lib/other-root.sh" "$cache/hosts" >"$work/other-root"
}

# While other suites run: most of it is waiting for a network and a disk. A group of its own, for
# a builder that is ended has to tidy up.
begin_images() {
    set -m
    make_images >"$work/images.log" 2>&1 </dev/null &
    image_maker=$!
    set +m
}

finish_images() {
    local status=0
    wait $image_maker || status=$?
    image_maker=
    [ "$status" = 0 ] && return
    tail -n 30 "$work/images.log" >&2
    die "there are no images"
}

# use_images NAME STORE: a store for suites of their own, with all images of STORE.
use_images() {
    mkdir -p "$cache/$1"
    cp -al "$2/images" "$cache/$1/"
}

# The same, but with the images' expensive parts. Hard links: nobody changes them.
seed_store() {
    mkdir -p "$1/images"
    cp -al "$cache/images/.cache" "$1/images/"
}

# libvirt's embedded driver allocates memory in children that it forks from a process with threads,
# and there the sanitizer's allocator may wait for a lock for ever. So machines are run by what the
# quick start builds.
build_release() {
    build "$release" "" \
        --prefix=/usr/local --buildtype=release
}

# contained NAME [OPTION…] COMMAND…: in a throw-away container, so that nothing outlives the suite.
contained() {
    local suite=$1
    shift
    tap "$suite" "$top/tests/lib/in-container.sh" --bind "$cache" "$@"
}

# The quick start as the machine's own service where PID 1 is systemd; else in a container.
run_service() {
    if has_systemd; then
        tap "system service" "$top/tests/system/test-service.sh" "$clone"
        return
    fi
    seed_store "$cache/service"
    contained "system service" --bind "$clone" "$top/tests/system/test-service.sh" "$clone" "$cache/service"
}

# A fresh host of the other Debian, which is booted again. Its packages and the expensive parts of
# its images are kept.
run_other_host() {
    local host suite
    suite=$(other_suite)
    host=(--root "$(cat "$work/other-root")" --keep "$cache/hosts/written" --net --bind "$clone"
        --bind "$cache/hosts/store-$suite:/var/lib/cloche"
        --bind "$cache/hosts/archives-$suite:/var/cache/apt/archives")
    mkdir -p "$cache/hosts"/{written,"store-$suite/images","archives-$suite/partial"}
    contained "system $suite, fresh" "${host[@]}" "$top/tests/system/test-host.sh" first "$clone"
    contained "system $suite, rebooted" "${host[@]}" "$top/tests/system/test-host.sh" rebooted
    rm -rf --one-file-system "$cache/hosts/written"
}

# As a package would install it, for several users and through everything that may happen to it.
run_installed() {
    use_images installed "$cache"
    contained "system installed" --bind "$release" "$top/tests/system/in-service.sh" "$release" \
        "$cache/installed" test-examples.sh test-users.py test-strangers.py test-limits.py test-journal.py test-survival.py
}

# With a memory controller, and machines that are large beside what QEMU needs for itself.
run_memory() {
    local conf=$cache/memory/images/minimal/image.conf
    mkdir -p "$cache/memory/images"
    cp -al "$cache"/images/minimal* "$cache/memory/images/"
    sed -i 's/^MemoryMiB=.*/MemoryMiB=1024/' "$conf"
    contained "system memory" --controllers --bind "$release" "$top/tests/system/in-service.sh" "$release" \
        "$cache/memory" test-memory.py
}

# What people type, in guests of both Debians.
run_first_lane() {
    run_other_host
    use_images field "$cache/interpreter"
    contained "system field" --no-init /usr/bin/python3 "$top/tests/system/with-sandboxes.py" \
        "$release" "$cache/field" interpreter "$top/tests/field/field.py"
}

# All others: together they take about as long.
run_second_lane() {
    contained "system vm" --no-init "$release/tests/system/test-vm" "$cache/images/minimal"
    contained "system vm libvirtd" "$release/tests/system/test-vm" "$cache/images/minimal" qemu:///system
    contained "system kvm node" --bind "$release" "$top/tests/system/test-kvm-node.sh" "$release"
    seed_store "$cache/quickstart"
    contained "system quickstart" --no-init \
        --bind "$clone" "$top/tests/system/test-quickstart.sh" "$clone" "$cache/quickstart"
    run_service
    run_installed
    run_memory
    contained "system sandboxes" --no-init \
        /usr/bin/python3 "$top/tests/system/test-sandboxes.py" "$release" "$cache"
    contained "system inside" --no-init \
        /usr/bin/python3 "$top/tests/system/test-inside.py" "$release" "$cache"
    use_images files "$cache"
    contained "system files" --no-init /usr/bin/python3 "$top/tests/system/with-sandboxes.py" \
        "$release" "$cache/files" python "$top/tests/bus/test-files.py"
    use_images clones "$cache/interpreter"
    contained "system interpreter" --no-init \
        /usr/bin/python3 "$top/tests/system/test-interpreter.py" "$release" "$cache/clones"
}

# A suite keeps little more than one processor busy, so two are run at a time.
begin_lane() {
    (
        trap 'end_child; wait $child; exit 143' TERM
        "$@"
    ) &
    lanes+=($!)
}

run_system_tests() {
    local lane
    begin_lane run_first_lane
    begin_lane run_second_lane
    for lane in "${lanes[@]}"; do wait "$lane" || count "suites that were not begun" 0 1; done
    lanes=()
}

# --- all of it ---

# All but images and packages; a run that was killed left it.
remove_leftovers() {
    find "$cache"/hosts/store-*/ "$cache"/hosts/store-*/images -mindepth 1 -maxdepth 1 \
        ! -name images ! -name .cache -exec rm -rf --one-file-system {} + 2>/dev/null || true
    rm -rf --one-file-system "$cache/hosts/written" \
        "$cache"/{quickstart,service,installed,memory,clones,field,files,templates,machines,sandboxes}
}

clean_up() {
    trap '' HUP INT TERM
    if [ -n "$child" ]; then
        end_child
        wait "$child" 2>/dev/null || true
    fi
    if [ ${#lanes[@]} -gt 0 ]; then
        kill "${lanes[@]}" 2>/dev/null || true
        wait "${lanes[@]}" || true
    fi
    if [ -n "$image_maker" ]; then
        kill -- "-$image_maker" 2>/dev/null || true
        wait "$image_maker" || true
    fi
    remove_leftovers
    rm -rf --one-file-system "$work" "$scratch"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
cd "$top" # what a container sees of the tree
mkdir -p "$cache"
remove_leftovers
# shellcheck disable=SC2086,SC2046
install_packages $packages_to_build $packages_to_run $packages_for_images $packages_to_test \
    $(recipe_packages interpreter)
build "$build" "" -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized
build_release
make_clone
fetch_typescript
begin_images
tap "format" check_format
run_meson_tests
finish_images
run_system_tests
echo "$((SECONDS / 60)) min $((SECONDS % 60)) s"
awk '{ good += $1; bad += $2 } END { print good " passed, " bad " failed"; exit bad > 0 }' "$work/counts"
