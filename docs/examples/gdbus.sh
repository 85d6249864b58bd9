#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Drives a sandbox with gdbus(1), which is part of GLib (Debian's package libglib2.0-bin).
set -eu

# Creates a sandbox with a timeout of two minutes. The reply is its object: (objectpath '/org/cloche1/sandbox/ID',).
sandbox=$(gdbus call --system --dest org.cloche1 --object-path /org/cloche1 \
    --method org.cloche1.Manager.CreateSandbox "{'timeout': <uint64 120>, 'name': <'example'>}" | cut -d "'" -f 2)

call() { # METHOD [VALUE…]
    method=$1
    shift
    gdbus call --system --timeout 3600 --dest org.cloche1 --object-path "$sandbox" \
        --method "org.cloche1.Sandbox.$method" "$@"
}

trap 'call Kill' EXIT

# Run returns exit status, output, error output and details.
call Run "['tr', 'a-z', 'A-Z']" "{'stdin': <'hello'>, 'timeout': <uint64 60>}"

# Writes a file with tee, because WriteFile requires a descriptor, which gdbus cannot pass.
call MakeDirectory notes '{}'
call Run "['tee', 'notes/today.txt']" "{'stdin': <'remember the milk'>}" >/dev/null
call Run "['cat', 'notes/today.txt']" '{}'
call Stat notes/today.txt '{}'
call ListDirectory notes "{'limit': <uint32 100>}"

# The interpreter keeps its state between calls.
call RunCode 'x = 6' '{}' >/dev/null
call RunCode 'x * 7' '{}'

# gdbus prints the name and the message of an error.
call Stat notes/nothing.txt '{}' || echo "gdbus ends with status $?"
