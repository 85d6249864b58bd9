# SPDX-License-Identifier: LGPL-2.1-or-later
#
# inputs: what an image depends on, and the digests of it.
#
# Asking apt takes a second or two, and an image that is up to date should be found at once: what
# apt said is kept with the time stamps of apt's own files, and holds as long as they do.
#
# shellcheck shell=bash disable=SC2154,SC2034

check_inputs() {
    local runner
    [ -f "$agent" ] || die "there is no agent at '$agent'; --agent says where it is"
    for runner in $(list_runners); do
        [ -d "$runners/$runner" ] ||
            die "there is no runner '$runner' in '$runners'; --runners says where they are"
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
    ) || die "apt does not know linux-image-cloud-amd64"
}

# What the parts in the cache are made of, and what the whole image is made of.
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

# What is only said of the machine, or started in it, does not make a new root file system.
root_inputs() {
    echo "$builder $suite ${recipe[Packages]} ${recipe[User]} ${recipe[DiskMiB]}"
    echo "${recipe[Npm]:-}"
    if [ -e "$recipe_dir/setup.sh" ]; then sha256sum <"$recipe_dir/setup.sh"; fi
    if [ -e "$recipe_dir/files" ]; then tree_digest "$recipe_dir/files"; fi
    if [ -e "$recipe_dir/packages" ]; then tree_digest "$recipe_dir/packages"; fi
}

# Names, modes and contents of a folder, whatever its place and its files' times are, and whether
# python ran from it or not. What a link leads to counts as if it were there.
tree_digest() (
    cd "$1"
    find -L . -name __pycache__ -prune -o -printf '%P %y %m\n' | sort
    find -L . -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
)

short_digest() {
    sha256sum | cut -c 1-16
}
