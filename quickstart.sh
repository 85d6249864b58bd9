#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# quickstart: installs, builds and starts cloche from a fresh clone, and runs an example in a sandbox.
#
# Each step detects whether it has been done already, so a second run takes only some seconds. If PID 1
# is systemd, cloche is installed in /usr/local and runs as a service on the system bus. Otherwise, this
# script starts a private bus, and the daemon from the build folder, as root; libvirt then runs inside
# the daemon's child cloche-vm, and only packages and the user cloche-egress are installed.

set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

top=$(dirname "$(readlink -f "$0")")
build=$top/build-quickstart
state=/var/lib/cloche
run=/run/cloche-quickstart # of this script; the daemon uses /run/cloche
ram=/run/cloche/ram
old_ram=/dev/shm/cloche # of earlier versions
work=$run

. "$top/tests/lib/setup.sh"
. "$top/tests/lib/proxy.sh"
bus=unix:path=$run/bus

usage() {
    cat <<END
Usage: sudo ./quickstart.sh [start [RECIPE] | stop]
            ./quickstart.sh [env | --help]

  start   installs missing packages, builds cloche and the Python image, starts the service, and
          runs code in a sandbox. This is the default. The service keeps running. If it has to be
          restarted, its sandboxes continue.
          RECIPE is a folder in vm-images, whose image is built as well: 'start interpreter' adds
          JavaScript, TypeScript and R; use them with 'cloche code --template interpreter'.
  stop    ends the service and all sandboxes. Packages, the build and images are kept. If PID 1 is
          systemd, the next D-Bus call starts the service again; to prevent this:
          systemctl mask cloched
  env     prints variables for your shell, so that it finds 'cloche', and cloche, busctl and gdbus
          find the service:
              eval "\$(./quickstart.sh env)"

The build is in $build.
Images and templates are in $state; to free the space, remove this folder after 'stop'.
END
}

# --- steps and their duration ---

steps=()

# step NAME COMMAND…
step() {
    local what=$1 begin=${EPOCHREALTIME/./} took
    shift
    "$@"
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    steps+=("$(printf '%-34s %5d.%03d s' "$what" $((took / 1000)) $((took % 1000)))")
}

need_root() {
    [ "$(id -u)" = 0 ] || die "this must run as root, because it installs packages and starts a service" \
        "run: sudo $(printf %q "$0") $*"
}

# --- the proxy of this host ---

