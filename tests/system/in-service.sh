#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# in-service: runs suites on one installed service, with two users and all templates ready.
#
# Usage: tests/lib/in-container.sh --bind BUILD --bind STORE tests/system/in-service.sh BUILD STORE
# SUITE…. BUILD is a release build. STORE has the images that the suites need, and perhaps their templates. It is
# mounted on /var/lib/cloche. A suite is a file of this folder. All cases are numbered as one suite.

set -euo pipefail
export LC_ALL=C.UTF-8
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
here=$top/tests/system
build=$1 store=$2
shift 2

say() {
    echo "in-service: $*" >&2
}

# Like quickstart.sh, but with a smaller pool, so that counts settle sooner.
install_service() {
    meson install -C "$build" --no-rebuild --quiet >&2
    install "$build/tests/system/clock-shift.so" /usr/local/lib/
    systemd-sysusers cloche.conf
    [ ! -e "$store/templates" ] || chown -R cloche:libvirt-qemu "$store/templates"
    systemd-tmpfiles --create cloche.conf
    systemctl daemon-reload
    systemctl restart dbus.service # applies units/dbus.conf, as the next boot would
    journalctl --update-catalog
    mkdir -p /etc/cloche
    printf '[Pool]\nTarget=1\n' >/etc/cloche/cloched.conf
}

start_service() {
    local image
    systemctl start cloched.service
    for image in "$store"/images/*/image.conf; do
        image=$(basename "${image%/*}")
        [ ! -L "$store/images/$image" ] || cloche run --template "$image" -- true
    done
}

count=0 bad=0

# report OK WHAT: prints a case's result, and before the first failure the journal's last warnings
report() {
    count=$((count + 1))
    if [ "$1" != ok ]; then
        [ "$bad" != 0 ] || journalctl -p warning -n 8 -o short-monotonic -u cloched -u cloche-vm -u libvirtd | sed 's/^/# /'
        bad=$((bad + 1))
    fi
    echo "$1 $count - $2"
}

# run_suite FILE: prints the suite's cases with its name. A planned case without a result has failed.
run_suite() {
    local suite=$1 line planned=0 reported=0 status=0 begin=$EPOCHSECONDS command=("$here/$1")
    [ "${suite##*.}" != py ] || command=("$top/tests/lib/python" "$here/$suite")
    while IFS= read -r line; do
        case $line in
        1..*) planned=${line#1..} ;;
        "ok "* | "not ok "*) reported=$((reported + 1)) && report "${line%% [0-9]*}" "${suite%.*}: ${line#* - }" ;;
        *) echo "$line" ;;
        esac
    done < <("${command[@]}" </dev/null)
    wait $! || status=$?
    [ "$reported" = "$planned" ] || report "not ok" "${suite%.*}: $reported of $planned cases"
    [ "$status" = 0 ] || [ "$bad" != 0 ] || report "not ok" "${suite%.*}: status $status"
    echo "# $suite: $((EPOCHSECONDS - begin)) s"
}

mkdir -p /var/lib/cloche
mount --bind "$store" /var/lib/cloche
for user in cloche-test-a cloche-test-b; do
    useradd --create-home $user
done
install_service || { say "the service could not be installed" && exit 1; }
start_service || { journalctl -u cloched -n 50 >&2 && exit 1; }
for suite in "$@"; do
    run_suite "$suite"
done
echo "1..$count"
[ "$bad" = 0 ]
