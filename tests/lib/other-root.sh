#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# other-root.sh FOLDER: makes the root of a fresh host with the other supported release of Debian, like a
# minimal installation, and prints its path. An existing root is kept. It trusts the certificate authorities
# that this machine's administrator trusts, because npm reaches its registry by TLS.

set -euo pipefail
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
work=$1
. "$top/tests/lib/setup.sh"
. "$top/vm-images/build-image.d/releases.sh"

dpkg_option=force-unsafe-io # the host is temporary, so it need not wait for its disk
packages=systemd,systemd-sysv,dbus,git,ca-certificates,sudo,procps,iproute2,bsdutils
machine_suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
suite=$(other_suite)
authorities=/usr/local/share/ca-certificates
root=$1/$suite-$({ echo "$packages $dpkg_option" && find "$authorities" -type f -exec cat {} +; } | sha256sum | cut -c 1-16)
suite_apt=$1/apt log=$1/log

if [ ! -e "$root" ]; then
    mkdir -p "$1"
    rm -rf --one-file-system "$1"/*-root.new
    make_suite_apt
    apt-config dump | sed -En '/^Acquire::(https?|Check-[A-Za-z-]*|Retries)\b/p' >"$1/apt.conf"
    say "making a host of Debian '$suite'"
    mmdebstrap --dpkgopt="$dpkg_option" --variant=minbase --include="$packages" --aptopt="$1/apt.conf" --skip=output/dev \
        --customize-hook="copy-in $authorities ${authorities%/*}" \
        --customize-hook='chroot "$1" update-ca-certificates' \
        "$suite" "$1/$suite-root.new" "$suite_apt"/sources/* >"$log" 2>&1 || die "mmdebstrap failed; see $log"
    mv -T "$1/$suite-root.new" "$root"
fi
echo "$root"
