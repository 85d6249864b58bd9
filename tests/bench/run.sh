#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run: measures how fast cloche is on this machine, compared with other programs.
#
#   sudo tests/bench/run.sh [--state DIR] [ROUNDS [FILE]]
#
# Builds cloche and its Python image, and starts a private bus and daemon with a pool of six machines. It
# measures ROUNDS (20) claims of each kind, refills, idle machines, starts of the service, and a few rounds
# of streams and processes in one sandbox. Then it measures code in Python and JavaScript and in ipykernel,
# in an image for that purpose, and, for comparison, a cold boot of the same guest, bubblewrap,
# systemd-nspawn, nsenter into a container, cp, and gVisor's runsc. It prints a table with the budgets of
# cloche, and writes the table with all samples and the machine's facts to FILE (bench.json). A figure that
# is too high is not a failure: the status is 0 if everything was measured.
#
# Images and templates are in DIR (/var/lib/cloche), where the quick start has them. No other daemon may use
# DIR meanwhile: sudo ./quickstart.sh stop. A run leaves nothing else, however it ends.
#
# The machine should be idle. On two emulated cores 20 rounds take about 8 minutes.

set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
build=$top/build-bench
client=$build/tests/bench/bench-client
state=/var/lib/cloche
template=python
pool=6
starts=3 boots=5 streams=5
mib=64 # size of each stream
code_mib=96 # size of the output of code: 100 MB
flood_programs="tests/bus/test-bus-flood tests/bus/cloched-fake tests/bus/fake-machine tests/bus/fake-polkit tests/bus/flooder"
work='' ram='' code_state='' container='' leader=''

. "$top/tests/lib/setup.sh"

usage() {
    sed -n '/^#   sudo/,/^$/{s/^# \{0,1\}//;p}' "$0"
}

# --- cleaning up ---

