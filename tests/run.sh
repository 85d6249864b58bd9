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

# Suites that boot machines: NAME LANE WHAT. Lanes run side by side, and take about as long as each other.
machine_suites='
other-host   1  the quick start on a fresh host of the other Debian, which is booted again; what people type there
field        1  what people type, in guests of this Debian
vm           2  machines by the embedded driver of libvirt
vm-libvirtd  2  machines by the daemon of libvirt
kvm-node     2  who may open /dev/kvm
quickstart   2  the quick start where PID 1 is not systemd
service      2  the quick start where PID 1 is systemd
installed    2  an installed service: users, limits, strangers, the journal, restarts, examples
memory       2  what the host charges to machines
sandboxes    2  sandboxes of real machines: life, limits, ends
inside       2  what a guest is for those who work in it
files        2  methods of files
interpreter  2  languages of the largest template, and its clones
'

usage() {
    cat <<END
Usage: sudo tests/run.sh [SUITE...]
       tests/run.sh --list | --help

Installs the required packages, builds with sanitizers in build-tests, builds images in
$cache, and runs all tests, or the named suites.
--list shows the suites. The last line is 'N passed, N failed'.
END
}

# Those of meson are known once build-tests is configured.
list_suites() {
    printf 'format       the layout of the source code\n'
    if [ -d "$build" ]; then
        meson test -C "$build" --list 2>/dev/null | sed -n 's|.* / ||p'
    else
        echo "(and the suites of meson, once build-tests is there)"
    fi
    awk 'NF { name = $1; $1 = $2 = ""; printf "%-12s %s\n", name, substr($0, 3) }' <<<"$machine_suites"
}

case ${1:-} in
--help) usage && exit ;;
--list) list_suites && exit ;;
-*) usage >&2 && exit 2 ;;
esac
wanted=("$@")
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

# --- which suites ---