# Makes the proxy of the environment that of sandboxes, unless the administrator has set Proxy=. Without systemd, the
# service keeps the proxy that it had if the environment has none now.
take_proxy() {
    local variable url
    proxy=$(sed -n 's/^Proxy=//p' "$run/cloched.conf" 2>/dev/null || true)
    read -r variable url < <(environment_proxy) || return 0
    if has_systemd; then
        ! grep -qs '^Proxy' /{etc,run,usr/local/lib}/cloche/cloched.conf{,.d/*.conf} || return 0
        configure_proxy "$url"
    elif [ "$url" = "$proxy" ]; then
        return 0
    fi
    proxy=$url
    rm -f "$run/started"
    say "sandboxes that get a network will connect through the proxy of $variable, $url"
}

# configure_proxy URL: the unit of cloche-egress permits no addresses of local networks, which a proxy often has.
configure_proxy() {
    local addresses unit=/etc/systemd/system/cloche-egress.service.d
    mkdir -p /etc/cloche/cloched.conf.d $unit
    printf '# by quickstart.sh\n[Network]\nProxy=%s\n' "$1" >/etc/cloche/cloched.conf.d/50-proxy.conf
    addresses=$(getent ahosts "$(proxy_host "$1")" | cut -d ' ' -f 1 | sort -u | xargs || true)
    [ -n "$addresses" ] || return 0
    printf '# by quickstart.sh: the proxy of cloched.conf.d/50-proxy.conf\n[Service]\nIPAddressAllow=%s\n' "$addresses" \
        >$unit/50-proxy.conf
    systemctl daemon-reload
}

# --- the service, if PID 1 is systemd ---

install_cloche() {
    build "$build" installed --prefix=/usr/local --buildtype=release
    has_systemd || return 0
    with_progress "installing" meson install -C "$build" --no-rebuild --only-changed
    ! grep -q '^Installing' "$work/step.log" || rm -f "$build/announced"
    if [ ! -e "$build/announced" ]; then announce_files; fi
}

# Makes the system's services read the installed files. The bus reloads before systemd: while it reads its
# files, it queries systemd and systemd-machined for users, and after a reload of systemd both may be waiting
# for the bus.
announce_files() {
    with_progress "creating the service's users" systemd-sysusers cloche.conf
    leave_libvirt
    with_progress "creating the service's folders" systemd-tmpfiles --create cloche.conf
    [ ! -S /run/udev/control ] || with_progress "loading the udev rule for /dev/kvm" udevadm control --reload
    with_progress "updating the message catalog of the journal" journalctl --update-catalog
    let_apparmor
    busctl -q call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig ||
        die "the system bus does not answer" "see: systemctl status dbus"
    systemctl daemon-reload
    touch "$build/announced"
}

# Members of libvirt's group can become root. Earlier versions of cloche had its user there.
leave_libvirt() {
    ! id -nG cloche | tr ' ' '\n' | grep -qx libvirt || gpasswd -d cloche libvirt >/dev/null
}

# libvirt of Debian 12 reads no folder of additional rules for machines, only this local file of the administrator.
let_apparmor() {
    local rules=/etc/apparmor.d/local/abstractions/libvirt-qemu line
    line='include if exists <abstractions/libvirt-qemu.d/cloche>'
    [ -d /sys/kernel/security/apparmor ] && [ -d "${rules%/*}" ] || return 0
    ! grep -qsF '<abstractions/libvirt-qemu.d>' "${rules/local\//}" || return 0
    grep -qsxF "$line" "$rules" || echo "$line" >>"$rules"
}

# Changes the owner of files in the store that a daemon of root, or with another group, has left.
start_unit() {
    systemctl enable -q cloched.service
    systemctl stop cloched.service
    find "$state" -xdev -path "$state/images" -prune -o \( ! -user cloche -o ! -group libvirt-qemu \) \
        -exec chown -h cloche:libvirt-qemu {} +
    rm -rf --one-file-system "$old_ram" "$state"-egress # of earlier versions
    systemctl try-restart cloche-egress.service cloche-resolver.service
    systemctl start cloched.service || die_of_service "the service did not start"
}

# The daemon ends its sandboxes on SIGINT. Stopping the slice ends machines that a killed daemon left.
stop_unit() {
    systemctl disable -q cloched.service
    systemctl kill -s INT cloched.service 2>/dev/null || true
    systemctl stop cloched.service cloche.slice
    systemctl stop run-cloche-ram.mount 2>/dev/null || true # earlier versions have none
    systemctl stop cloche-vm.service cloche-vm.socket
    systemctl stop cloche-{egress,resolver}.{service,socket} 2>/dev/null || true # earlier versions have none
    rm -rf --one-file-system "$state"/{machines,sandboxes}/* /run/cloche{,-vm,-egress/secrets} "$state"-egress
}

# --- the service, without systemd ---

# The RAM of templates is on a file system that only root and the machines' group can search. It stays mounted
# when the daemon is started again, because machines map its files.
mount_ram() {
    rm -rf --one-file-system "$old_ram"
    mkdir -p "$ram"
    mountpoint -q "$ram" ||
        mount -t tmpfs -o mode=0710,size=50%,nr_inodes=10k,nosuid,nodev,noexec cloche-ram "$ram" 2>/dev/null ||
        say "no file system can be mounted here, so the RAM of templates is in $ram on that of /run"
}

# The daemon's child cloche-egress does not run as root.
make_egress_user() {
    id -u cloche-egress >/dev/null 2>&1 ||
        with_progress "creating the user of the network" systemd-sysusers --inline 'u cloche-egress - "Sandbox network"'
}

# Sandboxes survive a restart: the new daemon takes over those of the previous one, even if that was killed.
start_private() {
    mkdir -p "$run/bin"
    ln -sf "$build/src/cli/cloche" "$run/bin/cloche"
    end_process "$run" cloched 60
    cat >"$run/cloched.conf" <<END
[Machines]
Connection=qemu:///embed?root=/run/cloche/libvirt
Group=kvm
[Network]
Proxy=$proxy
[Folders]
State=$state
Run=/run/cloche
Ram=$ram
END
    mount_ram
    make_egress_user
    runs "$run" dbus-daemon || start_bus "$run" || die "dbus-daemon did not start"
    start_daemon "$run" "$build/src/daemon/cloched" && return
    tail -n 20 "$run/cloched.log" | sed 's/^/  /' >&2
    die_of_service "the service did not start; the last lines of its log are above"
}

# Also removes machines and files that a killed daemon has left.
stop_private() {
    local pid children=''
    ! runs "$run" cloched || children=$(pgrep --parent "$(cat "$run/cloched.pid")" || true)
    end_process "$run" cloched 60 INT
    for pid in $children; do
        timeout 10 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
    done
    end_process "$run" dbus-daemon 5
    for pid in $(pgrep -f '^[^ ]*qemu-system-[^ ]* .*/run/cloche/libvirt/'); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    ! mountpoint -q "$ram" || umount --lazy "$ram"
    rm -rf --one-file-system "${state:?}"/{machines,sandboxes}/* /run/cloche "${run:?}/bin"
    rm -f "$run"/bus* "$run/started"
}

# --- the service, with or without systemd ---

# Identifies the daemon and the images. If the output differs from that of the last start, the service must be
# restarted.
build_stamp() {
    stat -L -c '%n %Y %s' "$build"/src/{daemon/cloched,vmd/cloche-vm,egress/cloche-egress} "$state"/images/*/image.conf
}

is_running() {
    if has_systemd; then
        systemctl -q is-active cloched.service
    else
        runs "$run" cloched && runs "$run" dbus-daemon
    fi
}

use_service() {
    if has_systemd; then
        export PATH=/usr/local/bin:$PATH
    else
        export PATH=$run/bin:$PATH DBUS_SYSTEM_BUS_ADDRESS=$bus
    fi
}

make_image() {
    build_image "$state" "$build" "$top/vm-images/$1" >/dev/null ||
        die "the image '$1' could not be built" "fix the error above, then run this again"
}

start_service() {
    if is_running && [ "$(cat "$run/started" 2>/dev/null)" = "$(build_stamp)" ]; then
        return
    fi
    say "starting the service"
    if has_systemd; then start_unit; else start_private 9>&-; fi
    build_stamp >"$run/started"
}

log_hint() {
    if has_systemd; then echo "journalctl -u cloched -n 50"; else echo "less $run/cloched.log"; fi
}

# die_of_service MESSAGE: also prints the problems of the host that cloche doctor finds.
die_of_service() {
    say "$name: $1; cloche doctor --problems reports:"
    "$build/src/cli/cloche" doctor --problems 2>&1 | sed 's/^/  /' >&2 || true
    die "to see the service's log: $(log_hint)" "fix the problems above, then run this again"
}

# Prints the problems of the host even if the example has run, because they can cause failures later.
say_problems() {
    local problems
    problems=$(cloche doctor --problems 2>&1) || say "cloche doctor --problems reports:"$'\n'"$problems"
}

# --- a sandbox ---

prepare_template() {
    cloche run --template "$1" -- true || die_of_service "no sandbox could be created from the template '$1'"
}

say_whether_emulated() {
    local why
    why=$(cloche --json status | python3 -c '
import json, sys
status = json.load(sys.stdin)
error = status["AccelerationError"]
if status["Emulated"]:
    print(f"KVM does not work: {error}" if error else "the processor has no hardware virtualization")')
    [ -z "$why" ] || say "machines are emulated, which is slow and not a security boundary: $why"
}

create_sandbox() {
    sandbox=$(cloche create --timeout 15m --name quickstart) ||
        die_of_service "no sandbox could be created"
}

print_example() {
    cat <<'END'
import platform
import matplotlib.pyplot as plt
import numpy as np

n = 200_000
is_prime = np.ones(n + 1, dtype=bool)
is_prime[:2] = False
for i in range(2, int(n**0.5) + 1):
    if is_prime[i]:
        is_prime[i * i :: i] = False
count = np.cumsum(is_prime)
print(f"Python {platform.python_version()} on host '{platform.node()}', kernel {platform.release()}")
print(f"There are {count[n]} primes below {n}; the last is {np.flatnonzero(is_prime)[-1]}.")

x = np.arange(1000, n + 1, 1000)
plt.figure(figsize=(7, 4))
plt.plot(x, count[x], label="primes up to x")
plt.plot(x, x / np.log(x), label="x / ln x")
plt.title("How many primes there are")
plt.legend(loc="upper left");
END
}

run_example() {
    local charts=$PWD/cloche-charts
    chart=$charts/001.png
    rm -f "$chart"
    print_example | cloche code --sandbox "$sandbox" --save "$charts" - ||
        die_of_service "the example failed"
    [ -s "$chart" ] || die "the example ran, but it saved no chart"
    [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:$SUDO_GID" "$charts" "$chart"
}

print_what_next() {
    local entry
    printf '\nThe chart was saved as %s\n\nDuration of each step:\n' "$chart"
    for entry in "${steps[@]}"; do echo "  $entry"; done
    cat <<END

The service is running, and the sandbox $sandbox ends after 15 minutes. Commands to try, as root:
  eval "\$("$top/quickstart.sh" env)"
  cloche status
  cloche exec $sandbox -- uname -a
  cloche code -c 'import pandas as pd; pd.DataFrame({"x": range(3)}).describe()'
  cloche run -- sh -c 'curl --version; echo \$HOSTNAME'
  busctl call org.cloche1 /org/cloche1 org.cloche1.Manager RunCode 'ssa{sv}' python '6 * 7' 0
  gdbus introspect --system --dest org.cloche1 --object-path /org/cloche1 --recurse
To stop the service: sudo "$top/quickstart.sh" stop
END
}

# --- verbs ---

check_recipe() {
    [ -e "$top/vm-images/$1/recipe.conf" ] ||
        die "there is no recipe '$1'" \
            "available recipes: $(cd "$top/vm-images" && echo */recipe.conf | sed 's|/recipe.conf||g')"
}

# start [RECIPE]
start() {
    local recipe recipes=(python)
    need_root start "$@"
    if [ $# = 1 ]; then
        check_recipe "$1"
        [ "$1" = python ] || recipes+=("$1")
    fi
    mkdir -p "$run"
    exec 9>"$run.lock"
    flock --nonblock 9 || die "another quickstart.sh is running" "wait until it has finished"
    trap end_child EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    # shellcheck disable=SC2086
    step "packages" install_packages $packages_to_build $packages_to_run $packages_for_images \
        $(recipe_packages "${recipes[@]}")
    step "build" install_cloche
    for recipe in "${recipes[@]}"; do step "image $recipe" make_image "$recipe"; done
    use_service
    take_proxy
    step "service" start_service
    for recipe in "${recipes[@]}"; do
        step "template $recipe (once)" prepare_template "$recipe"
    done
    say_whether_emulated
    step "sandbox" create_sandbox
    step "code and chart" run_example
    say_problems
    print_what_next
}

stop() {
    need_root stop
    if has_systemd; then
        [ ! -e /usr/local/lib/systemd/system/cloched.service ] ||
            stop_unit
    else
        stop_private
    fi
    rm -rf --one-file-system "$run" "$run.lock" "$old_ram"
    say "stopped"
}

print_env() {
    is_running || die "the service is not running" "start it: sudo $(printf %q "$0")"
    if has_systemd; then
        echo "export PATH=\"/usr/local/bin:\$PATH\""
    else
        echo "export PATH=\"$run/bin:\$PATH\""
        echo "export DBUS_SYSTEM_BUS_ADDRESS='$bus'"
    fi
}

[ $# -le 1 ] || [ "$# $1" = "2 start" ] || { usage >&2 && exit 2; }
case ${1:-start} in
start) start "${@:2}" ;;
stop) stop ;;
env) print_env ;;
--help | -h | help) usage ;;
*) usage >&2 && exit 2 ;;
esac
