#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# in-container.sh [OPTION]... COMMAND...
#
# Runs COMMAND as root in the current folder, in a throw-away copy of this machine: an overlay of its
# root whose upper layer is in RAM, with systemd as PID 1 (by systemd-nspawn). All processes inside end
# with the container. Exits with COMMAND's status, or with 125 if the container failed.
#
#   --no-init             a shell is PID 1 instead of systemd
#   --controllers         systemd inside has the host's cgroup controllers, so the kernel enforces
#                         its settings (MemoryMax=, TasksMax=)
#   --root DIR            the root of another system instead of this machine's
#   --keep DIR            keeps written files in DIR; with the same DIR the system boots again
#   --net                 outgoing connections by the machine's network (slirp4netns)
#   --copy DIR            copies that tree over /
#   --bind DIR[:INSIDE]   binds a folder of the machine, as the current folder is bound
#
# Everything is mounted in a mount namespace of this script, so only cgroups can be left; they are removed.

set -eu

arguments=("$@")
init=yes controllers='' lower=/ keep='' net='' copies=() binds=("$PWD")
while :; do
    case ${1:-} in
    --no-init) init='' ;;
    --controllers) controllers=yes ;;
    --root) lower=$2 && shift ;;
    --keep) keep=$2 && shift ;;
    --net) net=yes ;;
    --copy) copies+=("$2") && shift ;;
    --bind) binds+=("$2") && shift ;;
    *) break ;;
    esac
    shift
done

# systemd permits only units with Delegate= to enable controllers for their cgroups.
scope=()
if [ -n "$controllers" ] && [ -d /run/systemd/system ]; then
    scope=(systemd-run --quiet --scope --property=Delegate=yes --)
fi
if [ "${IN_CONTAINER_STAGE:-1}" = 1 ]; then
    IN_CONTAINER_STAGE=2 exec "${scope[@]}" unshare --mount --propagation private -- "$0" "${arguments[@]}"
fi
unset IN_CONTAINER_STAGE

box=/run/box # on a private tmpfs
id=cloche-test-$$ main='' nspawn='' leader='' network='' groups=()

say() {
    echo "in-container: $*" >&2
}

# --- root ---

make_root() {
    local dir layers=${keep:-$box}
    mount -t tmpfs -o mode=755,size=75% tmpfs /run
    mkdir -p $box/root "$layers"/upper/etc/systemd/system "$layers/work"
    chmod 755 "$layers/upper"
    mount -t overlay -o "lowerdir=$lower,upperdir=$layers/upper,workdir=$layers/work" overlay $box/root
    for dir in "${copies[@]}"; do cp -a "$dir/." $box/root/; done
}

