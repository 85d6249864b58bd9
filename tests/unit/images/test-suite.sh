#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Images of another release of Debian than the host's are built, also with modules built into the kernel.

. "$(dirname "$0")/lib.sh"
set_up

machine_suite=$(. /etc/os-release && echo "$VERSION_CODENAME")

modules() {
    mkdir -p "$tmp/initrd" && (cd "$tmp/initrd" && cpio -idu --quiet <"$image/initrd")
    (cd "$tmp/initrd/modules" && echo *.ko && cat order) | xargs
    rm -r "$tmp/initrd"
}

# use_suite NAME: sets the recipe's suite; "" sets none.
use_suite() {
    sed -e "${1:+/^Name=/aSuite=$1}" "$here/recipe/recipe.conf" >"$recipe/recipe.conf"
}

# --- modules that are built in ---

builtin='virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console'
for module in $builtin; do echo "kernel/drivers/virtio/$module.ko"; done >"$fake/modules.builtin"
must_build
is "modules that are built in are not loaded, all others are, in their order" "$(modules)" \
    "dummy.ko failover.ko net_failover.ko pvpanic-mmio.ko pvpanic-pci.ko pvpanic.ko virtio-rng.ko \
virtio_blk.ko virtio_net.ko virtio_blk.ko virtio-rng.ko failover.ko net_failover.ko virtio_net.ko \
pvpanic.ko pvpanic-mmio.ko pvpanic-pci.ko dummy.ko numdummies=0"

for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk \
    virtio_console virtio-rng failover net_failover virtio_net pvpanic pvpanic-mmio pvpanic-pci dummy; do
    echo "kernel/$module.ko"
done >"$fake/modules.builtin"
echo 2.0 >"$fake/kernel-version" && rm "$images"/.cache/apt-facts-*
must_build
is "a kernel may have all of them built in" "$(modules)" '*.ko'

echo "kernel/drivers/virtio_pci.ko.xz" >"$fake/modules.builtin"
sed -i 's/^    echo pvpanic-pci | xz .*/    :/' "$fake/apt-get"
echo 3.0 >"$fake/kernel-version" && rm "$images"/.cache/apt-facts-*
build
is "a module that is neither built in nor there" \
    "$status $(grep -o "linux-image.*has no module.*" "$tmp/err")" \
    "1 linux-image-9.9-cloud has no module 'pvpanic-pci'"
cp "$here/fake/apt-get" "$fake/apt-get" && rm "$fake/modules.builtin"

# --- releases ---

must_build
own=$(basename "$image")
use_suite "$machine_suite"
must_build
is "the machine's own release may be named" "$(tail -n 1 "$fake/calls" | grep -o "$fake/one.sources")" \
    "$fake/one.sources"
use_suite elsewhere
must_build
isnt "another release makes another image" "$(basename "$image")" "$own"
is "mmdebstrap is asked for it" \
    "$(tail -n 1 "$fake/calls" | grep -oE "elsewhere $tmp[^ ]*/root $images/.cache/[^ ]*")" \
    "$(tail -n 1 "$fake/calls" | grep -oE "elsewhere $tmp[^ ]*/root ")$images/.cache/apt-elsewhere/sources/one.sources"
is "with the machine's sources under the other name" \
    "$(cat "$images/.cache/apt-elsewhere/sources/one.sources")" "Suites: elsewhere elsewhere-updates"
is "what the daemon reads does not name it" "$(grep -c Suite "$image/image.conf")" 0
must_build
is "nothing changed: apt is not asked again" "$(cat "$tmp/err")" \
    "build-image: tiny: image $(basename "$image") is up to date"
use_suite nosuch
build
is "a release that the sources do not have" "$status $(tail -n 1 "$tmp/err")" \
    "1 build-image: tiny: apt's sources on this machine have no release 'nosuch'; see the output of apt in $images/build-tiny.log"
is "and what apt says is there" "$(grep -c "'nosuch' does not have a Release" "$images/build-tiny.log")" 1
use_suite ""
must_build
is "without the key it is the machine's again" "$(basename "$image")" "$own"

done_testing