# Also ends the machines of a daemon that was killed.
stop_service() {
    local pid
    end_process "$work" cloched 60 INT
    for pid in $(pgrep -f "^[^ ]*qemu-system-[^ ]* .*$work/run/"); do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

clean_up() {
    trap '' HUP INT TERM
    if [ -n "$child" ]; then
        end_child
        wait "$child" 2>/dev/null || true
    fi
    if [ -n "$container" ]; then
        kill "$container" 2>/dev/null || true
        wait "$container" || true
    fi
    [ -z "$work" ] || stop_service
    [ -z "$work" ] || end_process "$work" dbus-daemon 5
    rm -rf --one-file-system ${work:+"$work"} ${ram:+"$ram"} ${code_state:+"$code_state"}
}

# --- measuring ---

# measure VERB ARGUMENTS…: adds the samples of bench-client to the others.
measure() {
    local status=0
    "$client" "$@" >>"$work/samples" </dev/null &
    child=$!
    wait $child || status=$?
    child=
    return $status
}

# not_measured FIGURE: reports that a comparison is not possible on this machine.
not_measured() {
    say "$name: not measured: $1"
    incomplete=yes
}

start_service() {
    start_daemon "$work" "$build/src/daemon/cloched" TMPDIR="$work" && return
    tail -n 20 "$work/cloched.log" | sed 's/^/  /' >&2
    die "the service did not start; the end of its log is above"
}

# measure_start SAMPLES TEMPLATE: measures a start of the service. The client starts before the service, so it
# misses no event.
measure_start() {
    local status=0
    "$client" start "$2" >>"$1" </dev/null &
    child=$!
    start_service
    wait $child || status=$?
    child=
    [ "$status" = 0 ] || die "the service did not get ready" "$(tail -n 3 "$work/cloched.log")"
}

measure_service() {
    local i
    say "starting the service; a template that is not there is made"
    measure_start /dev/null "$template"
    say "measuring $starts starts of the service"
    for ((i = 0; i < starts; i++)); do
        stop_service
        measure_start "$work/samples" "$template"
    done
    echo "accelerator	$(busctl --address="$bus" get-property org.cloche1 /org/cloche1 \
        org.cloche1.Manager Accelerator | cut -d'"' -f2)" >>"$work/facts"
    say "measuring $rounds rounds of claims, code and refills"
    measure rounds "$template" "$rounds" || die "the service could not be measured"
    say "measuring streams and processes in a sandbox"
    measure inside "$template" "$streams" "$mib" || die "streams could not be measured"
    say "measuring idle machines"
    measure idle "$template" "$ram" || die "idle machines could not be measured"
    stop_service
}

# This needs a separate store, because the template would be visible to users of the other store.
measure_code() {
    code_state=$(mktemp -d /var/tmp/cloche-bench-XXXXXX)
    chgrp libvirt-qemu "$code_state" && chmod 710 "$code_state"
    build_image "$code_state" "$build" "$top/tests/bench/code" >/dev/null || die "there is no image for code"
    write_config "$code_state" 1
    say "making the template for code"
    measure_start /dev/null code
    say "measuring code in warm contexts, beside ipykernel"
    measure code code "$rounds" "$code_mib" || die "code could not be measured"
    stop_service
}

# The service with fake machines and two users, on a bus of its own. The bus tests' program stores what it prints.
measure_floods() {
    say "measuring one user while another floods the service"
    FLOOD_SAMPLES="$work/samples" meson test -C "$build" --no-rebuild bus-flood >"$work/floods.log" 2>&1 </dev/null ||
        die "floods could not be measured" "$(tail -n 3 "$work/floods.log")"
}

# --- comparisons ---

fact() {
    sed -n "s/^$1\t//p" "$work/facts"
}

# image_value KEY: prints a value of the image's description.
image_value() {
    sed -n "s/^$1=//p" "$image/image.conf"
}

# Boots the same kernel with the same parameters, devices and agent. QEMU makes a temporary overlay.
measure_boot() {
    local accelerator words cpu
    words="console=ttyS0 quiet loglevel=1 panic=-1 nowatchdog sysctl.vm.compaction_proactiveness=0"
    words+=" sysctl.vm.stat_interval=60 transparent_hugepage=madvise"
    if [ "$(fact accelerator)" = kvm ]; then
        accelerator=kvm cpu=host
    else
        accelerator=tcg,tb-size=128 cpu=max,erms=off,fsrm=off words+=" mitigations=off tsc=reliable norandmaps"
    fi
    say "measuring cold boots"
    measure boot cold-boot "$boots" "$work/boot" env TMPDIR="$work" qemu-system-x86_64 \
        -nodefaults -no-user-config -display none -serial null -machine q35 -accel "$accelerator" \
        -cpu "$cpu" -smp "$(image_value Vcpus)" -m "$(image_value MemoryMiB)" \
        -kernel "$image/kernel" -initrd "$image/initrd" -append "$words" \
        -drive "file=$image/disk.ext4,format=raw,if=none,id=disk,snapshot=on" \
        -device virtio-blk-pci,drive=disk -device virtio-rng-pci -device virtio-serial-pci \
        -chardev "socket,id=agent,path=$work/boot" \
        -device virtserialport,chardev=agent,name=org.cloche.agent || not_measured "a cold boot"
}

# compare FIGURE OUTPUT COMMAND…
compare() {
    local figure=$1 output=$2
    shift 2
    say "measuring $figure"
    measure command "$figure" "$rounds" "$output" env TMPDIR="$work" "$@" || not_measured "$figure"
}

# Makes a root of links into /usr for nspawn, which refuses the machine's own root.
make_root() {
    local link
    mkdir -p "$work/root/usr" "$work/root/etc"
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/root/$link"; done
}

# compare_rate FIGURE COMMAND…
compare_rate() {
    local figure=$1
    shift
    say "measuring $figure"
    measure rate "$figure" "$streams" "$mib" "$@" || not_measured "$figure"
}

# Returns when nsenter can enter the container; its first process is $leader.
start_container() {
    local tries
    touch "$work/root/etc/bench"
    setpriv --pdeathsig KILL systemd-nspawn --quiet --register=no --keep-unit --private-network --as-pid2 --pipe \
        --directory="$work/root" --bind-ro=/usr sleep infinity </dev/null >"$work/container.log" 2>&1 &
    container=$!
    for ((tries = 0; tries < 100; tries++)); do
        leader=$(pgrep -P "$container") && nsenter -t "$leader" -a test -e /etc/bench 2>/dev/null && return
        sleep 0.1
    done
    return 1
}

# shellcheck disable=SC2016
measure_container() {
    start_container || { not_measured "a container to enter: $(tail -n 1 "$work/container.log")" && return; }
    head -c "${mib}M" /dev/urandom >"$work/data"
    compare nsenter-true '' nsenter -t "$leader" -a true
    compare nsenter-100 '' bash -c 'for ((i = 0; i < 100; i++)); do nsenter -t "$0" -a true & done; wait' "$leader"
    compare_rate cp cp "$work/data" "$work/root/data"
    compare_rate nsenter-up sh -c 'nsenter -t "$0" -a sh -c "cat >/dev/null" <"$1"' "$leader" "$work/data"
    compare_rate nsenter-down sh -c 'nsenter -t "$0" -a cat /data | cat >/dev/null' "$leader"
}

measure_others() {
    local bwrap="bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-all"
    local nspawn="systemd-nspawn --quiet --register=no --keep-unit --private-network --as-pid2 --pipe"
    local runsc="runsc --network=none --ignore-cgroups do"
    make_root
    # shellcheck disable=SC2086
    {
        compare bwrap-true '' $bwrap true
        compare bwrap-python '1\n' $bwrap /usr/bin/python3 -c 'print(1)'
        compare nspawn-true '' $nspawn --directory="$work/root" --bind-ro=/usr true
        compare runsc-true '' $runsc true
        compare runsc-python '1\n' $runsc /usr/bin/python3 -c 'print(1)'
    }
}

# --- the run ---

write_facts() {
    {
        echo "date	$(date --utc +%FT%TZ)"
        echo "cores	$(nproc)"
        echo "cpu	$(sed -n 's/^model name\t*: //p' /proc/cpuinfo | head -n 1)"
        echo "memory-mib	$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))"
        echo "kernel	$(uname -r)"
        echo "load	$(cut -d' ' -f1 /proc/loadavg)"
        echo "qemu	$(qemu-system-x86_64 --version | head -n 1)"
        echo "cloche	$(git -C "$top" describe --always --dirty 2>/dev/null || "$build/src/daemon/cloched" --version)"
        echo "rounds	$rounds"
        echo "pool	$pool"
    } >"$work/facts"
}

# write_config STATE POOL
write_config() {
    cat >"$work/cloched.conf" <<END
[Machines]
Connection=qemu:///embed?root=$work/run/libvirt
Group=libvirt-qemu
AllowEmulation=yes
[Pool]
Target=$2
[Limits]
MemoryMiB=$((1024 * 1024))
[Folders]
State=$1
Run=$work/run
Ram=$ram
END
}

rounds='' output=''
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit ;;
    --state) [ $# -ge 2 ] || die "--state needs a folder" && state=$(readlink -m "$2") && shift ;;
    -*) usage >&2 && exit 2 ;;
    *)
        if [ -z "$rounds" ]; then rounds=$1; elif [ -z "$output" ]; then output=$1; else usage >&2 && exit 2; fi
        ;;
    esac
    shift
