#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-quickstart-other-debian: the quick start works on a fresh host of the other supported release of Debian.
#
# Usage: tests/lib/in-container.sh --root ROOT --keep DIR --net … test-quickstart-other-debian.sh first CLONE
#        tests/lib/in-container.sh --root ROOT --keep DIR --net … test-quickstart-other-debian.sh rebooted
#        tests/lib/in-container.sh --no-init --root ROOT --keep DIR --net … test-quickstart-other-debian.sh plain
# ROOT is a fresh installation; CLONE is a fresh clone.

set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"
. "$top/tests/system/tour.sh"

home=/home/newcomer
own_suite=$(. /etc/os-release && echo "$VERSION_CODENAME")

newcomer() {
    runuser -u newcomer -- env -C "$home/cloche" "$@"
}

release_of_guest() {
    newcomer cloche run -- sh -c '. /etc/os-release; echo $VERSION_CODENAME'
}

# A template is ready some time after its name is listed.
template_works() {
    newcomer busctl --timeout=300 call org.cloche1 /org/cloche1 org.cloche1.Manager ListTemplates >/dev/null &&
        timeout 300 sh -c "until runuser -u newcomer -- cloche run -- true; do sleep 1; done"
}

first() {
    useradd --create-home --shell /bin/bash newcomer
    echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/newcomer
    cp -a "$1" $home/cloche
    chown -R newcomer: $home/cloche
    check "the host is fresh" eval '! command -v meson && ! command -v virsh && ! command -v gcc'
    check "the clone is fresh" eval '[ -z "$(ls -d $home/cloche/build* 2>/dev/null)" ]'
    check "without root it says what to do" fails_with 'sudo' newcomer ./quickstart.sh
    check "README's first command" prints '17984 primes' newcomer sudo ./quickstart.sh
    check "the chart is the newcomer's" is "$(stat -c %U "$home/cloche/cloche-charts/001.png")" newcomer
    check "a second run installs nothing" eval 'newcomer sudo ./quickstart.sh 2>&1 | tee /dev/stderr |
        grep -q "17984 primes" && ! grep -q "^installing" /run/cloche-quickstart/step.log'
    check "the manual is installed" test -s /usr/local/share/man/man1/cloche.1
    check "the guest is the host's Debian" is "$(release_of_guest)" "$own_suite"
    kept=$(newcomer cloche create --timeout 1h)
    check "a sandbox" test -n "$kept"
}

rebooted() {
    as=(runuser -u newcomer -- env -C /)
    check "the service starts with the machine" timeout 300 sh -c \
        'until systemctl -q is-active cloched.service; do sleep 0.5; done'
    check "its template is ready again" template_works
    check "no sandbox of before is listed" is "$(newcomer cloche list --json | grep -c '"Id"')" 0
    tour
    check "README's first command again" prints '17984 primes' newcomer sudo ./quickstart.sh
    check "stop" newcomer sudo ./quickstart.sh stop
    check "no process stays" eval '! pgrep -f "cloched|qemu-system"'
    apt-get -q autoclean >/dev/null
}

# Also with what sudo changes, such as the limit of core files.
plain() {
    check "README's first command where PID 1 is not systemd" prints '17984 primes' newcomer sudo ./quickstart.sh
    check "cloche finds the service" prints '^42$' newcomer sudo sh -c 'eval "$(./quickstart.sh env)"; cloche code -c "6 * 7"'
    check "stop" newcomer sudo ./quickstart.sh stop
    check "no process stays" eval '! pgrep -f "cloched|qemu-system"'
}

"$@"
done_testing
