#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-quickstart-plain: the quick start works where there is no systemd.
#
# Usage: tests/lib/in-container.sh --no-init --bind CLONE --bind STORE test-quickstart-plain.sh CLONE STORE.
# CLONE is a fresh clone. STORE has root file systems of images, which are expensive to make; it
# replaces /var/lib/cloche.

set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/setup.sh"
. "$top/tests/system/tour.sh"

mkdir -p /var/lib/cloche
mount --bind "$2" /var/lib/cloche
spaced="/root/a folder"
mkdir -p "$spaced"
cp -a "$1" "$spaced/a clone"
quickstart="$spaced/a clone/quickstart.sh"
cd "$spaced" || exit 1

processes() { # except those of the kernel and of this test
    pgrep -f 'cloched|cloche-vm|cloche-egress|dbus-daemon|qemu-system' || true
}

says_42() {
    grep -q '"text/plain" s "42"\|.text/plain.: <.42.>'
}

# with_group GROUP: starts the service with that group, and a machine from files that another group owned.
with_group() {
    sed -i "s/^Group=.*/Group=$1/" $run/cloched.conf
    end_process $run cloched 60
    start_daemon $run "$cloched" && cloche run --template minimal -- true &&
        [ "$(stat -c %G "$minimal/disk.qcow2")" = "$1" ]
}

test_status() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" = "$expected" ]
}

# await_end NAME: waits for the end of a process that ends with the bus.
await_end() {
    timeout 60 tail --pid="$(cat "$run/$1.pid")" -f /dev/null
}

is_png() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
}

run=/run/cloche-quickstart
cloched=$spaced/a\ clone/build-quickstart/src/daemon/cloched
mounts=$(cat /proc/mounts)
call='org.cloche1 /org/cloche1 org.cloche1.Manager RunCode ssa{sv} python 6*7 0'

# Another user, who may read the clone wherever it is.
stranger=(setpriv --reuid=nobody --clear-groups --inh-caps=+dac_read_search
    --ambient-caps=+dac_read_search)
check "without root it says what to do" fails_with 'sudo' "${stranger[@]}" "$quickstart" start
check "an unknown word is refused" fails_with 'Usage' "$quickstart" begin
check "a recipe that is not there is refused" fails_with 'available recipes: interpreter minimal python' \
    "$quickstart" start nosuch
check "help shows the words" prints 'env' "$quickstart" --help
check "env before the start says how to start" fails_with 'sudo' "$quickstart" env
proxy=http://10.9.9.9:3128
check "the first run, behind a proxy" prints '17984 primes' env https_proxy=$proxy "$quickstart"
check "it tells how long each step took, and that sandboxes use the proxy" eval \
    'printed "template .* s\$" && printed "through the proxy of https_proxy, $proxy\$"'
check "the service knows the proxy" grep -qx "Proxy=$proxy" $run/cloched.conf
check "it saved the chart" is_png "$spaced/cloche-charts/001.png"
made=$(stat -c '%n %i' /var/lib/cloche/templates/*/template.conf)
check "the second run" prints '17984 primes' "$quickstart"
grep -qwE 'vmx|svm' /proc/cpuinfo ||
    check "it tells that machines are emulated, and why" printed 'machines are emulated.*no hardware virtualization'
check "it has made no template" test "$made" = "$(stat -c '%n %i' /var/lib/cloche/templates/*/template.conf)"
eval "$("$quickstart" env)"
check "cloche finds the service" prints 'ready' cloche status
# shellcheck disable=SC2086
check "busctl finds the service" eval 'busctl call $call | says_42'
check "gdbus finds the service" eval 'gdbus call --system --dest org.cloche1 --object-path /org/cloche1 \
    --method org.cloche1.Manager.RunCode python "6*7" "{}" | says_42'
tour
check "the network has a user of its own" test "$(ps -o user:32= -C cloche-egress)" = cloche-egress
networked=$(cloche create --timeout 30m --network internet)
check "a sandbox has a network" prints 'Network: internet$' cloche network "$networked"
living=$(cloche create --timeout 30m)
check "a sandbox has a variable" cloche code --sandbox "$living" -c 'x = 41'
services=$(cat $run/cloched.pid) buses=$(cat $run/dbus-daemon.pid)
check "start of another recipe" prints '17984 primes' "$quickstart" start minimal
check "has started the service anew" test "$services" != "$(cat $run/cloched.pid)"
check "with the proxy that it had" grep -qx "Proxy=$proxy" $run/cloched.conf
check "has not started the bus anew" test "$buses" = "$(cat $run/dbus-daemon.pid)"
check "the other recipe's template is there" prints '^there$' cloche run --template minimal -- echo there
check "the network of a sandbox is on again" prints 'Network: internet$' cloche network "$networked"
check "the sandbox lives, and its variable" prints '^42$' \
    cloche code --sandbox "$living" -c 'print(x + 1)'
check "a killed service leaves a start that works" eval \
    'kill -KILL $(cat $run/cloched.pid) && "$quickstart" >/dev/null'
check "the sandbox lives across that, too" prints '^43$' \
    cloche code --sandbox "$living" -c 'print(x + 2)'
check "a killed bus leaves a start that works" eval \
    'kill -KILL $(cat $run/dbus-daemon.pid) && await_end cloched && "$quickstart" >/dev/null'
check "the sandbox lives across that, too" prints '^44$' \
    cloche code --sandbox "$living" -c 'print(x + 3)'
minimal=$(echo /var/lib/cloche/templates/minimal-*)
made=$(stat -c %i "$minimal/template.conf")
check "another group uses what is stored" with_group libvirt-qemu
check "the sandbox lives across that, too" prints '^45$' \
    cloche code --sandbox "$living" -c 'print(x + 4)'
check "and so does the first group again" with_group kvm
check "no template was made anew" test "$made" = "$(stat -c %i "$minimal/template.conf")"
check "a service without the right says whose it is" fails_with \
    "'/var/lib/cloche' belongs to root:kvm .* run as root: find '/var/lib/cloche' " \
    "${stranger[@]}" "$cloched" --user --config $run/cloched.conf
check "and is not started again and again" test_status 78 \
    "${stranger[@]}" "$cloched" --user --config $run/cloched.conf
check "stop" "$quickstart" stop
check "no process stays" eval '[ -z "$(processes)" ]'
check "no disk or record stays" eval '[ -z "$(ls /var/lib/cloche/machines /var/lib/cloche/sandboxes -A -1 | grep -v :)" ]'
check "no mount stays" test "$(cat /proc/mounts)" = "$mounts"
check "no socket or RAM file stays" eval '! ls -d /run/cloche*'
check "stop again" "$quickstart" stop
done_testing