# wants NAME: all are wanted when none is named.
wants() {
    local name
    [ ${#wanted[@]} -gt 0 ] || return 0
    for name in "${wanted[@]}"; do [ "$name" != "$1" ] || return 0; done
    return 1
}

# The wanted ones that boot machines, of one lane, or of all.
wanted_machine_suites() {
    local name lane
    while read -r name lane _; do
        [ -z "$name" ] || [ "$lane" != "${1:-$lane}" ] || ! wants "$name" || echo "$name"
    done <<<"$machine_suites"
}

check_names() {
    local suite known
    known=$(list_suites | cut -d' ' -f1)
    for suite in "${wanted[@]}"; do
        grep -qxF -e "$suite" <<<"$known" || die "there is no suite '$suite'" "see: tests/run.sh --list"
    done
}

# The wanted ones of meson; nothing when all are.
wanted_meson_tests() {
    local name
    for name in "${wanted[@]}"; do
        [ "$name" = format ] || grep -q "^$name " <<<"$machine_suites" || echo "$name"
    done
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
    local status=0 suite good bad told=0 all=0 results=$build/meson-logs/testlog.junit.xml names
    mapfile -t names < <(wanted_meson_tests)
    [ ${#names[@]} -gt 0 ] || [ ${#wanted[@]} = 0 ] || return 0
    rm -f "$results"
    TMPDIR=$scratch meson test -C "$build" --no-rebuild --print-errorlogs "${names[@]}" \
        >"$work/meson.log" 2>&1 </dev/null &
    child=$!
    wait $child || status=$?
    child=
    [ "$status" = 0 ] || tail -n 150 "$work/meson.log"
    while read -r suite good bad; do
        count "$suite" "$good" "$bad"
        told=$((told + 1)) all=$((all + bad))
    done < <(/usr/bin/python3 "$top/tests/lib/junit.py" "$results")
    [ "$status$told" != 00 ] || status=1
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
suite_service() {
    if has_systemd; then
        tap "system service" "$top/tests/system/test-quickstart-systemd.sh" "$clone"
        return
    fi
    seed_store "$cache/service"
    contained "system service" --bind "$clone" "$top/tests/system/test-quickstart-systemd.sh" "$clone" "$cache/service"
}

# A fresh host of the other Debian, which is booted again. Its packages and the expensive parts of
# its images are kept.
suite_other_host() {
    local host suite
    suite=$(other_suite)
    host=(--root "$(cat "$work/other-root")" --keep "$cache/hosts/written" --net --bind "$clone"
        --bind "$cache/hosts/store-$suite:/var/lib/cloche"
        --bind "$cache/hosts/archives-$suite:/var/cache/apt/archives")
    mkdir -p "$cache/hosts"/{written,"store-$suite/images","archives-$suite/partial"}
    contained "system $suite, fresh" "${host[@]}" "$top/tests/system/test-quickstart-other-debian.sh" first "$clone"
    contained "system $suite, rebooted" "${host[@]}" "$top/tests/system/test-quickstart-other-debian.sh" rebooted
    rm -rf --one-file-system "$cache/hosts/written"
}

# As a package would install it, for several users and through everything that may happen to it.
suite_installed() {
    use_images installed "$cache"
    contained "system installed" --bind "$release" "$top/tests/system/in-service.sh" "$release" \
        "$cache/installed" test-examples.sh test-users.py test-qemu-isolation.py test-limits.py test-journal.py test-failures-under-load.py
}

# With a memory controller, and machines that are large beside what QEMU needs for itself.
suite_memory() {
    local conf=$cache/memory/images/minimal/image.conf
    mkdir -p "$cache/memory/images"
    cp -al "$cache"/images/minimal* "$cache/memory/images/"
    sed -i 's/^MemoryMiB=.*/MemoryMiB=1024/' "$conf"
    contained "system memory" --controllers --bind "$release" "$top/tests/system/in-service.sh" "$release" \
        "$cache/memory" test-memory-limits.py
}

suite_vm() {
    contained "system vm" --no-init "$release/tests/system/test-vm" "$cache/images/minimal"
}

suite_vm_libvirtd() {
    contained "system vm libvirtd" "$release/tests/system/test-vm" "$cache/images/minimal" qemu:///system
}

suite_kvm_node() {
    contained "system kvm node" --bind "$release" "$top/tests/system/test-kvm-node.sh" "$release"
}

suite_quickstart() {
    seed_store "$cache/quickstart"
    contained "system quickstart" --no-init \
        --bind "$clone" "$top/tests/system/test-quickstart-plain.sh" "$clone" "$cache/quickstart"
}

suite_sandboxes() {
    contained "system sandboxes" --no-init \
        "$top/tests/lib/python" "$top/tests/system/test-sandboxes.py" "$release" "$cache"
}

suite_inside() {
    contained "system inside" --no-init \
        "$top/tests/lib/python" "$top/tests/system/test-guest-environment.py" "$release" "$cache"
}

suite_files() {
    use_images files "$cache"
    contained "system files" --no-init "$top/tests/lib/python" "$top/tests/system/with-sandboxes.py" \
        "$release" "$cache/files" python "$top/tests/bus/test-files.py"
}

suite_field() {
    use_images field "$cache/interpreter"
    contained "system field" --no-init "$top/tests/lib/python" "$top/tests/system/with-sandboxes.py" \
        "$release" "$cache/field" interpreter "$top/tests/field/field.py"
}

suite_interpreter() {
    use_images clones "$cache/interpreter"
    contained "system interpreter" --no-init \
        "$top/tests/lib/python" "$top/tests/system/test-languages.py" "$release" "$cache/clones"
}

run_lane() {
    local name
    for name in $(wanted_machine_suites "$1"); do "suite_${name//-/_}"; done
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
    begin_lane run_lane 1
    begin_lane run_lane 2
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
check_names
build_release
make_clone
fetch_typescript
has_machines=$(wanted_machine_suites)
[ -z "$has_machines" ] || begin_images
! wants format || tap "format" check_format
run_meson_tests
if [ -n "$has_machines" ]; then
    finish_images
    run_system_tests
fi
echo "$((SECONDS / 60)) min $((SECONDS % 60)) s"
awk '{ good += $1; bad += $2 } END { print good " passed, " bad " failed"; exit bad > 0 }' "$work/counts"
