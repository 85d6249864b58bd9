#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Drives a sandbox with busctl(1), which is part of systemd.
set -eu

# Creates a sandbox with a timeout of two minutes. The reply is its object: o "/org/cloche1/sandbox/ID".
sandbox=$(busctl call --system org.cloche1 /org/cloche1 org.cloche1.Manager \
    CreateSandbox 'a{sv}' 2 timeout t 120 name s example | cut -d '"' -f 2)

call() { # METHOD [SIGNATURE VALUE…]
    busctl call --system --timeout=3600 org.cloche1 "$sandbox" org.cloche1.Sandbox "$@"
}

trap 'call Kill' EXIT

# Run returns exit status, output, error output and details. Arrays begin with their length.
call Run 'asa{sv}' 3 tr a-z A-Z 2 stdin s hello timeout t 60

# Writes a file with tee, because WriteFile requires a descriptor, which busctl cannot pass.
call MakeDirectory 'sa{sv}' notes 0
call Run 'asa{sv}' 2 tee notes/today.txt 1 stdin s 'remember the milk' >/dev/null
call Run 'asa{sv}' 2 cat notes/today.txt 0
call --json=short Stat 'sa{sv}' notes/today.txt 0
call --json=short ListDirectory 'sa{sv}' notes 1 limit u 100

# The interpreter keeps its state between calls.
call RunCode 'sa{sv}' 'x = 6' 0 >/dev/null
call --json=short RunCode 'sa{sv}' 'x * 7' 0

# busctl prints only the message of an error; gdbus also prints its name.
call Stat 'sa{sv}' notes/nothing.txt 0 || echo "busctl ends with status $?"
