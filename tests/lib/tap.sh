# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tap: checks in shell scripts, printed as TAP.
#
# shellcheck shell=bash

checks=0 bad_checks=0 output=$(mktemp)

# check WHAT COMMAND…: passes if the command succeeds. If it fails, the end of its output is printed.
check() {
    local what=$1 begin=$EPOCHSECONDS status=0
    shift
    checks=$((checks + 1))
    "$@" >"$output.now" 2>&1 </dev/null || status=$?
    [ $((EPOCHSECONDS - begin)) -le 5 ] || echo "# $((EPOCHSECONDS - begin)) s:"
    if [ "$status" = 0 ]; then
        echo "ok $checks - $what"
    else
        bad_checks=$((bad_checks + 1))
        echo "not ok $checks - $what"
        tail -n 40 "$output.now" | sed 's/^/# /'
    fi
    mv "$output.now" "$output"
}

# prints PATTERN COMMAND…: succeeds if the command does, and its output matches the pattern.
prints() {
    local pattern=$1 status=0
    shift
    "$@" >"$output.printed" 2>&1 || status=$?
    cat "$output.printed"
    [ "$status" = 0 ] && grep -q -e "$pattern" "$output.printed"
}

# printed PATTERN: whether the output of the previous check matches.
printed() {
    grep -q -e "$1" "$output"
}

# fails_with PATTERN COMMAND…: succeeds if the command fails, and its output matches the pattern.
fails_with() {
    local pattern=$1
    shift
    if "$@" >"$output.printed" 2>&1; then return 1; fi
    cat "$output.printed"
    grep -q -e "$pattern" "$output.printed"
}

done_testing() {
    rm -f "$output"*
    echo "1..$checks"
    exit $((bad_checks != 0))
}
