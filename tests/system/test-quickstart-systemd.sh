#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-quickstart-systemd: the quick start works under systemd: unit, bus policy, activation, qemu:///system, and
# users other than root.
#
# Usage: test-quickstart-systemd.sh CLONE [STORE]. CLONE is a fresh clone. With STORE, the test runs in a
# container, and STORE replaces /var/lib/cloche. Without STORE, it runs on the machine itself, and removes at the
# end what was not installed before.

set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"
. "$top/tests/system/tour.sh"

unit=/usr/local/lib/systemd/system/cloched.service
was_installed=$([ ! -e $unit ] || echo yes)
if [ $# = 2 ]; then
    mkdir -p /var/lib/cloche
    mount --bind "$2" /var/lib/cloche
fi
# A folder that only its owner may read.
folder=$(mktemp -d)
cp -a "$1" "$folder/cloche"
quickstart=$folder/cloche/quickstart.sh
for user in cloche-test-a cloche-test-b; do
    useradd --create-home $user
done
cd /root || exit 1

clean_up() {
    userdel -r cloche-test-a 2>/dev/null
    userdel -r cloche-test-b 2>/dev/null
    if [ -z "$was_installed" ]; then
        "$quickstart" stop 2>/dev/null
        ninja -C "$folder/cloche/build-quickstart" uninstall >/dev/null
        systemctl daemon-reload
    fi
    rm -rf "$folder"
}
trap clean_up EXIT

as_a() {
    runuser -u cloche-test-a -- env -C / "$@"
}

as_b() {
    runuser -u cloche-test-b -- env -C / "$@"
}

call() { # METHOD SIGNATURE VALUES…
    busctl --json=short call org.cloche1 /org/cloche1 org.cloche1.Manager "$@"
}

main_pid() {
    systemctl show -P MainPID cloched.service
}

domains() {
    virsh -q -c qemu:///system list --name | grep -c '^cloche-'
}

# --- installed and started ---

check "the first run" prints '17984 primes' "$quickstart"
check "it tells how long each step took" printed 'template .* s$'
made=$(stat -c '%n %i' /var/lib/cloche/templates/*/template.conf)
check "the second run" prints '17984 primes' "$quickstart"
check "has made no template" test "$made" = "$(stat -c '%n %i' /var/lib/cloche/templates/*/template.conf)"
check "the unit is enabled" systemctl is-enabled cloched.service
check "systemd finds nothing wrong with the unit" systemd-analyze verify cloched.service
check "the daemon's user is its own" test "$(stat -c %U "/proc/$(main_pid)")" = cloche
check "it has no capability" grep -q 'CapPrm:.0000000000000000' "/proc/$(main_pid)/status"
check "its files are closed to others" fails_with 'ermission' as_a ls /run/cloche
check "images too" fails_with 'ermission' as_a ls /var/lib/cloche/images
check "libvirt has its machines" test "$(domains)" -ge 1

# --- behind a proxy; not on the machine itself, whose configuration this would change ---

if [ $# = 2 ]; then
    proxy=http://10.9.9.9:3128
    check "a run behind a proxy" prints '17984 primes' env https_proxy=$proxy "$quickstart"
    check "tells that sandboxes use it" printed "through the proxy of https_proxy, $proxy\$"
    check "the service knows it" grep -qx "Proxy=$proxy" /etc/cloche/cloched.conf.d/50-proxy.conf
    check "cloche-egress may connect to it" prints '^10.9.9.9/32$' systemctl show -P IPAddressAllow cloche-egress.service
    check "another proxy" prints '17984 primes' env https_proxy=http://10.9.9.8:3128 "$quickstart"
    check "does not replace it" grep -qx "Proxy=$proxy" /etc/cloche/cloched.conf.d/50-proxy.conf
fi

# --- any user, any client ---

check "busctl runs code" prints '"42"' as_a busctl call org.cloche1 /org/cloche1 \
    org.cloche1.Manager RunCode 'ssa{sv}' python '6*7' 0
check "gdbus runs code" prints "'42'" as_a gdbus call --system --dest org.cloche1 \
    --object-path /org/cloche1 --method org.cloche1.Manager.RunCode python '6*7' '{}'
check "gdbus shows the API" prints 'CreateSandbox' as_a gdbus introspect --system \
    --dest org.cloche1 --object-path /org/cloche1
check "cloche runs a program" prints 'uid=1000(user)' as_a cloche run -- id
check "cloche passes the exit status on" eval 'as_a cloche run -- sh -c "exit 42"; test $? = 42'
check "cloche runs code from standard input" prints '^5050$' \
    eval 'echo "sum(range(101))" | as_a cloche code -'
check "cloche saves a chart" eval 'as_a cloche code --save /tmp/charts-a -c \
    "import matplotlib.pyplot as plt; plt.plot([1, 2]);" && test -s /tmp/charts-a/001.png'
check "cloche shows its state as JSON" eval \
    'as_a cloche status --json | jq -e ".Pool.python.target == 2 and .Emulated != null"'

# --- one sandbox, step by step ---

id=$(as_a cloche create --timeout 5m --name mine --metadata task=17)
check "create prints the id alone" eval '[[ $id =~ ^[a-z0-9]+$ ]]'
check "state is kept" eval 'as_a cloche code -s $id -c "x = 6" && as_a cloche code -s $id -c "x * 7" | grep -qx 42'
check "exec" prints "^/home/user$" as_a cloche exec "$id" -- pwd
check "list shows it" prints "$id.*mine" as_a cloche list
check "extend" as_a cloche extend "$id" 10m
check "another user does not see it" eval '! as_b cloche list | grep -q $id'
check "nor use it" fails_with 'no such sandbox\|no sandbox\|does not exist' as_b cloche exec "$id" -- id
check "nor kill it" eval '! as_b cloche kill $id'
check "it still runs" as_a cloche exec "$id" -- true
check "kill" as_a cloche kill "$id"
check "it is gone" eval '! as_a cloche exec $id -- true'

# --- every verb and method ---

as=(runuser -u cloche-test-a -- env -C /)
tour
as=(env)

# --- invalid arguments ---

check "an unknown key is named" fails_with "InvalidArgument\|colour" call CreateSandbox 'a{sv}' 1 colour s red
check "a wrong type is named" fails_with "timeout" call CreateSandbox 'a{sv}' 1 timeout s ten
check "a timeout of 0" fails_with "timeout" call CreateSandbox 'a{sv}' 1 timeout t 0
check "a negative timeout of a signed caller" fails_with "timeout" gdbus call --system \
    --dest org.cloche1 --object-path /org/cloche1 --method org.cloche1.Manager.CreateSandbox \
    "{'timeout': <int64 -1>}"
check "a timeout beyond the limit" fails_with "timeout" call CreateSandbox 'a{sv}' 1 timeout t 99999999
check "a template that is not installed" fails_with "nosuch" call CreateSandbox 'a{sv}' 1 template s nosuch
check "a sandbox that does not exist" fails_with "sandbox" call GetSandbox s nosuch
check "a language that it does not have" fails_with "cobol" call RunCode 'ssa{sv}' cobol x 0
check "the name on the bus is the service's alone" fails_with 'ccess' gdbus call --system --dest org.freedesktop.DBus \
    --object-path /org/freedesktop/DBus --method org.freedesktop.DBus.RequestName org.cloche1 7

# --- the unit ---

check "a reload takes a new limit" eval \
    'mkdir -p /etc/cloche/cloched.conf.d && printf "[UserLimits]\nSandboxes=7\n" >/etc/cloche/cloched.conf.d/50-test.conf &&
    systemctl reload cloched.service && timeout 10 sh -c "until cloche status --json | jq -e \".Quota.sandboxes[1] == 7\"; do sleep 0.1; done"'
check "a file that is wrong makes the reload fail" eval \
    'printf "[UserLimits]\nSandboxes=seven\n" >/etc/cloche/cloched.conf.d/50-test.conf; ! systemctl reload cloched.service'
check "file, line and key are in the journal" prints '50-test.conf:2: .*UserLimits.*Sandboxes' \
    journalctl -u cloched.service
check "and the old limit holds" eval 'cloche status --json | jq -e ".Quota.sandboxes[1] == 7"'
rm /etc/cloche/cloched.conf.d/50-test.conf
check "the unit is confined" eval \
    'systemd-analyze security --no-pager --threshold=15 cloched.service >/dev/null'
check "and that of cloche-vm" eval \
    'systemd-analyze security --no-pager --threshold=15 cloche-vm.service >/dev/null'
check "its own filter holds, too" eval '[ "$(grep -c "Seccomp:.2" "/proc/$(main_pid)/status")" = 1 ]'
check "the journal explains its messages" prints 'was created' journalctl -q --catalog -u cloched.service \
    MESSAGE_ID=ef2fbe35743144f486429b19fcae994b

# Logs that libvirt leaves: an old one and a new one of cloche, and old ones of other guests.
logs=/var/log/libvirt/qemu
old=cloche-aaaaaaaaaaaaaaaa.log young=cloche-bbbbbbbbbbbbbbbb.log others="cloche-my-own.log other.log"
(cd $logs && touch -d -61min $old $old.0 $others && touch -d -59min $young)
check "old logs of machines are looked for" systemctl is-active cloche-logs.timer
check "by units that systemd finds nothing wrong with" \
    systemd-analyze verify cloche-logs.service cloche-logs.timer
check "and removed" systemctl start cloche-logs.service
check "only old ones, and only its own" eval \
    '(cd $logs && [ ! -e $old ] && [ ! -e $old.0 ] && ls $young $others >/dev/null)'
(cd $logs && rm -f $old $old.0 $young $others)

# A daemon whose main loop does not run.
mkdir -p /run/systemd/system/cloched.service.d
printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/cloched.service.d/50-test.conf
systemctl daemon-reload
systemctl restart cloched.service
watched=$(as_a cloche create --timeout 5m)
stopped=$(main_pid)
check "a blocked daemon is found out" eval \
    'kill -STOP $stopped && timeout 60 sh -c "while [ -e /proc/$stopped ]; do sleep 0.1; done"'
check "and its sandbox goes on" as_a cloche exec "$watched" -- true
as_a cloche kill "$watched"
rm -r /run/systemd/system/cloched.service.d
systemctl daemon-reload
systemctl restart cloched.service

check "a killed daemon is started again" eval \
    'kill -KILL $(main_pid) && timeout 60 sh -c "until cloche run -- true; do sleep 1; done"'
check "and libvirt has only its machines" eval \
    'export all=$((2 + $(cloche list --all | grep -c running))); timeout 60 sh -c "until [ \$(virsh -q -c qemu:///system list --name | grep -c cloche-) = \$all ]; do sleep 1; done"'
kept=$(as_a cloche create --timeout 5m)
check "stop" systemctl stop cloched.service
check "a sandbox goes on without the service" eval \
    'virsh -q -c qemu:///system list --name | grep -q "cloche-$kept"'
check "a call starts the service, which finds it again" as_a cloche exec "$kept" -- true
# systemd counts a service that ends before it is ready as failed.
check "and the service becomes ready" timeout 60 \
    sh -c 'until [ "$(systemctl show -P ActiveState cloched.service)" = active ]; do sleep 0.1; done'
check "interrupted, the service ends" eval \
    'systemctl kill -s INT cloched.service &&
    timeout 60 sh -c "until [ \$(systemctl show -P ActiveState cloched.service) = inactive ]; do sleep 0.1; done"'
check "no machine stays" eval '[ "$(domains)" = 0 ] && ! pgrep -f "qemu-system.*guest=cloche-"'
check "no overlay or record stays" eval '[ -z "$(ls /var/lib/cloche/machines /var/lib/cloche/sandboxes | grep -v :)" ]'
check "no socket stays" eval '[ -z "$(ls /run/cloche/machines)" ]'
check "a call starts the service" prints '"42"' as_a busctl --timeout=120 call org.cloche1 /org/cloche1 \
    org.cloche1.Manager RunCode 'ssa{sv}' python '6*7' 0
check "the journal tells of sandboxes" prints 'Sandbox .* of uid .* has ended: killed' journalctl -u cloched.service
check "quickstart.sh stop" "$quickstart" stop
check "no process stays" eval '! pgrep -x cloched'
done_testing
