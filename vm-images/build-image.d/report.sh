# SPDX-License-Identifier: LGPL-2.1-or-later
#
# report: messages and progress, and the handling of errors and interrupts.
#
# On a terminal, progress is one line that is redrawn; otherwise each step prints a line. Long commands
# run in the background in a separate process group, because bash handles signals only between
# commands and in wait. So an interrupt ends the build, with all its processes, immediately.
#
# shellcheck shell=bash

name= log= work= child= step_name= step_begin=0 step_weight=0 percent=0 drawn=

say() {
    clear_bar
    echo "build-image: ${name:+$name: }$*" >&2
}

die() {
    say "$@"
    exit 1
}

# --- progress ---

clear_bar() {
    [ -z "$drawn" ] || printf '\r\033[K' >&2
    drawn=
}

draw_bar() {
    local width=30 bar
    printf -v bar '%*s' $((percent * width / 100)) ''
    printf -v bar '%-*s' "$width" "${bar// /#}"
    bar="$name [$bar] $percent% $step_name"
    [ "$bar" != "$drawn" ] || return 0
    printf '\r%s\033[K' "${bar:0:${COLUMNS:-80}-1}" >&2
    drawn=$bar
}

# step WEIGHT NAME: ends the previous step and begins a new one. WEIGHT is its usual share of the time of
# a build, in percent.
step() {
    skip_step "$1"
    rename_step "$2"
}

skip_step() {
    step_begin=$((step_begin + step_weight))
    step_weight=$1 percent=$step_begin
}

rename_step() {
    step_name=$1
    echo "--- $SECONDS s: $step_name" >>"$log"
    if [ -t 2 ]; then draw_bar; else say "$step_name"; fi
}

# step_progress DONE ALL: sets the progress of the step. The bar never moves back, even if ALL has grown.
step_progress() {
    local done=$1 all=$2 now
    [ -t 2 ] || return 0
    [ "$done" -le "$all" ] || done=$all
    now=$((step_begin + step_weight * done / all))
    [ "$now" -le "$percent" ] || percent=$now
    draw_bar
}

steps_done() {
    rm -rf --one-file-system "$work"
    work=
    say "$1"
}

# --- work in the background ---

in_background() {
    set -m
    "$@" </dev/null &
    child=$!
    set +m
}

finish_background() {
    local status=0
    wait "$child" || status=$?
    child=
    return $status
}

# write_file FILE COMMAND…: writes the output of a command to a file. For run, which writes it to the log.
write_file() {
    local file=$1
    shift
    "$@" >"$file"
}

# Runs a command or function with its output in the log. If it fails, the build fails.
run() {
    in_background "$@" >>"$log" 2>&1
    finish_background || fail
}

# --- the end ---

# Reports the step that failed, and the last lines and the path of the log.
fail() {
    say "failed while $step_name; the last lines of the log:"
    tail -n 20 "$log" | sed 's/^/  /' >&2
    say "the full log is $log"
    exit 1
}

start_work() {
    : >"$log"
    work=$(mktemp -d "$images/.build-XXXXXX")
    chmod 755 "$work"
}

# Sends SIGKILL, because the result is discarded anyway and no process may outlive this script.
clean_up() {
    trap '' HUP INT TERM
    clear_bar
    if [ -n "$child" ]; then
        kill -KILL -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    [ -z "$work" ] || rm -rf --one-file-system "$work"
}

interrupted() {
    clean_up
    [ -z "$work" ] || rm -f "$log"
    say "interrupted"
    trap - EXIT "$1"
    kill "-$1" $$
}

trap clean_up EXIT
for signal in HUP INT TERM; do
    # shellcheck disable=SC2064
    trap "interrupted $signal" "$signal"
done
