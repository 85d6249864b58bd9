# SPDX-License-Identifier: LGPL-2.1-or-later
#
# inputs: the inputs of an image, and their digests.
#
# Queries of apt take a second or two, but an image that is up to date should be found immediately.
# So the results are stored with the time stamps of apt's files, and used again until these change.
#
# shellcheck shell=bash disable=SC2154,SC2034

# Where the administrator of this machine adds certificates that all programs shall trust.
certificates=/usr/local/share/ca-certificates

check_inputs() {
    local runner
    [ -f "$agent" ] || die "there is no agent at '$agent'; specify its path with --agent"
    for runner in $(list_runners); do
        [ -d "$runners/$runner" ] ||
            die "there is no runner '$runner' in '$runners'; specify the runners' folder with --runners"
    done
}

# Sets suite, apt_sources (files), kernel_package, kernel_version and kernel_release.
read_apt_facts() {
    local stamp facts kept
    machine_suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    suite=${recipe[Suite]:-$machine_suite}
    suite_apt=$cache/apt-$suite kept=$cache/apt-facts-$suite
    stamp=$({ find /etc/apt /etc/os-release /var/lib/apt/lists -printf '%p %s %T@\n' || true; } \
        2>/dev/null | sort | short_digest)
    if [ ! -e "$kept" ] || [ "$(head -n 1 "$kept")" != "$stamp" ]; then
        [ "$suite" = "$machine_suite" ] || make_suite_apt
        ask_apt
        printf '%s\n' "$stamp" "$kernel_package" "$kernel_version" "${apt_sources[@]}" >"$kept.new"
        mv "$kept.new" "$kept"
    fi
    mapfile -t facts <"$kept"
    kernel_package=${facts[1]} kernel_version=${facts[2]}
    apt_sources=("${facts[@]:3}")
    kernel_release=${kernel_package#linux-image-}
}

ask_apt() {
    mapfile -t apt_sources < <(apt_of_suite list_sources "$suite")
    [ ${#apt_sources[@]} != 0 ] || die_without_sources "$suite"
    read -r kernel_package kernel_version < <(
        apt_of_suite apt-cache show --no-all-versions linux-image-cloud-amd64 |
            sed -n 's/^Depends: \([^ ,]*\) (= \([^)]*\)).*/\1 \2/p'
    ) || die "apt does not find the package linux-image-cloud-amd64"
}

# Computes the digests of the cached parts and of the complete image.
digest_inputs() {
    local runner builder
    builder=$(cat "$parts"/{contents,npm}.sh "$parts"/root-* | short_digest)
    kernel_digest=$(echo "$builder $kernel_package $kernel_version" | short_digest)
    npm_digest=$(echo "$builder ${recipe[Npm]:-}" | short_digest)
    root_digest=$(root_inputs | short_digest)
    digest=$({
        echo "$root_digest $kernel_digest"
        cat "$recipe_dir/recipe.conf" "$agent" | sha256sum
        for runner in $(list_runners); do
            tree_digest "$runners/$runner"
        done
    } | short_digest)
}

# The inputs of the root file system. The size of the machine and its runners are not among them.
root_inputs() {
    echo "$builder $suite ${recipe[Packages]} ${recipe[User]} ${recipe[DiskMiB]}"
    echo "${recipe[Npm]:-}"
    sum_certificates
    if [ -e "$recipe_dir/setup.sh" ]; then sha256sum <"$recipe_dir/setup.sh"; fi
    if [ -e "$recipe_dir/files" ]; then tree_digest "$recipe_dir/files"; fi
    if [ -e "$recipe_dir/packages" ]; then tree_digest "$recipe_dir/packages"; fi
}

# Prints the checksums of the certificates that update-ca-certificates finds in the folder.
sum_certificates() (
    [ -d "$certificates" ] || return 0
    cd "$certificates"
    find -L . -type f -name '*.crt' -print0 | sort -z | xargs -0 -r sha256sum
)

# Prints the names, modes and checksums of the files in a folder. The path of the folder, time stamps and
# __pycache__ do not matter. Symbolic links are followed.
tree_digest() (
    cd "$1"
    find -L . -name __pycache__ -prune -o -printf '%P %y %m\n' | sort
    find -L . -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
)

short_digest() {
    sha256sum | cut -c 1-16
}
