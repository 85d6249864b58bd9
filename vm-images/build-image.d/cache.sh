# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cache: kernels and root file systems, named by the digest of their inputs, so that a new agent
# requires only a new initrd. An image shares its files with the cache; they are never modified.
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

# share FILE NEW: makes a copy that shares the data, or a hard link if the file system has no reflinks.
share() {
    cp --reflink=always "$1" "$2" 2>/dev/null || ln -f "$1" "$2"
}

# A snapshot of a sandbox lies on an image of this name with this digest.
has_snapshots() {
    local conf
    for conf in "$images"/../snapshots/*/snapshot.conf; do
        grep -qsx "Template=$1" "$conf" && grep -qsx "Image=$2" "$conf" && return
    done
    return 1
}

# remove_others FOLDER NAME KEEP: removes all NAME-DIGEST except KEEP.
remove_others() {
    local path
    for path in "$1/$2"-*; do
        [[ $path =~ /$2-[0-9a-f]{16}$ && $path != "$1/$3" ]] || continue
        [ "$1" != "$images" ] || ! has_snapshots "$2" "${path##*-}" || continue
        flock --nonblock "$path" true || continue # machines of a running service use it
        rm -rf --one-file-system "$path"
    done
}
