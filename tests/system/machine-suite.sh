#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# machine-suite.sh NAME: runs one of the suites below, which boot machines, and prints its TAP.
#
# tests/run.sh makes what they need, and exports where it is:
#   CLOCHE_RELEASE   the release build
#   CLOCHE_CLONE     a fresh clone of the source tree
#   CLOCHE_CACHE     images and templates, which suites do not change; a suite has a folder of its own beside them
#   CLOCHE_MADE      a folder with a file for each part that was made: 'host', 'images' and 'templates'. Each
#                    contains the exit status of its maker, because suites may start earlier.

set -euo pipefail
export LC_ALL=C.UTF-8
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
: "${CLOCHE_MADE:?tests/run.sh runs the suites that boot machines}"
release=$CLOCHE_RELEASE clone=$CLOCHE_CLONE cache=$CLOCHE_CACHE
system=$top/tests/system python=$top/tests/lib/python
. "$top/tests/lib/setup.sh"
cd "$top" # in-container.sh shows the current folder to the suite

# await PART: waits until that part was made.
await() {
    until [ -s "$CLOCHE_MADE/$1" ]; do sleep 0.5; done
    [ "$(cat "$CLOCHE_MADE/$1")" = 0 ] || die "there is no $1: tests/run.sh could not make it"
}

# contained [OPTION…] COMMAND…: in a throw-away container, so that nothing outlives the suite.
contained() {
    exec "$top/tests/lib/in-container.sh" --bind "$cache" "$@"
}

# use_images NAME STORE: makes a store for one suite, with all images of STORE. The links are hard links: no
# suite writes to an image.
use_images() {
    await images
    mkdir -p "$cache/$1"
    cp -al "$2/images" "$cache/$1/"
}

# use_templates NAME STORE: the same with the templates of STORE.
use_templates() {
    await templates
    use_images "$1" "$2"
    cp -a --sparse=always "$2/templates" "$cache/$1/"
}

# seed_store STORE: with the expensive parts of images only, so that the suite builds images itself.
seed_store() {
    await images
    mkdir -p "$1/images"
    cp -al "$cache/images/.cache" "$1/images/"
}

# --- the quick start ---

# quickstart-other-debian: the quick start on a fresh host of the other Debian, which is then rebooted, and started without systemd
suite_quickstart-other-debian() {
    await host
    mkdir -p "$cache/hosts"/{written,"store-$(other_suite)/images","archives-$(other_suite)/partial"}
    {
        boot_other_debian first || echo "not ok - status of the first boot: $?"
        boot_other_debian rebooted || echo "not ok - status of the second boot: $?"
        boot_other_debian plain --no-init || echo "not ok - status without systemd: $?"
    } | join_taps
    rm -rf --one-file-system "$cache/hosts/written"
}

# boot_other_debian PART [OPTION]: its packages and the expensive parts of its images are kept.
boot_other_debian() {
    local other part=$1
    shift
    other=$(other_suite)
    "$top/tests/lib/in-container.sh" "$@" --root "$(cat "$CLOCHE_MADE/host-root")" --keep "$cache/hosts/written" --net \
        --bind "$clone" --bind "$cache/hosts/store-$other:/var/lib/cloche" \
        --bind "$cache/hosts/archives-$other:/var/cache/apt/archives" \
        "$system/test-quickstart-other-debian.sh" "$part" "$clone" </dev/null
}

# Numbers the cases of several outputs as one. A plan that was not fulfilled makes the sum of the plans larger.
join_taps() {
    awk '/^1\.\.[0-9]/ { planned += substr($1, 4); next }
        /^ok / || /^not ok / { sub(/ok *[0-9]*/, "ok " ++count) }
        { print }
        END { print "1.." (planned > count ? planned : count) }'
}

# quickstart-plain: the quick start where PID 1 is not systemd
suite_quickstart-plain() {
    seed_store "$cache/quickstart"
    contained --no-init --bind "$clone" "$system/test-quickstart-plain.sh" "$clone" "$cache/quickstart"
}

# quickstart-systemd: the quick start where PID 1 is systemd
suite_quickstart-systemd() {
    ! has_systemd || exec "$system/test-quickstart-systemd.sh" "$clone"
    seed_store "$cache/service"
    contained --bind "$clone" "$system/test-quickstart-systemd.sh" "$clone" "$cache/service"
}

# --- an installed service ---

