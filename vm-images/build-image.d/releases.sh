# SPDX-License-Identifier: LGPL-2.1-or-later
#
# releases: apt for a Debian release other than this machine's, with the sources of this machine.
#
# Callers set machine_suite and suite (code names of releases), suite_apt (a persistent folder) and
# log (a file), and define the functions say and die.
#
# shellcheck shell=bash disable=SC2154

# apt_of_suite COMMAND…: runs a command of apt with the sources of the image's release.
apt_of_suite() {
    if [ "$suite" = "$machine_suite" ]; then "$@"; else APT_CONFIG=$suite_apt/apt.conf "$@"; fi
}

# list_sources SUITE: prints the files that contain sources of a release, one per line.
list_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(CODENAME) $(SOURCESENTRY)' \
        'Created-By: Packages' 'Origin: Debian' |
        sed -n "s/^$1[^ ]* \(.*\):[0-9]*$/\1/p" | sort -u
}

# Creates a configuration of apt for the image's release: the sources of this machine with the code name
# replaced, and a separate folder for lists.
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
    say "updating apt's lists of Debian '$suite'"
    apt_of_suite apt-get -q update >"$log" 2>&1 ||
        die "apt's sources on this machine have no release '$suite'; see the output of apt in $log"
}

die_without_sources() {
    die "apt has no sources of Debian '$1'; run 'apt-get update' and try again"
}
