# SPDX-License-Identifier: LGPL-2.1-or-later
#
# npm: packages of the npm registry, each pinned by its version and its checksum.
#
# The npm client of this machine fetches them with its own configuration. It fetches no dependencies
# and runs no scripts of packages.
#
# Callers must define list_items (see recipe.sh).
#
# shellcheck shell=bash

# fetch_npm_packages VALUE PREFIX: fetches the packages of VALUE, the value of Npm= in a recipe. Unpacks each into
# PREFIX/lib/node_modules/NAME and links its commands into PREFIX/bin, as npm install --global does. Prints
# an error if it fails.
fetch_npm_packages() {
    local package integrity folder download=$2.download
    while read -r package integrity; do
        folder=$2/lib/node_modules/${package%@*}
        rm -rf "$download"
        mkdir -p "$download" "$folder" &&
            pack_npm_package "$package" "$download" &&
            check_integrity "$package" "$integrity" "$download"/*.tgz &&
            tar -xzf "$download"/*.tgz --strip-components=1 --no-same-owner -C "$folder" &&
            link_npm_commands "${package%@*}" "$2" || return
    done < <(list_items "$1")
    rm -rf "$download"
}

# Uses a cache in the download folder, so that the cache of the calling user is not modified.
pack_npm_package() {
    (cd "$2" && npm pack --ignore-scripts --cache="$2/cache" --fetch-retry-mintimeout=1000 \
        --fetch-retry-maxtimeout=5000 "$1" </dev/null) && return
    echo "npm cannot fetch $1. 'npm ping' shows whether this machine can reach the registry;"
    echo "'npm config set registry URL' selects another one. Recipes without Npm= do not use npm."
    return 1
}

# check_integrity PACKAGE sha512-BASE64 FILE
check_integrity() {
    local wanted got
    wanted=$(base64 -d <<<"${2#sha512-}" | od -An -v -tx1 | tr -d ' \n')
    got=$(sha512sum <"$3")
    [ "${got%% *}" = "$wanted" ] ||
        { echo "the checksum of npm package $1 differs from the one in the recipe" && return 1; }
}

# link_npm_commands NAME PREFIX
link_npm_commands() {
    local command file
    mkdir -p "$2/bin" || return
    while read -r command file; do
        chmod 755 "$2/lib/node_modules/$1/$file" &&
            ln -sf "../lib/node_modules/$1/$file" "$2/bin/$command" || return
    done < <(/usr/bin/python3 -c '
import json, sys
package = json.load(open(sys.argv[1]))
commands = package.get("bin", {})
if isinstance(commands, str):
    commands = {package["name"].split("/")[-1]: commands}
for command, file in commands.items():
    print(command, file)' "$2/lib/node_modules/$1/package.json")
}
