# SPDX-License-Identifier: LGPL-2.1-or-later
#
# contents: builds the parts of an image: kernel, root file system, initrd.
#
# The digests of images include this file, npm.sh and the root-* hooks. If one of these files changes,
# all images are rebuilt.
#
# shellcheck shell=bash disable=SC2154

# Kernel modules of the guest, in the order in which it loads them, some with parameters. Modules that are
# built into the kernel are skipped. ext4 and the random number generator of the CPU are built into all supported kernels.
modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
    virtio_console virtio-rng failover net_failover virtio_net pvpanic pvpanic-mmio pvpanic-pci
    'dummy numdummies=0')

# --- kernel ---

# Unpacks the package but does not install it: the scripts of the package set up a boot loader.
fetch_kernel() {
    run download_kernel "$1"
    run pick_kernel "$1"
}

download_kernel() {
    mkdir "$work/download" && chown _apt "$work/download" && cd "$work/download" &&
        apt_of_suite apt-get download "$kernel_package=$kernel_version" && dpkg-deb -x ./*.deb .
}

pick_kernel() {
    local line module file builtin
    mkdir "$1/modules" || return
    : >"$1/modules/order"
    install -m 644 "$work/download/boot/vmlinuz-$kernel_release" "$1/kernel" || return
    builtin=$(find "$work/download" -name modules.builtin) || return
    for line in "${modules[@]}"; do
        module=${line%% *}
        ! grep -qs "/$module[.]ko$" "$builtin" || continue
        file=$(find "$work/download" -name "$module.ko" -o -name "$module.ko.xz")
        [ -n "$file" ] || { echo "$kernel_package has no module '$module'" && return 1; }
        case $file in
        *.xz) xz -dc "$file" >"$1/modules/$module.ko" ;;
        *) install -m 644 "$file" "$1/modules" ;;
        esac || return
        echo "$module.ko${line#"$module"}" >>"$1/modules/order"
    done
    rm -r "$work/download"
}

# --- packages of npm ---

fetch_npm() {
    run fetch_npm_packages "${recipe[Npm]}" "$1/local"
}

# --- root file system ---

build_root() {
    run build_empty_packages
    write_apt_options
    install_packages
    rename_step "making the disk"
    step_progress 95 100
    run make_disk "$1/disk.ext4"
}

build_empty_packages() {
    local control
    mkdir "$work/debs" || return
    for control in "$recipe_dir"/packages/*/control; do
        [ -e "$control" ] || continue
        install -D -m 644 "$control" "$work/empty/DEBIAN/control" || return
        dpkg-deb -b "$work/empty" "$work/debs" || return
    done
}

# Passes on this machine's settings for downloads, such as a proxy.
write_apt_options() {
    apt-config dump | sed -En '/^Acquire::(https?|Check-[A-Za-z-]*|Retries)\b/p' >"$work/apt.conf"
}

# The packages of the recipe, and passwd for useradd, which newer base systems lack.
list_packages() {
    list_items "passwd;${recipe[Packages]}"
}

# Runs mmdebstrap with an empty environment except for proxies, because variables of this machine would
# change the behavior of Python and other programs in the image.
mmdebstrap_isolated() {
    local variable keep=()
    for variable in http_proxy https_proxy no_proxy; do
        [ -z "${!variable:-}" ] || keep+=("$variable=${!variable}")
    done
    exec unshare --mount --propagation private --pid --fork --kill-child \
        env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 "${keep[@]}" IMAGE_DEBS="$work/debs" \
        IMAGE_NPM="$cache/npm-$name-$npm_digest" IMAGE_CERTIFICATES="$certificates" \
        IMAGE_RECIPE="$(realpath "$recipe_dir")" IMAGE_USER="${recipe[User]}" \
        mmdebstrap --mode=root --variant=apt --format=directory --verbose --skip=output/dev \
        --aptopt="$work/apt.conf" --include="$(list_packages | paste -sd,)" \
        --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr \
        --setup-hook="$parts/root-setup" --essential-hook="$parts/root-essential" \
        --customize-hook="$parts/root-customize" "$suite" "$work/root" "${apt_sources[@]}" \
        >"$work/output" 2>&1
}

install_packages() {
    local line
    mkfifo "$work/output"
    in_background mmdebstrap_isolated
    begin_packages
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        on_package_line "$line"
    done <"$work/output"
    finish_background || fail
}

# apt fetches, unpacks and sets up each package. It reports the number of packages twice: first for the
# base system, then for the others. Until the second report, each package of the recipe counts as four.
begin_packages() {
    packages_seen=0 packages_counted=0 packages_all=0
    packages_guess=$((4 * $(list_packages | wc -l)))
}

on_package_line() {
    case $1 in
    'Get:'* | 'Unpacking '* | 'Setting up '*) packages_seen=$((packages_seen + 1)) ;;
    *' newly installed, '*) [[ $1 =~ ([0-9]+)\ newly ]] && count_packages "${BASH_REMATCH[1]}" ;;
    'I: image: '*) rename_step "${1#I: image: }" ;;
    *) return 0 ;;
    esac
    [ "$packages_all" = 0 ] || step_progress "$packages_seen" $((packages_all * 110 / 100))
}

count_packages() {
    packages_counted=$((packages_counted + $1))
    packages_all=$((3 * (packages_counted + packages_guess)))
    packages_guess=0
}

# The file system has no journal and no checksums, because the overlay of a machine is removed when the
# machine ends. It is initialized completely here; otherwise the guest's kernel would do so in each
# machine, and write to its overlay.
make_disk() {
    local uuid=${root_digest:0:8}-${root_digest:8:4}-${root_digest:12}-8000-000000000000
    truncate -s "${recipe[DiskMiB]}M" "$1" &&
        mke2fs -q -F -t ext4 -d "$work/root" -L cloche -U "$uuid" -m 1 \
            -O ^has_journal,^metadata_csum,^resize_inode \
            -E "hash_seed=$uuid,lazy_itable_init=0,assume_storage_prezeroed=1" "$1" &&
        rm -rf --one-file-system "$work/root"
}

# --- initrd ---

# The initrd is not compressed, because decompression is slow in an emulated guest.
pack_initrd() {
    local tree=$work/initrd runner
    mkdir -p "$tree"/{dev,proc,root,run,sys,runners} &&
        install -m 755 "$agent" "$tree/init" &&
        cp -r "$cache/kernel-$kernel_digest/modules" "$tree/modules" || return
    for runner in $(list_runners); do
        cp -rL --preserve=mode "$runners/$runner" "$tree/runners/" || return
    done
    cd "$tree" && find . -name __pycache__ -prune -o -print | sort |
        cpio --quiet --reproducible -o -H newc -R 0:0 >"$1"
}
