#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh XML PROGRAM: the installed XML is PREFIX/share/dbus-1/interfaces/org.cloche1.xml.
# Packages in Debian: gcc libc6-dev pkgconf libglib2.0-dev
set -e
source=$(dirname "$0")
generated=$(mktemp -d)
trap 'rm -r "$generated"' EXIT
gdbus-codegen --interface-prefix org.cloche1. --c-namespace Cloche --c-generate-autocleanup all \
    --output-directory "$generated" --generate-c-code cloche-api "$1"
# shellcheck disable=SC2046
cc -g -Wall -I "$generated" -o "$2" "$source/main.c" "$generated/cloche-api.c" \
    $(pkg-config --cflags --libs gio-unix-2.0)
