#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# generate.sh CODEGEN XML HEADER SOURCE: the interfaces of the XML as GDBus tables.
set -eu
"$1" --interface-info-header --c-namespace cloche --output "$3" "$2"
"$1" --interface-info-body --c-namespace cloche --output "$4" "$2"
