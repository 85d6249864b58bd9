#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-quickstart-other-debian: a fresh host of another release of Debian, as its owner uses it.
#
# Usage: tests/lib/in-container.sh --root ROOT --keep DIR --net … test-quickstart-other-debian.sh first CLONE
#        tests/lib/in-container.sh --root ROOT --keep DIR --net … test-quickstart-other-debian.sh rebooted
# ROOT is a fresh installation; CLONE is a fresh clone.

set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"
. "$top/tests/system/tour.sh"

home=/home/newcomer
own_suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
other_suite=$([ "$own_suite" = bookworm ] && echo trixie || echo bookworm)

newcomer() {
    runuser -u newcomer -- env -C "$home/cloche" "$@"
}

release_in() { # TEMPLATE
    newcomer cloche run --template "$1" -- sh -c '. /etc/os-release; echo $VERSION_CODENAME'
}

# Builds an image of the other release with the installed programs.
build_other_image() {
    local recipe=$home/recipes/minimal-$other_suite
    mkdir -p "$recipe"
    sed "s/^Name=.*/Name=minimal-$other_suite\nSuite=$other_suite/" \
        /usr/local/share/cloche/vm-images/minimal/recipe.conf >"$recipe/recipe.conf"
    /usr/local/libexec/cloche/build-image "$recipe" && systemctl restart cloched.service
}

# A template is ready some time after its name is listed.
template_works() {
    newcomer busctl --timeout=300 call org.cloche1 /org/cloche1 org.cloche1.Manager ListTemplates >/dev/null &&
        timeout 300 sh -c "until runuser -u newcomer -- cloche run --template $1 -- true; do sleep 1; done"
}

what_people_type() {
    apt-get -q -y install python3-gi >/dev/null && $home/cloche/tests/lib/python $home/cloche/tests/field/field.py >$home/field.tap
    local status=$?
    grep -v '^ok ' $home/field.tap
    return $status
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
    check "the interpreter image" prints '17984 primes' newcomer sudo ./quickstart.sh start interpreter
    check "the guest is the host's Debian" is "$(release_in python)" "$own_suite"
    check "an image of the other Debian" build_other_image
    check "becomes a template" template_works "minimal-$other_suite"
    check "whose guest is that Debian" is "$(release_in "minimal-$other_suite")" "$other_suite"
    kept=$(newcomer cloche create --timeout 1h)
    check "a sandbox" test -n "$kept"
}

rebooted() {
    as=(runuser -u newcomer -- env -C /)
    check "the service starts with the machine" timeout 300 sh -c \
        'until systemctl -q is-active cloched.service; do sleep 0.5; done'
    check "templates are ready again" eval 'template_works python && template_works interpreter'
    check "no sandbox of before is listed" is "$(newcomer cloche list --json | grep -c '"Id"')" 0
    tour
    tour_of_languages
    check "what people type gives what they expect" what_people_type
    check "README's first command again" prints '17984 primes' newcomer sudo ./quickstart.sh
    check "stop" newcomer sudo ./quickstart.sh stop
    check "no process stays" eval '! pgrep -f "cloched|qemu-system"'
    apt-get -q autoclean >/dev/null
}

"$@"
done_testing