# The machine's own services must not start in the copy.
mask_services() {
    local unit
    for unit in "$box"/root/etc/systemd/system/*.target.wants/*.{service,timer}; do
        unit=$(basename "$unit")
        case $unit in dbus* | libvirt* | '*'*) ;; *) ln -sf /dev/null "$box/root/etc/systemd/system/$unit" ;; esac
    done
}

# Nothing waits for a terminal. /tmp is not cleaned, because it may contain the current folder.
quiet_root() {
    local unit
    for unit in console-getty.service systemd-resolved.service; do
        ln -sf /dev/null "$box/root/etc/systemd/system/$unit"
    done
    mkdir -p $box/root/etc/tmpfiles.d
    ln -sf /dev/null $box/root/etc/tmpfiles.d/tmp.conf
}

# --- without an init ---

run_plain() {
    local dir
    mount --rbind /dev $box/root/dev
    mount -t tmpfs -o mode=1777 tmpfs $box/root/dev/shm
    mount -t tmpfs -o mode=755 tmpfs $box/root/run
    mount --rbind /sys $box/root/sys
    for dir in "${binds[@]}"; do
        mkdir -p "$box/root/${dir#*:}"
        mount --bind "${dir%%:*}" "$box/root/${dir#*:}"
    done
    # shellcheck disable=SC2016
    unshare --pid --fork --kill-child --mount-proc=$box/root/proc chroot $box/root \
        /bin/bash -c 'cd "$1"; shift; "$@" & wait $!' sh "$PWD" "$@" &
    main=$!
    wait $main
}

# --- with systemd ---

# With cgroup v1, each controller has its own hierarchy, and the container has a cgroup in each.
make_cgroups() {
    local base=/sys/fs/cgroup memberships line names path parent
    [ -d $base/unified ] || base=/sys/fs
    mapfile -t memberships </proc/self/cgroup
    for line in "${memberships[@]}"; do
        IFS=: read -r _ names path <<<"$line"
        case $names in
        '') parent=$base/$([ -d $base/unified ] && echo unified || echo "cgroup$path") ;;
        name=systemd) parent=$base/systemd$path ;;
        *) parent=${controllers:+$base/$names$path} ;;
        esac
        [ -d "$parent" ] || continue
        make_cgroup "${parent%/}"
    done
    [ -z "$controllers" ] || have_memory_controller ||
        { say "the memory controller is missing" && exit 125; }
}

make_cgroup() {
    local group=$1/$id name
    [ -z "$controllers" ] || give_controllers "$1"
    mkdir "$group"
    groups+=("$group")
    [ -e "$group/cpuset.cpus" ] && [ -e "$group/cgroup.clone_children" ] || return 0
    # A new cpuset of cgroup v1 has no processor, and no process may enter it until it has.
    for name in cpus mems; do cat "$1/cpuset.$name" >"$group/cpuset.$name"; done
    echo 1 >"$group/cgroup.clone_children"
}

# give_controllers CGROUP: enables all controllers for the children of a cgroup v2. Then the cgroup itself may
# contain no process, unless it is the root. Below systemd this script is alone in its scope, and systemd removes
# the scope's cgroups.
give_controllers() {
    local names=''
    [ ! -e "$1/cgroup.controllers" ] || names=$(<"$1/cgroup.controllers")
    [ -n "$names" ] || return 0
    if [ ${#scope[@]} != 0 ]; then
        mkdir "$1/script"
        echo 0 >"$1/script/cgroup.procs"
    fi
    echo "+${names// / +}" >"$1/cgroup.subtree_control" || true
}

have_memory_controller() {
    local group
    for group in "${groups[@]}"; do
        [ ! -e "$group/memory.limit_in_bytes" ] && [ ! -e "$group/memory.max" ] || return 0
    done
    return 1
}

# Called in the shell that becomes the container.
enter_cgroups() {
    local group
    for group in "${groups[@]}"; do echo 0 >"$group/cgroup.procs"; done
}

remove_cgroups() {
    local group tries
    for group in "${groups[@]}"; do
        [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
        for ((tries = 0; tries < 50; tries++)); do
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
            sleep 0.1
        done
    done
}

clean_up() {
    trap '' INT TERM HUP EXIT
    [ -z "$network" ] || kill "$network" 2>/dev/null || true
    [ -z "$main" ] || kill -KILL "$main" 2>/dev/null || true # and with it all processes inside it
    if [ -n "$nspawn" ] && kill -TERM "$nspawn" 2>/dev/null; then
        timeout 15 tail --pid="$nspawn" -f /dev/null || kill -KILL "$nspawn" 2>/dev/null || true
    fi
    remove_cgroups
}

# nspawn mounts hierarchies of cgroup v1 read-only. libvirt makes no scopes in a unified hierarchy without
# controllers, so the file that lists them is replaced.
write_init() {
    echo hugetlb >$box/root/.controllers
    cat >$box/root/.init <<'END'
for d in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$d" 2>/dev/null; done
f=/sys/fs/cgroup/cgroup.controllers
if [ -e $f ] && [ -z "$(cat $f)" ]; then mount --bind /.controllers $f; fi
exec setpriv --pdeathsig KILL /lib/systemd/systemd
END
}

# systemd-run expands $ in arguments, so the command is in a file.
write_command() {
    {
        printf 'cd %q && ( ' "$PWD"
        printf '%q ' "$@"
        printf ')\necho $? >/.status\n'
    } >$box/root/.command
    rm -f $box/root/.status
}

boot() {
    local dir options=() state='' tries
    for dir in "${binds[@]}"; do options+=(--bind="$dir"); done
    export SYSTEMD_SECCOMP=0
    [ -n "$controllers" ] || export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    { enter_cgroups && exec setsid setpriv --pdeathsig KILL systemd-nspawn \
        --quiet --directory=$box/root --machine="$id" --register=no --keep-unit --private-network \
        --link-journal=no --resolv-conf=off --timezone=off --capability=all \
        --drop-capability=CAP_SYS_TIME,CAP_SYS_MODULE,CAP_SYS_RAWIO --console=read-only \
        --kill-signal=SIGRTMIN+3 "${options[@]}" /bin/sh /.init; } </dev/null >$box/console 2>&1 &
    nspawn=$!
    for ((tries = 0; tries < 600; tries++)); do
        kill -0 "$nspawn" 2>/dev/null || break
        read -r leader _ <"/proc/$nspawn/task/$nspawn/children" || true
        [ -z "$leader" ] || state=$(nsenter -t "$leader" -a systemctl is-system-running 2>/dev/null) || true
        case $state in running | degraded) return ;; esac
        sleep 0.1
    done
    say "systemd did not boot (${state:-no answer})"
    cat $box/console >&2
    exit 125
}

# The container keeps its own network, which gets outgoing connections only.
connect() {
    local tries
    slirp4netns --configure --mtu=1500 --disable-host-loopback "$leader" tap0 >$box/slirp.log 2>&1 &
    network=$!
    for ((tries = 0; tries < 100; tries++)); do
        ! nsenter -t "$leader" -a ip addr show tap0 2>/dev/null | grep -q 'inet ' || break
        sleep 0.1
    done
    echo "nameserver 10.0.2.3" >$box/root/etc/resolv.conf
}

run_with_systemd() {
    make_cgroups
    [ "$lower" != / ] || mask_services
    quiet_root
    write_init
    write_command "$@"
    boot
    [ -z "$net" ] || connect
    nsenter -t "$leader" -a -- systemd-run --quiet --wait --collect --pipe --unit=command \
        -E HOME=/root -E PATH="$PATH" /bin/bash /.command &
    wait $! || true
    # systemd-run waits on the bus, and a test may restart the bus.
    while nsenter -t "$leader" -a -- systemctl -q is-active command.service 2>/dev/null; do
        sleep 0.2
    done
    [ -s $box/root/.status ] || { say "the container ended before the command" && exit 125; }
    exit "$(cat $box/root/.status)"
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
make_root
if [ -n "$init" ]; then run_with_systemd "$@"; else run_plain "$@"; fi
