#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A build shows its progress: as lines in a file, and as one line that changes on a terminal.

. "$(dirname "$0")/lib.sh"
set_up

must_build
is "lines, and the image on standard output" "$(cat "$tmp/err" "$tmp/out")" \
    "build-image: tiny: fetching linux-image-9.9-cloud
build-image: tiny: installing packages
build-image: tiny: running setup.sh
build-image: tiny: making the disk
build-image: tiny: packing the initrd
build-image: tiny: computing checksums
build-image: tiny: image $(basename "$image") is ready
$image"
is "nothing that moves a cursor" "$(grep -c '[[:cntrl:]]' "$tmp/err")" 0

rm -r "$store"
script --quiet --return --log-out "$tmp/terminal" --command "${command[*]@Q}" </dev/null >/dev/null
is "one line on a terminal, and then the result" \
    "$(grep -av '^Script ' "$tmp/terminal" | sed 's/.*\r\x1b\[K//' | tr -d '\r' | sed '/^$/d')" \
    "build-image: tiny: image $(basename "$image") is ready
$image"

# Percentages of the bar in the order in which they were drawn.
percentages=$(tr '\r' '\n' <"$tmp/terminal" | sed -n 's/^tiny \[#* *\] \([0-9]*\)%.*/\1/p')
is "percentages only grow" "$percentages" "$(sort -n <<<"$percentages")"
is "first" "$(head -n 1 <<<"$percentages")" 0
is "last" "$(tail -n 1 <<<"$percentages")" 95
is "packages move it" "$(($(uniq <<<"$percentages" | wc -l) >= 9))" 1
is "it fits" \
    "$(tr '\r' '\n' <"$tmp/terminal" | sed -n 's/\x1b\[K//; /^tiny/p' | awk 'length > 79' | wc -l)" 0

done_testing
