# SPDX-License-Identifier: LGPL-2.1-or-later
#
# setup: functions that quickstart.sh and tests/run.sh share: installation of Debian packages, the
# build, images, and a private bus with a daemon.
#
# Callers set top (the source tree) and work (a folder for logs). Long commands are run through
# with_progress. A caller traps EXIT with end_child, so that the command ends with the caller.
#
# shellcheck shell=bash disable=SC2154

packages_to_build="gcc libc6-dev meson ninja-build pkgconf libglib2.0-dev libsystemd-dev libseccomp-dev
    libcap-dev libacl1-dev libc-ares-dev libgnutls28-dev libvirt-dev libjson-glib-dev libssl-dev libarchive-dev
    libpng-dev libsixel-dev libreadline-dev libsmartcols-dev python3-docutils"
packages_to_run="qemu-system-x86 qemu-utils libvirt-daemon-system dbus-daemon libglib2.0-bin systemd procps polkitd
    ca-certificates"
packages_for_images="mmdebstrap e2fsprogs cpio xz-utils util-linux python3 apt"
packages_to_test="git ccache clang-format-19 libasan8 libubsan1 slirp4netns python3-gi gjs systemd-container dbus jq acl
    curl iproute2 openssl libvirt-daemon-system-systemd bash-completion zsh man-db
    python3-ipython python3-pip python3-numpy python3-pandas python3-matplotlib python3-pil python3-sympy
    python3-jupyter-client python3-ipykernel r-cran-irkernel nodejs node-typescript"

name=$(basename "$0") bar_is_drawn='' child=''

# --- messages and progress ---

clear_bar() {
    [ -z "$bar_is_drawn" ] || printf '\r\033[K' >&2
    bar_is_drawn=
}

say() {
    clear_bar
    printf '%s\n' "$*" >&2
}

