# SPDX-License-Identifier: LGPL-2.1-or-later
#
# releases: apt for another release of Debian than the machine's, from the machine's own sources.
#
# Callers set machine_suite and suite (code names of releases), suite_apt (a folder that is kept) and
# log (a file), and have say and die.
#
# shellcheck shell=bash disable=SC2154

# apt_of_suite COMMAND…: apt with the sources of the image's release.
apt_of_suite() {
    if [ "$suite" = "$machine_suite" ]; then "$@"; else APT_CONFIG=$suite_apt/apt.conf "$@"; fi
}

# The files that name the sources of a release, one a line.
list_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(CODENAME) $(SOURCESENTRY)' \
        'Created-By: Packages' 'Origin: Debian' |
        sed -n "s/^$1[^ ]* \(.*\):[0-9]*$/\1/p" | sort -u
}

# For an image of another release than the machine's: the machine's sources with the other name,
# and lists of their own.
make_suite_apt() {
    local sources file
    mapfile -t sources < <(list_sources "$machine_suite")
    [ ${#sources[@]} != 0 ] || die_without_sources "$machine_suite"
    rm -rf --one-file-system "$suite_apt"
    mkdir -p "$suite_apt"/{sources,lists/partial}
    for file in "${sources[@]}"; do
        sed "s/\b$machine_suite\b/$suite/g" "$file" >"$suite_apt/sources/${file##*/}"
    done
    cat >"$suite_apt/apt.conf" <<END
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$suite_apt/sources";
Dir::State::Lists "$suite_apt/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
    say "reading apt's sources of Debian '$suite'"
    apt_of_suite apt-get -q update >"$log" 2>&1 ||
        die "the machine's sources have no Debian '$suite'; what apt says is in $log"
}

die_without_sources() {
    die "apt knows no source of Debian '$1'; does it after 'apt-get update'?"
}