# installed: an installed service: users, limits, hostile users, guests, QEMUs and clocheds, storage, the journal, failures under load, examples
suite_installed() {
    use_templates installed "$cache"
    contained --bind "$release" "$system/in-service.sh" "$release" "$cache/installed" test-examples.sh \
        test-users.py test-snapshot-users.py test-qemu-isolation.py test-taken-over.py test-storage.py test-pause.py test-limits.py test-journal.py test-hostile-user.py \
        test-hostile-guest.py test-failures-under-load.py
}

# network: an installed service whose sandboxes have a network: rules, packages, secrets, hostile guests, failures
suite_network() {
    use_templates network "$cache"
    contained --bind "$release" "$system/in-service.sh" "$release" "$cache/network" test-network.py \
        test-network-packages.py test-network-secrets.py test-network-hostile-guest.py test-network-failures.py
}

# chaos: an installed service of which a random part is killed, again and again (CHAOS_SECONDS, CHAOS_SEED)
suite_chaos() {
    use_templates chaos "$cache"
    contained --bind "$release" env CHAOS_SECONDS="${CHAOS_SECONDS:-120}" ${CHAOS_SEED:+"CHAOS_SEED=$CHAOS_SEED"} \
        "$system/in-service.sh" "$release" "$cache/chaos" ../chaos/chaos.py
}

# memory: the memory that the host charges to machines and to the service
suite_memory() {
    await images
    # These machines are large compared to what QEMU needs for itself.
    mkdir -p "$cache/memory/images"
    cp -al "$cache"/images/minimal* "$cache/memory/images/"
    sed -i 's/^MemoryMiB=.*/MemoryMiB=1024/' "$cache/memory/images/minimal/image.conf"
    contained --controllers --bind "$release" "$system/in-service.sh" "$release" "$cache/memory" test-memory-limits.py \
        test-service-memory.py
}

# kvm-node: who may open /dev/kvm
suite_kvm-node() {
    contained --bind "$release" "$system/test-kvm-node.sh" "$release"
}

# --- src/vm and cloche-vm alone ---

# vm: src/vm with libvirt's embedded driver
suite_vm() {
    await images
    contained --no-init env CLOCHE_VM="$release/src/vmd/cloche-vm" "$release/tests/system/test-vm" "$cache/images/minimal"
}

# vm-libvirtd: src/vm with libvirt's daemon
suite_vm-libvirtd() {
    await images
    contained env CLOCHE_VM="$release/src/vmd/cloche-vm" "$release/tests/system/test-vm" "$cache/images/minimal" qemu:///system
}

# --- a service of the suite's own ---

# sandboxes: sandboxes of real machines: life, limits, ends
suite_sandboxes() {
    use_templates sandboxes "$cache"
    contained --no-init "$python" "$system/test-sandboxes.py" "$release" "$cache/sandboxes"
}

# snapshots: sandboxes of real machines begin from snapshots
suite_snapshots() {
    use_templates snapshots "$cache"
    contained --no-init "$python" "$system/test-snapshots.py" "$release" "$cache/snapshots"
}

# own-service-network: sandboxes have a network without systemd
suite_own-service-network() {
    use_templates own-service-network "$cache"
    contained --no-init "$python" "$system/test-own-service-network.py" "$release" "$cache/own-service-network"
}

# guest-environment: what an owner can do in a real machine, also when its users have used it up
suite_guest-environment() {
    use_templates guest-environment "$cache"
    contained --no-init "$python" "$system/test-guest-environment.py" "$release" "$cache/guest-environment"
}

# guest-files: files, trees, watches and ports of a real machine
suite_guest-files() {
    use_templates guest-files "$cache"
    contained --no-init "$python" "$system/with-sandboxes.py" "$release" "$cache/guest-files" python "$top/tests/bus/test-files.py"
}

# guest-field: what people type gives what they expect, in guests of the other Debian
suite_guest-field() {
    use_templates guest-field "$cache/interpreter"
    contained --no-init "$python" "$system/with-sandboxes.py" "$release" "$cache/guest-field" interpreter \
        "$top/tests/field/field.py" --sample 12
}

# guest-languages: languages and packages of the largest template, and machines that are restored from it
suite_guest-languages() {
    use_templates guest-languages "$cache/interpreter"
    contained --no-init "$python" "$system/test-languages.py" "$release" "$cache/guest-languages"
}

"suite_$1"