die() {
    say "$name: $1"
    [ $# -lt 2 ] || say "$name: $2"
    exit 1
}

draw_bar() {
    local width=30 percent=$1 bar
    printf -v bar '%*s' $((percent * width / 100)) ''
    printf -v bar '%-*s' "$width" "${bar// /#}"
    bar="$2 [${bar// /.}] $percent %"
    printf '\r%s\033[K' "${bar:0:${COLUMNS:-80}-1}" >&2
    bar_is_drawn=yes
}

# percent_of_log FILE: the progress that ninja or apt has reported in its log, in percent.
percent_of_log() {
    local all=0 done
    read -r done all < <(tail -c 4096 "$1" | tr '\r' '\n' | sed -n \
        -e 's/^\[\([0-9]*\)\/\([0-9]*\)\].*/\1 \2/p' \
        -e 's/^dlstatus:[0-9]*:\([0-9]*\).*/\1 300/p' \
        -e 's/^pmstatus:[^:]*:\([0-9]*\).*/\1 100/p' | tail -n 1) || true
    if [ "${all:-0}" -gt 0 ]; then echo $((done * 100 / all)); else echo 0; fi
}

end_child() {
    [ -z "$child" ] || kill "$child" 2>/dev/null || true
    clear_bar
}

# with_progress WHAT COMMAND…: runs a command with its output in a log. If it fails, shows the last lines of the log.
with_progress() {
    local what=$1 log=$work/step.log
    shift
    "$@" >"$log" 2>&1 </dev/null &
    child=$!
    if [ -t 2 ]; then
        while kill -0 $child 2>/dev/null; do
            draw_bar "$(percent_of_log "$log")" "$what"
            sleep 0.2
        done
    else
        say "$what"
    fi
    if wait $child; then
        child=
        clear_bar
        return
    fi
    child=
    say "$name: failed while $what; the last lines of its output:"
    tail -n 20 "$log" | sed 's/^/  /' >&2
    die "the complete output is in $log" "fix the problem, then run this again"
}

# --- packages ---

missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

# recipe_packages RECIPE…: the packages that building these recipes requires in addition to packages_for_images.
# Debian's npm is not installed if the machine has another npm, because it would replace that one.
recipe_packages() {
    local recipe
    for recipe in "$@"; do
        ! grep -qs '^Npm=' "$top/vm-images/$recipe/recipe.conf" || command -v npm >/dev/null || echo npm
    done
}

apt_install() {
    apt-get -q update &&
        DEBIAN_FRONTEND=noninteractive apt-get -q -y -o APT::Status-Fd=1 -o DPkg::Lock::Timeout=120 \
            install --no-install-recommends "$@"
}

# install_packages PACKAGE…: installs those that are missing. If PID 1 is not systemd, RUNLEVEL=1 prevents packages
# from starting daemons.
install_packages() {
    local missing
    command -v apt-get >/dev/null ||
        die "this host is not Debian: there is no apt-get" "see $top/docs/hosts.md for the requirements of other distributions"
    mapfile -t missing < <(missing_packages "$@")
    has_systemd || export RUNLEVEL=1
    if [ ${#missing[@]} != 0 ]; then
        with_progress "installing ${#missing[@]} packages: ${missing[*]}" apt_install "${missing[@]}"
    elif ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then
        with_progress "updating apt's package lists" apt-get -q update
    fi
    unset RUNLEVEL
}

has_systemd() {
    [ -d /run/systemd/system ] && [ "$(cat /proc/1/comm)" = systemd ]
}

# Prints the other supported release of Debian.
other_suite() {
    (. /etc/os-release && if [ "${VERSION_CODENAME:-}" = trixie ]; then echo bookworm; else echo trixie; fi)
}

# --- build ---

# configure DIR OPTIONS…: does nothing if the folder is configured.
configure() {
    local dir=$1
    shift
    [ -e "$dir/build.ninja" ] || with_progress "configuring the build" meson setup "$dir" "$top" "$@"
}

# build DIR TARGETS OPTIONS…: TARGETS is one argument; "" builds all targets.
build() {
    local dir=$1 targets=$2
    shift 2
    configure "$dir" "$@"
    # shellcheck disable=SC2086
    with_progress "building" ninja -C "$dir" $targets
}

# build_image STORE BUILD RECIPE: RECIPE is a folder. Prints the image's folder. build-image shows its own progress.
build_image() {
    "$top/vm-images/build-image" --store "$1" --agent "$2/src/agent/cloche-agent" \
        --runners "$2/src/runners/runners" "$3"
}

# --- a private bus and daemon ---

# start_bus DIR: starts a bus at DIR/bus for this user only; its pid is in DIR/dbus-daemon.pid.
start_bus() {
    cat >"$1/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$1/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
END
    dbus-daemon --config-file="$1/bus.conf" --fork --print-pid=1 >"$1/dbus-daemon.pid"
}

# start_daemon DIR CLOCHED [VARIABLE=VALUE…]: starts the daemon on that bus with DIR/cloched.conf. Its log is
# DIR/cloched.log, its pid is in DIR/cloched.pid. Returns when the daemon accepts calls.
start_daemon() {
    local dir=$1 cloched=$2
    shift 2
    rm -f "$dir/cloched.pid"
    env "$@" DBUS_SESSION_BUS_ADDRESS="unix:path=$dir/bus" \
        setsid --fork sh -c 'echo $$ >"$1/cloched.pid"; exec "$2" --user --config "$1/cloched.conf"' \
        sh "$dir" "$cloched" </dev/null >"$dir/cloched.log" 2>&1
    until DBUS_SYSTEM_BUS_ADDRESS="unix:path=$dir/bus" busctl status org.cloche1 >/dev/null 2>&1; do
        if [ -s "$dir/cloched.pid" ] && ! is_alive "$dir/cloched.pid"; then
            return 1
        fi
        sleep 0.1
    done
}

is_alive() {
    [ -s "$1" ] && [ -d "/proc/$(cat "$1")" ] && ! grep -q '^State:.Z' "/proc/$(cat "$1")/status"
}

# runs DIR NAME: whether that program runs. False if another program has reused its pid.
runs() {
    is_alive "$1/$2.pid" && [ "$(cat "/proc/$(cat "$1/$2.pid")/comm")" = "$2" ]
}

# end_process DIR NAME SECONDS [SIGNAL]: sends SIGNAL, and SIGKILL if the process has not ended after SECONDS. On INT
# the daemon ends its sandboxes; on TERM (the default) it leaves them to the next daemon.
end_process() {
    local file=$1/$2.pid pid signal=${4:-TERM}
    if runs "$1" "$2"; then
        pid=$(cat "$file")
        kill -$signal "$pid" 2>/dev/null || true
        timeout "$3" tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$file"
}
