#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The layout of the C sources is that of .clang-format.

top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"
mapfile -t files < <(find "$top/src" "$top/tests" -name '*.[ch]')
check "clang-format changes nothing" clang-format-19 --dry-run --Werror "${files[@]}"
done_testing
