# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cache: kernels and root file systems under the digest of what they were made of, so that a new
# agent costs a new initrd and no more. An image shares its files with the cache; nobody ever writes
# them.
#
# shellcheck shell=bash disable=SC2154

# cached WEIGHT STEP ENTRY MAKER: runs MAKER with a new folder, unless the cache has ENTRY.
cached() {
    local entry=$cache/$3
    if [ -e "$entry" ]; then
        skip_step "$1"
        return
    fi
    step "$1" "$2"
    mkdir "$work/entry"
    "$4" "$work/entry"
    mv -T "$work/entry" "$entry"
}

# A copy without copying where the file system can, a second name for the same file elsewhere.
share() {
    cp --reflink=always "$1" "$2" 2>/dev/null || ln -f "$1" "$2"
}

# remove_others FOLDER NAME KEEP: of all NAME-DIGEST only KEEP stays.
remove_others() {
    local path
    for path in "$1/$2"-*; do
        [[ $path =~ /$2-[0-9a-f]{16}$ && $path != "$1/$3" ]] || continue
        flock --nonblock "$path" true || continue # machines of a running service stand on it
        rm -rf --one-file-system "$path"
    done
}
