#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-kvm-node: machines and the group kvm may open /dev/kvm, in whichever way the node is created.
#
# Usage: tests/lib/in-container.sh --bind BUILD test-kvm-node.sh BUILD. The container has its own
# /dev and no udev: this test does what udev's rules do with a node, and takes the command of cloche's rule from
# its file. systemd, systemd-tmpfiles and the unit are real. The test needs no KVM.

# shellcheck disable=SC2016,SC2317

set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"

node=/dev/kvm
rule=/usr/local/lib/udev/rules.d/70-cloche-kvm.rules
[ ! -e $node ] || { echo "test-kvm-node: this is no container: there is $node" >&2 && exit 1; }

meson install -C "$1" --no-rebuild --quiet >&2
systemd-sysusers cloche.conf
command=$(sed -n 's/^SUBSYSTEM=="misc", KERNEL=="kvm", ACTION!="remove", RUN+="\(.*\)"$/\1/p' $rule)
# The unit with its sandboxing settings, but without the daemon.
mkdir -p /run/systemd/system/cloched.service.d
printf '[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=/bin/true\n' \
    >/run/systemd/system/cloched.service.d/50-test.conf
systemctl daemon-reload

# --- what happens to a node ---

# make_node [MODE [GROUP]]: the defaults are those of the kernel.
make_node() {
    rm -f $node
    mknod -m "${1:-600}" $node c 10 232
    chgrp "${2:-root}" $node
}

# Creates nodes as systemd does at boot, before udev runs.
boot() {
    systemctl reset-failed systemd-tmpfiles-setup-dev.service # so that the number of starts is not limited
    systemctl restart systemd-tmpfiles-setup-dev.service || echo "not ok 0 - systemd's own start"
}

# udev sets the group, and the mode if it differs. Then it runs the commands of its rules.
finish_node() { # MODE
    ! getent group kvm >/dev/null || chgrp kvm $node
    [ "$(stat -c %a $node)" = "$1" ] || chmod "$1" $node
}

run_rule() {
    $command
}

# --- who may open it ---

may_open() { # UID GROUP
    setpriv --reuid "$1" --regid "$2" --clear-groups test -r "$node" -a -w "$node" || {
        getfacl -p "$node"
        return 1
    }
}

machine_may() {
    may_open 1900000001 libvirt-qemu
}

member_may() {
    may_open 65534 kvm
}

others_may() {
    may_open 65534 nogroup
}

check "the rule has a command" test -n "$command"
check "without the node: boot" boot
check "without the node: the rule" run_rule
check "without the node: the service starts" systemctl start cloched.service
check "and makes none" test ! -e $node

for age in "made after boot" "made again"; do
    make_node
    finish_node 660
    check "$age: before the rule no machine may" eval '! machine_may'
    run_rule
    check "$age: a machine may" machine_may
    check "$age: a member of kvm may" member_may
    check "$age: nobody else may" eval '! others_may'
done
check "a package's update" systemd-tmpfiles --create cloche.conf
finish_node 660
check "after it: a machine may" machine_may
check "after it: a member of kvm may" member_may

make_node
boot
check "there at boot, closed: a machine may" machine_may
check "there at boot, closed: others may not" eval '! others_may'
finish_node 660
check "there at boot, closed: with udev, a member of kvm may" member_may
run_rule
check "there at boot, closed: after the rule, a machine may" machine_may
check "there at boot, closed: after the rule, a member of kvm may" member_may
check "there at boot, closed: after the rule, others may not" eval '! others_may'

# logind adds an entry for the user at the machine's screen.
make_node 660 kvm
setfacl -m u:1000:rw $node
boot
check "there at boot, kvm's: a machine may" machine_may
check "there at boot, kvm's: a member of kvm may" member_may
finish_node 660
run_rule
check "there at boot, kvm's: after the rule, a machine may" machine_may
check "there at boot, kvm's: after the rule, a member of kvm may" member_may
check "there at boot, kvm's: after the rule, the user at the screen may" may_open 1000 nogroup
check "there at boot, kvm's: after the rule, others may not" eval '! others_may'

# Some distributions permit everybody, and do not apply udev's modes to nodes that exist at boot.
mkdir -p /etc/tmpfiles.d
ln -sf /dev/null /etc/tmpfiles.d/static-nodes-permissions.conf
make_node 666 kvm
boot
check "there at boot, everybody's: others may" others_may
finish_node 666
run_rule
check "there at boot, everybody's: after the rule, others may" others_may
check "there at boot, everybody's: after the rule, a machine may" machine_may
check "there at boot, everybody's: after the rule, a member of kvm may" member_may
make_node
boot
finish_node 666
run_rule
check "there at boot, then everybody's: others may" others_may
make_node
finish_node 666
run_rule
check "made after boot, everybody's: others may" others_may

make_node
finish_node 660
systemctl start cloched.service
check "the service's start: a machine may" machine_may
check "the service's start: a member of kvm may" member_may
make_node
systemctl start cloched.service
finish_node 660
check "the service's start before udev: a machine may" machine_may
check "the service's start before udev: a member of kvm may" member_may

sed -i '/^kvm:/d' /etc/group /etc/gshadow
make_node
finish_node 660
run_rule
check "without a group kvm: a machine may" machine_may
check "without a group kvm: nobody else may" eval '! others_may'

# udevadm verify needs systemd 254 or later.
if udevadm verify --help >/dev/null 2>&1; then
    check "udev finds nothing wrong with the rule" udevadm verify "$rule"
fi
done_testing
