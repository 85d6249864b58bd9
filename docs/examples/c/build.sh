#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh XML PROGRAM: builds PROGRAM. The XML is installed as PREFIX/share/dbus-1/interfaces/org.cloche1.xml.
# Requires the Debian packages gcc, libc6-dev, pkgconf and libglib2.0-dev.
set -e
source=$(dirname "$0")
generated=$(mktemp -d)
trap 'rm -r "$generated"' EXIT
gdbus-codegen --interface-prefix org.cloche1. --c-namespace Cloche --c-generate-autocleanup all \
    --output-directory "$generated" --generate-c-code cloche-api "$1"
# shellcheck disable=SC2046
cc -g -Wall -I "$generated" -o "$2" "$source/main.c" "$generated/cloche-api.c" \
    $(pkg-config --cflags --libs gio-unix-2.0)