done
rounds=${rounds:-20} output=$(readlink -m "${output:-bench.json}")
[[ $rounds =~ ^[1-9][0-9]{0,4}$ ]] || die "'$rounds' is no number of rounds"
[ -d "$(dirname "$output")" ] || die "there is no folder $(dirname "$output")"
[ "$(id -u)" = 0 ] || die "this needs root: sudo tests/bench/run.sh"

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d /run/cloche-bench-XXXXXX)
ram=$(mktemp -d /dev/shm/cloche-bench-XXXXXX)
chmod 711 "$work" # QEMU's user must reach it
bus=unix:path=$work/bus
export DBUS_SESSION_BUS_ADDRESS=$bus
incomplete=''

# shellcheck disable=SC2086
install_packages $packages_to_build $packages_to_run $packages_for_images bubblewrap systemd-container runsc
build "$build" "installed tests/bench/bench-client $flood_programs" \
    --prefix=/usr/local --buildtype=release # as in the quick start, so that its image is used
image=$(build_image "$state" "$build" "$top/vm-images/$template") ||
    die "there is no image" "fix what is reported above, then run this again"
write_facts
write_config "$state" "$pool"
start_bus "$work" || die "dbus-daemon did not start"
measure_service
measure_code
measure_floods
measure_boot
measure_others
measure_container
/usr/bin/python3 "$top/tests/bench/report.py" "$work/facts" "$work/samples" "$output"
[ -z "$incomplete" ]
